"""What can be made of prompts: pure functions from bundles to a bundle.

Bundles are stacked into banks and taken out again, averaged (SPoT §3.3), cut and
continued, whatever their sites are. A bank's arrays are longer by the axes of
`base.BANK_AXES`; all other bundles here are single prompts.
"""

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from spot_jax.errors import InputError
from spot_jax.prompts import heads
from spot_jax.prompts.base import (
    BANK_AXES,
    PromptBundle,
    check_single,
    described,
    entered,
    length_of,
    modes,
    sites,
)


def map_sites(
    function: Callable[..., jax.Array | np.ndarray], *bundles: PromptBundle
) -> PromptBundle:
    """Applies `function(site, *arrays)` to each site of bundles that have the same.

    The result has no mask, which belongs to the lengths that `function` may change, and
    no head, which belongs to a task.
    """
    first = bundles[0]
    arrays = {
        site: function(site, *(getattr(bundle, site) for bundle in bundles))
        for site in sites(first)
    }
    return PromptBundle(**arrays, **modes(first))


def check_alike(bundles: Sequence[PromptBundle]) -> None:
    """Refuses to bring prompts together that enter the T5 in different ways.

    Raises:
        InputError: naming the sites or modes that differ.
    """
    first = bundles[0]
    for other in bundles[1:]:
        if sites(other).keys() != sites(first).keys() or modes(other) != modes(first):
            raise InputError(
                f"A prompt with {_told(first)} and one with {_told(other)} are of "
                "different kinds: they cannot be compared, averaged or put into one "
                "bank. Take prompts of one kind."
            )


def check_heads(bundles: Sequence[PromptBundle]) -> None:
    """Refuses to ask prompts together of which some have a head, or other heads.

    Raises:
        InputError: naming the heads.
    """
    first, *others = [bundle.head for bundle in bundles]
    for other in others:
        if (first and first.kind) != (other and other.kind):
            raise InputError(
                f"A prompt with {heads.told(first)} and one with {heads.told(other)} "
                "answer in different ways. Ask them one after the other."
            )


def _told(bundle: PromptBundle) -> str:
    said = [f"{mode} {value}" for mode, value in modes(bundle).items()]
    return ", ".join([described(bundle), *said])


def stack(bundles: Sequence[PromptBundle]) -> PromptBundle:
    """Puts prompts of any lengths into one bank.

    Shorter ones are padded in front and masked: the position bias sees how far a
    vector is from the text, so each keeps its place right before it.

    Args:
        bundles: single prompts of one kind; at least one.

    Returns:
        A bank with its mask [bank, prompt] int32; numpy arrays, float32.

    Raises:
        InputError: when they are of different kinds, or no single prompts.
    """
    check_alike(bundles)
    check_heads(bundles)
    for bundle in bundles:
        check_single(bundle)
    lengths = list(map(length_of, bundles))
    banked = map_sites(
        lambda site, *arrays: np.stack(
            [
                np.pad(np.asarray(array, np.float32), _in_front(array, max(lengths)))
                for array in arrays
            ],
            BANK_AXES[site],
        ),
        *bundles,
    )
    head = bundles[0].head and heads.stack([bundle.head for bundle in bundles])
    return banked.replace(mask=_visible(lengths), head=head)


def join(
    banks: Sequence[PromptBundle], places: np.ndarray | Sequence[int]
) -> PromptBundle:
    """Puts banks into one, each of prompts of a length of its own, as `stack` does.

    Args:
        banks: of one kind, without masks; their arrays may be traced.
        places: [bank] of every prompt of the joined bank, where it stands among those
            of the first, of the second, and so on.

    Returns:
        A bank with its mask [bank, prompt] int32.
    """
    longest, order = max(map(length_of, banks)), np.asarray(places)

    def joined(site: str, *arrays: jax.Array | np.ndarray) -> jax.Array:
        padded = [jnp.pad(array, _in_front(array, longest)) for array in arrays]
        together = jnp.concatenate(padded, BANK_AXES[site])
        return jnp.take(together, order, axis=BANK_AXES[site])

    site = next(iter(sites(banks[0])))
    sizes = [getattr(bank, site).shape[BANK_AXES[site]] for bank in banks]
    lengths = np.repeat(list(map(length_of, banks)), sizes)
    mask = jnp.asarray(_visible(lengths[order]))
    head = banks[0].head and heads.join([bank.head for bank in banks], order)
    return map_sites(joined, *banks).replace(mask=mask, head=head)


