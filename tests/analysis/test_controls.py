"""Worlds whose answer is known: does the choice of a source help?"""

import numpy as np
import pandas as pd
import pytest

from spot_jax.analysis import control_sections, controls, methods, sections, study
from tests.analysis import made_study

SMALL = {
    "sources": ("mnli", "sst2", "qqp", "yelp_polarity", "qnli", "cxc"),
    "targets": ("rte", "cr", "mrpc", "cb", "stsb"),
}


def same(source, target, luck):
    """Every source helps as much as any other."""
    return 0.4 + luck


def only_near(source, target, luck):
    """Only a source of the target's own skill helps."""
    return 0.4 * (made_study.nearness(source, target) == 1) + luck / 10


def only_far(source, target, luck):
    return 0.4 * (made_study.nearness(source, target) < 1) + luck / 10


def read(folder, **given):
    return study.read(made_study.write(folder, **{"evaluations": 3} | SMALL | given))


def found_of(made, measure="average_tokens"):
    return controls.over(made, methods.outcomes(made), measure)


@pytest.mark.parametrize(
    ("gain", "expected", "words"),
    [
        (same, "not shown", "not shown, the interval has 0 in it"),
        (only_near, "yes", "over 5 targets: yes, the interval is above 0"),
        (only_far, "no", "no, it hurts: the interval is below 0"),
    ],
)
def test_retrieval_is_judged_by_what_it_adds_to_a_random_source(
    gain, expected, words, tmp_path
):
    made = read(tmp_path, gain=gain)
    over = found_of(made)
    assert controls.verdict(over["random"]) == expected
    told = controls.told(over["random"], 5, controls.HURTS)
    assert told.endswith(words)
    # A source helps in all of these worlds; of the choice that says nothing.
    if gain is not only_far:
        assert controls.verdict(over["scratch"]) == "yes"
    report = sections.of_study(made, {})
    rows = report.sections[0].blocks[0].rows
    [row] = [r for r in rows if "at random (average tokens)" in r[0].text]
    assert (row[2].text, row[3].text) == (told, expected)
    assert row[1].text.startswith("+1.5 points")
    told = controls.told(found_of(made, "per_token")["random"], 5, controls.HURTS)
    assert any(f"minus random (per token): {told}." in s for s in report.abstract)


@pytest.mark.parametrize("targets", [("rte",), ("rte", "cr")])
def test_one_target_alone_has_no_interval_and_that_is_said(targets, tmp_path):
    over = found_of(read(tmp_path, targets=targets, gain=only_near))
    assert over["random"].mean > 5
    told = controls.told(over["random"], len(targets))
    assert told.endswith(": not shown, too few targets for an interval")
    assert "[" not in told and controls.verdict(over["random"]) == "not shown"


def test_few_targets_are_said_to_be_few(tmp_path):
    over = found_of(read(tmp_path, targets=("rte", "cr", "mrpc"), gain=only_near))
    assert "yes, the interval is above 0 (and of 3 targets" in controls.told(
        over["random"], 3
    )


def test_the_rows_of_table_3_have_controls_of_their_own(tmp_path):
    made = read(tmp_path, gain=only_near)
    table = methods.compare(made, methods.outcomes(made))
    row = {tuple(r[["method", "measure", "k"]]): r for _, r in table.iterrows()}
    scores = made.of("transfer").groupby("target")["score"].mean()
    assert row["random", "", 1]["score_mean"] == pytest.approx(scores.mean())
    first = row["best", "per_token", 1]
    assert first["over_mean"] == pytest.approx(
        first["score_mean"] - row["random", "", 1]["score_mean"]
    )
    # The best of three grows whoever chooses them: three at random do so too.
    third = row["best", "per_token", 3]
    assert third["over_mean"] == pytest.approx(
        third["score_mean"] - row["random", "", 3]["score_mean"]
    )
    assert third["over_mean"] < first["over_mean"]
    for key in (("average", "per_token", 3), ("baseline", "", 0)):
        assert row[key]["over_mean"] == pytest.approx(
            row[key]["score_mean"] - row["random", "", 1]["score_mean"]
        )
    assert np.isnan(row["random", "", 1]["over_mean"])
    assert ("longer", "", 0) not in row


