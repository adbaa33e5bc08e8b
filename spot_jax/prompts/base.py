"""The contract between prompts and the T5: a prompt is data, not a layer.

A prompt source (a small linen module that owns everything trained) returns a
`PromptBundle`; the T5 takes the bundle as an argument and owns no prompt parameter.
Transfer, averaging and selection are functions from bundles to a bundle.
"""

from typing import Protocol

import flax.struct
import jax


class PromptSource(Protocol):
    """What every kind of prompt is: a linen module whose call returns its bundle."""

    def __call__(self) -> "PromptBundle":
        """Returns one prompt, without a bank axis."""


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
        bias_mode: "zero" or "contiguous", the position bias of extra keys.
    """

    enc_input: jax.Array | None = None
    enc_hidden: jax.Array | None = None
    enc_self: jax.Array | None = None
    dec_self: jax.Array | None = None
    cross: jax.Array | None = None
    mask: jax.Array | None = None
    hidden_mode: str = flax.struct.field(pytree_node=False, default="replace")
    bias_mode: str = flax.struct.field(pytree_node=False, default="zero")


def empty() -> PromptBundle:
    """Returns the bundle of no prompt: the frozen model as it is."""
    return PromptBundle()


def check_supported(bundle: PromptBundle) -> None:
    """Refuses the sites the T5 has no door for yet.

    Raises:
        ValueError: naming the sites and what can be used instead.
    """
    sites = ("enc_hidden", "enc_self", "dec_self", "cross")
    unbuilt = [site for site in sites if getattr(bundle, site) is not None]
    if unbuilt:
        raise ValueError(
            f"This prompt enters the T5 at {', '.join(unbuilt)}, which is not built "
            "yet. Only enc_input is: use a SoftPrompt, or set the other sites to None."
        )
