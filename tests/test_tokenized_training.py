"""Training on tokenized data, on a machine that has no TensorFlow."""

import dataclasses
import sys

import numpy as np
import pytest

from spot_jax.data import vocabularies
from spot_jax.data.tokenized_writer import write_tokenized
from spot_jax.errors import InputError
from spot_jax.model import weights
from spot_jax.model_dir import records
from spot_jax.prompts import files
from tests import runs
from tests.small_vocabulary import write_vocabulary

# Importing TensorFlow or SeqIO fails, as where they are not installed.
WITHOUT_TENSORFLOW = """
import sys
for name in ("tensorflow", "tensorflow_datasets", "tensorflow_text", "seqio"):
    sys.modules[name] = None
from spot_jax.__main__ import main
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def tokenized(tmp_path_factory, demo_model):
    """The arrays of a task whose targets say whether its inputs hold a 7."""
    folder = tmp_path_factory.mktemp("tokenized")
    rng = np.random.default_rng(0)
    identity = vocabularies.open_and_identify(demo_model["VOCABULARY"])[1]
    vocabulary = dataclasses.asdict(identity)
    for split, count in (("train", 40), ("validation", 10)):
        examples = []
        for _ in range(count):
            inputs = [*rng.integers(5, 60, rng.integers(3, 8)), 1]
            examples.append({"inputs": inputs, "targets": [3 + (7 in inputs), 1]})
        write_tokenized(
            folder / "sevens" / split,
            [{k: np.asarray(v) for k, v in e.items()} for e in examples],
            {"task": "sevens", "split": split, "vocabulary": vocabulary},
            vocabulary_size=384,
        )
    return folder


def values(demo_model, tokenized):
    return demo_model | {
        "MIXTURE_OR_TASK_NAME": "sevens",
        "TOKENIZED_DATA_DIR": str(tokenized),
    }


def test_a_run_needs_no_tensorflow(demo_model, tokenized, tmp_path):
    start = "gin/prompts/sampled_vocabulary.gin"
    gin_files = ["tests/demo_model.gin", start, runs.FILES[2]]
    given = runs.bindings(tmp_path / "run", values(demo_model, tokenized))
    command = runs.command("train", given, gin_files)
    done = runs.call([sys.executable, "-c", WITHOUT_TENSORFLOW, *command[3:]])
    assert done.returncode == 0, done.stderr
    lines = records.read_metrics(tmp_path / "run")
    losses = [line["loss"] for line in lines if line["kind"] == "sevens"]
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    best = files.read(tmp_path / "run/prompts/sevens-seed0/best.safetensors")
    assert best.story["results"]["sevens"]["loss"] == min(losses)


def test_a_tokenized_run_resumes_to_the_same_prompt(demo_model, tokenized, tmp_path):
    given = values(demo_model, tokenized)
    runs.train(tmp_path / "whole", given)
    runs.train(tmp_path / "parts", given, {"TRAIN_STEPS": 5})
    runs.train(tmp_path / "parts", given)
    name = "prompts/sevens-seed0/last.safetensors"
    np.testing.assert_array_equal(
        files.read(tmp_path / "whole" / name).bundle.enc_input,
        files.read(tmp_path / "parts" / name).bundle.enc_input,
    )


def test_arrays_longer_than_the_lengths_are_refused(demo_model, tokenized, tmp_path):
    given = values(demo_model, tokenized)
    given["TASK_FEATURE_LENGTHS"] = "{'inputs': 5, 'targets': 8}"
    with pytest.raises(ValueError, match="allows 5"):
        runs.train(tmp_path, given)


def test_a_task_that_was_not_tokenized_is_named(demo_model, tokenized, tmp_path):
    given = values(demo_model, tokenized) | {"MIXTURE_OR_TASK_NAME": "eights"}
    with pytest.raises(ValueError, match="eights.*spot_jax tokenize"):
        runs.train(tmp_path, given)


def test_another_vocabulary_is_refused_before_the_model_is_read(
    demo_model, tokenized, tmp_path, monkeypatch
):
    monkeypatch.setattr(weights, "load", None)
    other = write_vocabulary(tmp_path)
    given = values(demo_model, tokenized) | {"VOCABULARY": other}
    with pytest.raises(InputError, match=f"tokenized with the vocabulary .*{other}"):
        runs.train(tmp_path, given)
