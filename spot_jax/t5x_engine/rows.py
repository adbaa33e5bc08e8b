"""Packed rows in which every example has places for its prompt."""

from collections.abc import Mapping

import seqio
import tensorflow as tf

# What stands in a slot until the prompt does. Any piece but 0: where it packs, SeqIO
# takes as many tokens from the end of an example as it has zeros.
_PLACEHOLDER = 2


class SlotConverter(seqio.EncDecFeatureConverter):
    """SeqIO's converter for encoder and decoder; packed rows keep slots free.

    Rows that hold one example have none: the prompt is prepended to them.

    Args:
        slots: how many positions a prompt takes up in front of an input.
        options: as SeqIO's converter has them.
    """

    def __init__(self, slots: int, **options):
        super().__init__(**options)
        self._slots = slots if self.pack else 0

    def _convert_features(
        self, ds: tf.data.Dataset, task_feature_lengths: Mapping[str, int]
    ) -> tf.data.Dataset:
        def add_slots(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            inputs = features["inputs"]
            slots = tf.fill([self._slots], tf.constant(_PLACEHOLDER, inputs.dtype))
            return features | {"inputs": tf.concat([slots, inputs], axis=0)}

        if self._slots:
            ds = ds.map(add_slots, num_parallel_calls=tf.data.AUTOTUNE)
        lengths = self._with_slots(task_feature_lengths)
        return super()._convert_features(ds, lengths)

    def get_model_feature_lengths(
        self, task_feature_lengths: Mapping[str, int]
    ) -> Mapping[str, int]:
        """Returns the lengths of rows, slots included."""
        lengths = self._with_slots(task_feature_lengths)
        return super().get_model_feature_lengths(lengths)

    def _with_slots(self, lengths: Mapping[str, int]) -> dict[str, int]:
        return dict(lengths) | {"inputs": lengths["inputs"] + self._slots}
