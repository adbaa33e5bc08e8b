"""Rows of one's own through the programs: no Python, no TensorFlow."""

import json
import sys

import numpy as np
import pytest

from spot_jax import train
from spot_jax.__main__ import main
from spot_jax.data import eval_tasks, loading, own_rows, set_up
from spot_jax.data.orders import Position
from spot_jax.errors import InputError
from spot_jax.prompts import files
from spot_jax.settings import Data, Evaluation
from tests import demo_world, runs
from tests.test_tokenized_training import WITHOUT_TENSORFLOW

GIN = ["tests/demo_model.gin", *runs.FILES[1:]]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Two files of the demo's world, with labels of their own."""
    folder, counts = tmp_path_factory.mktemp("rows"), {"train": 60, "dev": 20}
    return demo_world.write_rows(folder, counts, ("bad", "good"))


def flags(rows, *more: str) -> list[str]:
    splits = [f"--rows=train={rows}/train.csv", f"--rows=validation={rows}/dev.csv"]
    return [*splits, "--input", "mood: {text}", "--target", "{label}", *more]


def values(demo_model, model_dir) -> list[str]:
    more = dict(demo_model)
    del more["TASK_FEATURE_LENGTHS"]
    given = runs.bindings(model_dir, more)
    return [one for one in given if not one.startswith("MIXTURE_OR_TASK")]


def test_a_run_on_rows_needs_no_task_no_lengths_and_no_tensorflow(
    rows, demo_model, tmp_path
):
    given = values(demo_model, tmp_path / "run")
    command = runs.command("train", given, GIN)[3:]
    start = [sys.executable, "-c", WITHOUT_TENSORFLOW]
    done = runs.call([*start, *command, *flags(rows, "--name", "mood")])
    assert done.returncode == 0, done.stderr
    assert "mood: 2 labels were found: 'bad', 'good'." in done.stderr
    prompt = tmp_path / "run/prompts/mood-seed0/best.safetensors"
    told = files.read(prompt).story["rows"]
    assert told == {
        "input": "mood: {text}",
        "target": "{label}",
        "labels": ["bad", "good"],
        "metric": "accuracy",
        "lengths": {"inputs": 32, "targets": 8},
    }
    # The prompt says what rows it is asked about, and how.
    model = [f"{name}={demo_model[name]}" for name in demo_model if "TASK" not in name]
    scored = [*model, f"PROMPT_FILES={prompt}", f"EVAL_OUTPUT_DIR={tmp_path / 'eval'}"]
    scored += ["EVALUATION=rank"]
    files_of = ["tests/demo_model.gin", "gin/runs/evaluate.gin"]
    command = runs.command("evaluate", scored, files_of)[3:]
    done = runs.call([*start, *command, f"--rows=validation={rows}/dev.csv"])
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "eval/metrics.json").read_text())
    assert scores["mood-seed0"]["dev"].keys() == {"accuracy"}


def data_of(rows, demo_model, names=(), **more) -> Data:
    own = {
        "files": {"train": f"{rows}/train.csv", "validation": f"{rows}/dev.csv"},
        "input": "mood: {text}",
        "target": "{label}",
    }
    lengths = {"inputs": 64, "targets": 8}
    vocabulary = demo_model["VOCABULARY"]
    return Data(names, lengths, vocabulary, rows={"mood": own | more})


def test_seqio_and_we_make_the_same_of_rows(rows, demo_model):
    lean = data_of(rows, demo_model)
    set_up.set_up_tasks(lean)
    ours = loading.training_loader(lean)("mood")(0, Position()).take(60)
    asked = eval_tasks.load_task("mood", Evaluation(), lean)
    # Beside a task of SeqIO's, it is one as well.
    whole = data_of(rows, demo_model, ["mood", "demo_food"])
    set_up.set_up_tasks(whole)
    theirs = loading.training_loader(whole)("mood")(0, Position()).take(60)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
    by_seqio = eval_tasks.load_task("mood", Evaluation(), whole)
    assert by_seqio.labels == asked.labels == ("bad", "good")
    for one, other in zip(asked.examples, by_seqio.examples, strict=True):
        assert one["inputs_pretokenized"] == other["inputs_pretokenized"]
        np.testing.assert_array_equal(one["targets"], other["targets"])


