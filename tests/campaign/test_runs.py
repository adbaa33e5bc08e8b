"""What a study has written is read strictly."""

import json

import numpy as np
import pytest

from spot_jax.campaign import diary, tables
from spot_jax.campaign.plan import Study, runs
from spot_jax.campaign.runs import FinishedRuns
from spot_jax.errors import InputError
from spot_jax.prompts import files
from tests.bundles import soft

PLAN = Study(
    sources=["mnli"],
    targets=["cr"],
    seeds=[0],
    stages=["baselines"],
    source_steps=4,
    target_steps=4,
    source_eval_period=2,
    target_eval_period=2,
    embedding_step=2,
    best_ks=[],
    average_ks=[],
    mixture_ks=[],
)


@pytest.fixture
def finished(tmp_path):
    """A study whose one baseline is finished."""
    (run,) = [run for run in runs(PLAN) if run.stage == "baselines"]
    folder = tmp_path / "runs" / run.name
    tuning = {"method": "baseline", "seed": 0, "target": "cr"}
    folder.mkdir(parents=True)
    lines = [{"name": "cr-seed0", "tuning": tuning}]
    (folder / "tunings.json").write_text(json.dumps(lines))
    for kind in ("best", "last", "embedding"):
        write(folder, kind, results={"cr": {"accuracy": 50.0}})
    done = {"step": 2, "prompt": "cr-seed0", "kind": "cr", "accuracy": 50.0}
    (folder / "metrics.jsonl").write_text(json.dumps(done) + "\n")
    return tmp_path, run, folder


def write(folder, kind, **said):
    story = {"name": "cr-seed0", "step": 4, "model": {"source": "x"}} | said
    path = folder / "prompts/cr-seed0" / f"{kind}.safetensors"
    files.write(path, soft(np.ones((2, 3), np.float32)), story)


def scores(folder) -> list[str]:
    tables.write_tables(folder, PLAN, FinishedRuns(folder, PLAN))
    return (folder / "scores.csv").read_text().splitlines()[1:]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[1]",
        b'[{"name": "a"}]',
        b'[{"name": 3, "tuning": {"method": "baseline", "seed": 0}}]',
        b'[{"name": "a", "tuning": {"method": "baseline", "seed": "0"}}]',
        b'[{"name": "\xff", "tuning": {}}]',
    ],
)
def test_damaged_tunings_are_one_message_with_the_cure(text, finished):
    folder, run, its_own = finished
    (its_own / "tunings.json").write_bytes(text)
    with pytest.raises(InputError, match="tunings.json .*Delete it: .*keeps what is"):
        FinishedRuns(folder, PLAN).has(run)


@pytest.mark.parametrize(
    "text", [b"", b"[]", b'{"commands": 3}', b'{"commands": [], "wall_seconds": "1"}']
)
def test_a_damaged_diary_is_one_message_with_the_cure(text, tmp_path):
    path = tmp_path / "workers" / "1of1.json"
    path.parent.mkdir()
    path.write_bytes(text)
    with pytest.raises(InputError, match="1of1.json .*Delete it: only the time"):
        diary.Diary(tmp_path, (1, 1), "spot_jax study")


def test_a_diary_goes_on(tmp_path):
    for command in ("a", "b", "a"):
        diary.Diary(tmp_path, (1, 1), command).write()
    told = diary.read(tmp_path / "workers" / "1of1.json")
    assert told["commands"] == ["a", "b"]
    assert told["wall_seconds"] > 0


def test_a_prompt_that_does_not_say_its_step_is_told(finished):
    folder, run, its_own = finished
    write(its_own, "last", step=None)
    with pytest.raises(InputError, match="last.safetensors does not say its step, as"):
        FinishedRuns(folder, PLAN).has(run)


def test_a_score_that_is_no_number_is_left_out_and_so_is_its_point(finished):
    folder, _, its_own = finished
    assert scores(folder) == ["baseline,cr,0,,,,,50.0,4"]
    write(its_own, "best", results={"cr": {"pearson": None}})
    point = {"step": 4, "prompt": "cr-seed0", "kind": "cr", "accuracy": None}
    with open(its_own / "metrics.jsonl", "a") as file:
        file.write(json.dumps(point) + "\n")
    assert scores(folder) == []
    curves = (folder / "curves.csv").read_text().splitlines()[1:]
    assert curves == ["baseline,cr,0,,,,,2,50.0"]
