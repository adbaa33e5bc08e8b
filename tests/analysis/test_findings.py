import pandas as pd

from spot_jax.analysis import correlation, findings, methods, study, tasks
from tests.analysis import made_study


def find(whole, change=lambda comparison: comparison):
    comparison = change(methods.compare(whole, methods.outcomes(whole)))
    found = correlation.correlations(whole, correlation.points(whole))
    runs = {measure: tasks.between_runs(whole, measure) for measure in whole.measures}
    rows = findings.compare(comparison, found, runs)
    return {row["finding"]: row for row in rows}


def verdict(rows, beginning):
    [row] = [row for text, row in rows.items() if text.startswith(beginning)]
    return row["agrees"]


def test_what_was_made_so_is_found(whole):
    rows = find(whole)
    assert verdict(rows, "The best of all source prompts") == "yes"
    assert verdict(rows, "Every retrieval method is better") == "yes"
    grows = "Best of top-k grows with k, and cannot fall (per token)"
    assert verdict(rows, grows) == "yes"
    assert verdict(rows, "The multi-task mixture of the top k helps") == "yes"
    # Per-token similarities were made with more noise.
    assert verdict(rows, "Per-token similarity retrieves better") == "no"
    assert verdict(rows, "Tasks of a family are near each other (average") == "yes"


def test_a_method_below_the_baseline_is_told(whole):
    def worse(comparison):
        there = (comparison["method"] == "average") & (comparison["k"] == 12)
        return comparison.assign(
            change_mean=comparison["change_mean"].where(~there, -1.0)
        )

    rows = find(whole, worse)
    assert verdict(rows, "Every retrieval method is better") == "no"
    assert "19 of 20" in str(list(rows.values()))


def test_what_cannot_be_told_is_left_out(small):
    made_study.edit(small, "scores.csv", lambda f: f[f["method"] == "baseline"])
    (small / "similarities.csv").unlink()
    read = study.read(small)
    comparison = methods.compare(read, methods.outcomes(read))
    found = correlation.correlations(read, correlation.points(read))
    assert findings.compare(comparison, found, {}) == []
    assert isinstance(comparison, pd.DataFrame)
