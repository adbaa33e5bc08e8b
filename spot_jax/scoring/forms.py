"""How prompts are asked: the template, labels and lengths that a header tells."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from spot_jax.errors import InputError
from spot_jax.prompts.files import SavedPrompt
from spot_jax.rows.files import Row
from spot_jax.rows.template import Template

_EXAMPLE_LENGTHS = "\"{'inputs': 512, 'targets': 8}\""


@dataclasses.dataclass(frozen=True)
class Form:
    """How one prompt is asked.

    Attributes:
        name: of the prompt's file, for messages.
        template: what makes a text of a row; None: text is asked as it is.
        labels: that are ranked; () where nobody tells any.
        lengths: the longest inputs and targets, EOS included.
    """

    name: str
    template: Template | None
    labels: tuple[str, ...]
    lengths: Mapping[str, int]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that its template has; () without one."""
        return self.template.columns if self.template else ()

    def text_of(self, asked: str | Row) -> str:
        """Returns a line, which fills the one column there is, or a row as text.

        Raises:
            InputError: when the row lacks a column, or has no text or number there.
        """
        if self.template is None:
            return asked
        if isinstance(asked, str):
            return self.template.fill(Row("", dict.fromkeys(self.columns, asked)))
        self.template.check(asked.cells, asked.where)
        return self.template.fill(asked)


def forms_of(
    saved: Sequence[SavedPrompt],
    told: Mapping[str, Any],
    lengths: Mapping[str, int] | None,
    labels: Sequence[str],
    task: str | None,
) -> list[Form]:
    """Returns the form of each prompt, or of the model where there is no prompt.

    Args:
        saved: the prompts.
        told: what the run says of rows, "input" and "labels"; it counts before what a
            header says.
        lengths: TASK_FEATURE_LENGTHS; they count before those of a header.
        labels: of `task`, or CLASS_LABELS, for prompts whose header tells none.
        task: the task whose form the text has, for prompts without a template.

    Raises:
        InputError: when a prompt says nothing of its template or lengths, and the run
            does not either.
    """
    stories = [(prompt.path, prompt.story) for prompt in saved]
    return [
        _form(name, story, told, lengths, labels, task)
        for name, story in stories or [("The model alone", {})]
    ]


def _form(
    name: str,
    story: Mapping[str, Any],
    told: Mapping[str, Any],
    lengths: Mapping[str, int] | None,
    labels: Sequence[str],
    task: str | None,
) -> Form:
    header = story.get("rows") or {}
    template = _template(name, header, told)
    trained_on = story.get("task") or "sst2"
    cure = f"--gin.MIXTURE_OR_TASK_NAME={trained_on}"
    if template is None and task is None:
        raise InputError(
            f"{name} tells no template of rows, and no task is named: nobody can say "
            f"what form its inputs have. Name the task whose form your text has, "
            f"{cure} --gin.TASK_FEATURE_LENGTHS={_EXAMPLE_LENGTHS}, or give rows with "
            'a template: --rows test=FILE --input "mood: {text}".'
        )
    lengths = lengths or header.get("lengths")
    if not lengths or min(lengths.get(f, 0) for f in ("inputs", "targets")) < 1:
        raise InputError(
            f"{name} tells no lengths, and none are given. Give them: "
            f"--gin.TASK_FEATURE_LENGTHS={_EXAMPLE_LENGTHS}."
        )
    ranked = told.get("labels")
    if ranked is None:
        ranked = header.get("labels") or labels
    return Form(name, template, tuple(ranked), lengths)


def _template(
    name: str, header: Mapping[str, Any], told: Mapping[str, Any]
) -> Template | None:
    if told.get("input"):
        return Template(told["input"], "--input")
    if header.get("input"):
        return Template(header["input"], f"The template of {name},")
    return None


def check_labels(
    saved: Sequence[SavedPrompt], labels: Sequence[str], whose: str
) -> None:
    """Refuses labels for ranking that are given, and that no prompt would rank.

    Args:
        saved: the prompts.
        labels: of a task that is named, or CLASS_LABELS; () where there are none.
        whose: where the labels are from, for the message.

    Raises:
        InputError: when all prompts tell labels of their own, and one tells others.
    """
    own = [(prompt.story.get("rows") or {}).get("labels") for prompt in saved]
    if not labels or not all(own) or not own:
        return
    for prompt, of_header in zip(saved, own, strict=True):
        if set(of_header) != set(labels):
            raise InputError(
                f"{whose} has the labels {', '.join(map(repr, labels))}, and "
                f"{prompt.path} was trained to answer "
                f"{', '.join(map(repr, of_header))}. Leave out {whose}, or choose "
                "the labels for these rows: --rows test=FILE --labels a,b."
            )
