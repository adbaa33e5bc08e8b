"""A study some of whose prompts diverge: the others are what they would be."""

import collections
import csv
import functools
import json
import logging

import pytest

from spot_jax import study
from spot_jax.model_dir import names
from spot_jax.prompts import files
from spot_jax.prompts.library import Library
from tests import study_process, study_stub

MODEL = {
    "INITIAL_CHECKPOINT_PATH": "nowhere",
    "TASK_FEATURE_LENGTHS": "{'inputs': 32, 'targets': 8}",
}


@pytest.fixture(scope="module", autouse=True)
def snack():
    study_process.add_task()
    yield
    study_process.remove_task()


def tune(run, bank, folder, *, gone):
    """Leaves what a run leaves of which prompts diverged; a bank is never empty."""
    assert bank.rows
    study_stub.tune(run, bank, folder)
    for name in gone.get(run.stage, ()):
        path = names.prompt_file(folder, name, names.LAST)
        if path.exists():
            saved = files.read(path)
            files.write(path, saved.bundle, saved.story | {"step": 1, "diverged": 2})


def scores(folder) -> dict:
    with open(folder / "scores.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {tuple(row.values())[:6]: row["score"] for row in rows}


def do(folder, gone, monkeypatch, **values):
    monkeypatch.setattr(study, "tune", functools.partial(tune, gone=gone))
    study.main(study_process.arguments(folder, MODEL, values))
    return scores(folder)


def test_a_source_and_a_baseline_that_diverge_are_left_out_with_what_hangs_on_them(
    tmp_path, monkeypatch, caplog
):
    whole = do(tmp_path / "whole", {}, monkeypatch)
    gone = {"sources": ["demo_food-seed0"], "baselines": ["demo_film-seed1"]}
    caplog.set_level(logging.WARNING)
    found = do(tmp_path / "some", gone, monkeypatch)
    count = collections.Counter(key[0] for key in found)
    wanted = {"baseline": 3, "transfer": 6, "average": 3, "mixture": 3}
    assert {method: count[method] for method in wanted} == wanted
    assert not [key for key in found if key[3:5] == ("demo_food", "0")]
    # What has nothing to do with them is the same.
    for method in ("baseline", "transfer"):
        same = [key for key in found if key[0] == method]
        assert all(found[key] == whole[key] for key in same)
    told = "\n".join(caplog.messages)
    assert "sources-000: demo_food-seed0 diverged; the study goes on without" in told
    assert "baselines-000: demo_film-seed1 diverged" in told
    assert "transfers-000: 2 of 8 prompts are left out" in told
    assert "averages-000: 1 of 4 prompts are left out" in told
    # Of k = 4 too, for there are three sources.
    assert "mixtures-000: 5 of 8 prompts are left out" in told
    assert "mixture_targets-000: 5 of 8 prompts are left out" in told
    kept = Library(tmp_path / "some" / "library").names()
    assert kept == ["demo_food-seed1", "demo_topic-seed0", "demo_topic-seed1"]
    # It is finished, and nothing of it is done again.
    monkeypatch.setattr(study, "tune", None)
    study.main(study_process.arguments(tmp_path / "some", MODEL))
    assert scores(tmp_path / "some") == found


def test_a_run_of_which_nothing_is_left_is_finished(tmp_path, monkeypatch):
    gone = {"sources": ["demo_food-seed0"]}
    # The first run of transfers is of that source alone.
    values = dict(BANK_SIZE=1, TARGETS=["demo_film"], STAGES=["sources", "transfers"])
    assert len(do(tmp_path, gone, monkeypatch, **values)) == 3
    runs = sorted(tmp_path.glob("runs/transfers-*/tunings.json"))
    assert [len(json.loads(path.read_text())) for path in runs] == [0, 1, 1, 1]
