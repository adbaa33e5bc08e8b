import subprocess
import sys

import pytest

from spot_jax.tasks import catalog
from spot_jax.tasks.catalog_entry import TaskInfo

SOURCES = (
    "c4_prefix_lm doc_nli yelp_polarity mnli qqp qnli record cxc squad drop sst2 "
    "winogrande hellaswag multirc cosmos_qa race"
).split()
TARGETS = "boolq cola stsb wic cr mrpc rte wsc copa cb".split()
# SPoT, Appendix B; here the rounds of ANLI are three members.
SIZES = {
    "glue_mixture": 8,
    "super_glue_mixture": 8,
    "nli_mixture": 7 + 2,
    "similarity_mixture": 4,
    "sentiment_mixture": 5,
    "mrqa_mixture": 6,
    "rainbow_mixture": 6,
    "translation_mixture": 3,
    "summarization_mixture": 9,
    "gem_mixture": 8,
    "all_mixture": 1 + 55,
}


def of_role(role: str) -> list[str]:
    return [task.name for task in catalog.TASKS.values() if task.role == role]


def test_the_studys_tasks_are_in_the_papers_order():
    assert of_role("source") == SOURCES
    assert of_role("target") == TARGETS


def test_the_mixtures_have_the_papers_sizes():
    sizes = {name: len(info.members) for name, info in catalog.MIXTURES.items()}
    assert sizes == SIZES
    for info in catalog.MIXTURES.values():
        assert len(set(info.members)) == len(info.members)
        assert set(info.members) <= set(catalog.TASKS)


def test_names_are_free_of_the_official_release():
    for name in catalog.TASKS | catalog.MIXTURES:
        assert not name.startswith("spot_")


def test_every_task_can_be_trained_and_validated():
    for task in catalog.TASKS.values():
        assert {"train", "validation"} <= set(task.splits)
        assert task.train_examples > 0
        assert ":" in task.tfds or task.tfds == "generated"


def test_unknown_names_get_their_neighbours():
    with pytest.raises(ValueError, match="did you mean sst2"):
        catalog.get("sst-2")
    with pytest.raises(ValueError, match="`spot_jax inspect_tasks` lists them all"):
        catalog.get("zzzzzzzz")


def test_a_task_of_ones_own_can_be_added(monkeypatch):
    monkeypatch.setattr(catalog, "TASKS", dict(catalog.TASKS))
    catalog.add(TaskInfo("mine", family="own", labels=("a", "b")))
    assert catalog.get("mine").labels == ("a", "b")
    with pytest.raises(ValueError, match="sst2"):
        catalog.add(TaskInfo("sst2", family="own"))


def test_the_catalog_imports_neither_tensorflow_nor_seqio():
    code = (
        "import sys; from spot_jax.tasks import catalog; "
        "heavy = {'tensorflow', 'seqio', 'jax', 'numpy'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
