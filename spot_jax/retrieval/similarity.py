"""How alike two tasks are, by their embeddings, which are prompts (SPoT §3.2).

A prompt is seen as matrices of vectors, one for each site, layer, and key or value (see
`algebra.token_matrices`); a soft prompt is one matrix. Both measures are products of
one vector a prompt, so a bank costs one product of matrices, and prompts of different
lengths can be compared.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float64

from spot_jax.errors import InputError
from spot_jax.prompts.algebra import check_alike, token_matrices
from spot_jax.prompts.base import PromptBundle


def average_tokens(
    first: Sequence[PromptBundle], second: Sequence[PromptBundle]
) -> Float64[np.ndarray, "first second"]:
    """Computes the cosine of two prompts' average vectors, for every pair.

    The averages of all matrices of a prompt are one long vector.

    Args:
        first: single prompts, of any lengths.
        second: the same.

    Returns:
        [first, second] float64, from -1 to 1; a prompt and itself give 1.

    Raises:
        InputError: when a prompt is not finite, its average is zero, or they are of
            different kinds or widths.
    """
    return _products(first, second, _direction_of_average)


def per_token(
    first: Sequence[PromptBundle], second: Sequence[PromptBundle]
) -> Float64[np.ndarray, "first second"]:
    """Computes the average cosine over all pairs of two prompts' vectors.

    The mean over pairs of cosines is the product of the two means of unit vectors:
    (1/LM) sum_ij cos(a_i, b_j) = (1/L sum_i a_i/|a_i|) . (1/M sum_j b_j/|b_j|).
    Of prompts with several matrices it is the mean over these. A prompt and itself give
    less than 1, so this ranks, and is no distance.

    Args:
        first: single prompts, of any lengths.
        second: the same.

    Returns:
        [first, second] float64, from -1 to 1.

    Raises:
        InputError: when a prompt is not finite or has a vector of zeros, or they are of
            different kinds or widths.
    """
    return _products(first, second, _average_direction)


MEASURES = {"average_tokens": average_tokens, "per_token": per_token}
# By which SPoT ranks (Table 3).
USUAL_MEASURE = "per_token"


def _products(
    first: Sequence[PromptBundle],
    second: Sequence[PromptBundle],
    reduce: Callable[[list[np.ndarray], int], np.ndarray],
) -> np.ndarray:
    if not len(first) or not len(second):
        raise InputError(
            f"{len(first)} prompts cannot be compared with {len(second)}: give at "
            "least one on each side."
        )
    check_alike([*first, *second])
    of_first = [_matrices(bundle, n) for n, bundle in enumerate(first)]
    of_second = [_matrices(bundle, n) for n, bundle in enumerate(second)]
    widths = {
        tuple(matrix.shape[1] for matrix in matrices)
        for matrices in (*of_first, *of_second)
    }
    if len(widths) != 1:
        shown = " and ".join(str(list(each)) for each in sorted(widths))
        raise InputError(
            f"Prompts of widths {shown} cannot be compared: they are of T5s of "
            "different sizes. Give prompts of one model."
        )
    rows = [reduce(matrices, n) for n, matrices in enumerate(of_first)]
    columns = [reduce(matrices, n) for n, matrices in enumerate(of_second)]
    # Not BLAS: its rounding depends on a pair's place in the bank, and the copies of a
    # prompt would no longer be tied.
    return np.einsum("nd,md->nm", np.stack(rows), np.stack(columns))


def _matrices(bundle: PromptBundle, number: int) -> list[np.ndarray]:
    matrices = [np.asarray(m, np.float64) for m in token_matrices(bundle)]
    if not matrices or not all(m.ndim == 2 and m.size for m in matrices):
        raise InputError(
            f"Prompt {number} of the bank has no vectors; a task embedding has at "
            "least one."
        )
    return matrices


def _direction_of_average(matrices: list[np.ndarray], number: int) -> np.ndarray:
    return _unit(np.concatenate([m.mean(axis=0) for m in matrices]), number)


def _average_direction(matrices: list[np.ndarray], number: int) -> np.ndarray:
    means = [_unit(m, number).mean(axis=0) for m in matrices]
    # Half of the mean's 1 / matrices is in each of the two factors.
    return np.concatenate(means) / np.sqrt(len(means))


def _unit(vectors: np.ndarray, number: int) -> np.ndarray:
    """Scales [..., d_model] to length 1, whatever the scale."""
    largest = np.abs(vectors).max(axis=-1, keepdims=True)
    if not np.isfinite(largest).all():
        raise InputError(
            f"Prompt {number} of the bank has values that are not finite: its training "
            "diverged. Take it out, or train it again with a smaller rate."
        )
    if not largest.all():
        raise InputError(
            f"Prompt {number} of the bank is zero, in a vector or on average, and zero "
            "has no direction to compare. No training gives exact zeros: look at how "
            "it was written."
        )
    scaled = vectors / largest
    return scaled / np.linalg.norm(scaled, axis=-1, keepdims=True)