def test_a_bank_has_rows_beside_a_task_of_the_catalog(rows, demo_model, tmp_path):
    names = "MIXTURE_OR_TASK_NAME=['mood', 'demo_food']"
    lengths = "TASK_FEATURE_LENGTHS={'inputs': 64, 'targets': 8}"
    given = [*values(demo_model, tmp_path), names, lengths, "TRAIN_STEPS=2"]
    command = runs.command("train", given)[3:]
    main([*command, *flags(rows, "--name", "mood")])
    made = sorted(path.name for path in (tmp_path / "prompts").iterdir())
    assert made == ["demo_food-seed0", "mood-seed0"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--name", "sst2"], "sst2 is a task that there is already"),
        (["--name", "../x"], "cannot name a task"),
        (["--labels", "good,good"], "'good' cannot be a label of its own"),
        (["--labels", "good,awful"], "'bad' is none of the labels"),
        (["--rows", "train=b.csv"], "--rows gives train twice"),
        (["--rows", "b.csv"], "write SPLIT=FILE"),
        (["--metric", "f2"], "--metric f2: choose accuracy"),
        (["--input", "{body}"], "names the column 'body'"),
    ],
)
def test_flags_that_cannot_be_right_are_one_message(
    more, message, rows, demo_model, tmp_path, capsys
):
    command = runs.command("train", values(demo_model, tmp_path / "run"), GIN)[3:]
    with pytest.raises(SystemExit) as stopped:
        main([*command, *flags(rows, *more)])
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert message in said
    assert "Loading the T5" not in said


def test_flags_of_rows_without_rows_say_so(demo_model, tmp_path, capsys):
    command = runs.command("train", values(demo_model, tmp_path), GIN)[3:]
    with pytest.raises(SystemExit):
        main([*command, "--input", "{text}"])
    said = capsys.readouterr().err
    assert "--rows is missing" in said and "--gin.INFER_INPUT=FILE" in said


@pytest.mark.parametrize(
    "beside", [[], ["--gin.MIXTURE_OR_TASK_NAME=[mood,demo_food]"]]
)
def test_rows_without_answers_are_not_learned(
    beside, rows, demo_model, tmp_path, capsys
):
    lengths = "TASK_FEATURE_LENGTHS={'inputs': 64, 'targets': 8}"
    given = [*values(demo_model, tmp_path), lengths]
    command = runs.command("train", given, runs.FILES if beside else GIN)[3:]
    own = [f"--rows=train={rows}/train.csv", "--input", "{text}", "--name", "mood"]
    with pytest.raises(SystemExit) as stopped:
        main([*command, *own, *beside])
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and "no answers to learn" in said
    assert "Loading the T5" not in said


def test_files_are_read_again_when_they_change(rows, demo_model, tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("text,label\na,x\nb,y\n" * 5)
    data = data_of(tmp_path, demo_model)
    own = {**data.rows["mood"], "files": {"train": str(path)}}
    data = Data((), data.lengths, data.vocabulary, rows={"mood": own})
    path.write_text("text,label\n" + "a,x\nb,y\n" * 5)
    assert own_rows.task_of("mood", data).labels == ("x", "y")
    path.write_text("text,label\n" + "a,x\nb,z\n" * 5)
    assert own_rows.task_of("mood", data).labels == ("x", "z")


def test_rows_that_differ_have_other_digests(rows, demo_model, tmp_path):
    before = own_rows.digests(data_of(rows, demo_model))
    assert before == own_rows.digests(data_of(rows, demo_model))
    text = (rows / "train.csv").read_text()
    (tmp_path / "train.csv").write_text(text.replace("good", "fine", 1))
    (tmp_path / "dev.csv").write_text((rows / "dev.csv").read_text())
    assert before != own_rows.digests(data_of(tmp_path, demo_model))


@pytest.mark.parametrize(
    "given, told",
    [
        (["--metric", "rouge"], "pip install rouge-score"),
        (["--metric", "f1"], "pip install scikit-learn"),
        (["--gin.MIXTURE_OR_TASK_NAME=rte"], "need SeqIO and TensorFlow"),
    ],
)
def test_what_a_lean_environment_has_not_is_said_before_the_model_is_loaded(
    given, told, rows, demo_model, tmp_path, monkeypatch
):
    for name in ("rouge_score", "sklearn", "seqio"):
        monkeypatch.setitem(sys.modules, name, None)
    more = flags(rows) if "--metric" in given else []
    lengths = "--gin.TASK_FEATURE_LENGTHS={'inputs': 32, 'targets': 8}"
    bound = [f"--gin.{one}" for one in values(demo_model, tmp_path / "run")]
    files_of = [f"--gin_file={name}" for name in GIN]
    with pytest.raises(InputError, match=told):
        train.main([*files_of, *bound, lengths, *more, *given])
