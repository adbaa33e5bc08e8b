"""Lengths of token sequences; TensorFlow is not needed here."""

from collections.abc import Mapping, Sequence

import numpy as np

PERCENTILES = (50, 90, 95, 99, 100)


def parse_lengths(text: str) -> dict[str, int]:
    """Reads an option: `"inputs=512,targets=32"` -> `{"inputs": 512, "targets": 32}`.

    Raises:
        ValueError: it is not of this form, or a length is less than 2 (a token and the
            end token).
    """
    lengths = {}
    for part in text.split(","):
        name, _, length = part.partition("=")
        if name in ("inputs", "targets") and length.isdecimal() and int(length) > 1:
            lengths[name] = int(length)
    if set(lengths) != {"inputs", "targets"} or text.count(",") != 1:
        raise ValueError(
            f"--lengths {text}: expected two lengths of at least 2, such as "
            "inputs=512,targets=32"
        )
    return lengths


def cut(tokens: np.ndarray, length: int) -> np.ndarray:
    """Shortens a sequence and keeps its last token, the end token.

    `[5, 6, 7, 8, 1]`, 3 -> `[5, 6, 1]`.

    Args:
        tokens: [length] ids.
        length: the longest that is allowed.
    """
    if len(tokens) <= length:
        return tokens
    return np.append(tokens[: length - 1], tokens[-1:])


def count_cut(
    lengths: Mapping[str, Sequence[int]], limits: Mapping[str, int]
) -> dict[str, int]:
    """Counts what is longer than allowed.

    `{"inputs": [3, 9], "targets": [2, 2]}`, `{"inputs": 4, "targets": 4}` ->
    `{"inputs": 1, "targets": 0}`.
    """
    return {
        name: sum(length > limit for length in lengths[name])
        for name, limit in limits.items()
    }


def percentiles(lengths: Sequence[int]) -> list[int]:
    """Returns the `PERCENTILES` of lengths, each one that occurs."""
    return np.percentile(lengths, PERCENTILES, method="higher").astype(int).tolist()
