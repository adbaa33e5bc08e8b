"""What is asked: texts, and which prompts answer them."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from spot_jax.api.prompt import AnyPrompt, Prompt, as_prompt
from spot_jax.errors import InputError
from spot_jax.prompts.files import SavedPrompt
from spot_jax.rows.files import Row
from spot_jax.scoring.forms import Form

# A text, or what a prompt's template is filled with.
Text = str | Mapping[str, Any]
# Tokens of an answer, where no prompt says how long its are.
_ANSWER = 64


def bank_of(
    texts: Sequence[Text],
    prompt: AnyPrompt | None,
    prompts: Sequence[AnyPrompt] | None,
) -> tuple[list[SavedPrompt], list[int]]:
    """Returns the different prompts of a call, and which of them each text asks.

    Raises:
        InputError: when that is not said, or said twice.
    """
    if isinstance(texts, str | Mapping):
        raise InputError(f"texts is {texts!r}; give a list, [text], of one or more.")
    if not isinstance(texts, Sequence) and not hasattr(texts, "__len__"):
        raise InputError("texts can be gone through only once; give a list of them.")
    if prompts is None:
        saved = [] if prompt is None else [as_prompt(prompt).saved]
        return saved, [0] * len(texts)
    if prompt is not None or isinstance(prompts, str | os.PathLike | Prompt):
        raise InputError(
            "Give one prompt for all texts (prompt=p), or one for each (prompts=[p, "
            "q, p])."
        )
    if len(prompts) != len(texts):
        raise InputError(
            f"There are {len(texts)} texts and {len(prompts)} prompts; prompts= names "
            "one for each text."
        )
    for one in prompts:
        if not isinstance(one, str | os.PathLike | Prompt):
            as_prompt(one)
    # An object is itself, a file its path.
    keys = [id(p) if isinstance(p, Prompt) else p for p in prompts]
    place_of = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    first_of = {key: prompts[keys.index(key)] for key in place_of}
    saved = [as_prompt(prompt).saved for prompt in first_of.values()]
    return saved, [place_of[key] for key in keys]


def filled(form: Form, text: Text, number: int) -> str:
    """Returns a text or a row in the form of its prompt.

    Args:
        form: how the prompt is asked.
        text: what it is asked.
        number: of the text, for messages.

    Raises:
        InputError: when it does not fill the template.
    """
    where = f"texts[{number}]"
    if isinstance(text, str):
        if len(form.columns) > 1:
            raise InputError(
                f"{where} is one text, and {form.name} is asked about "
                f"{', '.join(form.columns)}. Give a row: "
                f"{dict.fromkeys(form.columns, '...')}."
            )
        return form.text_of(text)
    if not isinstance(text, Mapping) or form.template is None:
        needs = "a text or a row" if form.template else "a text: it has no template"
        raise InputError(f"{where} is {text!r}, and {form.name} is asked {needs}.")
    return form.text_of(Row(where, dict(text)))


def check_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Returns labels, of which there have to be some.

    Raises:
        InputError: when they are none, or no texts.
    """
    found = () if isinstance(labels, str | Prompt) else tuple(labels)
    if not found or not all(isinstance(label, str) and label for label in found):
        raise InputError(
            f"The labels to choose among are {labels!r}; give a list of texts, "
            "labels=['good', 'bad'], or prompts that were trained on labelled rows."
        )
    return found


def longest_answer(saved: Sequence[SavedPrompt]) -> int:
    """Returns how many tokens hold the answers of all prompts, as their headers say."""
    told = [(prompt.story.get("rows") or {}).get("lengths") or {} for prompt in saved]
    return max((lengths.get("targets", _ANSWER) for lengths in told), default=_ANSWER)
