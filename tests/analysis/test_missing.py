import pytest

from spot_jax.analysis import missing, study
from tests.analysis import made_study


def test_a_complete_study_lacks_nothing(whole):
    assert missing.of_study(whole) == []


def drop(name, **values):
    def change(folder):
        def rewrite(frame):
            there = frame["method" if name != "similarities.csv" else "measure"].notna()
            for column, value in values.items():
                there &= frame[column] == value
            assert there.any()
            return frame[~there]

        made_study.edit(folder, name, rewrite)

    return change


@pytest.mark.parametrize(
    ("change", "what", "name", "count"),
    [
        (
            drop("scores.csv", method="baseline", target="cr", seed="1"),
            "baseline scores",
            "cr seed 1",
            (1, 6),
        ),
        (
            drop("scores.csv", source="qqp", target="cr"),
            "transfer scores",
            "qqp seed 0 → cr",
            (2, 18),
        ),
        (
            drop("scores.csv", method="mixture", k="3", target="cr", seed="0"),
            "mixture scores",
            "cr seed 0, k = 3, per_token",
            (1, 12),
        ),
        (
            drop("similarities.csv", first="mnli", second="cr", measure="per_token"),
            "similarities (per_token)",
            "mnli seed 0 – cr seed 0",
            (4, 66),
        ),
        (
            drop("curves.csv", source="qqp", target="cr", source_seed="1"),
            "learning curves",
            "transfer, cr seed 1 from qqp seed 1",
            (1, 48),
        ),
        (
            lambda folder: made_study.change_plan(folder, wall_seconds=None),
            "facts in study.json",
            "wall_seconds",
            (1, 6),
        ),
    ],
)
def test_what_is_missing_is_named(small, change, what, name, count):
    change(small)
    gaps = {gap.what: gap for gap in missing.of_study(study.read(small))}
    assert name in gaps[what].names
    assert (gaps[what].count, gaps[what].planned) == count


def test_a_stage_that_was_not_planned_is_not_missing(small):
    drop("scores.csv", method="average")(small)
    made_study.change_plan(
        small, stages=["sources", "baselines", "transfers", "mixture_targets"]
    )
    assert missing.of_study(study.read(small)) == []


@pytest.mark.parametrize(
    ("method", "what"),
    [
        ("longer", "scores from scratch with a source's steps added"),
        ("longer_similar", "longer transfer scores from the most similar source"),
        ("longer_random", "longer transfer scores from a random source"),
        ("longer_unrelated", "longer transfer scores from an unrelated source"),
    ],
)
def test_a_missing_control_is_named(method, what, tmp_path):
    gains = dict.fromkeys(made_study.LONGER, 0.3)
    names = {"sources": ("mnli", "sst2", "qqp"), "targets": ("rte", "cr")}
    folder = made_study.write(tmp_path, **names, longer=gains)
    assert missing.of_study(study.read(folder)) == []
    drop("scores.csv", method=method, target="cr", seed="1")(folder)
    drop("curves.csv", method=method, target="cr", seed="1")(folder)
    [gap] = missing.of_study(study.read(folder))
    assert (gap.what, gap.names, gap.planned) == (what, ("cr seed 1",), 6)


def test_what_has_no_unrelated_source_lacks_no_run_of_it(tmp_path):
    gains = dict.fromkeys(made_study.LONGER, 0.3)
    folder = made_study.write(
        tmp_path, sources=("mnli", "sst2"), targets=("rte", "cr"), longer=gains
    )
    drop("scores.csv", method="longer_unrelated", target="cr")(folder)
    drop("curves.csv", method="longer_unrelated", target="cr")(folder)
    made_study.change_plan(folder, unrelated={"rte": "sst2", "cr": None})
    assert missing.of_study(study.read(folder)) == []
