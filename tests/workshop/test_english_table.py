"""Whether it matters which source a target starts from, told from a study's tables."""

import csv
import json

import numpy as np
import pytest

from spot_jax.errors import InputError
from spot_jax.workshop import english_table
from spot_jax.workshop.english_rows import SOURCES, TARGETS

SEEDS = (0, 1)


def line(method, target, seed, score, step, source=""):
    row = {"method": method, "target": target, "seed": seed, "source": source}
    return row | {"step": step, "score": score}


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def make_study(folder, score_of, similarity_of, steps=(5, 10)):
    """Writes what a study leaves, of scores by target and source, and similarities."""
    curves, similar = [], []
    for target in TARGETS:
        for seed in SEEDS:
            for step in steps:
                curves.append(line("baseline", target.name, seed, 50.0, step))
                for source in SOURCES:
                    score = score_of(target, source) + step - steps[-1]
                    curves.append(
                        line("transfer", target.name, seed, score, step, source.name)
                    )
            for source in SOURCES:
                for other in SEEDS:
                    similar.append(
                        {
                            "measure": "per_token",
                            "first": target.name,
                            "first_seed": seed,
                            "second": source.name,
                            "second_seed": other,
                            "similarity": similarity_of(target, source),
                        }
                    )
    write(folder / "study" / "curves.csv", curves)
    write(folder / "study" / "similarities.csv", similar)


def is_sst2(source) -> bool:
    return source.task == "sst2"


def test_a_source_that_is_found_and_helps_is_a_gain_over_a_random_one(tmp_path):
    make_study(
        tmp_path,
        lambda target, source: 90.0 if is_sst2(source) else 60.0,
        lambda target, source: 0.9 if is_sst2(source) else 0.1,
    )
    printed = english_table.write(tmp_path)
    found = json.loads((tmp_path / "results" / "table.json").read_text())
    assert list(found) == ["5", "10"]
    for row in found["10"]:
        assert row["scratch"] == 50.0 and row["most_similar"] == row["best"] == 90.0
        assert row["random"] == pytest.approx(65.0)
        assert row["gain"] == pytest.approx(25.0)
        assert 10 < row["gain_low"] < 25 <= row["gain_high"] <= 30
        assert row["chance"] == 0.0 and row["correlation"] == pytest.approx(1.0)
        assert row["scratch_longer"] is None
    # Of CR's own family are SST-2 and Yelp; SST-2 is another's for the rest.
    (cr,) = (row for row in found["10"] if row["target"] == "english_cr")
    assert (cr["related"], cr["unrelated"]) == (75.0, 60.0)
    assert {row["gain"] for row in found["5"]} == {row["gain"] for row in found["10"]}
    assert "english_cr" in printed and printed.count("\n") == 7


def test_where_every_source_helps_alike_similarity_gains_nothing(tmp_path):
    rng = np.random.default_rng(0)
    make_study(tmp_path, lambda *_: 80.0, lambda *_: rng.random())
    english_table.write(tmp_path)
    *targets, mean = json.loads((tmp_path / "results" / "table.json").read_text())["10"]
    assert mean["target"] == "mean" and len(targets) == len(TARGETS)
    assert mean["gain"] == mean["gain_low"] == mean["gain_high"] == 0.0
    assert mean["most_similar"] - mean["scratch"] == 30.0


def test_longer_baselines_count_at_their_own_last_step(tmp_path):
    make_study(tmp_path, lambda *_: 80.0, lambda *_: 0.5)
    longer = [
        line("baseline", target.name, seed, score, step)
        for target in TARGETS
        for seed in SEEDS
        for step, score in ((20, 1.0), (40, 77.0))
    ]
    write(tmp_path / "longer" / "curves.csv", longer)
    english_table.write(tmp_path)
    rows = json.loads((tmp_path / "results" / "table.json").read_text())["10"]
    assert {row["scratch_longer"] for row in rows} == {77.0}


def test_a_score_that_is_no_number_counts_as_none(tmp_path):
    make_study(tmp_path, lambda *_: 80.0, lambda *_: 0.5)
    path = tmp_path / "study" / "curves.csv"
    lines = path.read_text().splitlines()
    gone = [x for x in lines if "english_stsb,0,english_qqp,10" in x]
    path.write_text("\n".join(x for x in lines if x not in gone) + "\n")
    assert len(gone) == 1
    english_table.write(tmp_path)
    rows = json.loads((tmp_path / "results" / "table.json").read_text())["10"]
    (stsb,) = (row for row in rows if row["target"] == "english_stsb")
    assert stsb["random"] == pytest.approx(80 * 11 / 12)
    assert stsb["scores"]["english_qqp, seed 0"] == 0.0


def test_a_study_that_was_not_run_is_told(tmp_path):
    with pytest.raises(InputError, match="curves.csv.*--stage study"):
        english_table.write(tmp_path)
