import errno
import io
import json
import subprocess
import sys

import numpy as np
import pytest

from spot_jax.data import tokenized_writer
from spot_jax.data.tokenized import TokenizedExamples
from spot_jax.data.tokenized_writer import check_free, write_tokenized
from spot_jax.errors import InputError
from spot_jax.reading import path_of


def some(count: int) -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(0)
    return [
        {
            "inputs": random.integers(0, 32_100, random.integers(0, 20)),
            "targets": random.integers(0, 32_100, random.integers(1, 5)),
        }
        for _ in range(count)
    ]


@pytest.mark.parametrize("size, dtype", [(32_128, "uint16"), (250_112, "int32")])
def test_examples_are_read_as_they_were_written(size, dtype, tmp_path):
    written = some(50)
    header = write_tokenized(
        tmp_path / "t", iter(written), {"task": "x"}, vocabulary_size=size
    )
    examples = TokenizedExamples(tmp_path / "t")
    assert len(examples) == header["examples"] == 50
    assert examples.header["task"] == "x" and examples.header["dtype"] == dtype
    for index in range(-50, 50):
        for name in ("inputs", "targets"):
            found = examples[index][name]
            assert found.dtype == np.int32 and type(found) is np.ndarray
            np.testing.assert_array_equal(found, written[index][name])
    lengths = [len(example["inputs"]) for example in written]
    assert examples.lengths("inputs").tolist() == lengths


def test_the_arrays_are_plain_numpy_files(tmp_path):
    write_tokenized(tmp_path / "t", some(3), {}, vocabulary_size=100_000)
    tokens = np.load(tmp_path / "t/inputs.npy")
    offsets = np.load(tmp_path / "t/inputs_offsets.npy")
    assert offsets[-1] == len(tokens)


def test_there_is_no_such_example(tmp_path):
    write_tokenized(tmp_path / "t", some(3), {}, vocabulary_size=32_100)
    for index in (3, -4):
        with pytest.raises(IndexError, match="of 3"):
            TokenizedExamples(tmp_path / "t")[index]


def test_a_failure_leaves_nothing_behind(tmp_path):
    def failing():
        yield from some(2)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_tokenized(tmp_path / "t", failing(), {}, vocabulary_size=32_100)
    with pytest.raises(ValueError, match="no examples to write"):
        write_tokenized(tmp_path / "t", [], {}, vocabulary_size=32_100)
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_kept(tmp_path):
    write_tokenized(tmp_path / "t", some(2), {}, vocabulary_size=32_100)
    with pytest.raises(ValueError, match="already there"):
        write_tokenized(tmp_path / "t", some(3), {}, vocabulary_size=32_100)
    assert len(TokenizedExamples(tmp_path / "t")) == 2


@pytest.mark.parametrize("there", ["header.json", "metrics.jsonl", "more/inputs.npy"])
def test_what_is_there_in_a_bucket_is_kept(there, store):
    store.put(f"gs://bucket/t/{there}", b"of somebody")
    for refused in (
        lambda folder: check_free(path_of(folder)),
        lambda folder: write_tokenized(folder, some(2), {}, vocabulary_size=32_100),
    ):
        with pytest.raises(InputError, match="gs://bucket/t is already there; move"):
            refused("gs://bucket/t")
    assert store.names("gs://bucket/t") == [there]


def test_what_a_killed_process_left_in_a_bucket_is_replaced(store):
    store.put("gs://bucket/t/inputs.npy", b"half")
    check_free(path_of("gs://bucket/t"))
    write_tokenized("gs://bucket/t", some(2), {}, vocabulary_size=32_100)
    assert len(TokenizedExamples("gs://bucket/t")) == 2


@pytest.mark.parametrize(
    "example, message",
    [
        ({"inputs": [5, 100], "targets": [1]}, "inputs: ids from 5 to 100"),
        ({"inputs": [5], "targets": [-1, 1]}, "targets: ids from -1 to 1"),
        ({"inputs": [5.5], "targets": [1]}, "inputs: float64"),
        ({"inputs": [[5]], "targets": [1]}, r"inputs: int64 \[1, 1\]"),
        ({"inputs": [5], "targets": []}, "without targets"),
    ],
)
def test_what_is_no_id_is_not_written(example, message, tmp_path):
    with pytest.raises(InputError, match=message):
        write_tokenized(tmp_path / "t", [example], {}, vocabulary_size=100)
    assert not list(tmp_path.iterdir())


def test_a_language_model_may_have_no_inputs_at_all(tmp_path):
    example = {"inputs": np.zeros(0, np.int32), "targets": np.ones(3, np.int32)}
    write_tokenized(tmp_path / "t", [example], {}, vocabulary_size=100)
    found = TokenizedExamples(tmp_path / "t")[0]
    assert found["inputs"].tolist() == [] and found["targets"].tolist() == [1, 1, 1]


def test_an_id_is_counted(tmp_path):
    examples = [{"inputs": [7], "targets": [7, 5, 7]}, {"inputs": [7], "targets": [1]}]
    write_tokenized(tmp_path / "t", examples, {}, vocabulary_size=100)
    assert TokenizedExamples(tmp_path / "t").count("targets", 7) == 2


class FullFile(io.BytesIO):
    """A file on a disk that is full."""

    def __init__(self, path):
        super().__init__()

    def write(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_one_message(tmp_path, monkeypatch):
    monkeypatch.setattr(tokenized_writer.storage, "open_to_fill", FullFile)
    with pytest.raises(InputError, match="t cannot be written .No space left"):
        write_tokenized(tmp_path / "t", some(3), {}, vocabulary_size=32_100)
    assert not list(tmp_path.iterdir())


def test_broken_folders_are_named(tmp_path):
    with pytest.raises(InputError, match="spot_jax tokenize"):
        TokenizedExamples(tmp_path)
    folder = tmp_path / "t"
    write_tokenized(folder, some(3), {}, vocabulary_size=32_100)
    (folder / "inputs.npy").write_bytes((folder / "inputs.npy").read_bytes()[:-1])
    with pytest.raises(InputError, match="inputs.npy is not what was written"):
        TokenizedExamples(folder)
    (folder / "header.json").write_text(json.dumps({"format": "other"}))
    with pytest.raises(InputError, match="format 'other'"):
        TokenizedExamples(folder)


def test_reading_needs_no_tensorflow():
    code = (
        "import sys; import spot_jax.data.tokenized; "
        "heavy = {'tensorflow', 'seqio', 'jax'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
