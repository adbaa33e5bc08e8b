"""How alike two tasks are, by their embeddings, which are prompts (SPoT §3.2).

Both measures are cosines of one vector a prompt, so a bank costs one product of
matrices, and prompts of different lengths can be compared.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Float64

Bank = Float[np.ndarray, "bank prompt d_model"] | Sequence[np.ndarray]


def average_tokens(first: Bank, second: Bank) -> Float64[np.ndarray, "first second"]:
    """Computes the cosine of two prompts' average vectors, for every pair.

    Args:
        first: [first, prompt, d_model], or a list of [prompt, d_model] of any lengths.
        second: [second, prompt, d_model], or such a list.

    Returns:
        [first, second] float64, from -1 to 1; a prompt and itself give 1.

    Raises:
        ValueError: when a prompt is not finite, its average is zero, or widths differ.
    """
    return _cosines(first, second, _direction_of_average)


def per_token(first: Bank, second: Bank) -> Float64[np.ndarray, "first second"]:
    """Computes the average cosine over all pairs of two prompts' vectors.

    The mean over pairs of cosines is the product of the two means of unit vectors:
    (1/LM) sum_ij cos(a_i, b_j) = (1/L sum_i a_i/|a_i|) . (1/M sum_j b_j/|b_j|).
    A prompt and itself give less than 1, so this ranks, and is no distance.

    Args:
        first: [first, prompt, d_model], or a list of [prompt, d_model] of any lengths.
        second: [second, prompt, d_model], or such a list.

    Returns:
        [first, second] float64, from -1 to 1.

    Raises:
        ValueError: when a prompt is not finite or has a vector of zeros, or widths
            differ.
    """
    return _cosines(first, second, _average_direction)


MEASURES = {"average_tokens": average_tokens, "per_token": per_token}


def _cosines(
    first: Bank, second: Bank, reduce: Callable[[np.ndarray, int], np.ndarray]
) -> np.ndarray:
    rows = [reduce(_float64(prompt, n), n) for n, prompt in enumerate(first)]
    columns = [reduce(_float64(prompt, n), n) for n, prompt in enumerate(second)]
    widths = {len(vector) for vector in (*rows, *columns)}
    if not rows or not columns or len(widths) != 1:
        raise ValueError(
            f"{len(rows)} prompts cannot be compared with {len(columns)}, of widths "
            f"{sorted(widths)}: give at least one on each side, all of one width. "
            "Prompts of T5s of different sizes cannot be compared."
        )
    # Not BLAS: its rounding depends on a pair's place in the bank, and the copies of a
    # prompt would no longer be tied.
    return np.einsum("nd,md->nm", np.stack(rows), np.stack(columns))


def _float64(prompt: np.ndarray, number: int) -> np.ndarray:
    prompt = np.asarray(prompt, np.float64)
    if prompt.ndim != 2 or not prompt.size:
        raise ValueError(
            f"Prompt {number} of the bank has the shape {prompt.shape}; a task "
            "embedding is [prompt, d_model], at least one vector."
        )
    return prompt


def _direction_of_average(prompt: np.ndarray, number: int) -> np.ndarray:
    return _unit(prompt.mean(axis=0), number)


def _average_direction(prompt: np.ndarray, number: int) -> np.ndarray:
    return _unit(prompt, number).mean(axis=0)


def _unit(vectors: np.ndarray, number: int) -> np.ndarray:
    """Scales [..., d_model] to length 1, whatever the scale."""
    largest = np.abs(vectors).max(axis=-1, keepdims=True)
    if not np.isfinite(largest).all():
        raise ValueError(
            f"Prompt {number} of the bank has values that are not finite: its training "
            "diverged. Take it out, or train it again with a smaller rate."
        )
    if not largest.all():
        raise ValueError(
            f"Prompt {number} of the bank is zero, in a vector or on average, and zero "
            "has no direction to compare. No training gives exact zeros: look at how "
            "it was written."
        )
    scaled = vectors / largest
    return scaled / np.linalg.norm(scaled, axis=-1, keepdims=True)
