"""The contract between prompts and the T5: a prompt is data, not a layer.

A prompt source (a small linen module that owns everything trained) returns a
`PromptBundle`; the T5 takes the bundle as an argument and owns no prompt parameter.
Files, libraries, similarity, averages and transfers know bundles alone, so that a new
kind of prompt is one module, one gin file and one test; see CONTRIBUTING.md.
"""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import flax.struct
import jax
import numpy as np
from jaxtyping import PyTree

from spot_jax.errors import InputError
from spot_jax.prompts.header import RANGE
from spot_jax.prompts.heads import Head

# On the devices, on the host, or no more than its shape (jax.eval_shape).
Array = jax.Array | np.ndarray | jax.ShapeDtypeStruct
# Where a prompt can enter a T5, in the order of a bundle's fields.
SITES = ("enc_input", "enc_hidden", "enc_self", "dec_self", "cross")
# Those of keys and values.
KEYS_VALUES = ("enc_self", "dec_self", "cross")
# The axis that a bank adds to each array. Layers come first, where a scan over layers
# takes them from, and keys and values stay together.
BANK_AXES = {
    **{"enc_input": 0, "enc_hidden": 1, "enc_self": 2, "dec_self": 2, "cross": 2},
    "mask": 0,
}


@runtime_checkable
class Dimensions(Protocol):
    """What a prompt has to know of a T5; its T5Config says it.

    Attributes:
        d_model: width of embeddings and of the residual stream.
        d_joined: width of all heads' keys or values together.
        encoder_layers: layers of the encoder.
        decoder_layers: layers of the decoder.
    """

    d_model: int
    d_joined: int
    encoder_layers: int
    decoder_layers: int


@runtime_checkable
class PromptSource(Protocol):
    """What every kind of prompt is: a linen module whose call returns its bundle."""

    def __call__(self) -> "PromptBundle":
        """Returns one prompt, without a bank axis."""

    def parameters_of(self, start: "PromptBundle", rng: np.random.Generator) -> PyTree:
        """Returns the parameters with which training begins, of one prompt.

        Args:
            start: what the call should return then; of numpy arrays.
            rng: for what the start does not decide.

        Raises:
            InputError: when this kind cannot begin there.
        """


@runtime_checkable
class PromptKind(Protocol):
    """What PROMPT names: from a length and a T5 to the source of such prompts."""

    def __call__(self, length: int, model: Dimensions) -> PromptSource:
        """Returns a source of prompts of `length` vectors at each of its sites."""


@flax.struct.dataclass
class PromptBundle:
    """Everything a prompt puts into a T5, by the site where it enters.

    Each site is one prompt shared by the batch, or a bank of prompts, of which every
    example takes one (an example's own prompt is a bank with one entry per row).

    Attributes:
        enc_input: [prompt, d_model] or [bank, prompt, d_model] vectors in front of
            the embedded encoder input (Lester et al. 2021).
        enc_hidden: [layers, prompt, d_model] or [layers, bank, prompt, d_model]
            vectors that enter the encoder's residual stream before each layer.
        enc_self: [layers, 2, prompt, heads * d_head], or with the bank after the 2:
            extra keys and values of the encoder's self-attention (P-Tuning v2).
        dec_self: the same for the decoder's self-attention (Prefix-Tuning).
        cross: the same for the attention from the decoder to the encoder.
        mask: [prompt] or [bank, prompt] 1 where a prompt position is visible, so that
            prompts of different lengths share one bank. None: all are.
        hidden_mode: "replace" or "add", how enc_hidden enters the residual stream.
        bias_mode: the position bias of extra keys: "zero", they are a set; or
            "contiguous", they stand right before the text.
        layers: "16:24" where the prompt enters layers 16 to 23 of a stack alone, as
            Python slices; what the arrays hold for others is not read. "": all.
        head: what answers in place of the language model, which is None. It enters
            nowhere: the T5 does not look at it.
    """

    enc_input: Array | None = None
    enc_hidden: Array | None = None
    enc_self: Array | None = None
    dec_self: Array | None = None
    cross: Array | None = None
    mask: Array | None = None
    hidden_mode: str = flax.struct.field(pytree_node=False, default="replace")
    bias_mode: str = flax.struct.field(pytree_node=False, default="zero")
    layers: str = flax.struct.field(pytree_node=False, default="")
    head: Head | None = None


def empty() -> PromptBundle:
    """Returns the bundle of no prompt: the frozen model as it is."""
    return PromptBundle()


def sites(bundle: PromptBundle) -> dict[str, Any]:
    """Returns the arrays of a bundle by their sites, without the mask and the head."""
    found = {site: getattr(bundle, site) for site in SITES}
    return {site: array for site, array in found.items() if array is not None}


