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
from spot_jax.t5.masks import MASKED, same_segment

logger = logging.getLogger(__name__)

# How far results in bfloat16 may be from those of other sums; a mask or a bias that is
# taken for another is much further.
_ALIKE = 0.05


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
    # cuDNN's gradients take even lengths alone, and every GPU of it heads of up to 128.
    is_even = queries.shape[1] % 2 == 0 and keys.shape[2] % 2 == 0
    is_small = queries.dtype == jnp.bfloat16 and queries.shape[-1] <= 128
    is_usual = is_even and is_small and queries.shape[-1] % 8 == 0
    implementation = kernel() if is_usual else "xla"
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
    """Returns "cudnn" where its kernel computes what it should, or "xla"."""
    if jax.default_backend() != "gpu":
        return "xla"
    try:
        # Whoever asks may be tracing a step.
        with jax.ensure_compile_time_eval():
            apart = _apart("cudnn", "xla")
    # Of whatever kind: without cuDNN, of an older one, on an older GPU.
    except Exception as error:
        logger.info("Attention is not fused: %s", error)
        return "xla"
    # NaN is not less than anything.
    if not apart < _ALIKE:
        about = "Attention is not fused: cuDNN's is %.2g apart from plain products."
        logger.warning(about, apart)
        return "xla"
    return "cudnn"


def _apart(*kernels: str) -> float:
    """Returns how far two kernels are apart, in results and gradients, relatively."""
    keys = jax.random.split(jax.random.key(0), 5)
    shape = 2, 128, 2, 64
    given = [jax.random.normal(key, shape, jnp.bfloat16) for key in keys[:3]]
    given[0] = given[0] / 8
    # Two examples in a row, and padding behind them.
    places = jnp.arange(128)[None]
    segments = jnp.where(places < 100, 1 + (places > jnp.asarray([[40], [80]])), 0)
    seen = same_segment(segments, segments)
    bias = jax.random.normal(keys[3], (1, 2, 128, 128))
    bias = jnp.where(seen, bias, MASKED).astype(jnp.bfloat16)
    wanted = jax.random.normal(keys[4], shape) * (segments > 0)[..., None, None]

    def total(given: list, implementation: str) -> tuple:
        attended = jax.nn.dot_product_attention(
            *given, bias=bias, scale=1.0, implementation=implementation
        )
        # Nobody reads what padding attends to.
        there = attended.astype(jnp.float32) * (segments > 0)[..., None, None]
        return (there * wanted).sum(), there

    found = []
    for implementation in kernels:
        gradients, results = jax.grad(total, has_aux=True)(given, implementation)
        leaves = [leaf.astype(jnp.float32).ravel() for leaf in [results, *gradients]]
        found.append(leaves)
    pairs = zip(*found, strict=True)
    norm = jnp.linalg.norm
    # By jnp, in which what is no number is larger than all.
    return float(
        jnp.stack([norm(one - other) / norm(other) for one, other in pairs]).max()
    )
