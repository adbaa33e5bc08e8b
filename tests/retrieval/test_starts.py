"""The methods of SPoT begin where a ranking says."""

import dataclasses

import numpy as np
import pytest

from spot_jax.retrieval import candidates, starts
from tests.bundles import assert_same, everywhere, soft
from tests.library_on_disk import MODEL, SOURCES, entry, towards

TARGET = candidates.Target(
    name="rte-seed1",
    path="/run/embedding.safetensors",
    task="rte",
    seed=1,
    step=100,
    embedding=soft(towards(0)),
    model=MODEL,
    configuration="",
)


@pytest.fixture
def entries():
    made = [entry(name, task, degrees) for name, (task, degrees) in SOURCES.items()]
    # Which earlier versions put into a library.
    zeros = soft(np.zeros((3, 4)))
    made.append(entry("wic-seed0", "wic", prompt=zeros, embedding=None))
    return {one.name: one for one in made}


def rank(entries, target=TARGET, task="rte"):
    return candidates.rank_entries(
        entries, target, "per_token", task=task, include_own=False
    )


def test_the_top_is_the_head_of_the_ranking(entries):
    ranking = rank(entries)
    assert starts.top(ranking, 2) == ranking.sources[:2]
    assert starts.top(ranking, 4) == ranking.sources
    assert [s.entry.name for s in ranking.sources] == list(SOURCES)[:4]
    for k in (0, -1, 5):
        with pytest.raises(ValueError, match=f"--k is {k}, .*choose from 1 to 4") as e:
            starts.top(ranking, k)
    assert "is of the target's own task, rte: rte-seed0." in str(e.value)
    assert "in the prompt itself: wic-seed0." in str(e.value)
    only = rank({"wic-seed0": entries["wic-seed0"]})
    with pytest.raises(
        ValueError, match="nothing to rank for rte-seed1. Each of these has no embed"
    ):
        starts.top(only, 1)


def test_a_ranking_knows_its_task_and_why_others_are_left_out(entries):
    ranking = rank(entries)
    assert ranking.task == "rte"
    assert ranking.left_out == {
        "rte-seed0": candidates.Reason.OWN_TASK,
        "wic-seed0": candidates.Reason.NO_EMBEDDING,
    }
    # Without an embedding of the target, its task may still be known.
    ranking = rank(entries, target=None)
    assert (ranking.task, ranking.sources[-1].entry.name) == ("rte", "wic-seed0")
    assert ranking.left_out == {"rte-seed0": candidates.Reason.OWN_TASK}
    assert rank(entries, target=None, task=None).left_out == {}


def test_starts_are_the_bundles_of_the_library(entries):
    ranking = rank(entries)
    best = starts.best_of_top(ranking, 2)
    for file, name in (("start-1", "mnli-seed0"), ("start-2", "mnli-seed1")):
        assert_same(best.prompts[f"{file}.safetensors"], entries[name].prompt)
    [prompt] = starts.weighted_average(ranking, 1).prompts.values()
    assert_same(prompt, entries["mnli-seed0"].prompt)


def test_prompts_of_every_site_are_ranked_and_averaged():
    first, second = everywhere(3, 1), everywhere(3, 2)
    two = [
        entry("a-seed0", "a", prompt=first, embedding=everywhere(3, 3)),
        entry("b-seed0", "b", prompt=second, embedding=everywhere(3, 4)),
    ]
    target = dataclasses.replace(TARGET, embedding=everywhere(5, 4))
    entries = {one.name: one for one in two}
    candidates.check_belong_together(entries, [target])
    ranking = rank(entries, target)
    assert {s.entry.name for s in ranking.sources} == {"a-seed0", "b-seed0"}
    start = starts.weighted_average(ranking, 2)
    [prompt] = start.prompts.values()
    weights = dict(
        zip((s.entry.name for s in start.chosen), start.weights, strict=True)
    )
    wanted = weights["a-seed0"] * first.cross + weights["b-seed0"] * second.cross
    assert abs(prompt.cross - wanted).max() < 1e-6
