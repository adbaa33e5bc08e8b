"""Whole runs with lists of learning rates and prompt lengths."""

import numpy as np
import pytest

from spot_jax import train
from spot_jax.errors import InputError
from spot_jax.model_dir import records
from spot_jax.prompts import files
from tests import runs

LOW_RANK = [*runs.FILES, "tests/low_rank.gin"]
SWEEP = {"LEARNING_RATE": "[0.3, 0.03]", "PROMPT_LENGTH": "[5, 3]"}
NAMES = [
    f"demo_food-seed0-length{length}-rate{rate}"
    for length in (5, 3)
    for rate in ("0.3", "0.03")
]


def read(folder, name, kind="last"):
    return files.read(folder / f"prompts/{name}/{kind}.safetensors")


@pytest.fixture(scope="module")
def swept(demo_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep") / "run"
    return folder, runs.train(folder, demo_model, SWEEP)


def test_every_prompt_is_of_its_own_length_and_rate(swept):
    folder, best = swept
    assert list(best) == NAMES
    for name, result in best.items():
        for kind in ("embedding", "best", "last"):
            prompt = read(folder, name, kind)
            assert prompt.bundle.enc_input.shape == (result.entry.length, 64)
            assert prompt.bundle.mask is None
            assert prompt.bundle.enc_input.any(axis=1).all()
    lines = records.read_metrics(folder)
    trained = [line for line in lines if line["kind"] == "train"]
    rates = {line["prompt"]: line["learning_rate"] for line in trained}
    told = [rates[name] for name in NAMES]
    np.testing.assert_allclose(told, [0.3, 0.03] * 2, rtol=1e-6)


@pytest.mark.parametrize("length, rate", [(3, 0.03), (5, 0.3)])
def test_a_prompt_of_a_sweep_equals_the_prompt_alone(
    swept, length, rate, demo_model, tmp_path
):
    folder, best = swept
    own = {"LEARNING_RATE": rate, "PROMPT_LENGTH": length}
    alone = runs.train(tmp_path, demo_model, own)["demo_food-seed0"]
    name = f"demo_food-seed0-length{length}-rate{rate}"
    # Adafactor amplifies rounding where gradients are near zero; see test_step.
    np.testing.assert_allclose(
        read(folder, name).bundle.enc_input,
        read(tmp_path, "demo_food-seed0").bundle.enc_input,
        atol=1e-3,
    )
    assert (best[name].score, best[name].step) == (alone.score, alone.step)


def test_a_sweep_that_was_stopped_ends_as_one_that_was_not(swept, demo_model, tmp_path):
    folder, whole = swept
    runs.train(tmp_path, demo_model, SWEEP, {"TRAIN_STEPS": 7})
    best = runs.train(tmp_path, demo_model, SWEEP)
    # The evaluation at the end of the first part is one more.
    assert list(best) == list(whole)
    assert [b.entry.rate for b in best.values()] == [0.3, 0.03] * 2
    for name in NAMES:
        one, two = (read(each, name).bundle.enc_input for each in (folder, tmp_path))
        np.testing.assert_array_equal(one, two)


def test_a_kind_of_ones_own_is_swept_as_well(demo_model, tmp_path):
    runs.train(tmp_path, demo_model, SWEEP, {"TRAIN_STEPS": 2}, files=LOW_RANK)
    for name in NAMES:
        vectors = read(tmp_path, name).bundle.enc_input
        assert vectors.shape == (int(name.split("length")[1][0]), 64)
        assert np.linalg.matrix_rank(vectors, tol=1e-4) <= 3


def test_the_table_says_which_prompt_was_best(swept, demo_model, capsys):
    folder, best = swept
    given = [f"--gin.{each}" for each in runs.bindings(folder, demo_model, SWEEP)]
    # It is complete: what it came to is told again.
    train.main([*(f"--gin_file={file}" for file in runs.FILES), *given])
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[:6] == ["prompt", "task", "seed", "start", "length", "rate"]
    for name, line in zip(NAMES, lines, strict=False):
        entry, words = best[name].entry, line.split()
        told = ["demo_food", "0", "class_labels", str(entry.length), str(entry.rate)]
        assert words[:6] == [name, *told]
        assert words[6:] == [
            f"{best[name].score:.2f}",
            "accuracy",
            str(best[name].step),
        ]
    winner = max(best, key=lambda name: best[name].score)
    assert lines[5].startswith(f"Best on demo_food: {winner}")
    assert "validation, which chose" in lines[6]


@pytest.mark.parametrize(
    "values, words",
    [
        ({"LEARNING_RATE": "[0.1, 0.1]"}, "LEARNING_RATE is [0.1, 0.1]"),
        ({"LEARNING_RATE": "[]"}, "LEARNING_RATE is []"),
        ({"LEARNING_RATE": "[0.1, -1]"}, "The learning rate is -1"),
        ({"LEARNING_RATE": "[0.1, 'x']"}, "LEARNING_RATE is [0.1, 'x']; it takes"),
        ({"LEARNING_RATE": "fast"}, "LEARNING_RATE is 'fast'; it takes"),
        ({"PROMPT_LENGTH": "[5, 5]"}, "has a length twice"),
        ({"PROMPT_LENGTH": "[5, 0]"}, "PROMPT_LENGTH is [5, 0]"),
        ({"PROMPT_LENGTH": "[5, 2.5]"}, "PROMPT_LENGTH is [5, 2.5]; it takes"),
        ({"PROMPT_LENGTH": "[5, 33]"}, "PROMPT_LENGTH is 33"),
    ],
    ids=str,
)
def test_lists_that_cannot_be_are_refused_before_anything_is_read(
    values, words, tmp_path
):
    nowhere = {
        "INITIAL_CHECKPOINT_PATH": "/nowhere",
        "VOCABULARY": "/nowhere",
        "TASK_FEATURE_LENGTHS": "{'inputs': 32, 'targets': 8}",
    }
    with pytest.raises(InputError) as caught:
        runs.train(tmp_path / "run", nowhere, values)
    assert words in str(caught.value)
    assert not (tmp_path / "run").exists()
