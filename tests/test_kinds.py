"""Every kind of prompt that is shipped goes through every program."""

import json
import shutil

import numpy as np
import pytest

from spot_jax import config, evaluate, infer, library_program, transfer
from spot_jax.prompts import algebra, files
from spot_jax.prompts.base import modes, shapes_of
from spot_jax.prompts.library import Library
from spot_jax.train import train
from tests import runs

TASKS = ("demo_film", "demo_topic")
BANK = {"MIXTURE_OR_TASK_NAME": list(TASKS), "RANDOM_SEED": 0, "PROMPT_LENGTH": 5}
# Of its gin file, what it has besides, and which sites its prompts have.
KINDS = {
    "p_tuning_v2": (
        {"PROMPT_LAYERS": "1:", "LEARNING_RATE": 0.01},
        ["enc_self", "dec_self"],
    ),
    "prefix_tuning": (
        {"PREFIX_WIDTH": 16, "LEARNING_RATE": 0.01},
        ["enc_self", "dec_self", "cross"],
    ),
    "p_tuning": ({"DECAY_EVERY": 5, "LEARNING_RATE": 0.01}, ["enc_input"]),
    "deep_prompt": ({"HIDDEN_MODE": "add"}, ["enc_hidden"]),
}


def gin_of(kind):
    return [*runs.FILES, f"gin/prompts/{kind}.gin"]


@pytest.fixture(
    scope="module",
    params=[
        name if name == "p_tuning_v2" else pytest.param(name, marks=pytest.mark.slow)
        for name in KINDS
    ],
)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def trained(kind, demo_model, tmp_path_factory):
    """A finished bank of two tasks."""
    folder = tmp_path_factory.mktemp(kind) / "bank"
    runs.train(folder, demo_model, BANK, KINDS[kind][0], files=gin_of(kind))
    return folder


def read(folder, task, which):
    return files.read(folder / f"prompts/{task}-seed0/{which}.safetensors")


def matrices(prompt):
    return np.concatenate([m.ravel() for m in algebra.token_matrices(prompt.bundle)])


def test_a_bank_is_trained_saved_and_resumed(kind, trained, demo_model, tmp_path):
    options, sites = KINDS[kind]
    for task in TASKS:
        early, last = (read(trained, task, which) for which in ("embedding", "last"))
        assert list(shapes_of(last.bundle)) == sites
        assert modes(last.bundle) == modes(early.bundle)
        assert np.abs(matrices(last) - matrices(early)).max() > 1e-4
        assert "PROMPT = @" in last.story["configuration"]
    assert modes(last.bundle).get("layers", "") == options.get("PROMPT_LAYERS", "")

    stopped = tmp_path / "stopped"
    shutil.copytree(trained, stopped)
    shutil.rmtree(stopped / "checkpoints/step_12")
    for task in TASKS:
        (stopped / f"prompts/{task}-seed0/last.safetensors").unlink()
    runs.train(stopped, demo_model, BANK, options, files=gin_of(kind))
    assert json.loads((stopped / "run.json").read_text())["resumed_at"] == 9
    for task in TASKS:
        one, two = (read(folder, task, "last") for folder in (trained, stopped))
        np.testing.assert_array_equal(matrices(one), matrices(two))


def test_it_goes_into_a_library_and_out_as_a_start(
    kind, trained, demo_model, tmp_path, capsys
):
    kept = str(tmp_path / "library")
    library_program.main(["add", kept, str(trained)])
    library_program.main(["verify", kept])
    assert "nothing wrong" in capsys.readouterr().out

    target = str(trained / "prompts/demo_film-seed0")
    asked = [kept, "--target", target, "--target_task", "demo_food", "--k", "2"]
    for method in ("best", "average"):
        transfer.main([*asked, "--method", method, "--out", str(tmp_path / method)])
    ranked = json.loads((tmp_path / "average/ranking.json").read_text())
    (lines,) = [line["ranking"] for line in ranked["targets"]]
    assert len(lines) == 2
    assert all(np.isfinite(line["weight"]) for line in lines)
    entries = {entry.name: entry.prompt for entry in Library(kept).entries()}
    expected = algebra.weighted_average(
        [entries[line["entry"]] for line in lines],
        [line["weight"] for line in lines],
    )
    average = files.read(tmp_path / "average/start.safetensors")
    assert modes(average.bundle) == modes(expected)
    ours = np.concatenate([m.ravel() for m in algebra.token_matrices(expected)])
    np.testing.assert_allclose(matrices(average), ours, atol=1e-5)

    # The command that `transfer` gives has its recipe and begins at its start.
    made = (tmp_path / "average/target.gin").read_text()
    assert "PROMPT = @" in made and "\nOPTIMIZER = @optim." in made
    start = {"PROMPT_FILE": average.path, "LEARNING_RATE": 0.0}
    start |= {"MIXTURE_OR_TASK_NAME": "demo_food", "OPTIMIZER": "@optim.adamw"}
    tuned = tmp_path / "tuned"
    gin = [str(tmp_path / "average/target.gin"), "gin/prompts/from_file.gin"]
    given = runs.bindings(tuned, demo_model, start)
    config.parse(["tests/demo.gin", *gin], given)
    config.configured(train)(configuration=config.text())
    found = matrices(read(tuned, "demo_food", "last"))
    np.testing.assert_allclose(found, matrices(average), atol=2e-4)


def test_it_is_evaluated_answers_and_votes(trained, demo_model, tmp_path):
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
    (scores,) = config.configured(evaluate.evaluate)().values()
    assert scores == best.story["results"]

    voters = [best.path, read(trained, "demo_film", "embedding").path, best.path]
    asked |= {"PROMPT_FILES": voters, "EVAL_OUTPUT_DIR": str(tmp_path / "votes")}
    given = [f"{name}={value}" for name, value in asked.items()]
    config.parse(["tests/demo.gin", "gin/runs/ensemble.gin"], given)
    config.configured(evaluate.evaluate)()
    compared = json.loads((tmp_path / "votes/ensemble.json").read_text())
    assert len(compared) == 1

    asked |= {"PROMPT_FILE": best.path, "INFER_OUTPUT": str(tmp_path / "out.jsonl")}
    given = [f"{name}={value}" for name, value in asked.items() if "FILES" not in name]
    given = [line for line in given if "EVAL_OUTPUT_DIR" not in line]
    config.parse(["tests/demo.gin", "gin/runs/infer.gin"], given)
    assert len(config.configured(infer.infer)()) == 20
