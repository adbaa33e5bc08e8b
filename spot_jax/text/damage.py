"""Data that is damaged, found out while it is read."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from spot_jax.errors import InputError


@contextlib.contextmanager
def named_damage(name: str, split: str) -> Iterator[None]:
    """Makes TensorFlow's errors of a damaged file, or of a wrong row, one message.

    Args:
        name: of the task or mixture that is read inside.
        split: its split.

    Raises:
        InputError: in place of any error of TensorFlow.
    """
    try:
        yield
    except tf.errors.OpError as error:
        reason = error.message.partition("\n")[0]
        raise InputError(
            f"{name}: the split {split} cannot be read to its end ({reason:.300}). A "
            "file of it is damaged, or a row is not as the task needs it: prepare the "
            "data again."
        ) from error
