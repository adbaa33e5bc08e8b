"""What is on gs:// as on a disk: runs, libraries, prompts, and what is made of them."""

import json
import signal
import subprocess
import time

import numpy as np
import pytest

from spot_jax.__main__ import main
from spot_jax.data.tokenized import TokenizedExamples
from spot_jax.data.tokenized_writer import write_tokenized
from spot_jax.errors import InputError
from spot_jax.model_dir import records
from spot_jax.prompts import files
from spot_jax.prompts.library import Library
from spot_jax.reading import path_of
from tests import runs

RUN = "gs://bucket/run"
PROMPT = "prompts/demo_food-seed0"
KINDS = ("last", "best", "embedding")


@pytest.fixture(scope="module")
def whole(demo_model, tmp_path_factory):
    """A run on a disk."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    runs.train(folder, demo_model)
    return folder


@pytest.fixture
def there(whole, store):
    """The same in a bucket, put there by other means."""
    store.put_all(whole, RUN)
    return RUN


def assert_same(folder, url):
    for kind in KINDS:
        one = files.read(folder / PROMPT / f"{kind}.safetensors")
        other = files.read(f"{url}/{PROMPT}/{kind}.safetensors")
        np.testing.assert_array_equal(one.bundle.enc_input, other.bundle.enc_input)
        assert one.story["results"] == other.story["results"]
    lines = (records.read_metrics(path_of(place)) for place in (folder, url))
    one, other = ([line for line in of if line["kind"] != "speed"] for of in lines)
    assert one == other


def test_a_run_in_a_bucket_is_the_run_on_a_disk(whole, store, demo_model):
    runs.train(RUN, demo_model)
    assert_same(whole, RUN)
    assert f"MODEL_DIR = '{RUN}'" in store.get(f"{RUN}/config.gin").decode()
    names = {name.partition("/")[0] for name in store.names(RUN)}
    assert names == {path.name for path in whole.iterdir()} - {".lock"}
    steps = {
        name.split("/")[1] for name in store.names(RUN) if name.startswith("checkpoi")
    }
    assert steps == {"step_9", "step_12"}
    # It is complete, and nothing is done again.
    before = len([1 for method, *_ in store.requests if method == "POST"])
    runs.train(RUN, demo_model)
    after = [path for method, path, _ in store.requests if method == "POST"][before:]
    assert all("lock" in path or "multipart" in path for path in after)
    assert_same(whole, RUN)


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on(whole, store, demo_model):
    given = runs.bindings(RUN, {k: repr(v) for k, v in demo_model.items()})
    given += ["MODEL_DIR='gs://bucket/run'"]
    given = [text for text in given if text != f"MODEL_DIR={RUN}"]
    given += [f"TASK_FEATURE_LENGTHS={demo_model['TASK_FEATURE_LENGTHS']}"]
    process = subprocess.Popen(
        runs.command("train", given),
        env=runs.environment() | {"XLA_FLAGS": "--xla_backend_optimization_level=0"},
        cwd=runs.ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    done = "checkpoints/step_3/commit_success.txt"
    until = time.monotonic() + 240
    while done not in store.names(RUN) and time.monotonic() < until:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert ".lock" in store.names(RUN)
    runs.train(RUN, demo_model)
    assert json.loads(store.get(f"{RUN}/run.json"))["resumed_at"] >= 3
    assert_same(whole, RUN)


def test_a_library_in_a_bucket(there, store, capsys):
    library = "gs://bucket/library"
    for told in ("added", "is there already"):
        main(["library", "add", library, there])
        assert capsys.readouterr().out == f"demo_food-seed0: {told}\n"
    main(["library", "list", library])
    assert "demo_food-seed0" in capsys.readouterr().out
    main(["library", "show", library, "demo_food-seed0"])
    assert f"{library}/demo_food-seed0\n" in (said := capsys.readouterr().out)
    assert f"{RUN}/{PROMPT}/best.safetensors" in said
    main(["library", "verify", library])
    assert capsys.readouterr().out == f"{library}: 1 prompts, nothing wrong\n"
    for form in ("npy", "peft"):
        out = f"gs://bucket/out/{form}"
        main(["library", "export", library, "demo_food-seed0", out, "--format", form])
        found = files.read(out).bundle.enc_input
        np.testing.assert_array_equal(
            found, Library(library).entries()[0].prompt.enc_input
        )


def test_an_entry_that_is_not_whole_is_none_and_is_named(there, store, capsys):
    library = "gs://bucket/library"
    main(["library", "add", library, there])
    # Of a process that was killed before it had written entry.json.
    store.put(f"{library}/half/prompt.safetensors", b"")
    assert Library(library).names() == ["demo_food-seed0"]
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["library", "verify", library])
    assert f"{library}/half" in capsys.readouterr().out
    main(["library", "add", library, f"{RUN}/{PROMPT}/best.safetensors", "--name=half"])
    assert Library(library).names() == ["demo_food-seed0", "half"]


def test_a_transfer_in_a_bucket_is_the_one_on_a_disk(
    there, whole, store, tmp_path, capsys
):
    given = ("--method", "best", "--include_target", "--k", "1")
    for run, out in ((there, "gs://bucket/start"), (str(whole), f"{tmp_path}/s")):
        main(["transfer", run, "--target", run, *given, "--out", out])
    names = ["ranking.json", "start-1.safetensors", "target.gin"]
    assert sorted(store.names("gs://bucket/start")) == names
    ranking = json.loads(store.get("gs://bucket/start/ranking.json"))["targets"][0]
    assert "gs://bucket/start/start-1.safetensors" in ranking["written"]
    assert "gs://bucket/start/target.gin" in " ".join(ranking["commands"])
    one = files.read("gs://bucket/start/start-1.safetensors").bundle.enc_input
    other = files.read(tmp_path / "s/start-1.safetensors").bundle.enc_input
    np.testing.assert_array_equal(one, other)
    with pytest.raises(SystemExit):
        main(["transfer", there, "--target", there, *given, "--out=gs://bucket/start"])
    assert "--out gs://bucket/start is there already" in capsys.readouterr().err


def test_a_target_goes_on_from_a_start_in_a_bucket(there, store, demo_model):
    start = f"{RUN}/{PROMPT}/best.safetensors"
    bank = {"BANK": [("demo_food", 3, start)], "TRAIN_STEPS": 2}
    runs.train("gs://bucket/target", demo_model, bank)
    files.read("gs://bucket/target/prompts/demo_food-seed3/last.safetensors")
    with pytest.raises(InputError, match="no prompt file gs://bucket/typo.npy"):
        typo = {"BANK": [("demo_food", 3, "gs://bucket/typo.npy")]}
        runs.train("gs://bucket/typo", demo_model, typo)
    # Nothing was claimed by what did not begin.
    assert "config.gin" not in store.names("gs://bucket/typo")


def test_a_model_that_is_tuned_is_kept_whole(store, demo_model):
    tuning = ["tests/demo.gin", "gin/runs/model_tune.gin"]
    runs.train(RUN, demo_model, {"TRAIN_STEPS": 8}, files=tuning)
    kept = {name.partition("/")[0] for name in store.names(RUN)}
    (best,) = [name for name in kept if name.startswith("checkpoint_")]
    assert f"{best}/checkpoint" in store.names(RUN)


@pytest.mark.slow
def test_prompts_are_evaluated_and_asked_in_a_bucket(there, store, demo_model, capsys):
    model = demo_model | {"MIXTURE_OR_TASK_NAME": "demo_food", "EVALUATION": "rank"}
    model |= {"EVALUATOR_NUM_EXAMPLES": 20, "DROPOUT_RATE": 0.0}
    prompt = repr([f"{there}/{PROMPT}/best.safetensors"])
    given = model | {"PROMPT_FILES": prompt, "EVAL_OUTPUT_DIR": "gs://bucket/out"}
    bindings = [f"{name}={value}" for name, value in given.items()]
    files_of = ["tests/demo.gin", "gin/runs/evaluate.gin"]
    main(runs.command("evaluate", bindings, files_of)[3:])
    scores = json.loads(store.get("gs://bucket/out/metrics.json"))
    story = files.read(f"{there}/{PROMPT}/best.safetensors").story
    accuracy = story["results"]["demo_food"]["accuracy"]
    assert scores["demo_food-seed0"]["demo_food"]["accuracy"] == accuracy
    store.put("gs://bucket/in.txt", b"the soup was lovely\nthe soup was bad\n")
    given = model | {"PROMPT_FILES": prompt, "INFER_INPUT": "gs://bucket/in.txt"}
    given |= {"INFER_OUTPUT": "gs://bucket/answers.jsonl"}
    bindings = [f"{name}={value}" for name, value in given.items()]
    main(runs.command("infer", bindings, ["tests/demo.gin", "gin/runs/infer.gin"])[3:])
    lines = store.get("gs://bucket/answers.jsonl").decode().splitlines()
    assert [json.loads(line)["input"] for line in lines] == [
        *("the soup was lovely", "the soup was bad"),
    ]


def test_rows_and_gin_files_and_arrays_are_read_in_a_bucket(store, demo_model):
    rows = b"lovely soup,good\ndull soup,bad\n"
    store.put("gs://bucket/mood.csv", b"text,label\n" + rows * 4)
    store.put("gs://bucket/own.gin", b"include 'gs://bucket/steps.gin'\n")
    store.put("gs://bucket/steps.gin", b"TRAIN_STEPS = 2\nEVAL_PERIOD = 2\n")
    gin = [*runs.FILES, "gs://bucket/own.gin"]
    given = runs.bindings(RUN, demo_model, {"TASK_FEATURE_LENGTHS": "None"})
    names = ("MIXTURE_OR_TASK_NAME", "TRAIN_STEPS", "EVAL_PERIOD", "TASK_FEATURE_L")
    given = [text for text in given if not text.startswith(names)]
    own = [
        "--rows=train=gs://bucket/mood.csv",
        "--rows=validation=gs://bucket/mood.csv",
    ]
    own += ["--input=mood: {text}", "--target={label}", "--labels=good,bad"]
    main([*runs.command("train", given, gin)[3:], *own])
    prompt = files.read(f"{RUN}/prompts/mood-seed0/last.safetensors")
    assert prompt.story["step"] == 2
    assert "gs://bucket/mood.csv" in store.get(f"{RUN}/config.gin").decode()


def test_arrays_of_a_bucket_are_those_that_were_written(store, tmp_path):
    examples = [{"inputs": np.arange(n), "targets": np.array([n])} for n in (3, 5)]
    for folder in (tmp_path / "t", "gs://bucket/t"):
        write_tokenized(folder, examples, {"task": "t"}, vocabulary_size=100)
        read = TokenizedExamples(folder)
        np.testing.assert_array_equal(read[1]["inputs"], np.arange(5))
    for name in store.names("gs://bucket/t"):
        assert (
            store.get(f"gs://bucket/t/{name}") == (tmp_path / "t" / name).read_bytes()
        )
    with pytest.raises(InputError, match="gs://bucket/t is already there; move"):
        write_tokenized("gs://bucket/t", examples, {}, vocabulary_size=100)
    store.put("gs://bucket/t/inputs.npy", b"changed")
    with pytest.raises(
        InputError, match="gs://bucket/t/inputs.npy is not what was wri"
    ):
        TokenizedExamples("gs://bucket/t")
