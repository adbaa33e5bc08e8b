"""The data sets of the miniature: whose rows, how many, in which splits.

The 26 of the study, and three of other kinds of tasks.
"""

from spot_jax.errors import InputError
from spot_jax.miniature.continuation import copa_row, cosmos_qa_row, hellaswag_row
from spot_jax.miniature.dataset import (
    Dataset,
    Rows,
    by_name,
    each,
    first,
    where,
)
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
from spot_jax.miniature.tables import UNSEEN, dart_rows, web_nlg_rows
from spot_jax.miniature.tagging import conll_row
from spot_jax.miniature.world import open_world

VALIDATION_ROWS = 256
_HELLASWAG_PARTS = {
    **{f"train_{s}": ("train", where(source_id=s)) for s in ("activitynet", "wikihow")},
    **{
        f"{split}_{short}_{source}": (
            split,
            where(split_type=domain, source_id=source),
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
    "c4_prefix_lm": Dataset(4000, each(c4_row), _page, _TRAIN_VALIDATION),
    "doc_nli": Dataset(4000, each(doc_nli_row, 0.6, 0.4), lambda *_: {}, hidden={}),
    "yelp_polarity": Dataset(
        3800,
        each(yelp_row, *_HALVES),
        lambda *_: {},
        {"train": "train", "test": "validation"},
    ),
    "mnli": Dataset(
        3600,
        each(mnli_row, 1 / 3, 1 / 3, 1 / 3),
        splits={
            "train": "train",
            **{
                f"validation_{kind}": "validation" for kind in ("matched", "mismatched")
            },
            **{f"test_{kind}": "test" for kind in ("matched", "mismatched")},
        },
    ),
    "qqp": Dataset(3500, each(qqp_row, 0.63, 0.37)),
    "qnli": Dataset(3200, each(qnli_row, *_HALVES)),
    "record": Dataset(
        3100,
        each(record_row),
        lambda number, _: {"idx": {"passage": number, "query": number}},
        hidden={"answers": []},
    ),
    "cxc": Dataset(3000, each(cxc_row, *_SIXTHS), lambda *_: {}, _TRAIN_VALIDATION),
    "squad": Dataset(2900, each(squad_row), by_name("id"), _TRAIN_VALIDATION),
    "drop": Dataset(2800, each(drop_row), by_name("query_id"), _TRAIN_DEV),
    "sst2": Dataset(2700, each(sst2_row, 0.44, 0.56)),
    "winogrande": Dataset(
        2500,
        each(winogrande_row, *_HALVES),
        lambda *_: {},
        {"train_xl": "train", "validation": "validation", "test": "test"},
        derived={
            f"train_{size}": ("train_xl", first(share))
            for size, share in _WINOGRANDE_SIZES.items()
        },
    ),
    "hellaswag": Dataset(
        2450, each(hellaswag_row), _hellaswag_source, derived=_HELLASWAG_PARTS
    ),
    "multirc": Dataset(2300, multirc_rows, lambda *_: {}),
    "cosmos_qa": Dataset(2200, each(cosmos_qa_row, *(0.25,) * 4), by_name("id")),
    "race": Dataset(
        1100,
        each(race_row),
        lambda number, split: {"example_id": f"middle{split}{number}.txt"},
        {**_TRAIN_DEV, "test": "test"},
        hidden={},
    ),
    "boolq": Dataset(1000, each(boolq_row, 0.377, 0.623)),
    "cola": Dataset(950, each(cola_row, 0.3, 0.7)),
    "stsb": Dataset(800, each(stsb_row, *_SIXTHS), hidden={"label": -1.0}),
    "wic": Dataset(700, each(wic_row, *_HALVES)),
    "cr": Dataset(600, each(cr_row, 0.36, 0.64), lambda *_: {}, _TRAIN_VALIDATION),
    "mrpc": Dataset(600, each(mrpc_row, 0.326, 0.674)),
    "rte": Dataset(500, each(rte_row, 0.51, 0.49)),
    "wsc": Dataset(554, each(wsc_row, 0.533, 0.467)),
    "copa": Dataset(400, each(copa_row, 0.49, 0.51)),
    "cb": Dataset(250, each(cb_row, 0.46, 0.476, 0.064)),
}


def _unseen(rows: Rows) -> Rows:
    return [row for row in rows if row["input_text"]["context"] in UNSEEN]


# Tagging, and text from tables; test rows are labelled, as those of the real sets.
MORE: dict[str, Dataset] = {
    "conll2003": Dataset(
        2000,
        each(conll_row),
        lambda *_: {},
        {**_TRAIN_DEV, "test": "test"},
        hidden={},
    ),
    "web_nlg_table": Dataset(
        1800,
        web_nlg_rows,
        lambda *_: {},
        {**_TRAIN_VALIDATION, "test_all": "test"},
        hidden={},
        derived={"test_unseen": ("test_all", _unseen)},
    ),
    "dart_table": Dataset(2400, dart_rows, lambda *_: {}, hidden={}),
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
        task: one of `DATASETS` or `MORE`.
        split: a TFDS split of it, not one that is part of another.
        size: how many rows.
        seed: the same task, split, size and seed give the same rows.
        labels: of all tasks; C4's pages, which must not tell any, are not made without.

    Raises:
        InputError: there is no such task or split.
    """
    every = DATASETS | MORE
    if task not in every:
        raise InputError(f"the miniature has {', '.join(every)}, not {task!r}")
    dataset = every[task]
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
        task: one of `DATASETS` or `MORE`.
        train: rows of the training split; by default the data set's own number.
        validation: rows of each other split.
        seed: passed to `rows`.
        labels: passed to `rows`.
    """
    dataset = (DATASETS | MORE)[task]
    sizes = {True: train or dataset.train, False: validation or VALIDATION_ROWS}
    splits = {
        split: rows(task, split, sizes[part == "train"], seed, labels)
        for split, part in dataset.splits.items()
    }
    derived = {
        name: take(splits[whole]) for name, (whole, take) in dataset.derived.items()
    }
    return splits | derived
