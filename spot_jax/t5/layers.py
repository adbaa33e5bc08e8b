"""The parts of a T5 layer, with T5X's parameter names, shapes and logical axes."""

import functools
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.partitioning import param_with_axes
from jaxtyping import Array, Float, Int

from spot_jax.t5.config import T5Config

_fan_in = nn.initializers.variance_scaling(1.0, "fan_in", "truncated_normal")


def on_mesh(x: Float[Array, "*shape"], *axes: str) -> Float[Array, "*shape"]:
    """Pins an array to the mesh by logical axes; nothing happens without one.

    A matrix that is kept in parts over the data axis is gathered by it, where it is
    needed and in the dtype that is computed in.
    """
    return nn.with_logical_constraint(x, axes)


def widened(
    matrix: Any, dtype: jnp.dtype
) -> tuple[Float[Array, "rows columns"], Float[Array, "#rows #columns"] | None]:
    """Returns a matrix in the dtype that is computed in, and what scales it.

    Args:
        matrix: an array, or one in 8 bits with scales (model/int8.py); None of others.
        dtype: of both.
    """
    if not hasattr(matrix, "qvalue"):
        return matrix.astype(dtype), None
    return matrix.qvalue.astype(dtype), matrix.scale.astype(dtype)


class Dense(nn.Module):
    """A matrix without bias, which computes in `dtype`."""

    outputs: int
    axes: tuple[str, str]
    dtype: jnp.dtype
    kernel_init: nn.initializers.Initializer = _fan_in

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch length inputs"]
    ) -> Float[Array, "batch length {self.outputs}"]:
        shape = (x.shape[-1], self.outputs)
        kernel = param_with_axes(
            "kernel", self.kernel_init, shape, jnp.float32, axes=self.axes
        )
        wide, scale = widened(kernel, self.dtype)
        y = x.astype(self.dtype) @ on_mesh(wide, *self.axes)
        return y if scale is None else y * scale[None]


class RMSNorm(nn.Module):
    """T5's layer norm: no mean, no bias; the statistics are float32."""

    dtype: jnp.dtype
    epsilon: float = 1e-6

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch length d_model"]
    ) -> Float[Array, "batch length d_model"]:
        scale = param_with_axes(
            "scale",
            nn.initializers.ones,
            (x.shape[-1],),
            jnp.float32,
            axes=("embed",),
        )
        x = x.astype(jnp.float32)
        mean_square = jnp.mean(jnp.square(x), axis=-1, keepdims=True)
        normed = (x * jax.lax.rsqrt(mean_square + self.epsilon)).astype(self.dtype)
        return normed * scale.astype(self.dtype)[None, None]


class Embedding(nn.Module):
    """The token embedding, which T5 1.0 also uses for its logits."""

    config: T5Config

    def setup(self):
        self.embedding = param_with_axes(
            "embedding",
            nn.initializers.normal(stddev=1.0),
            (self.config.vocab_size, self.config.d_model),
            jnp.float32,
            axes=("vocab", "embed"),
        )

    def __call__(
        self, tokens: Int[Array, "batch length"]
    ) -> Float[Array, "batch length d_model"]:
        """Looks tokens up: a gather, not T5X's one-hot product (16% of its FLOPs)."""
        dtype = self.config.compute_dtype
        if not hasattr(self.embedding, "qvalue"):
            return jnp.take(self.embedding, tokens, axis=0).astype(dtype)
        rows = jnp.take(self.embedding.qvalue, tokens, axis=0).astype(dtype)
        return rows * jnp.take(self.embedding.scale, tokens, axis=0).astype(dtype)

    def logits(
        self, x: Float[Array, "batch length d_model"]
    ) -> Float[Array, "batch length vocab"]:
        """Compares x with every embedding; scaled by d_model**-0.5 as in T5 1.0."""
        embedding, scale = widened(self.embedding, jnp.dtype(jnp.float32))
        logits = x.astype(jnp.float32) @ embedding.T / math.sqrt(self.config.d_model)
        return logits if scale is None else logits * scale.T[None]


class MlpBlock(nn.Module):
    """The feed-forward block: gated GELU in T5 1.1, gated SiLU in UL2, ReLU in 1.0."""

    config: T5Config

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch length d_model"], *, deterministic: bool
    ) -> Float[Array, "batch length d_model"]:
        config = self.config
        functions = {
            # The tanh approximation is the one T5 was trained with.
            "gelu": functools.partial(nn.gelu, approximate=True),
            "relu": nn.relu,
            "silu": nn.silu,
            "linear": lambda h: h,
        }
        names = ["wi"]
        if len(config.mlp_activations) > 1:
            names = [f"wi_{i}" for i in range(len(config.mlp_activations))]
        hidden = 1.0
        for name, activation in zip(names, config.mlp_activations, strict=True):
            wi = Dense(config.d_mlp, ("embed", "mlp"), config.compute_dtype, name=name)
            hidden = hidden * functions[activation](wi(x))
        hidden = on_mesh(hidden, "batch", "length", "mlp")
        hidden = nn.Dropout(config.dropout_rate, broadcast_dims=(-2,))(
            hidden, deterministic=deterministic
        )
        return Dense(config.d_model, ("mlp", "embed"), config.compute_dtype, name="wo")(
            hidden
        )
