"""Lengths of token sequences; TensorFlow is not needed here."""

from collections.abc import Sequence

import numpy as np

from spot_jax.errors import InputError

FEATURES = ("inputs", "targets")
PERCENTILES = (50, 90, 95, 99, 100)


def parse_lengths(text: str) -> dict[str, int]:
    """Reads an option: `"inputs=512,targets=32"` -> `{"inputs": 512, "targets": 32}`.

    Raises:
        InputError: it is not of this form, or a length is less than 2 (a token and the
            end token).
    """
    lengths = {}
    for part in text.split(","):
        name, _, length = part.partition("=")
        if name in FEATURES and length.isdecimal() and int(length) > 1:
            lengths[name] = int(length)
    if set(lengths) != set(FEATURES) or text.count(",") != 1:
        raise InputError(
            f"--lengths {text}: expected two lengths of at least 2, such as "
            "inputs=512,targets=32"
        )
    return lengths


def shorten(tokens: np.ndarray, length: int) -> np.ndarray:
    """Shortens a sequence and keeps its last token, the end token.

    `[5, 6, 7, 8, 1]`, 3 -> `[5, 6, 1]`.

    Args:
        tokens: [length] ids.
        length: the longest that is allowed.
    """
    if len(tokens) <= length:
        return tokens
    return np.append(tokens[: length - 1], tokens[-1:])


def percentiles(lengths: Sequence[int]) -> list[int]:
    """Returns the `PERCENTILES` of lengths, each one that occurs."""
    return np.percentile(lengths, PERCENTILES, method="higher").astype(int).tolist()
