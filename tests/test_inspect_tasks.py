import importlib
import json
import subprocess
import sys
import time

import numpy as np
import pytest

import spot_jax.tasks
from spot_jax import inspect_tasks
from spot_jax.errors import InputError
from spot_jax.tasks import catalog
from spot_jax.text import inspection, vocabulary
from spot_jax.text.prepared import write_prepared
from spot_jax.text.registration import use_data_dir
from tests.small_vocabulary import write_vocabulary

SENTENCES = ("a good film", "one bad film , and a good one and a bad one", "good")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Prepared data of SST-2 and C4, and a vocabulary."""
    folder = tmp_path_factory.mktemp("data")
    rows = [
        {"sentence": sentence, "label": number % 2, "idx": number}
        for number, sentence in enumerate(SENTENCES)
    ]
    write_prepared("glue/sst2:2.0.0", {"train": rows, "validation": rows}, folder)
    columns = ("content-length", "content-type", "timestamp", "url")
    document = dict.fromkeys(columns, "x") | {"text": " ".join(SENTENCES * 5)}
    write_prepared("c4/en:3.1.0", {"train": [document]}, folder)
    hidden = {"sentence1": "x", "sentence2": "y", "label": -1, "idx": 0}
    write_prepared("glue/stsb:2.0.0", {"test": [hidden]}, folder)
    write_prepared("glue/mrpc:2.0.0", {"test": [hidden]}, folder)
    pair = {"premise": "x", "hypothesis": "y", "label": -1}
    write_prepared("snli:1.1.0", {"test": [pair]}, folder)
    write_vocabulary(folder)
    spot_jax.tasks.register_all()
    yield folder
    use_data_dir(None)
    vocabulary.use_vocabulary(vocabulary.PUBLISHED_VOCABULARY)


@pytest.fixture
def shown(folder, capsys):
    """Runs the program and returns what it prints."""

    def run(*arguments: str) -> str:
        options = ["--data_dir", str(folder)]
        options += ["--vocabulary", str(folder / "spiece.model")]
        inspect_tasks.main([*options, *arguments])
        return capsys.readouterr().out

    return run


def test_the_table_lists_all_and_where_their_data_is(shown, folder):
    lines = {line.split()[0]: line for line in shown().splitlines() if line}
    assert set(catalog.TASKS) | set(catalog.MIXTURES) <= set(lines)
    assert "train 3, validation 3" in lines["sst2"]
    assert "67,349" in lines["sst2"] and "glue/sst2:2.0.0" in lines["sst2"]
    assert "missing: tfds build glue/rte" in lines["rte"].replace("super_", "")
    assert "missing: spot_jax convert cxc" in lines["cxc"]
    assert "56 members" in lines["all_mixture"]


def test_json_has_the_keys_of_the_catalog(shown):
    objects = {entry["name"]: entry for entry in json.loads(shown("--json"))}
    assert set(catalog.TASKS) | set(catalog.MIXTURES) == set(objects)
    assert objects["rte"] == {
        "name": "rte",
        "kind": "task",
        "role": "target",
        "family": "nli",
        "train_examples": 2490,
        "metrics": ["accuracy"],
        "labels": ["entailment", "not_entailment"],
        "members": [],
    }
    assert objects["similarity_mixture"]["members"] == ["cxc", "mrpc", "qqp", "stsb"]
    assert objects["similarity_mixture"]["kind"] == "mixture"
    assert json.loads(shown("rte", "--json")) == [objects["rte"]]


def test_a_task_is_shown_raw_as_text_and_in_pieces(shown):
    output = shown("sst2", "--lengths", "inputs=20,targets=16", "--examples", "1")
    for part in (
        "sentence: a good film",
        "inputs: sst2 sentence: a good film",
        "</s>=1",
        "targets: negative",
        "1 would be cut at 20",
        "0 would be cut at 16",
        "66.7%  negative",
        "33.3%  positive",
        "the folder has 3 train rows",
    ):
        assert part in output, part
    assert "example 1" not in output


@pytest.mark.parametrize("name", ["mrpc", "stsb"])
def test_hidden_labels_are_shown_as_such(name, shown):
    output = shown(name, "--split", "test")
    assert "label: -1" in output and "example 0" in output
    assert "1  100.0%  hidden" in output and "none of the labels" not in output


def test_a_split_that_gives_no_example_is_shown(shown):
    output = shown("snli", "--split", "test")
    assert "label: -1" in output and "no row of test gives an example" in output


def test_pieces_that_cannot_be_written_are_counted(shown):
    assert "  inputs      0.00%, in 0 of 3 examples" in shown("sst2")
    examples = [
        {"inputs": np.array([5, 2, 2, 1]), "targets": np.array([2, 1])},
        {"inputs": np.array([5, 6, 7, 1]), "targets": np.array([5, 1])},
    ]
    hidden = {"targets_pretokenized": b"<unk>", "targets": np.array([2, 2, 1])}
    told = list(inspection.show_unknown([*examples, examples[1] | hidden], 2))
    assert told[1:] == [
        "  inputs     16.67%, in 1 of 3 examples",
        "  targets    25.00%, in 1 of 2 examples",
    ]


def test_damaged_data_is_one_message(tmp_path, shown):
    rows = [{"sentence": "x" * 99, "label": 1, "idx": n} for n in range(9)]
    path = write_prepared("glue/sst2:2.0.0", {"train": rows}, tmp_path)
    (file,) = path.glob("*tfrecord*")
    spoilt = bytearray(file.read_bytes())
    spoilt[len(spoilt) // 2] ^= 1
    file.write_bytes(spoilt)
    with pytest.raises(InputError, match="sst2: the split train cannot be read to its"):
        shown("sst2", "--data_dir", str(tmp_path))


def test_a_language_model_is_shown_too(shown):
    output = shown("c4_prefix_lm", "--lengths", "inputs=33,targets=33")
    assert "example 1" in output and "0 would be cut at 33" in output


def test_a_mixture_is_shown_with_its_rates(shown):
    output = shown("similarity_mixture", "--maximum", "100000")
    lines = {line.split()[0]: line.split() for line in output.splitlines() if line}
    total = 44_009 + 3_668 + 100_000 + 5_749
    assert lines["qqp"][1:4] == ["363,849", "100,000", f"{10_000_000 / total:.2f}%"]
    assert lines["all"][1:3] == ["417,275", f"{total:,}"]


def test_a_file_of_ones_own_in_the_folder_of_tasks_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(spot_jax.tasks, "__path__", [*spot_jax.tasks.__path__])
    assert not spot_jax.tasks.has_more()
    (tmp_path / "mine.py").write_text("catalog.add(TaskInfo('mine'))")
    spot_jax.tasks.__path__.append(str(tmp_path))
    assert spot_jax.tasks.has_more()


def test_a_task_of_ones_own_is_shown(shown):
    importlib.import_module("tests.demo_tasks")
    output = shown("demo_food", "--lengths", "inputs=64,targets=16")
    assert "demo_food" in output and "example 0" in output


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["sst3"], "no task or mixture 'sst3'"),
        (["rte"], "no prepared data of super_glue/rte:1.0.2"),
        (["sst2", "--split", "test"], "no split test"),
        (["sst2", "--lengths", "5"], "inputs=512,targets=32"),
        (["sst2", "--limit", "0"], "--limit 0: expected 1 or more"),
        (["sst2", "--examples", "-1"], "--examples -1: expected 0 or more"),
        (["glue_mixture", "--maximum", "0"], "--maximum 0: expected 1 or more"),
        (["sst2", "--extra_ids", "-5"], "--extra_ids -5: expected 0 or more"),
    ],
)
def test_wrong_options_are_one_message(shown, arguments, message):
    with pytest.raises(ValueError, match=message):
        shown(*arguments)


def test_a_missing_vocabulary_is_named(folder):
    with pytest.raises(ValueError, match="nothing.model cannot be read"):
        inspect_tasks.main(
            ["sst2", "--vocabulary", "nothing.model", "--data_dir", str(folder)]
        )


def test_listing_and_wrong_names_are_fast_and_need_no_tensorflow(folder):
    code = (
        "import sys; from spot_jax import inspect_tasks; inspect_tasks.main([])\n"
        f"for wrong in ['sst3'], ['sst2', '--split', 'tset', '--data_dir', '{folder}']:"
        "\n  try: inspect_tasks.main(wrong)\n  except ValueError as error: pass\n"
        "  else: assert False\n"
        "heavy = {'tensorflow', 'seqio', 'jax'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    # A fifth of a second on a free machine; TensorFlow alone takes three or more.
    assert time.perf_counter() - begin < 2.5
