"""Tokenized folders that are damaged, or of another run: refused, or read exactly."""

import dataclasses
import json
import pathlib
import shutil

import numpy as np
import pytest

from spot_jax.data import loading, vocabularies
from spot_jax.data.tokenized_writer import write_tokenized
from spot_jax.errors import InputError
from spot_jax.settings import Data
from tests.small_vocabulary import write_vocabulary

LENGTHS = {"inputs": 16, "targets": 8}
ARRAYS = ("inputs.npy", "inputs_offsets.npy", "targets.npy", "targets_offsets.npy")


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory) -> str:
    return write_vocabulary(tmp_path_factory.mktemp("vocabulary"))


def some(seed: int) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [
        {
            "inputs": rng.integers(3, 300, 3 + number % 7),
            "targets": rng.integers(3, 300, 1 + number % 3),
        }
        for number in range(20)
    ]


@pytest.fixture(scope="module")
def written(tmp_path_factory, vocabulary) -> pathlib.Path:
    """A folder with sst2/train and other/train, the same task with other ids."""
    folder = tmp_path_factory.mktemp("written")
    identity = vocabularies.open_and_identify(vocabulary)[1]
    header = {
        "task": "sst2",
        "split": "train",
        "seed": 0,
        "lengths": LENGTHS,
        "cut": {"inputs": 2, "targets": 0},
        "vocabulary": dataclasses.asdict(identity),
    }
    for seed, name in enumerate(("sst2", "other")):
        path = folder / name / "train"
        write_tokenized(path, some(seed), header, vocabulary_size=identity.size)
    return folder


@pytest.fixture
def folder(written, tmp_path) -> pathlib.Path:
    """TOKENIZED_DATA_DIR, to be changed."""
    return shutil.copytree(written, tmp_path / "tokenized")


def data_of(folder, vocabulary, **changes) -> Data:
    given = dict(lengths=LENGTHS, vocabulary=vocabulary, tokenized=str(folder))
    return Data("sst2", **given | changes)


def pairs_of(folder, vocabulary) -> list[tuple[list, list]]:
    found = loading.open_tokenized("sst2", "train", data_of(folder, vocabulary))
    pairs = [found[number] for number in range(len(found))]
    return [tuple(ids.tolist() for ids in pair) for pair in pairs]


def expected() -> list[tuple[list, list]]:
    pairs = [(each["inputs"], each["targets"]) for each in some(0)]
    return [tuple(ids.tolist() for ids in pair) for pair in pairs]


def change_header(folder, **changes) -> None:
    """Sets keys of the header; ... removes one."""
    path = folder / "sst2/train/header.json"
    header = json.loads(path.read_text()) | changes
    kept = {key: value for key, value in header.items() if value is not ...}
    path.write_text(json.dumps(kept))


def as_first_format(folder) -> None:
    change_header(folder, format="spot_jax tokenized 1", checksums=...)


def test_an_earlier_version_is_read_with_a_remark(folder, vocabulary, caplog):
    assert pairs_of(folder, vocabulary) == expected()
    assert "checksums" not in caplog.text
    as_first_format(folder)
    assert pairs_of(folder, vocabulary) == expected()
    assert "written by an earlier version, without checksums" in caplog.text


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"task": "mnli"},
            "holds the task mnli.* asks for sst2.*Move it to mnli/train",
        ),
        ({"split": "test"}, "split test, and the run .* split train"),
        (
            {"lengths": {"inputs": 6, "targets": 8}},
            "header says that they were cut at 6",
        ),
    ],
)
def test_a_header_of_another_folder_is_refused(folder, vocabulary, changes, message):
    change_header(folder, **changes)
    with pytest.raises(InputError, match=message):
        pairs_of(folder, vocabulary)


@pytest.mark.parametrize(
    "lengths, message",
    [
        (
            {"inputs": 8, "targets": 8},
            "inputs of 9 tokens, TASK_FEATURE_LENGTHS allows",
        ),
        ({"inputs": 32, "targets": 8}, "2 inputs of .* were cut at 16 .* allows 32"),
    ],
)
def test_lengths_of_another_run_are_refused(written, vocabulary, lengths, message):
    data = data_of(written, vocabulary, lengths=lengths)
    with pytest.raises(InputError, match=message):
        loading.open_tokenized("sst2", "train", data)


