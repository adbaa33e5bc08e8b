"""A task made of rows: its examples, its labels and how answers are compared."""

import dataclasses
import hashlib
import logging
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from spot_jax.errors import InputError
from spot_jax.rows import answers, files
from spot_jax.rows.files import Row
from spot_jax.rows.template import Template

logger = logging.getLogger(__name__)

# Of rows without any for validation, one in so many is set aside.
_ONE_IN = 10
# What a column may hold; the rest is refused where a template is filled.
_KINDS = {"a text": (str,), "a number": (int, float), "a truth value": (bool,)}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How rows become examples; what the header of a prompt keeps.

    Attributes:
        input: the template of inputs: "mood: {text}".
        target: that of targets: "{label}"; None where rows are only answered.
        labels: the labels, as text; None finds them, () says that answers are free.
        metric: a name of `answers.METRICS`; None chooses one.
    """

    input: str
    target: str | None = None
    labels: Sequence[str] | None = None
    metric: str | None = None


class Example(NamedTuple):
    """A row as text.

    Attributes:
        input: what the model is asked.
        target: what it should answer; "" where that is not known.
        where: the row, for messages.
    """

    input: str
    target: str
    where: str


@dataclasses.dataclass(frozen=True)
class RowsTask:
    """Rows of one's own as a task.

    Attributes:
        name: of the task.
        recipe: with labels and metric as they were found.
        examples: {split: its examples}.
        metric: how answers are compared.
    """

    name: str
    recipe: Recipe
    examples: Mapping[str, Sequence[Example]]
    metric: answers.Metric

    @property
    def labels(self) -> tuple[str, ...]:
        """The class labels, () where answers are free."""
        return tuple(self.recipe.labels or ())

    # What evaluation asks a task of SeqIO for; it has no other kinds of metrics.
    predict_with_aux_metric_fns = score_metric_fns = metric_objs = ()
    output_features: ClassVar[Mapping[str, Any]] = types.MappingProxyType({})

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of its splits."""
        return tuple(self.examples)

    @property
    def metric_fns(self) -> tuple[Callable, ...]:
        """All metric functions, of (targets, predictions)."""
        return self.metric.functions

    predict_metric_fns = metric_fns

    @property
    def postprocess_fn(self) -> Callable[..., Any]:
        """From a text to what the metrics compare."""
        return self.metric.postprocess


def read_task(name: str, paths: Mapping[str, str], recipe: Recipe) -> RowsTask:
    """Reads the files of a task.

    Args:
        name: of the task.
        paths: {split: file}.
        recipe: how rows become examples.

    Raises:
        InputError: when a file cannot be read, does not have the template's columns,
            or has rows that cannot be learned from; see the parts.
    """
    rows = {split: files.read(path) for split, path in paths.items()}
    inputs = Template(recipe.input, "--input")
    targets = None if recipe.target is None else Template(recipe.target, "--target")
    for split, path in paths.items():
        for template in filter(None, (inputs, targets)):
            template.check(list(rows[split][0].cells), path)
            _check_kinds(rows[split], template)
    found = {
        split: [_example(row, inputs, targets) for row in rows[split]] for split in rows
    }
    learned = [example.target for example in found.get("train", ()) if example.target]
    if "train" in found and "validation" not in found:
        found = _set_aside(name, found)
    _warn_of_shared(name, found)
    return _with_answers(name, recipe, found, learned)


def _check_kinds(rows: Sequence[Row], template: Template) -> None:
    """Refuses columns of texts and of numbers: 1 and "1" would be one label, true none.

    Rows of csv and tsv files are all text.
    """
    for column in template.columns:
        firsts: dict[str, Row] = {}
        for row in rows:
            for kind, types_of in _KINDS.items():
                if type(row.cells[column]) in types_of:
                    firsts.setdefault(kind, row)
        if len(firsts) > 1:
            (kind, one), (other_kind, other), *_ = firsts.items()
            raise InputError(
                f"{other.where}: {column!r} is {other.cells[column]!r}, {other_kind}, "
                f"and {one.cells[column]!r}, {kind}, in {one.where}. Write all of the "
                "column as texts, or all as numbers."
            )


