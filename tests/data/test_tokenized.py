import json
import subprocess
import sys

import numpy as np
import pytest

from spot_jax.data.tokenized import TokenizedExamples, write_tokenized


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
    write_tokenized(tmp_path / "t", some(3), {}, vocabulary_size=100)
    for index in (3, -4):
        with pytest.raises(IndexError, match="of 3"):
            TokenizedExamples(tmp_path / "t")[index]


def test_a_failure_leaves_nothing_behind(tmp_path):
    def failing():
        yield from some(2)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_tokenized(tmp_path / "t", failing(), {}, vocabulary_size=100)
    with pytest.raises(ValueError, match="no examples to write"):
        write_tokenized(tmp_path / "t", [], {}, vocabulary_size=100)
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_kept(tmp_path):
    write_tokenized(tmp_path / "t", some(2), {}, vocabulary_size=100)
    with pytest.raises(ValueError, match="already there"):
        write_tokenized(tmp_path / "t", some(3), {}, vocabulary_size=100)
    assert len(TokenizedExamples(tmp_path / "t")) == 2


def test_broken_folders_are_named(tmp_path):
    with pytest.raises(ValueError, match="spot_jax tokenize"):
        TokenizedExamples(tmp_path)
    folder = tmp_path / "t"
    write_tokenized(folder, some(3), {}, vocabulary_size=100)
    (folder / "inputs.npy").write_bytes((folder / "inputs.npy").read_bytes()[:-1])
    with pytest.raises(ValueError, match="inputs.npy cannot be read"):
        TokenizedExamples(folder)
    np.save(folder / "inputs.npy", np.zeros(3, np.uint16))
    with pytest.raises(ValueError, match="the header says"):
        TokenizedExamples(folder)
    (folder / "header.json").write_text(json.dumps({"format": "other"}))
    with pytest.raises(ValueError, match="format 'other'"):
        TokenizedExamples(folder)


def test_reading_needs_no_tensorflow():
    code = (
        "import sys; import spot_jax.data.tokenized; "
        "heavy = {'tensorflow', 'seqio', 'jax'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
