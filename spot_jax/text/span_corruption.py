"""Span corruption, T5's pre-training: spans are cut out of a text and learnt."""

from collections.abc import Mapping

import seqio
import tensorflow as tf

from spot_jax.errors import InputError


def span_corruption(
    dataset: tf.data.Dataset,
    sequence_length: Mapping[str, int] | None,
    output_features: Mapping[str, seqio.Feature],
    *,
    noise_density: float = 0.15,
    mean_noise_span_length: float = 3.0,
) -> tf.data.Dataset:
    """Replaces random spans by sentinels; the targets tell what stood there.

    As in T5 (Raffel et al. 2020, §3.1.4), with its two settings as defaults: with
    sentinels X and Y "a b c d e f" may become "a X d Y" and "X b c Y e f". The n-th
    sentinel is the n-th last piece of the vocabulary. The seeds come from SeqIO, so
    that the same seed gives the same examples. Texts are not joined or cut: a text of a
    single token is left out, for it has nothing to keep.

    Args:
        dataset: examples with `targets`, [length] token ids without EOS.
        sequence_length: not needed; too long texts are dealt with as everywhere.
        output_features: SeqIO's features; the vocabulary has the sentinels.
        noise_density: the part of the tokens that is cut out.
        mean_noise_span_length: of a span that is cut out, in tokens.

    Returns:
        Examples with `inputs` and `targets`, each [length] token ids.
    """
    del sequence_length
    vocabulary = output_features["targets"].vocabulary
    sentinels, last = _sentinels(vocabulary), vocabulary.vocab_size - 1

    @seqio.map_over_dataset(num_seeds=2)
    def corrupt(example, seeds):
        tokens = example["targets"]
        is_noise = noise_mask(
            tf.size(tokens), noise_density, mean_noise_span_length, sentinels, seeds
        )
        return {
            "inputs": _with_sentinels(tokens, is_noise, last),
            "targets": _with_sentinels(tokens, ~is_noise, last),
        }

    return corrupt(dataset.filter(lambda example: tf.size(example["targets"]) > 1))


def _sentinels(vocabulary: seqio.SentencePieceVocabulary) -> int:
    """Counts the sentinels, which are the last pieces of a vocabulary.

    Raises:
        InputError: when it has none.
    """
    pieces, count = vocabulary.tokenizer, 0
    while "extra_id_" in pieces.id_to_piece(vocabulary.vocab_size - 1 - count):
        count += 1
    if not count:
        raise InputError(
            "The vocabulary has no sentinels (<extra_id_0>, ...), and span corruption "
            "puts them where it cuts. Add them with --gin.EXTRA_IDS=100."
        )
    return count


def noise_mask(
    length: tf.Tensor,
    density: float,
    mean_span: float,
    most_spans: int,
    seeds: tf.Tensor,
) -> tf.Tensor:
    """Draws which tokens are cut out; the first token is kept.

    Args:
        length: [] int32, of the text, at least 2.
        density: the part that is noise; at least one token is, and one is not.
        mean_span: mean length of a span of noise.
        most_spans: how many there may be; in longer texts they are longer.
        seeds: [2, 2] int32.

    Returns:
        [length] bool: spans of kept tokens and of noise in turn.
    """
    noise = _rounded(tf.cast(length, tf.float32) * density)
    noise = tf.clip_by_value(noise, 1, length - 1)
    spans = tf.maximum(_rounded(tf.cast(noise, tf.float32) / mean_span), 1)
    # Before each span something is kept, and each has a sentinel of its own.
    spans = tf.reduce_min([spans, length - noise, most_spans])
    lengths = [
        _random_lengths(length - noise, spans, seeds[0]),
        _random_lengths(noise, spans, seeds[1]),
    ]
    # The text begins with what is kept; with every start the one becomes the other.
    in_turn = tf.reshape(tf.stack(lengths, axis=1), [-1])
    is_start = tf.scatter_nd(
        tf.cumsum(in_turn)[:-1, None], tf.ones_like(in_turn)[:-1], [length]
    )
    return tf.cumsum(is_start) % 2 == 1


def _rounded(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.round(x), tf.int32)


def _random_lengths(total: tf.Tensor, parts: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Cuts `total` in `parts` pieces of at least one, every way equally likely."""
    # Between the tokens are total - 1 places, of which parts - 1 are borders.
    borders = tf.cast(tf.range(total - 1) < parts - 1, tf.int32)
    borders = tf.random.experimental.stateless_shuffle(borders, seed=seed)
    piece = tf.cumsum(tf.pad(borders, [[1, 0]]))
    return tf.math.segment_sum(tf.ones_like(piece), piece)


def _with_sentinels(tokens: tf.Tensor, is_cut: tf.Tensor, last: int) -> tf.Tensor:
    """Puts a sentinel, counted down from `last`, in the place of each span cut out."""
    before = tf.pad(is_cut[:-1], [[1, 0]])
    is_start = is_cut & ~before
    number = tf.cumsum(tf.cast(is_start, tokens.dtype)) - 1
    marked = tf.where(is_start, tf.cast(last, tokens.dtype) - number, tokens)
    return tf.boolean_mask(marked, is_start | ~is_cut)
