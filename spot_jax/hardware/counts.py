"""What a step does on one chip, counted in the text of its compiled program."""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence

from spot_jax.hardware import hlo
from spot_jax.hardware.hlo import Array, Computation, Instruction

COLLECTIVES = (
    *("all-reduce", "all-gather", "reduce-scatter", "all-to-all"),
    *("collective-permute", "ragged-all-to-all", "collective-broadcast"),
)
# What moves nothing of its own.
_FREE = {
    *("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while"),
    *("conditional", "call", "after-all", "partition-id", "replica-id"),
}
# They read as much of their first operand as their result has, or write as much of it
# as their second.
_PARTLY_READ = ("dynamic-slice", "gather", "slice")
_PARTLY_WRITTEN = ("dynamic-update-slice", "scatter")


@dataclasses.dataclass(frozen=True)
class Collective:
    """All collectives of one kind that a step has.

    Attributes:
        count: how many are done.
        bytes: of their results, on one chip.
        sent: bytes that a chip sends, in rings.
    """

    count: int = 0
    bytes: int = 0
    sent: float = 0.0


@dataclasses.dataclass(frozen=True)
class Counts:
    """What a program's text tells.

    Attributes:
        collectives: by their kinds.
        traffic: bytes that are read from memory and written to it.
        products: floating point operations of products of matrices, which are nearly
            all that there are.
    """

    collectives: Mapping[str, Collective]
    traffic: float
    products: float


def count(text: str, *, trips: int, chips: int) -> Counts:
    """Counts what a program does.

    Args:
        text: `compiled.as_text()`.
        trips: how often loops run whose number of rounds nothing tells.
        chips: how many there are.
    """
    computations = hlo.parse(text, trips)
    collectives: dict[str, Collective] = {}
    products = traffic = 0.0
    for here in computations.values():
        for each in here.instructions.values():
            products += _product(each, here) * here.times
            if not here.is_inside:
                traffic += _moved(each, here, computations) * here.times
            kind = each.operation.removesuffix("-start")
            if kind in COLLECTIVES:
                before = collectives.get(kind, Collective())
                group = _group(each.rest, chips)
                collectives[kind] = _more(before, each, kind, group, here.times)
    return Counts(collectives, traffic, products)


def _moved(
    each: Instruction, here: Computation, computations: Mapping[str, Computation]
) -> int:
    """Returns the bytes of memory that an instruction reads and writes."""
    if each.operation in _FREE or each.operation.endswith("-done"):
        return 0
    if each.operation in ("copy-start", "slice-start"):
        # The result has both ends; of a slice the whole that it is of stands first.
        small = min(array.bytes for array in each.result if array.sizes)
        return small * sum(
            array.is_in_memory for array in each.result[:2] if array.sizes
        )
    operands = [here.instructions.get(name) for name in each.operands]
    sizes = [_in_memory(operand.result) if operand else 0 for operand in operands]
    written = _in_memory(each.result)
    if each.operation in _PARTLY_READ and sizes:
        return min(sizes[0], _bytes(each.result)) + written
    if each.operation in _PARTLY_WRITTEN and len(sizes) > 1:
        return 2 * min(written, _bytes(operands[1].result)) if operands[1] else written
    if each.operation == "fusion":
        (inside,) = each.called["calls"]
        return _fused(computations[inside], sizes, written, computations)
    return sum(sizes) + written


def _fused(
    inside: Computation,
    sizes: list[int],
    written: int,
    computations: Mapping[str, Computation],
) -> int:
    """Returns what a fusion moves: of some operands no more than a part is touched."""
    moved = 0
    for line in inside.instructions.values():
        if line.operation != "parameter":
            continue
        number = _number(line)
        size = sizes[number] if number < len(sizes) else 0
        touched = _touched(line, inside, computations)
        if touched is not None:
            part, is_changed = touched
            if is_changed:
                # In its place.
                written = max(0, written - size)
            size = min(size, part)
        moved += size
    return moved + written


def _touched(
    line: Instruction, inside: Computation, computations: Mapping[str, Computation]
) -> tuple[int, bool] | None:
    """Returns the bytes of a value that are touched, and whether any are changed.

    None where it is touched whole. A layer's part of what is stacked for a scan is
    often taken by a fusion within a fusion.
    """
    bytes_, is_changed, users = 0, False, 0
    for user in inside.instructions.values():
        if line.name not in user.operands:
            continue
        users += 1
        if user.operation == "fusion":
            (called,) = user.called["calls"]
            for number, name in enumerate(user.operands):
                if name != line.name:
                    continue
                parameter = _parameter(computations[called], number)
                part = parameter and _touched(
                    parameter, computations[called], computations
                )
                if part is None:
                    return None
                bytes_, is_changed = bytes_ + part[0], is_changed or part[1]
        elif _touches_a_part(user, line):
            bytes_ += _part(user, inside)
            is_changed = is_changed or user.operation in _PARTLY_WRITTEN
        else:
            return None
    return (bytes_, is_changed) if users else None


