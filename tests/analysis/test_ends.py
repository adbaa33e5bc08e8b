"""Curves to the end: a gain in steps, or in where it ends."""

import numpy as np
import pandas as pd
import pytest

from spot_jax.analysis import control_sections, ends, study
from spot_jax.analysis.curves import SCRATCH
from tests.analysis import made_study

SMALL = {
    "sources": ("mnli", "sst2", "qqp"),
    "targets": ("rte", "cr", "mrpc"),
    "seeds": (0, 1),
    "evaluations": 4,
}
# Of every evaluation, from the first: what is reached.
SLOW, QUICK, HIGHER = [50, 60, 70, 80], [80, 81, 80, 80], [70, 80, 85, 90]


def with_curves(folder, **curves):
    """Returns a study in which a method has these scores at the four evaluations."""

    def change(frame):
        step = frame["step"].astype(int)
        number = step.map({s: i for i, s in enumerate(sorted(step.unique()))})
        for method, scores in curves.items():
            there = frame["method"] == method
            # Seeds differ, and so do targets.
            extra = frame["seed"].astype(float) / 10 + frame["target"].eq("cr")
            values = number.map(dict(enumerate(scores))) + extra
            frame["score"] = frame["score"].where(~there, values.astype(str))
        return frame

    made_study.edit(folder, "curves.csv", change)
    return study.read(folder)


def usual(folder, **curves):
    return with_curves(made_study.write(folder, **SMALL), **curves)


def longer(folder, **curves):
    gains = dict.fromkeys(made_study.LONGER, 0.2)
    return with_curves(made_study.write(folder, **SMALL, longer=gains), **curves)


def told(made):
    return control_sections.to_the_end(made).paragraphs[0]


def test_a_gain_in_steps_alone_is_told(tmp_path):
    made = usual(tmp_path, baseline=SLOW, transfer=QUICK)
    found = ends.of_study(made, "per_token")
    row = found.table.set_index("target").loc["rte"]
    assert row["last"] == 800 and row[f"end_{SCRATCH}"] == pytest.approx(80.05)
    assert row[f"steps_{SCRATCH}"] == 800
    for line in (ends.SIMILAR, ends.RANDOM, ends.UNRELATED):
        assert row[f"steps_{line}"] == 200
    assert found.over_scratch.mean == pytest.approx(0, abs=0.2)
    assert "on 3 of 3 targets, there after 25% of the steps" in told(made)
    assert "That it ends higher is not shown" in told(made)


def test_a_gain_in_where_it_ends_is_told(tmp_path):
    made = usual(tmp_path, baseline=SLOW, transfer=HIGHER)
    found = ends.of_study(made, "per_token")
    assert found.over_scratch.low > 8
    assert "The gain is one in where it ends." in told(made)
    # All sources are alike.
    assert found.over_random.mean == pytest.approx(0, abs=0.2)


def test_a_score_that_is_never_reached_is_said_to_be_so(tmp_path):
    made = usual(tmp_path, baseline=HIGHER, transfer=SLOW)
    found = ends.of_study(made, "per_token")
    assert found.table[f"steps_{ends.SIMILAR}"].isna().all()
    assert "on 0 of 3 targets." in told(made)
    section = control_sections.to_the_end(made)
    assert section.blocks[0].rows[0][4].text == "never"


def test_the_curve_of_the_most_similar_is_of_the_prompts_that_were_most_similar(
    tmp_path,
):
    made = usual(tmp_path)
    lines = ends.of_study(made, "average_tokens").lines
    there = (lines["line"] == ends.SIMILAR) & (lines["target"] == "rte")
    pairs = made.similarities[made.similarities["measure"] == "average_tokens"]
    expected = []
    for seed in (0, 1):
        own = pairs[(pairs["second"] == "rte") & (pairs["second_seed"] == seed)]
        own = own[own["first"].isin(made.sources)]
        best = own.loc[own["similarity"].idxmax()]
        runs = made.curves[made.curves["target"] == "rte"]
        runs = runs[runs["source"] == best["first"]]
        runs = runs[runs["source_seed"] == best["first_seed"]]
        expected.append(runs.set_index("step")["score"])
    found = lines[there].set_index("step")["mean"]
    pd.testing.assert_series_equal(
        found, sum(expected) / 2, check_names=False, check_dtype=False
    )


def test_longer_runs_are_drawn_in_place_of_the_others(tmp_path):
    given = {"longer": SLOW, "longer_similar": QUICK, "longer_random": HIGHER}
    made = longer(tmp_path, **given)
    found = ends.of_study(made, "per_token")
    assert found.is_longer and "together" in told(made)
    assert set(found.lines["line"]) == set(ends.LINES)
    assert found.over_random.high < -5
    row = found.table.set_index("target").loc["rte"]
    assert row[f"end_{ends.RANDOM}"] == pytest.approx(90.05)
    # 80.05 is what scratch ends with, on the mean of the seeds.
    assert row[f"steps_{ends.RANDOM}"] == 400


def test_a_longer_baseline_alone_is_drawn_beside_and_not_compared(tmp_path):
    folder = made_study.write(tmp_path, **SMALL, longer={"longer": 0.5})
    made = with_curves(folder, baseline=SLOW, longer=HIGHER, transfer=QUICK)
    found = ends.of_study(made, "per_token")
    assert ends.LONGER in set(found.lines["line"])
    assert found.table.set_index("target").loc["rte", f"end_{SCRATCH}"] < 81


def test_an_evaluation_that_lacks_a_run_is_left_out(tmp_path):
    folder = made_study.write(tmp_path, **SMALL)

    def without(frame):
        there = (frame["method"] == "baseline") & (frame["target"] == "cr")
        return frame[~(there & (frame["seed"] == "1") & (frame["step"] == "800"))]

    made_study.edit(folder, "curves.csv", without)
    found = ends.of_study(study.read(folder), "per_token")
    lines = found.lines[found.lines["target"] == "cr"]
    assert set(lines[lines["line"] == SCRATCH]["step"]) == {200, 400, 600}
    assert found.over_scratch.count == 2
    row = found.table.set_index("target").loc["cr"]
    assert np.isnan(row[f"end_{SCRATCH}"]) and np.isnan(row[f"steps_{ends.SIMILAR}"])


@pytest.mark.parametrize("left", [1, 0])
def test_no_curves_are_said_to_be_none(tmp_path, left):
    folder = made_study.write(tmp_path, **SMALL)
    made_study.edit(
        folder, "curves.csv", lambda f: f[f["step"] == "800"][: len(f) * left]
    )
    section = control_sections.to_the_end(study.read(folder))
    assert (
        not section.blocks and "no curves of two evaluations" in section.paragraphs[0]
    )
