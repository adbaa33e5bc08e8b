import collections
import hashlib
import re

import pytest

from spot_jax.miniature import DATASETS, all_splits, rows
from spot_jax.miniature.dataset import spread
from spot_jax.tasks import catalog
from tests.miniature.names import NAME, names_of

# The share of each label, in the order of the labels (SPoT Table 2's sets; Lester et
# al. Table 7 gives the skew). DocNLI and the sentiment sets are rounded.
SHARES = {
    "doc_nli": (0.6, 0.4),
    "yelp_polarity": (0.5, 0.5),
    "mnli": (1 / 3, 1 / 3, 1 / 3),
    "qqp": (0.63, 0.37),
    "qnli": (0.5, 0.5),
    "sst2": (0.44, 0.56),
    "winogrande": (0.5, 0.5),
    "hellaswag": (0.25, 0.25, 0.25, 0.25),
    "multirc": (0.56, 0.44),
    "cosmos_qa": (0.25, 0.25, 0.25, 0.25),
    "boolq": (0.377, 0.623),
    "cola": (0.3, 0.7),
    "wic": (0.5, 0.5),
    "cr": (0.36, 0.64),
    "mrpc": (0.326, 0.674),
    "rte": (0.512, 0.488),
    "wsc": (0.533, 0.467),
    "copa": (0.488, 0.512),
    "cb": (0.46, 0.476, 0.064),
}


RECORDED = "746dd93b5fa0fdde"


@pytest.fixture(scope="module")
def drawn():
    """Every split of every task, with few rows."""
    return {
        task: all_splits(task, train=300, validation=100, labels=catalog.STUDY_LABELS)
        for task in DATASETS
    }


def text_of(value):
    if isinstance(value, dict):
        return " ".join(map(text_of, value.values()))
    if isinstance(value, list):
        return " ".join(map(text_of, value))
    return value if isinstance(value, str) else ""


def test_the_miniature_is_the_26_tasks_of_the_study_in_their_splits():
    study = [info for info in catalog.TASKS.values() if info.role != "none"]
    assert {info.name for info in study} == set(DATASETS)
    for info in study:
        dataset = DATASETS[info.name]
        assert set(info.splits.values()) <= {*dataset.splits, *dataset.derived}


def test_sizes_are_ordered_as_the_real_ones_where_roles_differ():
    sources = [DATASETS[t.name].train for t in catalog.SOURCES]
    targets = [DATASETS[t.name].train for t in catalog.TARGETS]
    assert min(sources) > max(targets)
    assert DATASETS["cb"].train == 250 and DATASETS["copa"].train == 400


@pytest.mark.parametrize("task", DATASETS)
def test_rows_are_the_same_for_the_same_seed_only(task):
    split = next(iter(DATASETS[task].splits))
    first, again, other = (
        rows(task, split, 40, seed, catalog.STUDY_LABELS) for seed in (5, 5, 6)
    )
    assert first == again != other


def test_rows_never_change_unnoticed():
    """A new world is a new release: results quote the data they were made with."""
    digest = hashlib.sha256()
    for task, dataset in DATASETS.items():
        split = next(iter(dataset.splits))
        drawn = rows(task, split, 20, labels=catalog.STUDY_LABELS)
        digest.update(repr(drawn).encode())
    assert digest.hexdigest()[:16] == RECORDED


@pytest.mark.parametrize("task", DATASETS)
def test_each_row_names_somebody_of_its_own_split_and_nobody_else(task, drawn):
    for split, part in DATASETS[task].splits.items():
        own = names_of(part)
        for row in drawn[task][split]:
            found = set(NAME.findall(text_of(row)))
            assert found and found <= own, row


@pytest.mark.parametrize("task", DATASETS)
def test_no_row_occurs_twice(task, drawn):
    numbers = {"idx", "id", "query_id", "example_id", "url", "timestamp", "source_id"}
    dataset = DATASETS[task]
    texts = [
        text_of([value for column, value in row.items() if column not in numbers])
        for split in dataset.splits
        for row in drawn[task][split]
    ]
    # The two validation sets of MNLI and MultiRC's answers are drawn apart.
    assert len(set(texts)) >= 0.99 * len(texts)


@pytest.mark.parametrize("task", SHARES)
def test_labels_are_balanced_as_in_the_real_set(task, drawn):
    for split, part in DATASETS[task].splits.items():
        if part == "test" and DATASETS[task].hidden:
            continue
        labels = [row["label"] for row in drawn[task][split]]
        counts = collections.Counter(labels)
        tolerance = 0.11 if task in ("hellaswag", "multirc") else 0.015
        for label, share in enumerate(SHARES[task]):
            assert counts[label] / len(labels) == pytest.approx(share, abs=tolerance)


def test_hidden_labels_are_hidden():
    for task, dataset in DATASETS.items():
        for split, part in dataset.splits.items():
            if part == "test" and dataset.hidden:
                (column, secret), *_ = dataset.hidden.items()
                assert all(r[column] == secret for r in rows(task, split, 20))


def test_parts_of_splits_are_parts(drawn):
    grande, swag = drawn["winogrande"], drawn["hellaswag"]
    assert grande["train_xs"] == grande["train_xl"][: len(grande["train_xs"])]
    assert len(swag) == 13 and all(swag.values())
    parts = [swag[s] for s in ("train_activitynet", "train_wikihow")]
    assert sum(map(len, parts)) == len(swag["train"])


def test_shares_spread_over_all_rows():
    assert spread(4, (0.5, 0.5)) == [0, 0, 1, 1]
    assert len(spread(256, (0.46, 0.476, 0.064))) == 256


def test_texts_are_short(drawn):
    for task, splits in drawn.items():
        if task == "c4_prefix_lm":
            continue
        for row in next(iter(splits.values())):
            assert len(re.findall(r"\w+", text_of(row))) < 130, row
