"""Rows of one's own through `tokenize` and `inspect_tasks`, without TensorFlow."""

import json
import sys

import numpy as np
import pytest

from spot_jax import inspect_tasks, tokenize
from spot_jax.data import loading, own_rows, set_up
from spot_jax.data.orders import Position
from spot_jax.data.tokenized import TokenizedExamples
from spot_jax.data.vocabularies import open_and_identify
from spot_jax.errors import InputError
from spot_jax.settings import Data
from tests import runs
from tests.test_tokenized_training import WITHOUT_TENSORFLOW

TEMPLATES = ["--input", "mood: {text}", "--target", "{label}", "--name", "mood"]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A file of 40 rows, whose words the demo's vocabulary knows."""
    path = tmp_path_factory.mktemp("rows") / "train.csv"
    lines = [
        f"{i},the soup was {'fine' * (i % 3)} .,{('good', 'bad')[i % 2]}"
        for i in range(40)
    ]
    path.write_text("\n".join(["id,text,label", *lines]) + "\n")
    return str(path)


@pytest.fixture
def write(rows, demo_model, tmp_path):
    """Runs tokenize on the rows, and returns the folder that TOKENIZED_DATA_DIR is."""

    def run(*more: str, output=tmp_path / "t"):
        vocabulary = ["--vocabulary", demo_model["VOCABULARY"]]
        given = ["--output", str(output), *vocabulary]
        tokenize.main([f"--rows=train={rows}", *TEMPLATES, *given, *more])
        return output

    return run


def ids(data: Data, seed: int = 3) -> list:
    return [
        tuple(array.tolist() for array in pair)
        for pair in loading.training_loader(data)("mood")(seed, Position()).take(50)
    ]


def test_train_reads_the_same_of_tokenized_rows_as_of_rows(write, rows, demo_model):
    folder = write()
    lengths = {"inputs": 64, "targets": 8}
    told = {"files": {"train": rows}, "input": "mood: {text}", "target": "{label}"}
    data = Data("mood", lengths, demo_model["VOCABULARY"], rows={"mood": told})
    set_up.set_up_tasks(data)
    tokenized = Data("mood", lengths, demo_model["VOCABULARY"], tokenized=str(folder))
    assert ids(data) == ids(tokenized) != ids(data, seed=4)
    # And those set aside for validation.
    task = own_rows.task_of("mood", data)
    processor, identity = open_and_identify(demo_model["VOCABULARY"])
    for split in ("train", "validation"):
        read = TokenizedExamples(folder / "mood" / split)
        ours = own_rows.examples_of(task, split, data, processor)
        assert len(read) == len(ours) > 0
        for place, example in enumerate(ours):
            np.testing.assert_array_equal(read[place]["inputs"], example["inputs"])
            np.testing.assert_array_equal(read[place]["targets"], example["targets"])
        assert (read.header["task"], read.header["split"]) == ("mood", split)
        assert read.header["vocabulary"] == identity


def test_rows_are_tokenized_and_inspected_without_tensorflow(
    rows, demo_model, tmp_path
):
    start = [sys.executable, "-c", WITHOUT_TENSORFLOW]
    given = [f"--rows=train={rows}", *TEMPLATES]
    given += ["--vocabulary", demo_model["VOCABULARY"]]
    done = runs.call([*start, "tokenize", *given, "--output", str(tmp_path / "t")])
    assert done.returncode == 0, done.stderr
    assert "mood, validation:" in done.stdout
    # What it says of itself is what train takes.
    settings = done.stdout.split("TOKENIZED_DATA_DIR, with ")[1].split(" --gin")
    lengths = settings[1].split("=")[1].strip().strip('"')
    assert lengths == "{'inputs': 32, 'targets': 8}"
    model = demo_model | {"TASK_FEATURE_LENGTHS": lengths, "TRAIN_STEPS": 2}
    model |= {"MIXTURE_OR_TASK_NAME": "mood", "TOKENIZED_DATA_DIR": tmp_path / "t"}
    bindings = runs.bindings(tmp_path / "run", model)
    files = ["tests/demo_model.gin", *runs.FILES[1:]]
    done = runs.call([*start, *runs.command("train", bindings, files)[3:]])
    assert done.returncode == 0, done.stderr
    done = runs.call([*start, "inspect_tasks", *given])
    assert done.returncode == 0, done.stderr
    assert "accuracy: answers are labels" in done.stdout


