"""The text of a compiled program, in parts: what is computed, and how often.

XLA counts a loop's body once, however often it runs; parts of a batch, tokens that are
written and layers that are scanned are loops. Here every computation is told how often
it is reached.
"""

import collections
import dataclasses
import math
import re
from collections.abc import Mapping, Sequence

_BYTES = {
    **dict.fromkeys(("pred", "s8", "u8", "s4", "u4"), 1),
    **dict.fromkeys(("s16", "u16", "f16", "bf16"), 2),
    **dict.fromkeys(("s32", "u32", "f32"), 4),
    **dict.fromkeys(("s64", "u64", "f64", "c64"), 8),
}
_SHAPE = re.compile(r"\b([a-z]+\d\w*|pred)\[([\d,]*)\](\{[^}]*\})?")
_HEAD = re.compile(r"^(ENTRY )?%?([\w.-]+) .*\{$")
_LINE = re.compile(r"^\s+(?:ROOT )?%?([\w.-]+) = (.*?) ([a-z][\w-]*)\((.*)$")
_CALLED = re.compile(
    r"\b(body|condition|calls|to_apply|branch_computations|called_computations)="
    r"(?:%?([\w.-]+)|\{([^}]*)\})"
)
_TRIPS = re.compile(r'"?known_trip_count"?:\{"n":"(\d+)"')
# Whose computations are run as they stand; others are the inside of one instruction.
_CALLS = ("while", "conditional", "call", "async-start")


@dataclasses.dataclass(frozen=True)
class Array:
    """An array that a program has.

    Attributes:
        sizes: its shape.
        bytes: how large it is.
        is_in_memory: whether it is in the memory of the chip, and not in what of it is
            nearer to where it computes.
    """

    sizes: Sequence[int]
    bytes: int
    is_in_memory: bool


@dataclasses.dataclass(frozen=True)
class Instruction:
    """A line of a computation.

    Attributes:
        name: of its result.
        result: the arrays of its result, of which a tuple has several.
        operation: what it does.
        operands: the names of the lines that it works on.
        called: {role: names} of the computations that it calls.
        rest: its text after the name of the operation.
    """

    name: str
    result: Sequence[Array]
    operation: str
    operands: Sequence[str]
    called: Mapping[str, Sequence[str]]
    rest: str


@dataclasses.dataclass(frozen=True)
class Computation:
    """Instructions that run one after the other.

    Attributes:
        instructions: by their names.
        times: how often they run in one step.
        is_inside: whether it is the inside of one instruction of another, such as a
            fusion, whose own arrays are nowhere in memory.
    """

    instructions: Mapping[str, Instruction]
    times: int
    is_inside: bool


def parse(text: str, trips: int) -> dict[str, Computation]:
    """Returns the computations of a program, each after those that it calls.

    Args:
        text: `compiled.as_text()`.
        trips: how often loops run whose number of rounds nothing tells.
    """
    found: dict[str, dict[str, Instruction]] = {}
    entry, here = "", None
    for line in text.splitlines():
        if head := _HEAD.match(line):
            here = found.setdefault(head.group(2), {})
            entry = head.group(2) if head.group(1) else entry
        elif here is not None and (told := _LINE.match(line)):
            here[told.group(1)] = _instruction(*told.groups())
    times, run = collections.Counter({entry: 1}), {entry}
    for name in reversed(found):
        for each in found[name].values():
            rounds = _rounds(each, found, trips)
            for called in each.called.values():
                for one in called:
                    times[one] += times[name] * rounds
                    if each.operation in _CALLS:
                        run.add(one)
    return {
        name: Computation(instructions, times[name], name not in run)
        for name, instructions in found.items()
    }


def _instruction(name: str, result: str, operation: str, rest: str) -> Instruction:
    inside = rest.partition(")")[0].split(",")
    return Instruction(
        name,
        [
            Array(
                shape := [int(size) for size in sizes.split(",") if size],
                _BYTES.get(kind, 1) * math.prod(shape),
                # S(1) and the like: on TPUs, where products take their operands from.
                "S(" not in layout,
            )
            for kind, sizes, layout in _SHAPE.findall(result)
        ],
        operation,
        [each.split()[-1].removeprefix("%") for each in inside if each.strip()],
        {
            role: [
                each.strip().removeprefix("%") for each in (one or several).split(",")
            ]
            for role, one, several in _CALLED.findall(rest)
        },
        rest,
    )


def _rounds(
    each: Instruction, found: Mapping[str, Mapping[str, Instruction]], trips: int
) -> int:
    """Returns how often an instruction does what it calls: more than once if a loop."""
    if each.operation != "while":
        return 1
    if known := _TRIPS.search(each.rest):
        return int(known.group(1))
    # TPUs' programs do not say it; loops count from 0 to a number in the condition.
    (condition,) = each.called["condition"]
    inside = list(found[condition].values())
    for line in found[condition].values():
        for names in line.called.values():
            inside += [more for name in names for more in found[name].values()]
    limits = [
        int(number.group())
        for line in inside
        if line.operation == "constant" and (number := re.match(r"\d+", line.rest))
    ]
    return max(limits, default=trips)