def test_lengths_that_cut_nothing_may_be_others(written, vocabulary):
    data = data_of(written, vocabulary, lengths={"inputs": 16, "targets": 99})
    assert len(loading.open_tokenized("sst2", "train", data)) == 20


def test_another_vocabulary_is_refused_and_both_are_named(written, vocabulary):
    other = "spot_tiny"
    with pytest.raises(InputError) as refused:
        loading.open_tokenized("sst2", "train", data_of(written, other))
    for words in (vocabulary, other, f"--gin.VOCABULARY={vocabulary}", "--vocabulary"):
        assert words in str(refused.value)
    with pytest.raises(InputError, match="EXTRA_IDS=0.*EXTRA_IDS=5"):
        loading.open_tokenized(
            "sst2", "train", data_of(written, vocabulary, extra_ids=5)
        )


def test_ids_that_the_vocabulary_does_not_have_are_refused(folder, vocabulary):
    as_first_format(folder)
    change_header(folder, vocabulary=...)
    path = folder / "sst2/train/targets.npy"
    tokens = np.load(path)
    tokens[-1] = 320
    np.save(path, tokens)
    with pytest.raises(InputError, match="has the id 320, which the vocabulary"):
        pairs_of(folder, vocabulary)


def test_what_a_header_does_not_say_is_remarked(folder, vocabulary, caplog):
    change_header(folder, task=..., vocabulary=...)
    assert pairs_of(folder, vocabulary) == expected()
    assert "does not say its task, vocabulary" in caplog.text


def test_unknown_pieces_in_targets_are_counted_in_one_line(
    tmp_path, vocabulary, caplog
):
    examples = [{"inputs": [5, 2], "targets": [2, 1]}, {"inputs": [5], "targets": [1]}]
    write_tokenized(tmp_path / "sst2/train", examples, {}, vocabulary_size=300)
    pairs_of(tmp_path, vocabulary)
    lines = [line for line in caplog.messages if "<unk>" in line]
    assert len(lines) == 1 and "1 of 3 tokens of the targets (33%)" in lines[0]


# Damages of a folder sst2/train, each by name; `rng` decides the place.


def flip_a_bit(path, rng):
    data = bytearray(path.read_bytes())
    data[rng.integers(len(data))] ^= 1 << rng.integers(8)
    path.write_bytes(data)


def cut(path, rng):
    data = path.read_bytes()
    path.write_bytes(data[: rng.integers(len(data))])


def append(path, rng):
    path.write_bytes(path.read_bytes() + rng.bytes(1 + rng.integers(20)))


def empty(path, rng):
    path.write_bytes(b"")


def remove(path, rng):
    path.unlink()


def put_a_folder(path, rng):
    path.unlink()
    path.mkdir()


def of_another(path, rng):
    shutil.copy(path.parents[2] / "other/train" / path.name, path)


def noise(path, rng):
    path.write_bytes(rng.bytes(200))


ANYWHERE = (flip_a_bit, cut, append, empty, remove, put_a_folder, of_another, noise)


@pytest.mark.parametrize("name", [*ARRAYS, "header.json"])
@pytest.mark.parametrize("damage", ANYWHERE)
def test_a_damaged_file_is_refused_or_read_exactly(folder, vocabulary, damage, name):
    for seed in range(8):
        rng = np.random.default_rng(seed)
        damage(folder / "sst2/train" / name, rng)
        try:
            assert pairs_of(folder, vocabulary) == expected()
        except InputError:
            pass
        # As it was.
        shutil.rmtree(folder / "sst2/train")
        shutil.copytree(folder.parent / "tokenized_copy", folder / "sst2/train")


@pytest.fixture(autouse=True)
def _copy(folder):
    shutil.copytree(folder / "sst2/train", folder.parent / "tokenized_copy")


