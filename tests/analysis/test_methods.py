import numpy as np
import pandas as pd
import pytest

from spot_jax.analysis import methods, source_prompts, study
from tests.analysis import made_study


@pytest.fixture(scope="module")
def comparison(whole):
    return methods.compare(whole, methods.outcomes(whole))


def row(comparison, method, measure="", k=0):
    there = (comparison["method"] == method) & (comparison["measure"] == measure)
    return comparison[there & (comparison["k"] == k)].iloc[0]


def test_best_of_top_k_takes_the_best_of_the_most_similar():
    scores = pd.DataFrame([[1.0, 9, 3], [5, 4, np.nan], [7, 8, 9]])
    similar = pd.DataFrame([[0.9, 0.1, 0.5], [0.3, 0.2, 0.1], [0.5, np.nan, 0.1]])
    found = methods.best_of_top(scores, similar)
    assert list(found.loc[0]) == [1, 3, 9]
    # The third score is missing: so is the best of three.
    assert list(found.loc[1, [1, 2]]) == [5, 5] and np.isnan(found.loc[1, 3])
    # What lacks a similarity cannot be ranked.
    assert found.loc[2].isna().all()


def test_ties_in_similarity_go_to_the_first_name():
    scores = pd.DataFrame([[1.0, 2.0, 3.0]], columns=["a", "b", "c"])
    similar = pd.DataFrame([[0.5, 0.5, 0.5]], columns=["a", "b", "c"])
    assert list(methods.best_of_top(scores, similar).loc[0]) == [1, 2, 3]


def test_the_table_has_the_rows_of_table_3(comparison):
    # From scratch, the oracle and an unrelated source; two measures and, with as many
    # k, no measure; averages and mixtures.
    assert len(comparison) == 3 + 3 * 6 + 4 + 4
    assert (comparison["runs"] == 30).all()


def test_change_and_percent_are_those_of_hand_made_means(whole, comparison):
    scores, baseline = whole.of("mixture"), whole.of("baseline")
    scores = scores[scores["k"] == 6].merge(baseline, on=["target", "seed"])
    percent = 100 * (scores["score_x"] - scores["score_y"]) / (100 - scores["score_y"])
    found = row(comparison, "mixture", "per_token", 6)
    assert found["percent_mean"] == pytest.approx(percent.mean())
    change = (scores["score_x"] - scores["score_y"]).groupby(scores["seed"]).mean()
    assert found["change_mean"] == pytest.approx(change.mean())
    assert found["change_std"] == pytest.approx(change.std(ddof=1))
    assert found["change_low"] < found["change_mean"] < found["change_high"]


def test_the_cut_is_of_the_mean_error_and_the_spread_of_the_seeds(whole, comparison):
    scores, baseline = whole.of("mixture"), whole.of("baseline")
    scores = scores[scores["k"] == 6]
    found = row(comparison, "mixture", "per_token", 6)
    errors = 100 - scores["score"].mean(), 100 - baseline["score"].mean()
    assert found["cut_mean"] == pytest.approx(100 * (1 - errors[0] / errors[1]))
    assert found["cut_low"] < found["cut_mean"] < found["cut_high"]
    spread = scores.groupby("target")["score"].std().mean()
    assert found["spread"] == pytest.approx(spread)


def test_seeds_that_choose_among_the_same_runs_have_no_spread(comparison):
    chosen = comparison["method"].isin(["best", "oracle", "random"])
    assert comparison.loc[chosen, "spread"].isna().all()
    assert comparison.loc[~chosen, "spread"].notna().all()


def test_what_is_better_by_construction_comes_out_better(comparison):
    average = row(comparison, "average", "per_token", 6)
    mixture = row(comparison, "mixture", "per_token", 6)
    assert mixture["percent_low"] > average["percent_high"]
    assert average["percent_mean"] == pytest.approx(10, abs=1.5)
    assert mixture["percent_mean"] == pytest.approx(25, abs=1.5)


def test_the_best_k_is_marked_once_a_method(comparison):
    best = comparison[comparison["is_best"]]
    assert list(best["method"]) == ["average", "mixture"]
    assert list(best["k"]) == [6, 6]


def test_best_of_top_k_grows_to_the_oracle(whole, comparison):
    oracle = row(comparison, "oracle")
    assert oracle["share_mean"] == pytest.approx(100)
    for measure in whole.measures:
        rows = comparison[
            (comparison["method"] == "best") & (comparison["measure"] == measure)
        ]
        assert rows["score_mean"].is_monotonic_increasing
        assert rows["score_mean"].iloc[-1] <= oracle["score_mean"]
        assert rows["share_mean"].between(0, 100.001).all()


def test_the_oracle_is_the_same_for_every_seed_of_a_target(comparison):
    assert row(comparison, "oracle")["score_std"] == pytest.approx(0, abs=1e-9)
    assert row(comparison, "oracle")["change_std"] > 0


def test_a_missing_transfer_takes_the_oracle_of_its_target_with_it(small):
    made_study.edit(
        small,
        "scores.csv",
        lambda f: f[~((f["source"] == "sst2") & (f["target"] == "rte"))],
    )
    read = study.read(small)
    found = methods.compare(read, methods.outcomes(read))
    assert row(found, "oracle")["runs"] == 4
    assert row(found, "best", "average_tokens", 6)["runs"] == 4
    # The prompts of mnli, of rte's skill, are the nearest; they are all there.
    assert row(found, "best", "average_tokens", 1)["runs"] == 6
    assert row(found, "baseline")["runs"] == 6


def test_an_incomplete_k_is_not_the_best_k(small):
    made_study.edit(
        small,
        "scores.csv",
        lambda f: f[~((f["k"] == "6") & (f["target"] == "rte"))],
    )
    read = study.read(small)
    found = methods.compare(read, methods.outcomes(read))
    assert set(found.loc[found["is_best"], "k"]) == {3}


def test_a_method_that_no_stage_brings_has_no_row(small):
    made_study.edit(
        small, "scores.csv", lambda f: f[f["method"].isin(["baseline", "transfer"])]
    )
    made_study.change_plan(small, stages=["sources", "baselines", "transfers"])
    read = study.read(small)
    found = methods.compare(read, methods.outcomes(read))
    assert set(found["method"]) == {
        *("baseline", "oracle", "best", "random", "unrelated")
    }


def test_a_crossed_study_uses_the_run_of_the_same_seed(small):
    def crossed(frame):
        transfers = frame[frame["method"] == "transfer"]
        others = transfers.assign(
            seed=(1 - transfers["seed"].astype(int)).astype(str), score="99"
        )
        return pd.concat([frame, others])

    made_study.edit(small, "scores.csv", crossed)
    read = study.read(small)
    assert source_prompts.is_crossed(read)
    scores = source_prompts.scores(read)
    assert scores.loc[("rte", 0), ("mnli", 1)] == 99
    assert scores.loc[("rte", 1), ("mnli", 1)] != 99