def test_what_is_too_long_is_cut_and_counted(write, capsys):
    folder = write("--lengths", "inputs=4,targets=2", "--split", "train")
    assert [path.name for path in (folder / "mood").iterdir()] == ["train"]
    read = TokenizedExamples(folder / "mood/train")
    assert read.header["cut"]["inputs"] == len(read)
    assert read.lengths("inputs").max() == 4
    # Another split may be added, and none is written over.
    write("--lengths", "inputs=4,targets=2", "--split", "validation")
    with pytest.raises(InputError, match="mood/validation is already there"):
        write("--split", "validation")


def test_in_a_bucket_what_a_killed_process_left_is_replaced(write, store):
    store.put("gs://bucket/t/mood/train/inputs.npy", b"half")
    write("--split", "train", output="gs://bucket/t")
    assert len(TokenizedExamples("gs://bucket/t/mood/train")) == 27
    with pytest.raises(InputError, match="gs://bucket/t/mood/train is already there"):
        write("--split", "train", output="gs://bucket/t")


def test_bytes_have_their_sentinels(write):
    folder = write("--vocabulary", "bytes")
    vocabulary = TokenizedExamples(folder / "mood/train").header["vocabulary"]
    assert (vocabulary.extra_ids, vocabulary.size) == (125, 384)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["sst2"], "Name a task .* or give rows"),
        (["--split", "test"], "mood has no split 'test'; it has train, validation"),
        (["--input", "{body}"], "names the column 'body'"),
        (["--examples", "0"], "--examples is 0"),
        (["--vocabulary", "nothing.model"], "nothing.model cannot be read"),
        (["--name", "sst2"], "sst2 is a task that there is already"),
    ],
)
def test_rows_that_cannot_be_written_are_one_message(more, message, write, tmp_path):
    with pytest.raises(InputError, match=message):
        write(*more)
    assert not (tmp_path / "t").exists()


def test_answers_and_what_to_write_have_to_be_named(rows, tmp_path):
    output = ["--output", str(tmp_path / "t")]
    with pytest.raises(InputError, match="--target is missing"):
        tokenize.main([f"--rows=train={rows}", "--input", "{text}", *output])
    with pytest.raises(InputError, match="Name a task"):
        tokenize.main(output)
    with pytest.raises(InputError, match="--lengths is missing"):
        tokenize.main(["sst2", *output])


@pytest.fixture
def shown(rows, capsys):
    """Runs inspect_tasks on the rows and returns what it prints."""

    def run(*more: str) -> str:
        inspect_tasks.main([f"--rows=train={rows}", *more])
        return capsys.readouterr().out

    return run


def test_rows_are_shown_with_what_follows_from_them(shown, rows, demo_model):
    vocabulary = ["--vocabulary", demo_model["VOCABULARY"]]
    output = shown(*TEMPLATES, *vocabulary, "--examples", "1")
    for part in (
        f"40 rows of train from {rows}",
        "columns  'id', 'text', 'label'",
        "of which no template names 'id'",
        "mood: train 27, validation 13 (set aside of train)",
        "metric   accuracy: answers are labels (--metric)",
        "labels   'bad', 'good': found in training rows (--labels)",
        "text: the soup was",
        "inputs: mood: the soup was",
        "</s>=1",
        "0 would be cut at 32",
        "pieces that the vocabulary does not know",
        "51.9%  good",
    ):
        assert part in output, (part, output)
    assert "example 1" not in output