VALUES = (None, "x", "", [], {}, -1, 0, 2**70, 1.5, float("nan"), True, [[1]])
KEYS = ("format", "task", "split", "seed", "lengths", "vocabulary", "cut")
COUNTED = ("examples", "tokens", "dtype", "checksums")


@pytest.mark.parametrize("key", KEYS + COUNTED)
def test_a_header_of_another_shape_is_one_message(folder, vocabulary, key):
    for value in (..., *VALUES):
        change_header(folder, **{key: value})
        try:
            assert pairs_of(folder, vocabulary) == expected()
            assert key not in COUNTED and key != "format"
        except InputError as error:
            assert str(folder) in str(error)
        shutil.copy(folder.parent / "tokenized_copy/header.json", folder / "sst2/train")


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "3", '"x"', "{", "[" * 30_000, '{"format": NaN}', "\udc80"],
)
def test_a_header_that_is_no_header_is_one_message(folder, vocabulary, text):
    path = folder / "sst2/train/header.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match="header.json"):
        pairs_of(folder, vocabulary)


ARRAY_DAMAGES = {
    "floats": lambda tokens, offsets: (tokens * 0.5, offsets),
    "negative": lambda tokens, offsets: (-tokens.astype(np.int32), offsets),
    "wider": lambda tokens, offsets: (tokens.astype(np.int64), offsets),
    "swapped bytes": lambda tokens, offsets: (tokens.astype(">u2"), offsets),
    "a table": lambda tokens, offsets: (tokens[:, None], offsets),
    "objects": lambda tokens, offsets: (tokens.astype(object), offsets),
    "a number": lambda tokens, offsets: (tokens[0], offsets),
    "one less": lambda tokens, offsets: (tokens[:-1], offsets),
    "one more": lambda tokens, offsets: (np.append(tokens, tokens[:1]), offsets),
    "too large": lambda tokens, offsets: (tokens + np.uint16(400), offsets),
    "falling": lambda tokens, offsets: (tokens, offsets[::-1]),
    "shuffled": lambda tokens, offsets: (tokens, offsets[[0, 2, 1, *range(3, 21)]]),
    "not from 0": lambda tokens, offsets: (tokens, np.maximum(offsets, 1)),
    "past the end": lambda tokens, offsets: (tokens, offsets + 1),
    "far past the end": lambda tokens, offsets: (tokens, offsets * 2**58),
    "float offsets": lambda tokens, offsets: (tokens, offsets * 1.0),
    "short offsets": lambda tokens, offsets: (tokens, offsets.astype(np.int32)),
    "fewer examples": lambda tokens, offsets: (tokens, np.delete(offsets, 3)),
    "no targets": lambda tokens, offsets: (tokens, np.where(offsets == 1, 0, offsets)),
}


@pytest.mark.parametrize("damage", ARRAY_DAMAGES)
def test_arrays_of_an_earlier_version_are_checked_themselves(
    folder, vocabulary, damage
):
    as_first_format(folder)
    path = folder / "sst2/train"
    tokens, offsets = (
        np.load(path / "targets.npy"),
        np.load(path / "targets_offsets.npy"),
    )
    tokens, offsets = ARRAY_DAMAGES[damage](tokens, offsets)
    np.save(path / "targets.npy", tokens)
    np.save(path / "targets_offsets.npy", offsets)
    with pytest.raises(InputError, match=str(folder)):
        pairs_of(folder, vocabulary)


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("damage", [cut, empty, noise, remove, put_a_folder])
def test_no_damage_of_an_earlier_version_is_a_fault_of_the_code(
    folder, vocabulary, damage, name
):
    as_first_format(folder)
    damage(folder / "sst2/train" / name, np.random.default_rng(0))
    with pytest.raises(InputError, match=name):
        pairs_of(folder, vocabulary)


def test_no_bit_of_an_array_header_is_a_fault_of_the_code(folder, vocabulary):
    """Without checksums numpy itself reads it, by Python's parser."""
    as_first_format(folder)
    path = folder / "sst2/train/targets.npy"
    whole = path.read_bytes()
    for bit in range(0, 8 * 128, 5):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        try:
            assert pairs_of(folder, vocabulary) == expected()
        except InputError:
            pass