def modes(bundle: PromptBundle) -> dict[str, str]:
    """Returns how the arrays enter, of the sites that can enter in several ways."""
    present, said = sites(bundle), {}
    if "enc_hidden" in present:
        said["hidden_mode"] = bundle.hidden_mode
    if present.keys() & set(KEYS_VALUES):
        said["bias_mode"] = bundle.bias_mode
    if bundle.layers:
        said["layers"] = bundle.layers
    return said


def entered(bundle: PromptBundle, count: int) -> list[int]:
    """Returns the layers, of so many, that a prompt enters.

    Raises:
        InputError: when its range is none, or holds none of them.
    """
    if not bundle.layers:
        return list(range(count))
    first, _, end = bundle.layers.partition(":")
    numbers = [part or None for part in (first, end)]
    if not RANGE.fullmatch(bundle.layers):
        raise InputError(
            f"The layers {bundle.layers!r} of a prompt are no range; '16:24' are "
            "layers 16 to 23, '12:' all from 12 on."
        )
    found = list(range(count))[slice(*(n and int(n) for n in numbers))]
    if not found:
        raise InputError(
            f"The layers {bundle.layers!r} of a prompt are none of the {count} that a "
            "stack has. Choose others."
        )
    return found


def length_of(bundle: PromptBundle) -> int:
    """Returns how many positions the longest site of a bundle has; 0 for none."""
    return max((array.shape[-2] for array in sites(bundle).values()), default=0)


def slots_of(bundle: PromptBundle) -> int:
    """Returns how many positions of a row a bundle takes up.

    Vectors in front of the input take one each, and hidden ones take the same; keys and
    values stand beside the row and take none.
    """
    vectors = (bundle.enc_input, bundle.enc_hidden)
    return max((array.shape[-2] for array in vectors if array is not None), default=0)


def prefix_of(bundle: PromptBundle) -> int:
    """Returns how many keys a bundle puts beside those of a row."""
    arrays = (getattr(bundle, site) for site in KEYS_VALUES)
    return max((array.shape[-2] for array in arrays if array is not None), default=0)


def mixes_in_rows(bundle: PromptBundle) -> bool:
    """Whether a row may hold examples of several prompts of a bank.

    Vectors stand in slots, which are an example's own; keys and values are a row's, and
    so is a head.
    """
    return bundle.head is None and not sites(bundle).keys() & set(KEYS_VALUES)


def shapes_of(bundle: PromptBundle) -> dict[str, list[int]]:
    """Returns the shape of each site: `{"enc_input": [100, 768]}`."""
    return {site: list(array.shape) for site, array in sites(bundle).items()}


def described(bundle: PromptBundle) -> str:
    """Returns the sites for a message: "enc_input [100, 768]"."""
    shapes = shapes_of(bundle).items()
    return ", ".join(f"{site} {shape}" for site, shape in shapes) or "nothing"


def misfit(bundle: PromptBundle, model: Dimensions) -> str:
    """Returns why one prompt, without a bank axis, does not fit a T5; "" if it does."""
    joined = model.d_joined
    expected: Mapping[str, tuple[int | None, ...]] = {
        "enc_input": (None, model.d_model),
        "enc_hidden": (model.encoder_layers, None, model.d_model),
        "enc_self": (model.encoder_layers, 2, None, joined),
        "dec_self": (model.decoder_layers, 2, None, joined),
        "cross": (model.decoder_layers, 2, None, joined),
    }
    for site, array in sites(bundle).items():
        wanted = expected[site]
        if len(array.shape) != len(wanted) or any(
            size not in (None, found)
            for size, found in zip(wanted, array.shape, strict=True)
        ):
            shown = ", ".join("prompt" if s is None else str(s) for s in wanted)
            return f"its {site} is {list(array.shape)}, the model takes [{shown}]"
    if bundle.head is not None and bundle.head.kernel.shape[-2] != model.d_model:
        width = bundle.head.kernel.shape[-2]
        return f"its head reads {width} numbers, the model has {model.d_model}"
    return ""


def check_single(bundle: PromptBundle) -> None:
    """Refuses what is no prompt of its own, to be kept, compared or averaged.

    A mask belongs to a bank, whose prompts may be shorter than it: one that is taken
    out (`algebra.take`) has none.

    Raises:
        InputError: when it has a mask, or its sites are of different lengths.
    """
    lengths = {array.shape[-2] for array in sites(bundle).values()}
    if bundle.mask is not None or len(lengths) > 1:
        masked = ", with a mask" if bundle.mask is not None else ""
        raise InputError(
            f"This is {described(bundle)}{masked}; a prompt has one length at all of "
            "its sites, and no mask. Take it out of its bank first (algebra.take)."
        )
