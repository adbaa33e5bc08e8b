"""The shape of a T5: what tells one size and version from another."""

import dataclasses
from collections.abc import Sequence

import jax.numpy as jnp

from spot_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class T5Config:
    """Dimensions and numerics of an encoder-decoder T5.

    T5 1.1 (the default) has a gated GELU and a matrix of its own for the logits; T5
    1.0 has `mlp_activations=("relu",)` and `logits_via_embedding=True` (Raffel et al.
    2020; Shazeer 2020).

    Attributes:
        vocab_size: rows of the embedding, a multiple of 128 above the vocabulary.
        d_model: width of the residual stream.
        heads: attention heads; heads * d_head need not be d_model (T5 1.1 small).
        d_head: width of one head.
        d_mlp: width between the two matrices of the feed-forward block.
        encoder_layers: number of encoder layers.
        decoder_layers: number of decoder layers.
        mlp_activations: ("gelu", "linear") for the gated block, ("relu",) for T5 1.0.
        logits_via_embedding: whether the logits reuse the embedding matrix (tied).
        dropout_rate: applied while training, also in the frozen model (SPoT, fn 7).
        dtype: "float32" or "bfloat16", what activations are computed in. Softmax, the
            norms' statistics and the logits are always float32.
        relpos_buckets: buckets of the relative position bias.
        relpos_max_distance: distance from which all positions share the last bucket.
    """

    d_model: int
    heads: int
    d_mlp: int
    encoder_layers: int
    decoder_layers: int
    d_head: int = 64
    vocab_size: int = 32128
    mlp_activations: Sequence[str] = ("gelu", "linear")
    logits_via_embedding: bool = False
    dropout_rate: float = 0.1
    dtype: str = "float32"
    relpos_buckets: int = 32
    relpos_max_distance: int = 128

    def __post_init__(self):
        if self.dtype not in ("float32", "bfloat16"):
            raise InputError(
                f"dtype is {self.dtype!r}; activations are computed in 'float32' or "
                "'bfloat16'. Set --gin.ACTIVATION_DTYPE to one of them."
            )
        unknown = set(self.mlp_activations) - {"gelu", "relu", "linear"}
        if unknown or not self.mlp_activations:
            raise InputError(
                f"mlp_activations is {self.mlp_activations!r}; T5 1.1 has "
                "('gelu', 'linear'), T5 1.0 has ('relu',)."
            )
        # gin hands over lists; a frozen linen module wants its fields hashable.
        object.__setattr__(self, "mlp_activations", tuple(self.mlp_activations))

    @property
    def d_joined(self) -> int:
        """Width of all heads together, the second dimension of query, key, value."""
        return self.heads * self.d_head

    @property
    def compute_dtype(self) -> jnp.dtype:
        """The dtype activations are computed in."""
        return jnp.dtype(self.dtype)
