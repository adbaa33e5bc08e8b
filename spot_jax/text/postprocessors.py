"""From a decoded text, or a true target, to the value that a metric compares.

SeqIO calls each with the text, the example it belongs to and whether the text is the
example's true target. TensorFlow is not needed here.
"""

import math
import re
from collections.abc import Mapping, Sequence

from spot_jax.text import tagging

# What stands in place of a target that is not told (see preprocessors.py), and what an
# answer counts as that is none, in the t5 library too. A hidden target counts as the
# latter: data/eval_tasks.py lets none be compared.
HIDDEN = "<unk>"
INVALID = -1

# Words that do not decide what a pronoun refers to.
_DETERMINERS = frozenset(
    "a an few her his each every many much my our some that the their these this those "
    "which whose your".split()
)


def label_index(
    text: str,
    labels: Sequence[str],
    example: Mapping | None = None,
    is_target: bool = False,
) -> int:
    """Returns the class of a label: `"positive"` -> 1; -1 for any other text."""
    return labels.index(text) if text in labels else INVALID


def number(text: str, example: Mapping | None = None, is_target: bool = False) -> float:
    """Returns the number written in a text: `"3.4"` -> 3.4; -1.0 for any other.

    Python would read more than people write: "nan", "inf", "1_0", foreign digits.
    """
    is_plain = text.isascii() and "_" not in text
    try:
        value = float(text) if is_plain else math.nan
    except ValueError:
        value = math.nan
    return value if math.isfinite(value) else float(INVALID)


def plain(text: str, example: Mapping | None = None, is_target: bool = False) -> str:
    """Returns the text itself."""
    return text


def words(text: str, example: Mapping | None = None, is_target: bool = False) -> str:
    """Returns the words of a choice: `"We don't know."` -> `"we don t know"`.

    A choice is right when its words are. Spaces, capitals and punctuation do not count,
    as the published vocabulary cannot write all of them (line breaks, braces). Of a
    text without words they do: `"?!"` is no empty answer.
    """
    return " ".join(re.findall(r"\w+", text.lower())) or text.strip()


def named(
    text: str,
    names: Sequence[str],
    example: Mapping | None = None,
    is_target: bool = False,
) -> tuple[str, ...]:
    r"""Returns the names in a text: `"joy \n love"` -> `("joy", "love")`.

    What stands between them does not count: the published vocabulary has no backslash.
    A text that names none of them says something else: `"sad"` -> `("sad",)`.
    """
    found = tuple(name for name in names if name in text.split())
    return found or tuple(text.split())


def answers(
    text: str, example: Mapping | None = None, is_target: bool = False
) -> str | list[str]:
    """Returns a predicted answer, or for a true target all answers that are right.

    `"two"` -> `"two"`; as a target `["two", "2"]`, the example's `answers`.
    """
    return as_texts(example["answers"]) if is_target else text


def record(
    text: str, example: Mapping | None = None, is_target: bool = False
) -> dict[str, object]:
    """Returns a ReCoRD answer; for a true target all of them, and the query.

    `"Bhutto"` -> `{"value": "Bhutto"}`; as a target `{"value": ["Bhutto", "Benazir
    Bhutto"], "group": (12705, 19617)}`, since one query gives several examples.
    """
    if not is_target:
        return {"value": text}
    group = (int(example["idx/passage"]), int(example["idx/query"]))
    return {"value": as_texts(example["answers"]), "group": group}


def referenced(
    text: str, example: Mapping | None = None, is_target: bool = False
) -> dict[str, str]:
    """Returns a text; for a true target also its input, which may have several.

    `"An inn."` -> `{"value": "An inn."}`; as a target `{"value": "An inn.", "group":
    "e2e_table name : Aromi"}`.
    """
    value = {"value": text}
    return value | {"group": _input(example)} if is_target else value


def entities(
    text: str, example: Mapping | None = None, is_target: bool = False
) -> list[tagging.Entity]:
    """Returns the entities that a text names in the words of its example.

    `"person: Bo"` of `Bo ran` -> `[("PER", 0, 0)]`; of a true target they are those of
    the example's tags.
    """
    if is_target:
        return tagging.entities_of(as_texts(example["tags"]))
    return tagging.read_entities(text, as_texts(example["words"]))


def multirc(
    text: str, example: Mapping | None = None, is_target: bool = False
) -> dict[str, int]:
    """Returns whether an answer is right; for a true target also its question.

    `"True"` -> `{"value": 1}`; as a target `{"value": 1, "group": 42}`.
    """
    value = {"value": label_index(text, ("False", "True"))}
    return value | {"group": int(example["idx/question"])} if is_target else value


def wsc(text: str, example: Mapping | None = None, is_target: bool = False) -> int:
    """Returns whether the text names the candidate that the example asks about.

    WSC is generated (T5, §2.4): the model names what the pronoun refers to, and the
    answer is 1 where that is the candidate. `"the box"`, candidate `"The old box"` -> 1
    as one set of words contains the other; an empty text -> -1, which is never right;
    a true target -> its label, -1 where it is hidden.
    """
    if is_target:
        return int(example["label"])
    predicted = _content(text)
    candidate = _content(as_text(example["targets_pretokenized"]))
    if not predicted:
        return INVALID
    # "Bob" does not name "Bob's hat".
    if ("'" in predicted) != ("'" in candidate):
        return 0
    words, wanted = set(predicted.split(" ")), set(candidate.split(" "))
    return int(words <= wanted or wanted <= words)


def _content(text: str) -> str:
    """Drops capitals and determiners: `"The old Box "` -> `"old box"`."""
    words = text.strip().lower().split(" ")
    return " ".join(word for word in words if word not in _DETERMINERS)


def _input(example: Mapping) -> str:
    """Returns an input; a task need not keep the text that it tokenized."""
    told = example.get("inputs_pretokenized")
    return str(list(example["inputs"])) if told is None else as_text(told)


def as_text(value: object) -> str:
    """Returns a string: bytes are decoded as UTF-8."""
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def as_texts(values: Sequence[object]) -> list[str]:
    """Returns strings: `[b"two", b"2"]` -> `["two", "2"]`."""
    return [as_text(value) for value in values]
