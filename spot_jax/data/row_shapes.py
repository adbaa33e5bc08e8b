"""Which rows a step's examples are packed in: the shapes that cost least.

A step is compiled for the shapes of its rows. Short rows leave gaps, and long ones
attend to more than they have to: which are best hangs on the data. The plan tries row
lengths on batches of the run, divides the examples among rows as the step will
(dividing.py), and takes the cheapest by a model of the step. The few examples
that are longer go into rows of their own, of a second shape.

It is a function of sizes alone, so that a run that resumes, and every process of a run,
plans the same.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypedDict

from spot_jax.data import dividing
from spot_jax.data.dividing import Shape, Size
from spot_jax.data.packing import Example

# Row lengths that are tried, between the median example and twice the longest; of a
# large bank fewer. Packing 1,000 examples takes some 10 ms a length.
_TRIED = 24
_FEWEST_TRIED = 6
# Examples that are looked at, of at most so many batches and at least so few.
_LOOKED_AT = 4096
_MOST, _FEWEST = 20, 3
# A plan is replaced where another would take away so much of a step.
_WORTH_IT = 0.1


class Plan(NamedTuple):
    """The shapes of a step's rows.

    Attributes:
        usual: of the rows that every step has.
        longer: of those that a step has besides, if an example fits in no usual row.
    """

    usual: Shape
    longer: Shape


class Room(NamedTuple):
    """What rows are bound to.

    Attributes:
        longest: positions of the longest example there may be, slots included.
        targets: of the longest target there may be.
        rows_multiple: the number of rows is a multiple of this (the mesh's data axis
            times the microbatches).
        multiple: row lengths are multiples of this, as the device likes them.
        mixes: whether a row may hold examples of several prompts.
        beside: whether what is learned stands beside the input.
    """

    longest: int
    targets: int
    rows_multiple: int = 1
    multiple: int = 8
    mixes: bool = True
    beside: bool = False


# Of a row, from its positions in the encoder and the decoder, what it costs.
Cost = Callable[[int, int], float]


def enough(examples: int) -> int:
    """Returns how many batches of so many examples a plan looks at."""
    return max(_FEWEST, min(_MOST, _LOOKED_AT // max(1, examples)))


def plan(batches: Sequence[Sequence[Size]], room: Room, cost: Cost) -> Plan:
    """Finds the rows that cost least, in the mean over some batches.

    Args:
        batches: sizes of a few batches of the run, at least one.
        room: what rows are bound to.
        cost: of a row.
    """
    tried = [_planned(batches, length, room) for length in _lengths(batches, room)]
    return min(tried, key=lambda found: cost_of(found, batches, room, cost))


def cost_of(
    found: Plan, batches: Sequence[Sequence[Size]], room: Room, cost: Cost
) -> float:
    """Returns what batches cost in the rows of a plan, in the mean."""
    return sum(_cost(found, batch, room, cost) for batch in batches) / len(batches)


def better(
    found: Plan, batches: Sequence[Sequence[Size]], room: Room, cost: Cost
) -> Plan | None:
    """Returns a plan that is clearly better for batches that came, if there is one.

    Args:
        found: the plan that there is.
        batches: sizes of the last batches.
        room: what rows are bound to.
        cost: of a row.
    """
    other = plan(batches, room, cost)
    costs = [cost_of(each, batches, room, cost) for each in (other, found)]
    return other if costs[0] < (1 - _WORTH_IT) * costs[1] else None


def useful(
    sizes: Sequence[Size], shapes: Sequence[Shape], cost: Cost
) -> dict[str, float]:
    """Returns which share of a step is of use: of its positions, and of its cost.

    Args:
        sizes: of the step's examples.
        shapes: of its rows.
        cost: of a row. An example in a row of its own size has nothing to waste.
    """
    positions = sum(shape.rows * sum(shape[1:]) for shape in shapes)
    spent = sum(shape.rows * cost(*shape[1:]) for shape in shapes)
    real = sum(size.inputs + size.targets for size in sizes)
    needed = sum(cost(*size[:2]) for size in sizes)
    return {"positions": real / positions, "flops": needed / spent}


class Kept(TypedDict):
    """A plan as a checkpoint has it, and the sizes of the last batches."""

    usual: Sequence[int]
    longer: Sequence[int]
    recent: Sequence[Sequence[Sequence[int]]]


def kept(found: Plan, recent: Iterable[Sequence[Size]]) -> Kept:
    """Returns a plan, and the sizes of the last batches, as JSON."""
    # Made at every step, so nothing is copied; JSON makes lists of tuples.
    return Kept(usual=found.usual, longer=found.longer, recent=list(recent))


def recent_of(told: Kept) -> list[list[Size]]:
    """Returns the sizes of the last batches that `kept` made JSON of."""
    return [[Size(*size) for size in batch] for batch in told["recent"]]


def of_kept(told: Kept, room: Room) -> Plan:
    """Returns the plan that `kept` made JSON of, in a room that may be another's."""
    shapes = (Shape(*told["usual"]), Shape(*told["longer"]))
    # Of a mesh, say, over which more rows are divided.
    return Plan(*(s._replace(rows=_up(s.rows, room.rows_multiple)) for s in shapes))