def test_equal_sources_are_a_toss(tmp_path):
    made = read(tmp_path, gain=lambda source, target, luck: 0.4)
    table = methods.compare(made, methods.outcomes(made))
    best = table[table["method"] == "best"]
    np.testing.assert_allclose(best["chance"], 50)
    np.testing.assert_allclose(best["over_mean"], 0, atol=1e-9)
    assert controls.verdict(found_of(made)["random"]) == "not shown"


def test_the_most_similar_is_compared_though_no_k_of_1_is_asked_for(tmp_path):
    folder = made_study.write(tmp_path, **SMALL, evaluations=3, gain=only_near)
    made_study.change_plan(folder, best_ks=[])
    made = study.read(folder)
    assert controls.verdict(found_of(made)["random"]) == "yes"


def test_a_target_without_one_of_its_transfers_is_named_and_not_averaged(tmp_path):
    folder = made_study.write(tmp_path, **SMALL, evaluations=3, gain=only_near)

    def without(frame):
        gone = (frame["source"] == "qqp") & (frame["target"] == "cr")
        return frame[~(gone & (frame["seed"] == "1"))]

    made_study.edit(folder, "scores.csv", without)
    made = study.read(folder)
    over = found_of(made)["random"]
    assert over.count == 4 and "over 4 of 5 targets: yes" in controls.told(over, 5)
    table = controls.by_target(made, methods.outcomes(made)).set_index("target")
    assert np.isnan(table.loc["cr", ["random", "over_per_token"]].astype(float)).all()
    assert np.isnan(table.loc["all 5", "random"])
    assert np.isnan(table.loc["all 5", "over_per_token_low"])
    # What cr has is told all the same.
    assert table.loc["all 5", "scratch"] > 0
    report = sections.of_study(made, {})
    lists = next(s.lists for s in report.sections if s.title == "What is missing")
    assert ("transfer scores: 1 of 90", ("qqp seed 1 → cr",)) in lists


def test_the_table_names_the_sources_it_compares(tmp_path):
    made = read(tmp_path, gain=only_near, longer={"longer": 0.9})
    known = methods.outcomes(made)
    table = controls.by_target(made, known).set_index("target")
    assert set(table.loc["cr", "picked_average_tokens"].split(", ")) <= {
        *("sst2", "yelp_polarity")
    }
    assert table.loc["rte", "unrelated_source"] in (
        "sst2",
        "yelp_polarity",
        "qqp",
        "cxc",
    )
    source = table.loc["rte", "unrelated_source"]
    runs = made.of("transfer")
    there = (runs["source"] == source) & (runs["target"] == "rte")
    assert table.loc["rte", "unrelated"] == pytest.approx(runs[there]["score"].mean())
    # As many more steps without a source are worth more than any source here.
    assert controls.verdict(controls.over(made, known, "per_token")["longer"]) == "no"
    section = control_sections.worth(made, known)
    assert len(section.paragraphs) == 1
    assert section.blocks[0].rows[-1][0].text == "all 5"


def test_what_controls_there_are_not_is_said(tmp_path):
    folder = made_study.write(tmp_path, **SMALL, evaluations=3)
    made_study.edit(
        folder, "scores.csv", lambda f: f[f["method"].isin(["baseline", "average"])]
    )
    nobody = dict.fromkeys(SMALL["targets"])
    stages = ["sources", "baselines", "averages"]
    made_study.change_plan(folder, stages=stages, unrelated=nobody)
    made = study.read(folder)
    known = methods.outcomes(made)
    text = " ".join(control_sections.worth(made, known).paragraphs)
    assert "STAGES has no transfers" in text
    assert "family than rte, cr, mrpc, cb, stsb" in text
    assert "STAGES has no longer_baselines" in text
    over = control_sections.differences(made, known)
    assert not control_sections.abstract(made, over)
    assert not [*control_sections.verdicts(made, over)]
    assert "unrelated" not in set(methods.compare(made, known)["method"])
    sections.of_study(made, {})


