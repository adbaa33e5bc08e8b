"""Token ids, which are whole numbers below the size of their vocabulary."""

import logging
from typing import Any

import numpy as np

from spot_jax.errors import InputError

logger = logging.getLogger(__name__)


def as_ids(values: Any, name: str, pieces: int | None = None) -> np.ndarray:
    """Returns ids as int32 [length].

    Args:
        values: [length] ids.
        name: whose they are, for the message.
        pieces: how many there are; None where nobody knows.

    Raises:
        InputError: when they are no row of ids, or one is not of the vocabulary. An
            embedding would answer it with NaN, or with another id's vector.
    """
    array = np.asarray(values)
    # A list without elements is one of floats to numpy.
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise InputError(
            f"{name}: {array.dtype} {list(array.shape)} was found where token ids are "
            "expected, a row of whole numbers. Mend the preprocessors of the task."
        )
    end = np.iinfo(np.int32).max if pieces is None else pieces
    if array.size and not 0 <= array.min() <= array.max() < end:
        raise InputError(
            f"{name}: ids from {array.min()} to {array.max()} were found, the "
            f"vocabulary has those from 0 to {end - 1}. Tokenize with the vocabulary "
            "of the run, which is the model's own."
        )
    return array.astype(np.int32)


def warn_of_unknown(name: str, count: int, tokens: int) -> None:
    """Says how many of a task's targets no vocabulary of the model's can write.

    Args:
        name: of the task.
        count: ids of the unknown piece in its targets.
        tokens: all ids of its targets.
    """
    if count:
        logger.warning(
            "%s: %d of %d tokens of the targets (%.2g%%) are <unk>: the vocabulary "
            "cannot write what stands there, and answers will not either.",
            name,
            count,
            tokens,
            100 * count / tokens,
        )
