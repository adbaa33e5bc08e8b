"""The shape of a T5: what tells one size and version from another."""

import dataclasses
from collections.abc import Sequence

import jax.numpy as jnp

from spot_jax.errors import InputError

_SIZES = (
    *("d_model", "heads", "d_head", "d_mlp", "encoder_layers", "decoder_layers"),
    *("vocab_size", "relpos_max_distance"),
)

REMAT_POLICIES = ("none", "minimal", "full")
ATTENTIONS = ("plain", "fused")


@dataclasses.dataclass(frozen=True)
class T5Config:
    """Dimensions and numerics of an encoder-decoder T5.

    T5 1.1 (the default) has a gated GELU and a matrix of its own for the logits; T5
    1.0 has `mlp_activations=("relu",)` and `logits_via_embedding=True` (Raffel et al.
    2020; Shazeer 2020), UL2 `("silu", "linear")` (Tay et al. 2022), umT5
    `relpos_in_every_layer=True` (Chung et al. 2023).

    Attributes:
        vocab_size: rows of the embedding, a multiple of 128 above the vocabulary.
        d_model: width of the residual stream.
        heads: attention heads; heads * d_head need not be d_model (T5 1.1 small).
        d_head: width of one head.
        d_mlp: width between the two matrices of the feed-forward block.
        encoder_layers: number of encoder layers.
        decoder_layers: number of decoder layers.
        mlp_activations: ("gelu", "linear") for the gated block, ("relu",) for T5 1.0;
            of "gelu" (the tanh approximation), "relu", "silu" and "linear".
        logits_via_embedding: whether the logits reuse the embedding matrix (tied).
        dropout_rate: applied while training, also in the frozen model (SPoT, fn 7).
        dtype: "float32" or "bfloat16", what activations are computed in. Softmax, the
            norms' statistics and the logits are always float32.
        relpos_buckets: buckets of the relative position bias.
        relpos_max_distance: distance from which all positions share the last bucket.
        relpos_in_every_layer: whether every layer has a position bias of its own (umT5)
            in place of one that a stack shares.
        norm_epsilon: what the norms add to the mean of squares.
        scan_layers: whether one compiled layer is walked through all (T5X's name); its
            parameters then stand together (walk.py).
        remat_policy: "none", "minimal" or "full", T5X's names: the backward pass finds
            all that a layer computed, its products with weights, or nothing.
        attention: "plain", T5X's bit for bit, or "fused": the encoder's in one kernel
            of the device's that writes no weights down (fused.py).
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
    relpos_in_every_layer: bool = False
    norm_epsilon: float = 1e-6
    scan_layers: bool = False
    remat_policy: str = "none"
    attention: str = "plain"

    def __post_init__(self):
        if self.dtype not in ("float32", "bfloat16"):
            raise InputError(
                f"dtype is {self.dtype!r}; activations are computed in 'float32' or "
                "'bfloat16'. Set --gin.ACTIVATION_DTYPE to one of them."
            )
        unknown = set(self.mlp_activations) - {"gelu", "relu", "silu", "linear"}
        if unknown or not self.mlp_activations:
            raise InputError(
                f"mlp_activations is {self.mlp_activations!r}; T5 1.1 has "
                "('gelu', 'linear'), T5 1.0 has ('relu',), UL2 ('silu', 'linear')."
            )
        if not 0 <= self.dropout_rate < 1:
            raise InputError(
                f"dropout_rate is {self.dropout_rate}; it is the share that is dropped "
                "while training, from 0 to below 1. Set --gin.DROPOUT_RATE to one."
            )
        if self.remat_policy not in REMAT_POLICIES:
            raise InputError(
                f"remat_policy is {self.remat_policy!r}; set --gin.REMAT_POLICY to one "
                f"of {', '.join(map(repr, REMAT_POLICIES))}."
            )
        if self.attention not in ATTENTIONS:
            raise InputError(
                f"attention is {self.attention!r}; set --gin.ATTENTION to one of "
                f"{', '.join(map(repr, ATTENTIONS))}."
            )
        if not self.norm_epsilon > 0:
            raise InputError(
                f"norm_epsilon is {self.norm_epsilon}; it is above 0, 1e-6 in every "
                "published T5."
            )
        self._check_sizes()
        # gin hands over lists; a frozen linen module wants its fields hashable.
        object.__setattr__(self, "mlp_activations", tuple(self.mlp_activations))

    def _check_sizes(self) -> None:
        least = dict.fromkeys(_SIZES, 1) | {"relpos_buckets": 4}
        for name, number in least.items():
            if not getattr(self, name) >= number:
                raise InputError(
                    f"{name} is {getattr(self, name)}; the least that a T5 computes "
                    f"with is {number}."
                )
        # Where the buckets of single distances end, and those of several begin.
        if self.relpos_max_distance in (
            self.relpos_buckets // 4,
            self.relpos_buckets // 2,
        ):
            raise InputError(
                f"relpos_max_distance is {self.relpos_max_distance}, and of "
                f"{self.relpos_buckets} relpos_buckets none would be left for it. T5 "
                "has 128 and 32."
            )

    @property
    def d_joined(self) -> int:
        """Width of all heads together, the second dimension of query, key, value."""
        return self.heads * self.d_head

    @property
    def compute_dtype(self) -> jnp.dtype:
        """The dtype activations are computed in."""
        return jnp.dtype(self.dtype)