def test_an_unrelated_source_is_the_one_that_the_study_tells(tmp_path):
    folder = made_study.write(tmp_path, **SMALL, evaluations=3)
    made_study.change_plan(folder, unrelated={"rte": "mnli", "cr": None})
    made = study.read(folder)
    known = methods.outcomes(made)
    rows = known[known["method"] == "unrelated"]
    assert set(rows["target"]) == {"rte"}
    made_study.change_plan(folder, unrelated={"rte": "nobody"})
    with pytest.raises(ValueError, match="unrelated names 'nobody' for rte"):
        study.read(folder)


def test_a_crossed_study_draws_from_the_runs_of_its_seed(tmp_path):
    folder = made_study.write(tmp_path, **SMALL, seeds=(0, 1), evaluations=3)

    def crossed(frame):
        transfers = frame[frame["method"] == "transfer"]
        others = transfers.assign(
            seed=(1 - transfers["seed"].astype(int)).astype(str), score="1"
        )
        return pd.concat([frame, others])

    made_study.edit(folder, "scores.csv", crossed)
    made = study.read(folder)
    known = methods.outcomes(made)
    runs = made.of("transfer")
    own = runs[(runs["target"] == "rte") & (runs["seed"] == 1)]["score"].mean()
    there = (known["method"] == "random") & (known["k"] == 1)
    row = known[there & (known["target"] == "rte") & (known["seed"] == 1)]
    assert row["score"].item() == pytest.approx(own)


def test_a_source_prompt_that_diverged_is_none_and_is_named(tmp_path):
    """Else nothing would be known of any target."""
    folder = made_study.write(tmp_path, **SMALL, evaluations=3, gain=only_near)

    def without(frame):
        first = "source" if "source" in frame else "first"
        seed = "source_seed" if "source" in frame else "first_seed"
        return frame[~((frame[first] == "qqp") & (frame[seed] == "1"))]

    for name in ("scores.csv", "curves.csv", "similarities.csv"):
        made_study.edit(folder, name, without)
    made_study.edit(
        folder,
        "similarities.csv",
        lambda f: f[~((f["second"] == "qqp") & (f["second_seed"] == "1"))],
    )
    assert np.isnan(found_of(study.read(folder))["random"].mean)
    made_study.change_plan(folder, diverged=[["qqp", 1]])
    made = study.read(folder)
    assert methods.best_ks(made)[-1] == 15
    over = found_of(made)["random"]
    assert over.count == 5 and controls.verdict(over) == "yes"
    report = sections.of_study(made, {})
    lists = next(s.lists for s in report.sections if s.title == "What is missing")
    assert lists == [("source prompts (they diverged): 1 of 18", ("qqp seed 1",))]
    ends_table = next(s for s in report.sections if s.title.startswith("Steps"))
    assert set(ends_table.blocks[1].data["line"]) >= {"random source"}


def test_one_source_prompt_that_did_not_diverge_is_no_fault_and_none_is_told(tmp_path):
    folder = made_study.write(tmp_path, **SMALL, evaluations=3)
    prompts = [(source, seed) for source in SMALL["sources"] for seed in range(3)]
    made_study.change_plan(folder, diverged=prompts)
    with pytest.raises(ValueError, match="all 18 source prompts diverged"):
        study.read(folder)
    made_study.change_plan(folder, diverged=prompts[1:])
    made = study.read(folder)
    found = methods.compare(made, methods.outcomes(made))
    assert set(found.loc[found["method"] == "random", "k"]) == {1}
    sections.of_study(made, {})
