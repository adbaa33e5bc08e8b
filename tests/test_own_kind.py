"""A kind of prompt of one's own goes through every program, with no change elsewhere.

It is three files: low_rank.py, low_rank.gin and this one.
"""

import json
import subprocess
import time

import numpy as np
import pytest

from spot_jax import config, evaluate, infer, library_program, transfer
from spot_jax.prompts import files
from spot_jax.prompts.library import Library
from tests import runs

FILES = [*runs.FILES, "tests/low_rank.gin"]
TASKS = ("demo_film", "demo_topic")
# A rank of 3 in a prompt of 5.
BANK = {"MIXTURE_OR_TASK_NAME": list(TASKS), "RANDOM_SEED": 0}


def read(folder, task: str, kind: str):
    return files.read(folder / f"prompts/{task}-seed0/{kind}.safetensors")


@pytest.fixture(scope="module")
def trained(demo_model, tmp_path_factory):
    """A finished bank of two tasks."""
    folder = tmp_path_factory.mktemp("low_rank") / "bank"
    runs.train(folder, demo_model, BANK, files=FILES)
    return folder


def test_a_bank_is_trained_within_the_kind(trained):
    for task in TASKS:
        early, last = (read(trained, task, kind) for kind in ("embedding", "last"))
        assert early.bundle.enc_input.shape == (5, 64)
        moved = last.bundle.enc_input - early.bundle.enc_input
        assert np.abs(moved).max() > 1e-3
        for prompt in (early, last):
            sizes = np.linalg.svd(prompt.bundle.enc_input, compute_uv=False)
            assert np.all(sizes[3:] < 1e-4 * sizes[0])
        assert "low_rank.LowRankPrompt" in last.story["configuration"]


@pytest.mark.slow
def test_killed_it_resumes_to_the_same_prompts(trained, demo_model, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    commands = [
        runs.command("train", runs.bindings(folder, demo_model, BANK), files=FILES)
        for folder in (whole, killed)
    ]
    assert runs.call(commands[0]).returncode == 0
    process = subprocess.Popen(
        commands[1],
        env=runs.environment(),
        cwd=runs.ROOT,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not (killed / "checkpoints/step_3").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait(60)
    assert runs.call(commands[1]).returncode == 0
    assert json.loads((killed / "run.json").read_text())["resumed_at"] >= 3
    for task in TASKS:
        for kind in ("best", "last"):
            one, two = read(whole, task, kind), read(killed, task, kind)
            np.testing.assert_array_equal(one.bundle.enc_input, two.bundle.enc_input)


def test_it_goes_into_a_library_and_out_as_starts(
    trained, demo_model, tmp_path, capsys
):
    kept = str(tmp_path / "library")
    library_program.main(["add", kept, str(trained)])
    library_program.main(["list", kept])
    library_program.main(["verify", kept])
    said = capsys.readouterr().out
    assert all(f"{task}-seed0" in said for task in TASKS) and "nothing wrong" in said

    target = str(trained / "prompts/demo_film-seed0")
    asked = [kept, "--target", target, "--target_task", "demo_food", "--k", "2"]
    for method in ("best", "average"):
        transfer.main([*asked, "--method", method, "--out", str(tmp_path / method)])
    entries = Library(kept).entries()
    best = files.read(tmp_path / "best/start-1.safetensors").bundle
    np.testing.assert_array_equal(best.enc_input, entries[0].prompt.enc_input)
    told = json.loads((tmp_path / "average/ranking.json").read_text())
    weights = {line["entry"]: line["weight"] for line in told["targets"][0]["ranking"]}
    expected = sum(weights[e.name] * e.prompt.enc_input for e in entries)
    average = files.read(tmp_path / "average/start.safetensors").bundle.enc_input
    np.testing.assert_allclose(average, expected, atol=1e-6)

    # The average of two prompts of rank 3 has rank 6: training begins nearby.
    start = {
        "PROMPT_START": "@init.from_file",
        "PROMPT_FILE": str(tmp_path / "average/start.safetensors"),
        "LEARNING_RATE": 0.0,
        "OPTIMIZER": "@optim.adamw",
    }
    from_file = [*FILES, "gin/prompts/from_file.gin"]
    tuned = tmp_path / "tuned"
    runs.train(tuned, demo_model, start, files=from_file)
    found = read(tuned, "demo_food", "last").bundle.enc_input
    left, sizes, right = np.linalg.svd(average, full_matrices=False)
    nearest = (left[:, :3] * sizes[:3]) @ right[:3]
    np.testing.assert_allclose(found, nearest, atol=1e-4)


def test_it_is_evaluated_and_answers(trained, demo_model, tmp_path):
    best = read(trained, "demo_film", "best")
    asked = demo_model | {
        "MIXTURE_OR_TASK_NAME": "demo_film",
        "EVALUATION": "rank",
        "EVALUATOR_NUM_EXAMPLES": 20,
        "PROMPT_FILES": [best.path],
        "EVAL_OUTPUT_DIR": str(tmp_path / "scores"),
    }
    given = [f"{name}={value}" for name, value in asked.items()]
    config.parse(["tests/demo.gin", "gin/runs/evaluate.gin"], given)
    table = config.configured(evaluate.evaluate)()
    (scores,) = table.values()
    assert scores == best.story["results"]

    asked |= {"PROMPT_FILE": best.path, "INFER_OUTPUT": str(tmp_path / "out.jsonl")}
    given = [f"{name}={value}" for name, value in asked.items() if "FILES" not in name]
    given = [line for line in given if "EVAL_OUTPUT_DIR" not in line]
    config.parse(["tests/demo.gin", "gin/runs/infer.gin"], given)
    assert len(config.configured(infer.infer)()) == 20