def _parameter(computation: Computation, number: int) -> Instruction | None:
    lines = computation.instructions.values()
    of_number = (
        line
        for line in lines
        if line.operation == "parameter" and _number(line) == number
    )
    return next(of_number, None)


def _number(parameter: Instruction) -> int:
    return int(re.match(r"\d+", parameter.rest).group())


def _touches_a_part(user: Instruction, line: Instruction) -> bool:
    partly = (*_PARTLY_READ, *_PARTLY_WRITTEN)
    return user.operation in partly and user.operands[0] == line.name


def _part(user: Instruction, inside: Computation) -> int:
    if user.operation in _PARTLY_READ:
        return _bytes(user.result)
    update = inside.instructions.get(user.operands[1])
    return 2 * _bytes(update.result) if update else 0


def _bytes(arrays: Sequence[Array]) -> int:
    return sum(array.bytes for array in arrays)


def _in_memory(arrays: Sequence[Array]) -> int:
    # A single number is nowhere but where it is used.
    return sum(array.bytes for array in arrays if array.is_in_memory and array.sizes)


def _product(each: Instruction, here: Computation) -> float:
    """Returns the operations of a product; 0 of what is none."""
    # What GPUs' libraries multiply says so in the words of a dot.
    is_library = (
        each.operation == "custom-call"
        and "dot_dimension_numbers" in each.rest
        # A whole attention, of which this would be one product of other sizes.
        and '"__cudnn$fmha' not in each.rest
    )
    if not is_library and each.operation not in ("dot", "convolution"):
        return 0.0
    left, right = (here.instructions[name].result[0] for name in each.operands[:2])
    result = 2.0 * math.prod(each.result[0].sizes)
    if each.operation == "convolution":
        return result * _seen(each.rest, right.sizes)
    over = re.search(
        r'lhs_contracting_dim(?:s=\{|ensions":\[)([\d,"]*)[\]}]', each.rest
    )
    axes = re.findall(r"\d+", over.group(1)) if over else []
    return result * math.prod(left.sizes[int(axis)] for axis in axes)


def _seen(rest: str, sizes: Sequence[int]) -> int:
    """Returns how many products a number of a convolution's result is the sum of."""
    labels = re.search(r"dim_labels=\w+_(\w+)->", rest).group(1)
    # Of a spread left side a window sees one place in so many: TPUs do products over
    # a batch in this way.
    window, apart = (
        math.prod(map(int, found.group(1).split("x"))) if found else 1
        for found in (
            re.search(r"window=\{size=([\dx]+)", rest),
            re.search(r"lhs_dilate=([\dx]+)", rest),
        )
    )
    return sizes[labels.index("i")] * max(1, window // apart)


def _more(
    before: Collective, each: Instruction, kind: str, group: int, times: int
) -> Collective:
    sizes = [array.bytes for array in each.result]
    if each.operation.endswith("-start") and kind != "all-reduce":
        # What is sent stands beside what comes, and signals beside both.
        sizes = [max(sizes, default=0)]
    moved, share = sum(sizes), (group - 1) / group
    sent = {
        "all-reduce": 2 * share * moved,
        "reduce-scatter": (group - 1) * moved,
        "collective-permute": moved,
    }.get(kind, share * moved)
    return Collective(
        before.count + times, before.bytes + times * moved, before.sent + times * sent
    )


def _group(rest: str, chips: int) -> int:
    """Returns how many chips a collective is among; all, where that is not said."""
    if iota := re.search(r"replica_groups=\[(\d+),(\d+)\]<=", rest):
        return int(iota.group(2))
    if listed := re.search(r"replica_groups=\{\{([\d,]+)\}", rest):
        return listed.group(1).count(",") + 1
    # mesh['data'=4,'model'=4] {'model'}, or a part of an axis, {'model':(1)2}.
    if axes := re.search(r"replica_groups=mesh\[([^\]]*)\] \{([^}]*)\}", rest):
        sizes = dict(re.findall(r"('\w+')=(\d+)", axes.group(1)))
        parts = re.findall(r"('\w+')(?::\(\d+\)(\d+))?", axes.group(2))
        return math.prod(int(part or sizes[axis]) for axis, part in parts)
    return chips
