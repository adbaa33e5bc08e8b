import importlib
import json
import subprocess
import sys
import time

import pytest

import spot_jax.tasks
from spot_jax import inspect_tasks
from spot_jax.tasks import catalog
from spot_jax.text import vocabulary
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
        inspect_tasks.main([*arguments, *options])
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


def test_a_language_model_is_shown_too(shown):
    output = shown("c4_prefix_lm", "--lengths", "inputs=33,targets=33")
    assert "example 1" in output and "0 would be cut at 33" in output


def test_a_mixture_is_shown_with_its_rates(shown):
    output = shown("similarity_mixture", "--maximum", "100000")
    lines = {line.split()[0]: line.split() for line in output.splitlines() if line}
    total = 44_009 + 3_668 + 100_000 + 5_749
    assert lines["qqp"][1:4] == ["363,849", "100,000", f"{10_000_000 / total:.2f}%"]
    assert lines["all"][1:3] == ["417,275", f"{total:,}"]


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
    ],
)
def test_wrong_options_are_one_message(shown, arguments, message):
    with pytest.raises(ValueError, match=message):
        shown(*arguments)


def test_a_missing_vocabulary_is_named(folder):
    with pytest.raises(ValueError, match="nothing.model cannot be read"):
        inspect_tasks.main(["sst2", "--vocabulary", "nothing.model"])


def test_listing_is_fast_and_needs_no_tensorflow():
    code = (
        "import sys; from spot_jax import inspect_tasks; inspect_tasks.main([]); "
        "heavy = {'tensorflow', 'seqio', 'jax'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    # A fifth of a second on a free machine; TensorFlow alone takes three or more.
    assert time.perf_counter() - begin < 2.5
