"""The paper's Table 6 in, the paper's derived figures out."""

import pathlib

import numpy as np
import pytest

from spot_jax.analysis import transfers

TABLE6 = (
    pathlib.Path(__file__).resolve().parents[2] / "../shared/reference/spot_table6.csv"
)
# SPoT Table 7: every transfer that takes away more than a tenth of the error.
TABLE7 = {
    ("MNLI", "CB"): 58.9,
    ("MNLI", "COPA"): 29.1,
    ("ReCoRD", "WSC"): 20.0,
    ("MNLI", "RTE"): 19.2,
    ("SQuAD", "MRPC"): 18.7,
    ("ReCoRD", "MRPC"): 18.7,
    ("CxC", "WiC"): 18.1,
    ("MNLI", "BoolQ"): 17.0,
}


@pytest.fixture(scope="module")
def paper():
    if not TABLE6.exists():
        pytest.skip("the paper's Table 6 (../shared/reference) is not here")
    return transfers.read_table(TABLE6)


def test_the_paper_has_160_transfers_and_a_baseline_of_74_68(paper):
    assert paper.wide("mean").shape == (16, 10)
    assert paper.wide("mean").notna().all(axis=None)
    assert paper.baseline["mean"].mean() == pytest.approx(74.68)


def test_93_of_160_transfers_are_above_the_baseline(paper):
    assert transfers.above_baseline(paper) == 93
    assert transfers.by_source(paper)["above"].sum() == 93


def test_the_best_source_means_average_79_42(paper):
    best = transfers.best_by_target(paper).set_index("target")
    assert best["mean"].mean() == pytest.approx(79.42)
    assert best.loc["CB", "source"] == "MNLI"
    assert best.loc["WSC", "source"] == "ReCoRD"


def test_sources_average_as_in_the_paper(paper):
    found = transfers.by_source(paper).set_index("source")["mean"]
    expected = {
        "MNLI": 78.59,
        "QNLI": 76.63,
        "SQuAD": 76.58,
        "QQP": 76.48,
        "CxC": 76.15,
    }
    assert list(found.index[:5]) == list(expected)
    for source, mean in (expected | {"HellaSWAG": 70.81}).items():
        assert found[source] == pytest.approx(mean)
    assert found.index[-1] == "HellaSWAG"


def test_30_transfers_take_away_more_than_a_tenth_of_the_error(paper):
    cells = paper.cells.set_index(["source", "target"])["percent"]
    assert (cells > 10).sum() == 30
    for cell, percent in TABLE7.items():
        assert cells[cell] == pytest.approx(percent, abs=0.05)
    assert set(cells.nlargest(8).index) == set(TABLE7)


def test_a_table_has_no_runs_to_resample(paper):
    assert paper.cells[["low", "high", "percent_low"]].isna().all(axis=None)


def test_a_study_has_means_and_intervals_of_its_runs(whole):
    found = transfers.of_study(whole)
    runs = whole.of("transfer")
    cell = found.cells.set_index(["source", "target"]).loc[("mnli", "rte")]
    there = (runs["source"] == "mnli") & (runs["target"] == "rte")
    assert cell["mean"] == pytest.approx(runs.loc[there, "score"].mean())
    assert cell["low"] == runs.loc[there, "score"].min()
    assert cell["percent_low"] < cell["percent"] < cell["percent_high"]


def test_a_source_of_the_target_s_skill_is_better_by_construction(whole):
    found = transfers.of_study(whole).wide("percent")
    assert found.loc["mnli", "rte"] > found.loc["sst2", "rte"]
    assert found.loc["sst2", "cr"] > found.loc["mnli", "cr"]


def test_missing_cells_stay_missing(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text(
        "source,target,mean,std\n,a,50,1\n,b,60,\nx,a,75,2\ny,a,40,2\ny,b,80,\n"
    )
    found = transfers.read_table(path)
    assert np.isnan(found.wide("percent").loc["x", "b"])
    assert found.wide("percent").loc["y", "b"] == pytest.approx(50)
    assert transfers.by_source(found).set_index("source").loc["x", "count"] == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("source,target,mean\n,a,50\n", "no column std"),
        ("source,target,mean,std\nx,a,50,1\n", "no baseline for a"),
        ("source,target,mean,std\n,a,50,1\nx,b,50,1\n", "no baseline for b"),
        ("source,target,mean,std\n", "no baseline for any target"),
        ("source,target,mean,std\n,a,50,1\n,a,51,1\n", "lines 2 and 3"),
        ("source,target,mean,std\n,a,50,1\nx,a,500,1\n", "line 3: mean is '500'"),
    ],
)
def test_a_bad_table_is_one_message(tmp_path, text, told):
    path = tmp_path / "scores.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=told):
        transfers.read_table(path)
