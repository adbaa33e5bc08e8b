"""What is cut out stands in the targets, what is kept in the inputs."""

import numpy as np
import pytest
import seqio
import tensorflow as tf

from spot_jax.text.span_corruption import noise_mask, span_corruption
from tests.small_vocabulary import write_vocabulary

SENTINELS = 20


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    path = write_vocabulary(tmp_path_factory.mktemp("vocabulary"))
    vocabulary = seqio.SentencePieceVocabulary(str(path), extra_ids=SENTINELS)
    return {name: seqio.Feature(vocabulary) for name in ("inputs", "targets")}


def corrupt(features, texts, seed=0, **options):
    dataset = tf.data.Dataset.from_generator(
        lambda: ({"targets": text} for text in texts),
        output_signature={"targets": tf.TensorSpec([None], tf.int32)},
    )
    with seqio.utils.map_seed_manager(seed):
        made = span_corruption(dataset, None, features, **options)
    return list(made.as_numpy_iterator())


def test_inputs_and_targets_together_are_the_text(features):
    size = features["targets"].vocabulary.vocab_size
    texts = [list(range(3, 3 + length)) for length in range(2, 60)]
    for text, example in zip(texts, corrupt(features, texts), strict=True):
        kept = [t for t in example["inputs"] if t < size - SENTINELS]
        noise = [t for t in example["targets"] if t < size - SENTINELS]
        assert sorted(kept + noise) == text
        assert kept[0] == text[0]
        marks = [t for t in example["inputs"] if t >= size - SENTINELS]
        assert marks == [size - 1 - n for n in range(len(marks))]


def test_a_sentinel_stands_for_the_tokens_that_follow_it_in_the_targets(features):
    size = features["targets"].vocabulary.vocab_size
    (example,) = corrupt(features, [list(range(3, 33))])
    inputs, targets = example["inputs"].tolist(), example["targets"].tolist()
    sentinels = [token for token in inputs if token >= size - SENTINELS]
    assert sentinels
    for sentinel in sentinels:
        before = inputs[inputs.index(sentinel) - 1]
        assert targets[targets.index(sentinel) + 1] == before + 1


@pytest.mark.parametrize("length, noise, spans", [(2, 1, 1), (20, 3, 1), (100, 15, 5)])
def test_amounts_are_those_of_t5(length, noise, spans):
    seeds = tf.constant([[1, 2], [3, 4]])
    mask = noise_mask(tf.constant(length), 0.15, 3.0, 100, seeds).numpy()
    assert len(mask) == length and mask.sum() == noise
    assert (np.diff(mask.astype(int)) == 1).sum() == spans and not mask[0]


def test_every_kept_token_but_the_first_can_be_noise():
    draw = tf.function(lambda seeds: noise_mask(tf.constant(10), 0.5, 2.0, 9, seeds))
    masks = [draw(tf.constant([[n, 0], [n, 1]], tf.int32)).numpy() for n in range(200)]
    assert np.any(masks, axis=0).tolist() == [False] + [True] * 9


def test_a_text_has_no_more_spans_than_there_are_sentinels(features):
    size = features["targets"].vocabulary.vocab_size
    (example,) = corrupt(features, [[7] * 1000])
    marks = [t for t in example["inputs"].tolist() if t != 7]
    assert marks == [size - 1 - n for n in range(SENTINELS)]
    assert example["targets"].tolist().count(7) == 150


def test_a_vocabulary_without_sentinels_is_refused(tmp_path):
    vocabulary = seqio.SentencePieceVocabulary(write_vocabulary(tmp_path))
    with pytest.raises(ValueError, match="no sentinels .* --gin.EXTRA_IDS=100"):
        corrupt({"targets": seqio.Feature(vocabulary)}, [[5, 6]])


def test_the_seed_decides(features):
    texts = [list(range(3, 60))] * 5
    first, again, other = (
        [e["inputs"].tolist() for e in corrupt(features, texts, seed)]
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_a_single_token_is_left_out(features):
    assert corrupt(features, [[5]]) == []
