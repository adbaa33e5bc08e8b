"""Tasks of SeqIO are learned with the sentinel, in memory and as a stream."""

import numpy as np
import pytest

from spot_jax.data import loading, sentinel, set_up
from spot_jax.data.orders import Position
from spot_jax.errors import InputError
from spot_jax.settings import Data
from spot_jax.text import vocabulary
from tests import own_tasks  # noqa: F401

LENGTHS = {"inputs": 80, "targets": 40}


def learned(name, lengths=LENGTHS, **more):
    data = Data(name, lengths, "spot_tiny", **more)
    set_up.set_up_tasks(data)
    try:
        return loading.training_loader(data)(name)(0, Position()).take(20)
    finally:
        vocabulary.use_vocabulary(vocabulary.PUBLISHED_VOCABULARY)


@pytest.mark.parametrize("name", ["miniature_prefix_lm"])
def test_a_stream_begins_its_targets_with_it(name):
    plain, begun = (learned(name, sentinel=s) for s in (False, True))
    from spot_jax.text.pieces import open_pieces

    first = sentinel.sentinel_of(open_pieces("spot_tiny", 0, "")[0])
    for (inputs, targets), (same, after) in zip(plain, begun, strict=True):
        np.testing.assert_array_equal(inputs, same)
        np.testing.assert_array_equal([first, *targets], after)


@pytest.mark.parametrize("streamed", [False, True])
def test_tasks_of_rows_begin_so_beside_seqio(streamed, tmp_path, monkeypatch):
    if streamed:
        monkeypatch.setattr(loading, "MAX_EXAMPLES_IN_MEMORY", 1)
    path = tmp_path / "train.csv"
    path.write_text(
        "text,label\n"
        + "\n".join(f"a {n},{'good bad'.split()[n % 2]}" for n in range(30))
    )
    told = {"files": {"train": str(path)}, "input": "x {text}", "target": "{label}"}
    # A second task, of SeqIO, has all be read by it.
    names = ("mood_of_seqio", "miniature_prefix_lm")
    data = Data(names, LENGTHS, "spot_tiny", rows={names[0]: told}, sentinel=True)
    set_up.set_up_tasks(data)
    try:
        first = sentinel.sentinel_of(vocabulary.VOCABULARY)
        taken = loading.training_loader(data)(names[0])(0, Position()).take(20)
        encode = vocabulary.VOCABULARY.encode
        wanted = [[first, *encode(word), 1] for word in ("good", "bad")]
        assert all(targets.tolist() in wanted for _, targets in taken)
    finally:
        vocabulary.use_vocabulary(vocabulary.PUBLISHED_VOCABULARY)


def test_hidden_labels_are_refused_with_it_too(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text(
        "text,label\n"
        + "\n".join(f"a {n},{'good <unk>'.split()[n % 2]}" for n in range(30))
    )
    told = {"files": {"train": str(path)}, "input": "x {text}", "target": "{label}"}
    names = ("hidden_of_seqio", "miniature_prefix_lm")
    data = Data(names, LENGTHS, "spot_tiny", rows={names[0]: told}, sentinel=True)
    set_up.set_up_tasks(data)
    try:
        with pytest.raises(InputError, match="have a hidden label"):
            loading.training_loader(data)(names[0])(0, Position())
    finally:
        vocabulary.use_vocabulary(vocabulary.PUBLISHED_VOCABULARY)
