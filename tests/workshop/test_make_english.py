"""The making of a T5 of real English, and its study, at a tiny size."""

import gzip
import json
import tarfile
import time

import numpy as np
import pytest

from spot_jax.errors import InputError
from spot_jax.model_dir.storage import replace_file
from spot_jax.workshop import english_runs, english_text, make_english
from tests.workshop.test_english_rows import write_data


def write_corpus(folder):
    words = np.array("the a ship sea went down good bad he said to them we".split())
    rng = np.random.default_rng(0)
    for names in english_text.FILES.values():
        for name in names:
            path = folder / f"{name}-0.jsonl.gz"
            path.parent.mkdir(exist_ok=True)
            with gzip.open(path, "wt") as file:
                for _ in range(30):
                    line = {"text": " ".join(rng.choice(words, 120))}
                    file.write(json.dumps(line) + "\n")


@pytest.mark.slow
def test_one_command_prepares_trains_studies_and_brings_home(tmp_path, capsys):
    write_corpus(tmp_path / "corpus")
    write_data(tmp_path / "data")
    folder, keep = tmp_path / "english", tmp_path / "keep"
    given = ["--corpus", f"{tmp_path}/corpus", "--data", f"{tmp_path}/data"]
    given += ["--scale", "0.4", "--keep", str(keep)]
    make_english.main([str(folder), *given, "--stage", "prepare"])
    prepared = {path: path.stat().st_mtime_ns for path in folder.glob("*.*")}
    make_english.main([str(folder), *given, "--stage", "pretrain", "--seconds", "90"])
    make_english.main([str(folder), *given, "--stage", "study", "--seconds", "600"])
    assert prepared == {path: path.stat().st_mtime_ns for path in folder.glob("*.*")}
    card = json.loads((folder / "runs" / "model" / "card.json").read_text())
    for stage in ("pretrain", "adapt"):
        losses = list(card["stages"][stage]["validation_loss"].values())
        assert losses[-1] < losses[0] or stage == "adapt"
    rows = json.loads((folder / "runs" / "results" / "table.json").read_text())
    assert [row["target"] for row in rows["4"]][-1] == "mean" and len(rows["4"]) == 6
    assert "english_mrpc" in capsys.readouterr().out
    with tarfile.open(keep / "results.tar.gz") as archive:
        names = archive.getnames()
    assert {"results/table.json", "study/scores.csv", "model/spiece.model"} <= {*names}
    assert (keep / "checkpoint").stat().st_size == card["bytes"]


def test_large_files_come_home_in_parts_that_are_the_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(make_english, "_PART", 1000)
    data = np.random.default_rng(0).bytes(2500)
    replace_file(tmp_path / "runs" / "model" / "checkpoint", data)
    make_english.bring_home(tmp_path / "runs", tmp_path / "keep")
    parts = sorted((tmp_path / "keep").glob("checkpoint*"))
    assert [part.name[-1] for part in parts] == ["0", "1", "2"]
    assert b"".join(part.read_bytes() for part in parts) == data
    assert (tmp_path / "keep" / "results.tar.gz").exists()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "is not prepared: give --corpus and --data"),
        (["--stage", "pretrain"], "english.json"),
        (["--scale", "0"], "--scale is 0.0"),
        (["--seconds", "nan"], "--seconds nan"),
    ],
)
def test_what_cannot_be_done_is_told(given, told, tmp_path):
    with pytest.raises(InputError, match=told):
        make_english.main([str(tmp_path / "english"), *given])


def test_a_program_ends_when_its_time_is_over_and_says_whether_it_came_to_its_end():
    now = time.monotonic()
    assert english_runs.run(["--help"], now + 60)
    assert not english_runs.run(["nothing"], now + 60)
    # What it would do with less it cannot save.
    assert not english_runs.run(["--help"], time.monotonic() + 1)


def test_steps_that_were_decided_on_stay(tmp_path):
    assert english_runs._decided(tmp_path, "pretrain", 100) == 100
    assert english_runs._decided(tmp_path, "adapt", 50) == 50
    assert english_runs._decided(tmp_path, "pretrain", 70) == 100


@pytest.mark.parametrize("small", [False, True])
def test_a_step_of_adaptation_costs_about_one_of_span_corruption(small, tmp_path):
    shared = english_runs._shared(tmp_path, tmp_path, small)
    assert 0.5 < english_runs._ratio(shared) < 1.5
