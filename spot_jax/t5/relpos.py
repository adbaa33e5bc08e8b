"""The relative position bias: how far away a key is, learned for every head."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.linen.partitioning import param_with_axes
from jaxtyping import Array, Float, Int

from spot_jax.t5.config import T5Config


def relative_position_buckets(
    query: Int[Array, " query"],
    key: Int[Array, " key"],
    *,
    bidirectional: bool,
    buckets: int,
    max_distance: int,
) -> Int[Array, "query key"]:
    """Sorts the distances between positions into buckets.

    Half of the buckets are exact distances, the rest grow logarithmically up to
    `max_distance` (Raffel et al. 2020, section 2.1). The encoder spends half of all
    buckets on each direction; in the decoder later positions share bucket 0.

    Args:
        query: [query] positions of the queries.
        key: [key] positions of the keys.
        bidirectional: True in the encoder, False in the decoder.
        buckets: how many buckets there are.
        max_distance: distances from here on share the last bucket.

    Returns:
        [query, key] bucket numbers.
    """
    distance = key[None, :] - query[:, None]
    offset = 0
    if bidirectional:
        buckets //= 2
        offset = (distance > 0).astype(jnp.int32) * buckets
        distance = jnp.abs(distance)
    else:
        distance = jnp.maximum(-distance, 0)
    table = jnp.asarray(_bucket_of_distance(buckets, max_distance))
    return offset + table[jnp.minimum(distance, max_distance)]


def _bucket_of_distance(
    buckets: int, max_distance: int
) -> Int[np.ndarray, " {max_distance}+1"]:
    """Returns [max_distance + 1] the bucket of each distance.

    A table, because powers of two fall exactly on a border between buckets, where a
    float32 logarithm may land on either side.
    """
    exact = buckets // 2
    distance = np.arange(max_distance + 1)
    position = np.log(np.maximum(distance, exact) / exact) / np.log(
        max_distance / exact
    )
    logarithmic = exact + np.floor(position * (buckets - exact) + 1e-9).astype(int)
    table = np.where(distance < exact, distance, logarithmic)
    return np.minimum(table, buckets - 1).astype(np.int32)


@jax.custom_vjp
def _look_up(
    table: Float[Array, "heads buckets"], bucket: Int[Array, "query key"]
) -> Float[Array, "heads query key"]:
    """Reads the table: a gather whose gradient is a product, not a scatter.

    On CPUs a scatter of so many values into so few takes a fifth of a whole step.
    """
    return jnp.take(table, bucket, axis=1)


_Kept = tuple[Float[Array, "heads buckets"], Int[Array, "query key"]]


def _look_up_forward(
    table: Float[Array, "heads buckets"], bucket: Int[Array, "query key"]
) -> tuple[Float[Array, "heads query key"], _Kept]:
    return _look_up(table, bucket), (table, bucket)


def _look_up_backward(
    kept: _Kept, gradient: Float[Array, "heads query key"]
) -> tuple[Float[Array, "heads buckets"], None]:
    table, bucket = kept
    chosen = jax.nn.one_hot(bucket, table.shape[1], dtype=gradient.dtype)
    return jnp.einsum("hqk,qkb->hb", gradient, chosen), None


_look_up.defvjp(_look_up_forward, _look_up_backward)


class RelativePositionBias(nn.Module):
    """One bias per head and distance bucket, shared by all layers of a stack."""

    config: T5Config
    bidirectional: bool

    def setup(self):
        self.rel_embedding = param_with_axes(
            "rel_embedding",
            nn.initializers.variance_scaling(1.0, "fan_avg", "uniform"),
            (self.config.heads, self.config.relpos_buckets),
            jnp.float32,
            axes=("heads", "relpos_buckets"),
        )

    def __call__(
        self, query: Int[Array, " query"], key: Int[Array, " key"]
    ) -> Float[Array, "1 heads query key"]:
        """Returns what to add to attention logits for these positions."""
        # The logits are float32, also where the weights are held in bfloat16.
        bias = _look_up(self.rel_embedding, self._buckets(query, key))
        return bias[None].astype(jnp.float32)

    def before(
        self, positions: Int[Array, "rows query"], length: int
    ) -> Float[Array, "rows heads query {length}"]:
        """Returns the bias of keys that stand right before a text's first position.

        Args:
            positions: [rows, query] of the queries, in their examples.
            length: how many such keys there are, at positions -length to -1.
        """
        keys = jnp.arange(-length, 0)
        buckets = jax.vmap(lambda row: self._buckets(row, keys))(positions)
        bias = jnp.take(self.rel_embedding, buckets, axis=1).astype(jnp.float32)
        return jnp.moveaxis(bias, 0, 1)

    def _buckets(
        self, query: Int[Array, " query"], key: Int[Array, " key"]
    ) -> Int[Array, "query key"]:
        return relative_position_buckets(
            query,
            key,
            bidirectional=self.bidirectional,
            buckets=self.config.relpos_buckets,
            max_distance=self.config.relpos_max_distance,
        )
