"""Attention in one kernel of the device's, which never writes its weights down.

On NVIDIA's GPUs it is cuDNN's, in bfloat16; elsewhere the same function computes with
plain products. A kernel takes one bias, which masks too, and gives no gradient of it:
only frozen models are computed so.
"""

import functools
import logging

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from spot_jax.t5.config import T5Config
from spot_jax.t5.masks import MASKED

logger = logging.getLogger(__name__)


def entering(
    bias: Float[Array, "1 heads query key"] | None,
    mask: Bool[Array, "batch 1 query key"],
    config: T5Config,
) -> tuple[
    Float[Array, "#batch heads query key"] | None,
    Bool[Array, "batch 1 query key"] | None,
]:
    """Returns bias and mask as attention takes them: fused, it takes one for both.

    Args:
        bias: None: each layer has its own, and calls this.
        mask: what each query sees.
        config: the T5.
    """
    if config.attention == "plain" or bias is None:
        return bias, mask
    return jnp.where(mask, bias, MASKED).astype(config.compute_dtype), None


def attention(
    queries: Float[Array, "batch query heads d_head"],
    keys: Float[Array, "batch heads key d_head"],
    values: Float[Array, "batch heads key d_head"],
    bias: Float[Array, "#batch heads query key"],
) -> Float[Array, "batch query heads d_head"]:
    """Returns softmax(queries keys^T + bias) values; the softmax is float32.

    The bias gets no gradient.
    """
    # cuDNN's gradients take even lengths alone.
    is_even = queries.shape[1] % 2 == 0 and keys.shape[2] % 2 == 0
    is_small = queries.dtype == jnp.bfloat16
    implementation = kernel() if is_even and is_small else "xla"
    if implementation == "xla":
        # Plain products have float32 logits.
        bias = bias.astype(jnp.float32)
    return jax.nn.dot_product_attention(
        queries,
        keys.transpose(0, 2, 1, 3),
        values.transpose(0, 2, 1, 3),
        bias=jax.lax.stop_gradient(bias),
        scale=1.0,
        implementation=implementation,
    )


@functools.cache
def kernel() -> str:
    """Returns "cudnn" where its kernel can be compiled, or "xla"."""
    if jax.default_backend() != "gpu":
        return "xla"
    row = jax.ShapeDtypeStruct((1, 128, 2, 64), jnp.bfloat16)
    bias = jax.ShapeDtypeStruct((1, 2, 128, 128), jnp.bfloat16)
    try:
        jax.jit(jax.grad(_sum_of_cudnn)).lower(row, bias).compile()
    # Of whatever kind: without cuDNN, of an older one, on an older GPU.
    except Exception as error:
        logger.info("Attention is not fused: %s", error)
        return "xla"
    return "cudnn"


def _sum_of_cudnn(
    row: Float[Array, "batch length heads d_head"],
    bias: Float[Array, "#batch heads length length"],
) -> Float[Array, ""]:
    attended = jax.nn.dot_product_attention(
        row, row, row, bias=bias, implementation="cudnn"
    )
    return attended.astype(jnp.float32).sum()