def _in_front(array: jax.Array | np.ndarray, length: int) -> list[tuple[int, int]]:
    """Returns the padding that makes [..., prompt, width] `length` positions long."""
    missing = [(0, 0)] * array.ndim
    missing[-2] = (length - array.shape[-2], 0)
    return missing


def _visible(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    """Returns the mask of a bank: `[1, 3]` -> `[[0, 0, 1], [1, 1, 1]]`."""
    hidden = max(lengths) - np.asarray(lengths)
    return np.int32(np.arange(max(lengths)) >= hidden[:, None])


def take(bank: PromptBundle, index: int) -> PromptBundle:
    """Returns one prompt of a bank, on the host, as long as it was before `stack`.

    Raises:
        IndexError: when there are not so many.
    """
    # JAX would take the last prompt in place of one that is not there.
    for site, array in sites(bank).items():
        if not 0 <= index < array.shape[BANK_AXES[site]]:
            raise IndexError(f"prompt {index} of a bank of {described(bank)}")
    seen = None if bank.mask is None else np.asarray(bank.mask[index]) > 0

    def one(site: str, array: jax.Array | np.ndarray) -> np.ndarray:
        # Indexed on the device: a bank has many prompts, and one is wanted.
        alone = array[(slice(None),) * BANK_AXES[site] + (index,)]
        alone = np.asarray(jax.device_get(alone))
        return alone if seen is None else alone[..., seen, :]

    return map_sites(one, bank).replace(head=bank.head and heads.take(bank.head, index))


def weighted_average(
    bundles: Sequence[PromptBundle], weights: np.ndarray | Sequence[float]
) -> PromptBundle:
    """Averages prompts, position by position (SPoT §3.3).

    Args:
        bundles: [k] the chosen prompts, of one kind and length.
        weights: [k] which sum to 1.

    Returns:
        One prompt, float32, without a head; the sums are taken in float64.

    Raises:
        InputError: when the numbers differ, the weights do not sum to 1, or the
            prompts are of different kinds or shapes.
    """
    weights = np.asarray(weights, np.float64)
    if weights.shape != (len(bundles),) or not np.isclose(weights.sum(), 1):
        raise InputError(
            f"{len(bundles)} prompts and weights of shape {weights.shape} that sum to "
            f"{weights.sum():.6g}: an average needs a weight for each, which sum to 1. "
            "operators.weights makes such weights."
        )
    check_alike(bundles)
    for bundle in bundles:
        check_single(bundle)
    shapes = sorted(set(map(described, bundles)))
    if len(shapes) > 1:
        raise InputError(
            f"Prompts of the shapes {' and '.join(shapes)} have no average, which is "
            "taken position by position."
        )

    def average(_: str, *arrays: np.ndarray) -> np.ndarray:
        exact = np.stack([np.asarray(array, np.float64) for array in arrays])
        return np.einsum("k,k...->...", weights, exact).astype(np.float32)

    return map_sites(average, *bundles)


def truncate(bundle: PromptBundle, length: int) -> PromptBundle:
    """Keeps the first `length` positions of every site, and the head."""
    check_single(bundle)
    shorter = map_sites(lambda _, array: array[..., :length, :], bundle)
    return shorter.replace(head=bundle.head)


def concatenate(first: PromptBundle, second: PromptBundle) -> PromptBundle:
    """Returns the positions of the first prompt, then those of the second.

    The head is the first's.

    Raises:
        InputError: when they are of different kinds.
    """
    check_alike([first, second])
    check_single(first)
    check_single(second)
    longer = map_sites(
        lambda _, *arrays: np.concatenate(arrays, axis=-2), first, second
    )
    return longer.replace(head=first.head)


def has_zeros(bundle: PromptBundle) -> bool:
    """Whether a vector of a prompt is zero, and has no direction to compare."""
    return not all(m.any(axis=1).all() for m in token_matrices(bundle))


def token_matrices(bundle: PromptBundle) -> list[np.ndarray]:
    """Returns a prompt as matrices [prompt, width], by which tasks are compared.

    One for each site, layer that it enters, and key or value (a soft prompt is one
    matrix), always in the same order.
    """
    return [
        matrix
        for array in (_entered(bundle, *named) for named in sites(bundle).items())
        # Not -1, which numpy cannot tell of an array without elements.
        for matrix in np.asarray(array).reshape(
            math.prod(array.shape[:-2]), *array.shape[-2:]
        )
    ]


def _entered(
    bundle: PromptBundle, site: str, array: jax.Array | np.ndarray
) -> jax.Array | np.ndarray:
    """Returns what a site has for the layers that the prompt enters."""
    if not bundle.layers or site == "enc_input":
        return array
    return np.asarray(array)[entered(bundle, len(array))]