def divided(
    examples: Sequence[Example], slots: int, usual: Shape
) -> tuple[list[Example], list[Example]]:
    """Divides a step's examples: those of the usual rows, and the longer ones."""
    parts: tuple[list[Example], list[Example]] = ([], [])
    for example in examples:
        parts[slots + len(example.inputs) > usual.row_length].append(example)
    return parts


def _lengths(batches: Sequence[Sequence[Size]], room: Room) -> list[int]:
    """Returns the row lengths to try, shortest first."""
    sizes = sorted(size.inputs for batch in batches for size in batch)
    first, last = sizes[len(sizes) // 2], 2 * sizes[-1]
    first, last = (_up(length, room.multiple) for length in (first, last))
    looked_at = sum(map(len, batches))
    count = max(_FEWEST_TRIED, min(_TRIED, _TRIED * _LOOKED_AT // max(1, looked_at)))
    step = _up(max(1, (last - first) // count), room.multiple)
    tried = {*range(first, last + 1, step), _up(sizes[-1], room.multiple)}
    return sorted(tried | {room.longest})


def _planned(batches: Sequence[Sequence[Size]], length: int, room: Room) -> Plan:
    """Returns the plan whose usual rows are so long."""
    longest = max(length, room.longest)
    parts = [_parts(batch, length) for batch in batches]
    return Plan(
        *(
            _shape([part[which] for part in parts], row_length, room)
            for which, row_length in enumerate((length, longest))
        )
    )


def _parts(batch: Sequence[Size], length: int) -> tuple[list[Size], list[Size]]:
    """Divides a batch: what fits in a row of a length, and what is longer."""
    parts: tuple[list[Size], list[Size]] = ([], [])
    for size in batch:
        parts[size.inputs > length].append(size)
    return parts


def _shape(batches: Sequence[Sequence[Size]], length: int, room: Room) -> Shape:
    """Returns the shape of rows of a length that holds each of these batches."""
    limit = target_limit(length, room)
    of_rows = {"rows_multiple": room.rows_multiple, "mixes": room.mixes}
    shape = dividing.holding(batches, length, limit, **of_rows)
    if room.beside:
        return shape._replace(target_row_length=length)
    # Of rows that none of these needs.
    is_empty = not any(batches)
    return shape._replace(target_row_length=room.targets) if is_empty else shape


def target_limit(length: int, room: Room) -> int | None:
    """Returns how many targets a row of a length may hold.

    Half of an encoder's row: short inputs with long targets would pile up in one row,
    and every other row would be padded to its length.
    """
    return None if room.beside else max(room.targets, length // 2)


def _cost(found: Plan, batch: Sequence[Size], room: Room, cost: Cost) -> float:
    total = 0.0
    parts = _parts(batch, found.usual.row_length)
    for sizes, shape in zip(parts, found, strict=True):
        if sizes or shape is found.usual:
            limit = target_limit(shape.row_length, room)
            rows = len(dividing.divided(sizes, shape.row_length, limit, room.mixes))
            times = max(1, -(-rows // shape.rows))
            total += shape.rows * times * cost(*shape[1:])
    return total


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
