import collections

import numpy as np
import pytest
import seqio
import tensorflow as tf

from spot_jax.text.prefix_lm import prefix_lm
from spot_jax.text.registration import FEATURES

LENGTHS = {"inputs": 11, "targets": 11}


def examples(texts, seed=0, lengths=LENGTHS):
    dataset = tf.data.Dataset.from_generator(
        lambda: ({"targets": text} for text in texts),
        output_signature={"targets": tf.TensorSpec([None], tf.int32)},
    )
    with seqio.utils.map_seed_manager(seed):
        split = prefix_lm(dataset, lengths, FEATURES)
    return list(split.as_numpy_iterator())


def test_nothing_is_lost_and_pieces_fit():
    texts = [list(range(3, 3 + length)) for length in (1, 2, 10, 11, 25)]
    pieces = [
        np.concatenate([example["inputs"], example["targets"]]).tolist()
        for example in examples(texts)
    ]
    assert [len(piece) for piece in pieces] == [1, 2, 10, 10, 1, 10, 10, 5]
    assert sum(pieces, []) == sum(texts, [])


def test_both_parts_have_a_token_where_there_are_two():
    for example in examples([[5] * length for length in range(2, 60)]):
        if len(example["inputs"]) + len(example["targets"]) > 1:
            assert len(example["inputs"]) and len(example["targets"])


def test_every_place_is_equally_likely():
    counts = collections.Counter(
        len(example["inputs"]) for example in examples([[5] * 4] * 3000)
    )
    assert set(counts) == {1, 2, 3}
    # 1000 each; five standard deviations are 129.
    assert all(abs(count - 1000) < 129 for count in counts.values())


def test_the_seed_decides():
    texts = [[5] * 10] * 20
    places = [
        [len(example["inputs"]) for example in examples(texts, seed)]
        for seed in (1, 1, 2)
    ]
    assert places[0] == places[1] != places[2]


def test_lengths_are_needed():
    with pytest.raises(ValueError, match="sequence_length"):
        examples([[5]], lengths=None)
