"""Every line of the catalog is a registered task or mixture that agrees with it."""

import numpy as np
import pytest
import seqio

from spot_jax.tasks import catalog
from spot_jax.text import prepared
from spot_jax.text.registration import FEATURES

pytestmark = pytest.mark.usefixtures("registered")
NAMES = [name for name, task in catalog.TASKS.items() if task.tfds != "generated"]


def test_all_are_registered():
    assert set(catalog.TASKS) <= set(seqio.TaskRegistry.names())
    assert set(catalog.MIXTURES) <= set(seqio.MixtureRegistry.names())


# What a metric can be computed from, where it is not a plain text or number.
VALUES = {
    "multirc": ({"value": 1, "group": 0}, {"value": 1}),
    "record": ({"value": ["x"], "group": 0}, {"value": "x"}),
    "squad": (["x"], "x"),
    "conll2003": ([("PER", 0, 1)], [("PER", 0, 1)]),
}
REFERENCED = {"value": "x y z", "group": 0}


@pytest.mark.parametrize("name", NAMES)
def test_metrics_are_those_of_the_catalog(name):
    info, task = catalog.get(name), seqio.TaskRegistry.get(name)
    target, guess = VALUES.get(name, (["x"], "x") if "em" in info.metrics else (1, 1))
    if info.family in ("translation", "summarization", "generation"):
        target = guess = "x y z"
    if info.family == "table_to_text":
        target = guess = REFERENCED
    found = {}
    for metric in task.metric_fns:
        found |= metric([target] * 2, [guess] * 2)
    assert tuple(found) == info.metrics
    assert all(np.isfinite(value) for value in found.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_task_reads_columns_that_its_data_has(name):
    info = catalog.get(name)
    features = prepared.dataset_features(info.tfds)
    assert set(info.columns) <= set(features)


@pytest.mark.parametrize("name", NAMES)
def test_labels_become_their_own_class(name):
    info, task = catalog.get(name), seqio.TaskRegistry.get(name)
    if not info.labels or name == "multirc":
        return
    values = [task.postprocess_fn(label, example={}) for label in info.labels]
    if info.family == "similarity":
        assert values == [float(label) for label in info.labels]
    else:
        assert values == list(range(len(info.labels)))
    assert task.postprocess_fn("no label", example={}) == -1


def test_all_tasks_share_features_and_vocabulary():
    for name in NAMES:
        assert seqio.TaskRegistry.get(name).output_features == FEATURES


def test_nothing_is_downloaded(tmp_path):
    from spot_jax.text.registration import use_data_dir

    use_data_dir(str(tmp_path))
    try:
        with pytest.raises(AssertionError, match="not found|Dataset"):
            seqio.TaskRegistry.get("boolq").get_dataset(None, "train")
    finally:
        use_data_dir(None)
    assert not list(tmp_path.iterdir())


def test_rates_are_capped_sizes():
    rates = {
        task.name: seqio.MixtureRegistry.get("all_mixture").get_rate(task)
        for task in seqio.MixtureRegistry.get("all_mixture").tasks
    }
    capped = {name for name, rate in rates.items() if rate == 2**19}

    assert capped == {
        *("c4_prefix_lm", "doc_nli", "yelp_polarity", "snli", "sentiment140"),
        *("gigaword", "newsroom", "wmt14_en_de", "wmt15_en_fr", "wmt16_en_ro"),
    }
    assert (
        rates["sst2"] == 67_349 and rates["wsc"] == 554 and rates["record"] == 100_730
    )


def test_every_mixture_names_its_members():
    for name, info in catalog.MIXTURES.items():
        tasks = seqio.MixtureRegistry.get(name).tasks
        assert {task.name for task in tasks} == set(info.members)