def test_rows_are_shown_without_a_vocabulary_and_without_templates(shown):
    output = shown(*TEMPLATES)
    assert "inputs: mood: the soup was" in output and "tokens in" not in output
    assert "told with the model's --vocabulary" in output
    output = shown()
    assert "text: the soup was" in output and '--input "...: {id}"' in output
    output = shown("--input", "{text}")
    assert "inputs: the soup was" in output and "no --target" in output


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--metric", "exact_match"], "exact_match: as --metric says"),
        (["--labels", "good,bad"], "'good', 'bad': as --labels says"),
        (["--labels", ""], "labels   none: answers are free"),
        (["--split", "validation"], "of validation:"),
    ],
)
def test_what_is_given_is_shown_as_such(more, message, shown):
    assert message in shown(*TEMPLATES, *more)


def test_rows_are_a_line_of_json(shown):
    (line,) = json.loads(shown(*TEMPLATES, "--json"))
    assert (line["name"], line["labels"]) == ("mood", ["bad", "good"])
    assert line["metrics"] == ["accuracy"]
    assert line["train_examples"] == 27
    with pytest.raises(InputError, match="have no template"):
        shown("--json")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["sst2"], "Name a task or give rows"),
        (["--split", "test"], "mood has no split 'test'"),
        (["--input", "mood"], "has no column in braces"),
        (["--metric", "f2"], "--metric f2: choose accuracy"),
        (["--limit", "0"], "--limit 0"),
        (["--name", "sst2"], "sst2 is a task that there is already"),
    ],
)
def test_rows_that_cannot_be_shown_are_one_message(more, message, shown):
    with pytest.raises(InputError, match=message):
        shown(*TEMPLATES, *more)


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of tasks in the current folder, of which the catalog knows nothing."""
    import seqio

    from spot_jax.tasks import catalog

    code = "from spot_jax.tasks import catalog\nfrom tests import own_tasks\n"
    names = ("of_module", "odd_of_module")
    code += "own_tasks.add('of_module', ['a', 'b'])\n"
    code += "own_tasks.add('odd_of_module', ['a', 'b'], metric_objs=[object])\n"
    code += "".join(f"del catalog.TASKS['{name}']\n" for name in names)
    (tmp_path / "my_module_of_tasks.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield "my_module_of_tasks"
    sys.modules.pop("my_module_of_tasks", None)
    for name in names:
        seqio.TaskRegistry.remove(name)
        catalog.TASKS.pop(name, None)


def test_a_task_of_a_module_is_listed_shown_and_written(
    module, demo_model, tmp_path, capsys
):
    given = ["--module", module]
    inspect_tasks.main(given)
    listed = capsys.readouterr().out
    lines = {line.split()[0]: line for line in listed.splitlines() if line}
    assert "accuracy" in lines["of_module"] and "?" in lines["of_module"]
    assert "not computed here" in lines["odd_of_module"]
    vocabulary = ["--vocabulary", demo_model["VOCABULARY"]]
    inspect_tasks.main(["of_module", *given, *vocabulary])
    assert "inputs: Ada ate the soup" in capsys.readouterr().out
    more = ["--lengths", "inputs=32,targets=8", "--output", str(tmp_path / "t")]
    tokenize.main(["of_module", *given, *vocabulary, *more])
    assert len(TokenizedExamples(tmp_path / "t")) == 2


@pytest.mark.parametrize("program", [inspect_tasks, tokenize])
def test_a_module_that_is_not_there_is_one_message(program, tmp_path):
    given = ["sst2", "--module", "no_such_tasks"]
    if program is tokenize:
        more = ["--lengths", "inputs=9,targets=9", "--output", str(tmp_path / "t")]
        given += more
    with pytest.raises(InputError, match="There is no module 'no_such_tasks'"):
        program.main(given)
