"""What a data set of the miniature is, and how its rows are drawn."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from spot_jax.miniature.world import World

Rows = list[dict]


def by_index(number: int, _: str) -> dict:
    """Numbers a row."""
    return {"idx": number}


def by_name(column: str) -> Callable[[int, str], dict]:
    """Names a row by its split and number, in this column."""
    return lambda number, split: {column: f"{split}-{number}"}


@dataclasses.dataclass(frozen=True)
class Dataset:
    """One data set.

    Attributes:
        train: how many training rows there are, if nobody says otherwise.
        draw: draws rows, without the columns that number them.
        number: the columns that number a row, from its number and its split.
        splits: the TFDS splits, and whose names each of them may use.
        hidden: the columns that the publishers keep secret in the test split, and
            what stands there.
        derived: TFDS splits that are a part of another one.
    """

    train: int
    draw: Callable[[World, int], Rows]
    number: Callable[[int, str], dict] = by_index
    splits: Mapping[str, str] = dataclasses.field(
        default_factory=lambda: {s: s for s in ("train", "validation", "test")}
    )
    hidden: Mapping[str, object] = dataclasses.field(
        default_factory=lambda: {"label": -1}
    )
    derived: Mapping[str, tuple[str, Callable[[Rows], Rows]]] = dataclasses.field(
        default_factory=dict
    )


def each(make: Callable[[World, int], dict], *shares: float) -> Callable:
    """Draws different rows, whose labels have these shares (or no labels)."""

    def draw(world: World, size: int) -> Rows:
        seen: set[str] = set()
        rows = []
        for label in world.some(spread(size, shares or (1.0,)), size):
            key, row = "", {}
            while not key or key in seen:
                row = make(world, label)
                # Equal texts are one row, whatever their labels.
                key = repr({k: v for k, v in row.items() if k != "label"})
            seen.add(key)
            rows.append(row)
        return rows

    return draw


def spread(size: int, shares: Sequence[float]) -> list[int]:
    """Returns `size` labels, label i as often as its share says.

    `spread(4, (0.5, 0.5))` -> `[0, 0, 1, 1]`.
    """
    edges = [round(size * sum(shares[:end])) for end in range(len(shares))] + [size]
    return [
        label
        for label, (start, end) in enumerate(zip(edges, edges[1:], strict=False))
        for _ in range(end - start)
    ]


def first(share: float) -> Callable[[Rows], Rows]:
    """Takes a share of the rows, from the first on."""
    return lambda rows: rows[: max(1, round(len(rows) * share))]


def where(**values: str) -> Callable[[Rows], Rows]:
    """Takes the rows whose columns begin with these values."""
    return lambda rows: [
        row for row in rows if all(row[key].startswith(v) for key, v in values.items())
    ]
