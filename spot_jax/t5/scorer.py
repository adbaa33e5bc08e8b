"""A T5 that has read its inputs and scores what may be written next, with a cache."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree, Shaped

from spot_jax.prompts.base import PromptBundle
from spot_jax.t5 import walk
from spot_jax.t5.config import T5Config
from spot_jax.t5.inputs import own_prompts
from spot_jax.t5.network import T5
from spot_jax.t5.prefix import bank_of

# What a T5 remembers of what it wrote.
Cache = PyTree[Shaped[Array, "..."]]


@dataclasses.dataclass(frozen=True)
class Scorer:
    """A T5 that has read its inputs and is ready to write.

    Attributes:
        next_logits: `(tokens, cache, position) -> (logits, cache)`, tokens [rows] and
            logits [rows, vocab] in the row order of `cache`.
        cache: the empty cache, every leaf [rows, ...] or [layers, rows, ...].
        batch: how many inputs there are; rows = batch * width.
        width: how many rows each input has, next to one another (beams).
        rows_axis: the axis of the cache's rows.
    """

    next_logits: Callable[
        [Int[Array, " rows"], Cache, Int[Array, ""]],
        tuple[Float[Array, "rows vocab"], Cache],
    ]
    cache: Cache
    batch: int
    width: int
    rows_axis: int = 0


def scorer_maker(
    config: T5Config,
    params: dict,
    encoded: Float[Array, "batch longer d_model"],
    segments: Int[Array, "batch longer"],
    max_length: int,
    *,
    prompt: PromptBundle | None = None,
    row_prompts: Int[Array, " batch"] | None = None,
) -> Callable[[int], Scorer]:
    """Returns what makes a scorer with so many rows for every input.

    Args:
        config: the T5.
        params: its parameters.
        encoded: [batch, longer, d_model] what `T5.encode` returns.
        segments: [batch, longer] likewise.
        max_length: how many positions there will be at most.
        prompt: see `T5.decode`, as row_prompts.
        row_prompts: see `T5.decode`.
    """
    model, variables = T5(config), walk.variables(config, params)
    cross = model.apply(variables, encoded, method=T5.cross_keys_values)
    rows_axis = int(config.scan_layers)
    if prompt is not None and bank_of(prompt) > 1 and row_prompts is None:
        row_prompts = own_prompts(bank_of(prompt), len(encoded))

    def make_scorer(width: int) -> Scorer:
        wide_cross = jax.tree.map(lambda x: jnp.repeat(x, width, axis=rows_axis), cross)
        wide_segments, wide_prompts = jax.tree.map(
            lambda x: jnp.repeat(x, width, axis=0), (segments, row_prompts)
        )

        def apply(new_tokens, cache, position):
            return model.apply(
                {**variables, **cache},
                wide_cross,
                wide_segments,
                new_tokens,
                position=position,
                max_length=max_length,
                prompt=prompt,
                row_prompts=wide_prompts,
                mutable=["cache"],
                method=T5.decode_one,
            )

        # Without a cache among the variables the call makes one, of zeros.
        rows = len(encoded) * width
        whole = jax.ShapeDtypeStruct((rows, max_length), jnp.int32)
        _, shapes = jax.eval_shape(lambda t: apply(t, {}, jnp.int32(0)), whole)
        cache = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)

        def next_logits(last, cache, position):
            logits, cache = apply(last[:, None], cache, position)
            return logits[:, 0], cache

        return Scorer(next_logits, cache, len(encoded), width, rows_axis)

    return make_scorer