def _example(row: Row, inputs: Template, targets: Template | None) -> Example:
    target = targets.fill(row) if targets else ""
    if targets and not target.strip():
        raise InputError(
            f"{row.where} has no answer: {targets.text!r} is empty there. Mend the "
            "row, or leave it out."
        )
    return Example(inputs.fill(row), target, row.where)


def _set_aside(name: str, found: Mapping[str, Sequence[Example]]) -> dict:
    """Takes a fixed part of the training rows for validation.

    A row's input alone decides: more rows change nothing for those that were there, and
    what is there twice is on one side.
    """
    ordered = sorted(set(e.input for e in found["train"]), key=_digest)
    if len(ordered) < 2:
        raise InputError(
            f"{name} has one input for training, and none for validation. Give more "
            "rows, or --rows validation=FILE."
        )
    aside = {text for text in ordered if int(_digest(text), 16) % _ONE_IN == 0}
    # Of few rows it may be none, or all.
    if not aside or len(aside) == len(ordered):
        aside = set(ordered[: max(1, len(ordered) // _ONE_IN)])
    train = [e for e in found["train"] if e.input not in aside]
    validation = [e for e in found["train"] if e.input in aside]
    others = ", ".join(split for split in found if split != "train")
    logger.info(
        "%s: no rows for validation were given%s, so %d of %d are set aside for it.",
        *(name, f", only for train and {others}" if others else ""),
        *(len(validation), len(found["train"])),
    )
    return {**found, "train": train, "validation": validation}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _warn_of_shared(name: str, found: Mapping[str, Sequence[Example]]) -> None:
    trained = {example.input for example in found.get("train", ())}
    for split, examples in found.items():
        shared = sum(example.input in trained for example in examples)
        if split != "train" and shared:
            logger.warning(
                "%s: %d of %d inputs of %s are among the training rows: scores will "
                "be better than on new ones.",
                *(name, shared, len(examples), split),
            )


def _with_answers(
    name: str,
    recipe: Recipe,
    found: Mapping[str, Sequence[Example]],
    learned: Sequence[str],
) -> RowsTask:
    """Finds labels and metric where they are not given, and checks those that are."""
    labels = recipe.labels
    if labels is None:
        labels = answers.labels_in(learned) if learned else ()
        if labels:
            told = ", ".join(map(repr, labels))
            logger.info("%s: %d labels were found: %s.", name, len(labels), told)
    labels = tuple(labels)
    if recipe.target is not None:
        _check_labels(name, labels, found, learned)
    metric = recipe.metric
    if metric is None:
        metric = answers.chosen(learned, labels) if learned else "loss"
        logger.info("%s: answers are compared by %s (--metric).", name, metric)
    of_name = answers.metric_of(metric, labels, learned)
    whole = dataclasses.replace(recipe, labels=labels, metric=metric)
    return RowsTask(name, whole, found, of_name)


def _check_labels(
    name: str,
    labels: tuple[str, ...],
    found: Mapping[str, Sequence[Example]],
    learned: Sequence[str],
) -> None:
    alone = set(learned) if learned and labels else set(labels)
    if len(alone) == 1:
        raise InputError(
            f"{name} has one label alone, {alone.pop()!r}: there is nothing to tell "
            "apart. Give rows of other labels as well."
        )
    for example in (e for examples in found.values() for e in examples):
        if labels and example.target not in labels:
            raise InputError(
                f"{example.where}: {example.target!r} is none of the labels "
                f"{', '.join(map(repr, labels))}. Mend the row, or give all labels: "
                "--labels a,b (an empty --labels makes answers free)."
            )
    trained = {example.target for example in found.get("train", ())}
    absent = [label for label in labels if label not in trained]
    if trained and absent:
        logger.warning(
            "%s: no training row has the answer %s: it cannot be learned.",
            *(name, " or ".join(map(repr, absent))),
        )
