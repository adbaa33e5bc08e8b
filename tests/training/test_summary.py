"""What a run comes to, as people read it."""

import dataclasses
import functools
import itertools
import math
import re

import pytest

from spot_jax.prompts import init
from spot_jax.training import summary
from spot_jax.training.bank import Entry
from spot_jax.training.outputs import Best

FROM_FILE = functools.partial(init.from_file, path="a/best.safetensors")


def entry(task: str, seed: int, start=init.class_labels, rate=0.3) -> Entry:
    return Entry(f"{task}-seed{seed}", task, seed, start, 20, rate)


def best_of(one: Entry, step: int, split="validation", **values) -> dict[str, Best]:
    score = -values["loss"] if "loss" in values else sum(values.values()) / len(values)
    return {one.name: Best(score, step, {one.task: values}, one, split)}


def test_several_prompts_are_a_table():
    best = best_of(entry("mrpc", 0), 8, accuracy=70.0, f1=80.0)
    best |= best_of(entry("c4", 1, FROM_FILE, 1e-05), 12, loss=2.314)
    best |= best_of(entry("own", 0, rate=None), 4, accuracy=math.nan)
    _, *lines = summary.told(best).splitlines()
    assert [re.split("  +", line) for line in lines[:3]] == [
        ["mrpc-seed0", "mrpc", "0", "class_labels", "20", "0.3"]
        + ["75.00", "mean of accuracy and f1", "8"],
        ["c4-seed1", "c4", "1", "a/best.safetensors", "20", "1e-05"]
        + ["2.31", "loss", "12"],
        ["own-seed0", "own", "0", "class_labels", "20", "nan", "accuracy", "4"],
    ]


def test_the_best_of_each_task_is_named():
    best = best_of(entry("rte", 0), 8, accuracy=math.nan)
    best |= best_of(entry("rte", 1), 4, accuracy=75.0)
    best |= best_of(entry("rte", 2), 4, accuracy=75.0)
    best |= best_of(entry("c4", 0), 4, loss=2.4)
    best |= best_of(entry("c4", 1), 4, loss=2.3)
    best |= best_of(entry("cb", 0), 4, accuracy=1.0)
    assert summary.best_of_tasks(best) == {
        "rte": ["rte-seed1", "rte-seed2"],
        "c4": ["c4-seed1"],
    }
    told = summary.told(best)
    assert "\nBest on rte: rte-seed1, and 1 as good\nBest on c4: c4-seed1\n" in told
    assert "validation, which chose" in told and "optimistic" in told
    assert "EVAL_SPLIT" in told


def test_what_differs_in_more_than_its_seed_is_a_mean_over_seeds():
    best = {}
    scores = {
        (20, 0): 70.0,
        (20, 1): 74.0,
        (5, 0): 60.0,
        (5, 1): math.nan,
        (1, 0): 50.0,
    }
    for (length, seed), score in scores.items():
        made = entry("rte", seed)
        name = f"{made.name}-length{length}"
        made = dataclasses.replace(made, name=name, length=length)
        best |= best_of(made, 4, accuracy=score)
    best |= best_of(entry("cb", 0), 4, f1=30.0) | best_of(entry("cb", 3), 4, f1=40.0)
    head, *lines = summary.over_seeds(best)
    assert head[:5] == ["task", "start", "length", "rate", "steps"]
    assert head[5:] == ["seeds", "mean", "std", "metric"]
    assert lines[0] == ["rte", "class_labels", 20, "0.3", "", 2, 72.0, 2.0, "accuracy"]
    assert lines[1][:6] == ["rte", "class_labels", 5, "0.3", "", 2]
    assert math.isnan(lines[1][6]) and math.isnan(lines[1][7])
    assert lines[2][2:8] == [1, "0.3", "", 1, 50.0, 0.0]
    assert lines[3] == ["cb", "class_labels", 20, "0.3", "", 2, 35.0, 5.0, "f1"]
    told = summary.told(best)
    assert "task start length rate seeds mean std metric" in " ".join(told.split())
    assert "rte class_labels 20 0.3 2 72.00 2.00 accuracy" in " ".join(told.split())


@pytest.mark.parametrize(
    ("seeds", "lengths", "is_told"),
    [((0, 1), (5, 9), True), ((0, 1), (5,), False), ((0,), (5, 9), False)],
)
def test_means_are_told_where_there_is_something_to_compare(seeds, lengths, is_told):
    best = {}
    for seed, length in itertools.product(seeds, lengths):
        made = dataclasses.replace(
            entry("rte", seed), length=length, name=f"{seed, length}"
        )
        best |= best_of(made, 4, accuracy=60.0)
    assert ("std" in summary.told(best)) == is_told


def test_prompts_of_other_numbers_of_steps_are_not_one_mean():
    best = {}
    for steps, seed in itertools.product((10, 30), (0, 1)):
        made = dataclasses.replace(
            entry("rte", seed), steps=steps, name=f"{steps, seed}"
        )
        best |= best_of(made, 4, accuracy=float(steps + seed))
    _, *lines = summary.over_seeds(best)
    assert [line[4:7] for line in lines] == [[10, 2, 10.5], [30, 2, 30.5]]
    told = " ".join(summary.told(best).split())
    assert "rate steps best" in told and "20 0.3 30 31.00 accuracy 4" in told


def test_a_prompt_that_has_diverged_is_told():
    best = best_of(entry("rte", 0), 8, accuracy=70.0)
    best |= best_of(entry("rte", 1), 4, accuracy=75.0)
    best["rte-seed1"] = dataclasses.replace(best["rte-seed1"], diverged=6)
    told = summary.told(best)
    assert "rte-seed1 has diverged at step 6; its best prompt is kept.\n" in told
    assert told.count("diverged") == 1


def test_one_prompt_is_a_line():
    one = best_of(entry("c4", 0), 4, loss=2.4)
    assert summary.told(one) == "c4-seed0: best loss 2.40 at step 4\n"
    one = best_of(entry("mrpc", 0), 4, accuracy=70.0, f1=80.0)
    told = "mrpc-seed0: best mean of accuracy and f1 75.00 at step 4\n"
    assert summary.told(one) == told


def test_a_run_that_was_stopped_before_it_was_evaluated_has_no_best():
    assert summary.told({}) == ""
