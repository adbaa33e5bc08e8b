"""Who may attend to whom, as booleans [batch, 1, query, key]."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

# Large enough to vanish in a softmax, small enough to stay finite in bfloat16.
MASKED = -1e10


def same_segment(
    query_segments: Int[Array, "batch query"], key_segments: Int[Array, "batch key"]
) -> Bool[Array, "batch 1 query key"]:
    """Lets positions attend within their own example, never to padding (segment 0).

    For one row that packs two examples and one padding, segments [1, 1, 2, 0]:

        1 1 0 0
        1 1 0 0
        0 0 1 0
        0 0 0 0

    Args:
        query_segments: [batch, query] the example each query belongs to.
        key_segments: [batch, key] the example each key belongs to, 0 for padding.

    Returns:
        [batch, 1, query, key], the 1 stands for the heads.
    """
    queries, keys = query_segments[:, None, :, None], key_segments[:, None, None, :]
    return (queries == keys) & (keys > 0)


def visible_keys(
    key_segments: Int[Array, "batch key"],
) -> Bool[Array, "batch 1 1 key"]:
    """Lets every query attend to every key that is not padding (unpacked rows)."""
    return key_segments[:, None, None, :] > 0


def causal(length: int) -> Bool[Array, "1 1 length length"]:
    """Lets position i attend to positions 0..i.

    For length 3:

    1 0 0
    1 1 0
    1 1 1
    """
    return jnp.tril(jnp.ones((length, length), bool))[None, None]
