"""The prefix language model: the first part of a text goes in, the rest is learnt."""

from collections.abc import Mapping

import seqio
import tensorflow as tf

from spot_jax.errors import InputError


def prefix_lm(
    dataset: tf.data.Dataset,
    sequence_length: Mapping[str, int] | None,
    output_features: Mapping[str, seqio.Feature],
) -> tf.data.Dataset:
    """Cuts tokenized texts into pieces, and each piece in two at a random place.

    As in T5 (Raffel et al. 2020, §3.2.1): pieces of `sequence_length["inputs"]`, one
    less where an end token is added; the place is drawn uniformly from 1 to length - 1.
    Ten tokens may become inputs of 3 and targets of 7; a single token is all targets.
    The seeds come from SeqIO, so that the same seed gives the same examples.

    Args:
        dataset: examples with `targets`, [length] token ids.
        sequence_length: the longest inputs and targets.
        output_features: SeqIO's features.

    Returns:
        Examples with `inputs` and `targets`, each [length] token ids.

    Raises:
        InputError: there is no `sequence_length`.
    """
    if not sequence_length:
        raise InputError(
            "a prefix language model cuts its texts into pieces of a given length: "
            'give sequence_length, such as {"inputs": 512, "targets": 512}'
        )
    # The end token comes later, and must fit as well.
    size = sequence_length["inputs"] - int(output_features["targets"].add_eos)
    pieces = dataset.flat_map(
        lambda example: tf.data.Dataset.from_tensor_slices(
            tf.range(0, tf.size(example["targets"]), size)
        ).map(lambda start: example["targets"][start : start + size])
    )
    return seqio.map_over_dataset(_split_at_random, num_seeds=1)(pieces)


def _split_at_random(tokens: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
    length = tf.size(tokens)
    # A single token has no place to be cut at, and an empty range is an error.
    place = tf.random.stateless_uniform(
        [], minval=1, maxval=tf.maximum(length, 2), dtype=tf.int32, seed=seed
    )
    place = tf.minimum(place, length - 1)
    return {"inputs": tokens[:place], "targets": tokens[place:]}


def needs_lengths(provider: seqio.Task | seqio.Mixture) -> bool:
    """Returns whether a task, or a member of a mixture, is a prefix language model.

    Only such a task needs `sequence_length`; all others can be read with None, and are
    then not cut, so that what is too long can be counted.
    """
    return any(prefix_lm in task.preprocessors for task in seqio.get_subtasks(provider))
