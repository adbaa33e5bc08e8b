"""What the header of a prompt's file says: its story, of known types.

Whoever wrote the file wrote its header, so nothing in it is taken on trust: what is
known is checked, and the rest is kept as it is.
"""

import json
import math
import pathlib
import re
import typing
import unicodedata
from collections.abc import Mapping
from typing import Any, TypedDict

from spot_jax import reading
from spot_jax.errors import InputError
from spot_jax.reading import printable

FORMAT = "spot_jax prompt 1"
MODES = {
    "hidden_mode": ("replace", "add"),
    "bias_mode": ("zero", "contiguous"),
    # Any range of layers, "16:24".
    "layers": (),
}
# As Python slices: "16:24", ":2", "-1:".
RANGE = re.compile(r"(-?\d+)?:(-?\d+)?", re.ASCII)
_CURE = "Copy the file again from where it was written."
# A file system takes no more.
_LONGEST_NAME = 200
# Of paths; messages and tables would drown in more.
_LONGEST_WORD = 2000


class ModelStory(TypedDict, total=False):
    """Which frozen model a prompt is of; see model_dir/made_for.py."""

    fingerprint: str | None
    source: str | None
    earlier_fingerprint: str | None


class VocabularyStory(TypedDict, total=False):
    """With which vocabulary a prompt was trained."""

    fingerprint: str | None
    path: str | None
    extra_ids: int | None
    # Where <extra_id_0> stood before every target.
    sentinel: bool | None


class RowsStory(TypedDict, total=False):
    """How rows of one's own became examples; rows/task.py has what the words mean."""

    input: str
    target: str | None
    labels: list[str] | None
    metric: str | None
    lengths: dict[str, int] | None


class HeadStory(TypedDict):
    """What a head tells apart; see prompts/heads.py."""

    kind: str
    classes: list[str]


class Story(TypedDict, total=False):
    """What is known of a prompt; `prompts/entry.py` explains the values."""

    name: str | None
    task: str | None
    seed: int | None
    kind: str | None
    step: int | None
    results: dict[str, dict[str, float | None]] | None
    score: float | None
    model: ModelStory | None
    vocabulary: VocabularyStory | None
    rows: RowsStory | None
    head: HeadStory | None
    diverged: int | None
    configuration: str | None


_KINDS = typing.get_type_hints(Story)


def written(story: Mapping[str, Any]) -> dict[str, str]:
    """Returns a story as safetensors keeps it: JSON by key."""
    said = {key: reading.as_json(value, None) for key, value in story.items()}
    return {"format": FORMAT} | said


def read(metadata: Mapping[str, str], path: str) -> dict[str, Any]:
    """Returns the story that the metadata of a safetensors file tells.

    Args:
        metadata: of the file; other programs have words of their own there.
        path: of the file, for the message.

    Returns:
        The values that are there, among them those of MODES.

    Raises:
        InputError: when the file is of another version of spot_jax, or a value is of
            another type than it has to be.
    """
    metadata = dict(metadata)
    # "pt" and the like are other programs' words for safetensors itself.
    kept = metadata.pop("format", "")
    if kept.startswith("spot_jax") and kept != FORMAT:
        raise InputError(
            f"{path} has the format {printable(kept)!r}, this version reads "
            f"{FORMAT!r}. Read it with the version of spot_jax that wrote it."
        )
    story = {}
    for key, text in metadata.items():
        try:
            value = _value(key, text, path)
        except InputError:
            if key in MODES or (key in _KINDS and kept == FORMAT):
                raise
            # Another program's word: text, or of no use here.
            value = None if key in _KINDS else text
        if value is not None or key not in _KINDS:
            story[key] = value
    check(story, path)
    return story


def _value(key: str, text: str, path: str) -> Any:
    where = f"The {printable(key)} in the header of {path}"
    if key not in MODES:
        parse(text, _KINDS.get(key, object), where, _CURE)
        # As it is, with what later versions may have put into it.
        return parse(text, object, where, _CURE)
    value = parse(text, str, where, _CURE)
    is_one = value in MODES[key] if MODES[key] else RANGE.fullmatch(value)
    if not is_one:
        there = " and ".join(MODES[key]) or "ranges such as '16:24'"
        raise InputError(
            f"{path} has the {key} {printable(value, 60)!r}; there are {there}. {_CURE}"
        )
    return value


def parse(text: str, kind: Any, where: str, cure: str) -> Any:
    """Returns JSON as `reading.parse_json` does; NaN, which we once wrote, is null.

    Raises:
        InputError: see `reading.parse_json`.
    """
    if "NaN" in text or "Infinity" in text:
        try:
            text = json.dumps(json.loads(text, parse_constant=lambda _: None))
        except (ValueError, RecursionError):
            pass  # parse_json says what is wrong.
    return reading.parse_json(text, kind, where, cure)


def check(story: dict[str, Any], where: str) -> None:
    """Refuses names that cannot be names; metrics that are null become NaN.

    Args:
        story: of known types.
        where: which file or folder tells it, for the message.

    Raises:
        InputError: when a name has characters that no name has, or leads elsewhere.
    """
    results = story.get("results") or {}
    for values in results.values():
        values |= {key: math.nan for key, value in values.items() if value is None}
    model = story.get("model") or {}
    told = [story.get(key) for key in ("name", "task", "kind")]
    told += [word for word in model.values() if isinstance(word, str)]
    told += [*results, *(metric for values in results.values() for metric in values)]
    for word in told:
        if word and not (_is_word(word) and len(word) <= _LONGEST_WORD):
            raise InputError(
                f"{where} has a header with the word {printable(word, 60)!r}, which no "
                f"file of a run has. {_CURE}"
            )
    name = story.get("name")
    if name is not None and not is_file_name(name):
        raise InputError(
            f"{where} calls itself {printable(name, 60)!r}, which cannot name a file "
            f"or folder. Write it again with a name without slashes, of at most "
            f"{_LONGEST_NAME} characters."
        )


def is_file_name(name: str) -> bool:
    """Whether a name names something in a folder, and nothing outside."""
    is_one = pathlib.PurePath(name).name == name and name not in ("", ".", "..")
    return is_one and _is_word(name) and len(name) <= _LONGEST_NAME


def _is_word(text: str) -> bool:
    """Whether text is of one line, and no character of it commands a terminal."""
    kinds = {"Cc", "Cs", "Zl", "Zp"}
    return not any(unicodedata.category(character) in kinds for character in text)
