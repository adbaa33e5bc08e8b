"""What a head learns: a number for a target's class, or marks beside an input's pieces.

    cls     targets [1]: 1 + the number of the class that the target's text names
    token   targets [inputs]: 1 + the number of a word's tag, at its first piece
    span    targets [inputs]: 1 at the answer's first piece, 2 at its last, 3 at both

0 is nothing to learn. TensorFlow comes in where a task of SeqIO is read, not here.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from spot_jax.data.orders import Examples, Position, Reader
from spot_jax.errors import InputError
from spot_jax.prompts import heads
from spot_jax.text import spans, tagging
from spot_jax.text.lengths import shorten

_EOS_ID = 1
# The features that a task gives besides, for those heads that stand beside the input.
_NEEDED = {"token": ("words", "tags"), "span": ("answer_start", "answer_end")}
_TASK_OF = {"token": "conll2003", "span": "squad_span"}


def classes_of(kind: str, labels: Sequence[str], task: str) -> tuple[str, ...]:
    """Returns the names of a head's classes on a task.

    Args:
        kind: of the head.
        labels: of the task, as text.
        task: its name.

    Raises:
        InputError: when a task without labels is to be classified.
    """
    if kind == "cls" and not labels:
        raise InputError(
            f"HEAD is 'cls', which chooses among labels, and {task} has none: its "
            "answers are free. Leave HEAD out, or name the labels: "
            "--gin.CLASS_LABELS=\"['bad', 'good']\"."
        )
    return {"cls": tuple(labels), "token": tagging.TAGS, "span": heads.ENDS}[kind]


def check_task(kind: str, task: str, features: Mapping[str, Any]) -> None:
    """Refuses a task whose examples do not tell what a head learns.

    Args:
        kind: of the head.
        task: its name.
        features: of an example.

    Raises:
        InputError: naming what is missing.
    """
    missing = [name for name in _NEEDED.get(kind, ()) if name not in features]
    if missing:
        raise InputError(
            f"HEAD is {kind!r}, and the examples of {task} do not have "
            f"{' and '.join(missing)}, which it learns. {_TASK_OF[kind]} has them; "
            "other tasks are answered by the language model (no HEAD)"
            + (" or by classes (HEAD='cls')." if kind != "cls" else ".")
        )


class _Numbered:
    """`Examples` whose targets are numbers of classes."""

    def __init__(self, examples: Examples, number: Callable[[np.ndarray], np.ndarray]):
        self._examples, self._number = examples, number

    @property
    def position(self) -> Position:
        return self._examples.position

    def take(self, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns the next (inputs, [1 + number]); see `Examples`."""
        taken = self._examples.take(count)
        return [(inputs, self._number(targets)) for inputs, targets in taken]


def numbered(reader: Reader, number: Callable[[np.ndarray], np.ndarray]) -> Reader:
    """Returns a reader of the same examples, whose targets are numbers of classes.

    Args:
        reader: of targets that are pieces.
        number: see `numbers`; what is none of them is found when it is read.
    """
    return lambda seed, position: _Numbered(reader(seed, position), number)


def numbers(
    classes: Sequence[str], vocabulary: Any, limit: int, task: str
) -> Callable[[np.ndarray], np.ndarray]:
    """Returns what makes [1 + number of its class] of a target's pieces.

    Args:
        classes: their texts.
        vocabulary: encodes them, as the targets were.
        limit: TASK_FEATURE_LENGTHS['targets'], to which targets may have been cut.
        task: its name, for messages.

    Raises:
        InputError: when two classes have the same pieces. What is returned raises it
            for a target that is none of them.
    """
    table: dict[tuple[int, ...], int] = {}
    for place, label in enumerate(classes, 1):
        ids = np.asarray([*vocabulary.encode(label), _EOS_ID], np.int32)
        if table.setdefault(tuple(shorten(ids, limit).tolist()), place) != place:
            raise InputError(
                f"Two of the classes of {task} have the same pieces in this "
                f"vocabulary, cut to {limit}; one is {label!r}. Raise "
                "TASK_FEATURE_LENGTHS['targets'], or name other labels."
            )

    def number(targets: np.ndarray) -> np.ndarray:
        found = table.get(tuple(targets.tolist()))
        if found is None:
            text = vocabulary.decode([int(t) for t in targets if t > _EOS_ID])
            raise InputError(
                f"A target of {task} is {text!r}, which is none of its {len(classes)} "
                f"classes ({', '.join(map(repr, classes[:6]))}). Name all of them, or "
                "leave HEAD out."
            )
        return np.asarray([found], np.int32)

    return number


class Marked(NamedTuple):
    """An input with marks beside its pieces, and how an answer is read from it.

    Attributes:
        inputs: [length] int32, EOS included.
        marks: [length] int32 what a head learns; see the top of this file.
        first: of a sentence: place of each word's first piece.
        words: of a sentence, after the words that stand before it.
        skipped: how many words stand before it.
        text: the whole input.
        places: of an input in which an answer is found: letters of each piece.
    """

    inputs: np.ndarray
    marks: np.ndarray
    first: Sequence[int] = ()
    words: Sequence[str] = ()
    skipped: int = 0
    text: str = ""
    places: Sequence[tuple[int, int]] = ()


def marked(
    kind: str, example: Mapping[str, Any], vocabulary: Any, limit: int
) -> Marked:
    """Returns an example's input with its marks.

    Args:
        kind: "token" or "span".
        example: its text, `inputs_pretokenized`, and what `check_task` asks for; where
            that is missing there are no marks.
        vocabulary: SeqIO's or SentencePiece's.
        limit: TASK_FEATURE_LENGTHS['inputs'], to which it is cut.

    Raises:
        InputError: when the text does not end in the words, or a tag is unknown.
    """
    text = _text(example["inputs_pretokenized"])
    if kind == "token":
        return _sentence(text, example, vocabulary, limit)
    start, end = (int(example.get(name, -1)) for name in _NEEDED["span"])
    span = spans.span_of(text, start, end, vocabulary, limit)
    marks = np.zeros(len(span.ids), np.int32)
    if span.start >= 0:
        marks[span.start] |= 1
        marks[span.end] |= 2
    return Marked(span.ids, marks, text=text, places=span.places)


def _sentence(
    text: str, example: Mapping[str, Any], vocabulary: Any, limit: int
) -> Marked:
    words = [_text(word) for word in example.get("words", ())] or text.split()
    tags = [_text(tag) for tag in example.get("tags", ())]
    tags = tags or [tagging.OUTSIDE] * len(words)
    # The name of the task, say, which is no entity.
    before, own = text.split(), " ".join(words).split()
    if before[len(before) - len(own) :] != own:
        raise InputError(
            f"The input {text!r:.200} does not end in the words that are tagged, "
            f"{' '.join(words)!r:.200}. Let the task put them at its end."
        )
    before = before[: len(before) - len(own)]
    outside = [tagging.OUTSIDE] * len(before)
    pieces = tagging.align(
        [*before, *words], [*outside, *tags], vocabulary, limit=limit
    )
    return Marked(
        pieces.ids, pieces.tags, pieces.first.tolist(), words, len(before), text
    )


def _text(value: str | bytes) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else value
