"""What was to reach, and how far it is."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

Questions = Mapping[str, Sequence[Mapping[str, Any]]]


class Goal(NamedTuple):
    """A number that was to reach.

    Attributes:
        name: what it is.
        bound: which.
        found: from the answers to all questions to what it is, None if nobody asked.
        is_least: whether it is a lower bound.
    """

    name: str
    bound: float
    found: Callable[[Questions], float | None]
    is_least: bool = True


def _line(questions: Questions, question: str, side: str, name: str) -> Mapping | None:
    for line in questions.get(question, ()):
        if (line["side"], line["name"]) == (side, name) and "seconds" in line:
            return line
    return None


def _faster(question: str, name: str, other: str) -> Callable[[Questions], Any]:
    def found(questions: Questions) -> float | None:
        line = _line(questions, question, "spot_jax", name)
        return line and line.get("times", {}).get(other)

    return found


def _share(question: str, name: str, top: str, bottom: str) -> Callable:
    def found(questions: Questions) -> float | None:
        line = _line(questions, question, "spot_jax", name)
        return line[top] / line[bottom] if line and top in line else None

    return found


def _memory(question: str, name: str) -> Callable[[Questions], Any]:
    def found(questions: Questions) -> float | None:
        ours = _line(questions, question, "spot_jax", name)
        theirs = _line(questions, question, "PEFT", name)
        return ours["memory"] / theirs["memory"] if ours and theirs else None

    return found


def _start(questions: Questions) -> float | None:
    lines = [each for each in questions.get("start", ()) if "seconds" in each]
    return max((each["seconds"] for each in lines), default=None)


_LENGTHS = "real_lengths"
_MEMORY = (
    *(("padded", "8 x 128"), (_LENGTHS, "sst2"), (_LENGTHS, "mnli")),
    *(("evaluation", "rank"), ("evaluation", "decode")),
)
GOALS = (
    Goal("SST-2, times PEFT's examples", 1.15, _faster(_LENGTHS, "sst2", "PEFT: sst2")),
    Goal("MNLI, times PEFT's examples", 1.15, _faster(_LENGTHS, "mnli", "PEFT: mnli")),
    *(
        Goal(
            f"{name}, operations of use",
            0.9,
            _share(_LENGTHS, name, "needed", "executed"),
        )
        for name in ("sst2", "mnli")
    ),
    *(
        Goal(
            f"{name}, times the examples in rows of 512",
            4,
            _faster(_LENGTHS, name, f"spot_jax: {name} in rows of 512"),
        )
        for name in ("sst2", "mnli")
    ),
    *(
        Goal(
            f"answers ({doing}), times PEFT's",
            1.3,
            _faster("evaluation", doing, f"PEFT: {doing}"),
        )
        for doing in ("rank", "decode")
    ),
    Goal(
        "K/V prefixes on SST-2, times prompt tuning's examples",
        3,
        _faster(_LENGTHS, "sst2, K/V", "spot_jax: sst2"),
    ),
    *(
        Goal(f"memory, of PEFT's ({name})", 0.75, _memory(question, name), False)
        for question, name in _MEMORY
    ),
    Goal(
        "a checkpoint's bytes, of its arrays'",
        1.1,
        _share("saving", "a bank of 16", "bytes", "array_bytes"),
        False,
    ),
    Goal("seconds to the first step", 4, _start, False),
)
