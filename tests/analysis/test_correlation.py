import numpy as np
import pytest

from spot_jax.analysis import correlation, study
from tests.analysis import made_study


def test_a_target_has_a_point_for_each_of_48_source_prompts(whole):
    cloud = correlation.points(whole)
    assert (cloud.groupby(["measure", "target"]).size() == 48).all()


def test_a_point_averages_similarity_over_the_target_s_runs(whole):
    cloud = correlation.points(whole)
    point = cloud[
        (cloud["measure"] == "per_token")
        & (cloud["target"] == "rte")
        & (cloud["source"] == "mnli")
        & (cloud["source_seed"] == 2)
    ].iloc[0]
    pairs = whole.similarities
    there = pairs[
        (pairs["measure"] == "per_token")
        & (pairs["first"] == "mnli")
        & (pairs["first_seed"] == 2)
        & (pairs["second"] == "rte")
    ]
    assert len(there) == 3
    assert point["similarity"] == pytest.approx(there["similarity"].mean())
    baseline = whole.of("baseline")
    error = 100 - baseline.loc[baseline["target"] == "rte", "score"].mean()
    runs = whole.of("transfer")
    score = runs.loc[
        (runs["target"] == "rte")
        & (runs["source"] == "mnli")
        & (runs["source_seed"] == 2),
        "score",
    ].item()
    assert point["percent"] == pytest.approx(100 * (score - (100 - error)) / error)


def test_similar_sources_help_by_construction(whole):
    found = correlation.correlations(whole, correlation.points(whole))
    nearly_all = found[found["target"] != "cola"]
    assert (nearly_all["r"] > 0.3).all() and (nearly_all["p"] < 0.05).all()


def test_a_point_without_a_similarity_is_left_out(small):
    def without(frame):
        there = (frame["first"] == "mnli") & (frame["second"] == "rte")
        return frame[~(there & (frame["first_seed"] == "0"))]

    made_study.edit(small, "similarities.csv", without)
    read = study.read(small)
    cloud = correlation.points(read)
    found = correlation.correlations(read, cloud).set_index(["measure", "target"])
    assert found.loc[("per_token", "rte"), "count"] == 5
    assert found.loc[("per_token", "cr"), "count"] == 6


def test_either_order_of_a_pair_is_understood(small):
    before = correlation.points(study.read(small))
    names = {"first": "second", "first_seed": "second_seed"}
    names |= {second: first for first, second in names.items()}
    made_study.edit(small, "similarities.csv", lambda f: f.rename(columns=names))
    after = correlation.points(study.read(small))
    assert np.allclose(before["similarity"], after["similarity"])
