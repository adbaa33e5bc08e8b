import collections

import pytest

from spot_jax.retrieval import controls
from spot_jax.tasks import catalog
from spot_jax.tasks.catalog_entry import TaskInfo

SOURCES = [task.name for task in catalog.SOURCES]
TARGETS = [task.name for task in catalog.TARGETS]


@pytest.mark.parametrize("target", TARGETS)
def test_the_unrelated_source_is_of_another_family(target):
    source = controls.unrelated(target, SOURCES)
    assert catalog.get(source).family != catalog.get(target).family
    # Whatever stands beside it, and in whatever order.
    assert controls.unrelated(target, [*reversed(SOURCES), target]) == source


@pytest.mark.parametrize(
    ("target", "kin"),
    [("mrpc", "cxc"), ("stsb", "qqp"), ("wsc", "winogrande"), ("copa", "cosmos_qa")],
)
def test_what_asks_the_same_under_another_name_is_not_unrelated(target, kin):
    assert controls.unrelated(target, [kin]) is None
    assert controls.unrelated(target, [kin, "sst2"]) == "sst2"


def test_it_is_not_one_source_for_all_targets():
    assert len({controls.unrelated(target, SOURCES) for target in TARGETS}) > 4


@pytest.mark.parametrize("family", ["own", "rows of one's own", None])
def test_of_a_family_that_nobody_knows_nothing_is_unrelated(family, monkeypatch):
    if family:
        mine = TaskInfo("mine", family, tfds="generated")
        monkeypatch.setitem(catalog.TASKS, "mine", mine)
    assert controls.unrelated("mine", SOURCES) is None
    assert controls.unrelated("rte", ["mine"]) is None


def test_a_source_is_drawn_uniformly_and_the_same_every_time():
    prompts = [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    found = [controls.drawn("rte", seed, prompts) for seed in range(400)]
    assert found == [controls.drawn("rte", seed, prompts) for seed in range(400)]
    count = collections.Counter(found)
    assert set(count) == set(prompts) and min(count.values()) > 70
    others = [controls.drawn("cr", seed, prompts) for seed in range(400)]
    assert others != found
