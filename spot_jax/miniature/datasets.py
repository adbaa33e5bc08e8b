"""The 26 data sets of the miniature: whose rows, how many, in which splits."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from spot_jax.errors import InputError
from spot_jax.miniature.continuation import copa_row, cosmos_qa_row, hellaswag_row
from spot_jax.miniature.entailment import (
    cb_row,
    doc_nli_row,
    mnli_row,
    qnli_row,
    rte_row,
)
from spot_jax.miniature.grammar import cola_row
from spot_jax.miniature.opinions import cr_row, sst2_row, yelp_row
from spot_jax.miniature.plain import c4_row
from spot_jax.miniature.reading import (
    boolq_row,
    drop_row,
    multirc_rows,
    race_row,
    record_row,
    squad_row,
)
from spot_jax.miniature.reference import winogrande_row, wsc_row
from spot_jax.miniature.senses import wic_row
from spot_jax.miniature.similarity import cxc_row, mrpc_row, qqp_row, stsb_row
from spot_jax.miniature.world import World, open_world

Rows = list[dict]
VALIDATION_ROWS = 256


def _index(number: int, _: str) -> dict:
    return {"idx": number}


def _name(column: str) -> Callable[[int, str], dict]:
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
    number: Callable[[int, str], dict] = _index
    splits: Mapping[str, str] = dataclasses.field(
        default_factory=lambda: {s: s for s in ("train", "validation", "test")}
    )
    hidden: Mapping[str, object] = dataclasses.field(
        default_factory=lambda: {"label": -1}
    )
    derived: Mapping[str, tuple[str, Callable[[Rows], Rows]]] = dataclasses.field(
        default_factory=dict
    )


def _each(make: Callable[[World, int], dict], *shares: float) -> Callable:
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


def _first(share: float) -> Callable[[Rows], Rows]:
    return lambda rows: rows[: max(1, round(len(rows) * share))]


def _where(**values: str) -> Callable[[Rows], Rows]:
    return lambda rows: [
        row for row in rows if all(row[key].startswith(v) for key, v in values.items())
    ]


_HELLASWAG_PARTS = {
    **{
        f"train_{s}": ("train", _where(source_id=s)) for s in ("activitynet", "wikihow")
    },
    **{
        f"{split}_{short}_{source}": (
            split,
            _where(split_type=domain, source_id=source),
        )
        for split in ("validation", "test")
        for short, domain in (("ind", "indomain"), ("ood", "zeroshot"))
        for source in ("activitynet", "wikihow")
    },
}


def _hellaswag_source(number: int, split: str) -> dict:
    zero_shot = split != "train" and number % 4 >= 2
    return {
        "source_id": f"{('activitynet', 'wikihow')[number % 2]}~{split}-{number}",
        "split_type": "zeroshot" if zero_shot else "indomain",
    }


def _page(number: int, split: str) -> dict:
    return {
        "url": f"https://world.example/{split}/{number}",
        "timestamp": f"2019-04-{number % 28 + 1:02}T12:00:00Z",
    }


_TRAIN_DEV = {"train": "train", "dev": "validation"}
_TRAIN_VALIDATION = {"train": "train", "validation": "validation"}
_WINOGRANDE_SIZES = {"xs": 0.02, "s": 0.08, "m": 0.2, "l": 0.5}
_HALVES = (0.5, 0.5)
# From no part of five that differs to all of them.
_SIXTHS = (1 / 6,) * 6
DATASETS: dict[str, Dataset] = {
    "c4_prefix_lm": Dataset(4000, _each(c4_row), _page, _TRAIN_VALIDATION),
    "doc_nli": Dataset(4000, _each(doc_nli_row, 0.6, 0.4), lambda *_: {}, hidden={}),
    "yelp_polarity": Dataset(
        3800,
        _each(yelp_row, *_HALVES),
        lambda *_: {},
        {"train": "train", "test": "validation"},
    ),
    "mnli": Dataset(
        3600,
        _each(mnli_row, 1 / 3, 1 / 3, 1 / 3),
        splits={
            "train": "train",
            **{
                f"validation_{kind}": "validation" for kind in ("matched", "mismatched")
            },
            **{f"test_{kind}": "test" for kind in ("matched", "mismatched")},
        },
    ),
    "qqp": Dataset(3500, _each(qqp_row, 0.63, 0.37)),
    "qnli": Dataset(3200, _each(qnli_row, *_HALVES)),
    "record": Dataset(
        3100,
        _each(record_row),
        lambda number, _: {"idx": {"passage": number, "query": number}},
        hidden={"answers": []},
    ),
    "cxc": Dataset(3000, _each(cxc_row, *_SIXTHS), lambda *_: {}, _TRAIN_VALIDATION),
    "squad": Dataset(2900, _each(squad_row), _name("id"), _TRAIN_VALIDATION),
    "drop": Dataset(2800, _each(drop_row), _name("query_id"), _TRAIN_DEV),
    "sst2": Dataset(2700, _each(sst2_row, 0.44, 0.56)),
    "winogrande": Dataset(
        2500,
        _each(winogrande_row, *_HALVES),
        lambda *_: {},
        {"train_xl": "train", "validation": "validation", "test": "test"},
        derived={
            f"train_{size}": ("train_xl", _first(share))
            for size, share in _WINOGRANDE_SIZES.items()
        },
    ),
    "hellaswag": Dataset(
        2450, _each(hellaswag_row), _hellaswag_source, derived=_HELLASWAG_PARTS
    ),
    "multirc": Dataset(2300, multirc_rows, lambda *_: {}),
    "cosmos_qa": Dataset(2200, _each(cosmos_qa_row, *(0.25,) * 4), _name("id")),
    "race": Dataset(
        1100,
        _each(race_row),
        lambda number, split: {"example_id": f"middle{split}{number}.txt"},
        {**_TRAIN_DEV, "test": "test"},
        hidden={},
    ),
    "boolq": Dataset(1000, _each(boolq_row, 0.377, 0.623)),
    "cola": Dataset(950, _each(cola_row, 0.3, 0.7)),
    "stsb": Dataset(800, _each(stsb_row, *_SIXTHS), hidden={"label": -1.0}),
    "wic": Dataset(700, _each(wic_row, *_HALVES)),
    "cr": Dataset(600, _each(cr_row, 0.36, 0.64), lambda *_: {}, _TRAIN_VALIDATION),
    "mrpc": Dataset(600, _each(mrpc_row, 0.326, 0.674)),
    "rte": Dataset(500, _each(rte_row, 0.51, 0.49)),
    "wsc": Dataset(554, _each(wsc_row, 0.533, 0.467)),
    "copa": Dataset(400, _each(copa_row, 0.49, 0.51)),
    "cb": Dataset(250, _each(cb_row, 0.46, 0.476, 0.064)),
}


def rows(
    task: str,
    split: str,
    size: int,
    seed: int = 0,
    labels: frozenset[str] | None = None,
) -> Rows:
    """Returns the rows of a split, with exactly the columns of the real data set.

    Args:
        task: one of `DATASETS`.
        split: a TFDS split of it, not one that is part of another.
        size: how many rows.
        seed: the same task, split, size and seed give the same rows.
        labels: of all tasks; C4's pages, which must not tell any, are not made without.

    Raises:
        InputError: there is no such task or split.
    """
    if task not in DATASETS:
        raise InputError(f"the miniature has {', '.join(DATASETS)}, not {task!r}")
    dataset = DATASETS[task]
    if split not in dataset.splits:
        raise InputError(
            f"{task} has the splits {', '.join(dataset.splits)}, not {split!r}"
        )
    world = open_world(dataset.splits[split], f"{task}/{split}/{seed}", labels)
    secret = dataset.hidden if dataset.splits[split] == "test" else {}
    return [
        {**row, **dataset.number(number, split), **secret}
        for number, row in enumerate(dataset.draw(world, size))
    ]


def all_splits(
    task: str,
    train: int | None = None,
    validation: int | None = None,
    seed: int = 0,
    labels: frozenset[str] | None = None,
) -> dict[str, Rows]:
    """Returns the rows of every TFDS split of a task.

    Args:
        task: one of `DATASETS`.
        train: rows of the training split; by default the data set's own number.
        validation: rows of each other split.
        seed: passed to `rows`.
        labels: passed to `rows`.
    """
    dataset = DATASETS[task]
    sizes = {True: train or dataset.train, False: validation or VALIDATION_ROWS}
    splits = {
        split: rows(task, split, sizes[part == "train"], seed, labels)
        for split, part in dataset.splits.items()
    }
    derived = {
        name: take(splits[whole]) for name, (whole, take) in dataset.derived.items()
    }
    return splits | derived
