"""Distances fall in T5's buckets, and the bias is looked up by bucket."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax.t5 import relpos


def exact_bucket(distance, buckets, max_distance):
    """The logarithmic bucket in whole numbers: no rounding can move its borders.

    exact + floor(log(d / exact) / log(max / exact) * rest) is the largest exact + j
    with (d / exact) ** rest >= (max / exact) ** j.
    """
    exact = buckets // 2
    rest = buckets - exact
    if distance < exact:
        return distance
    return max(
        exact + j
        for j in range(rest)
        if distance**rest * exact**j >= max_distance**j * exact**rest
    )


def buckets_of(distance, *, bidirectional, buckets=32, max_distance=128):
    """Buckets of keys that lie `distance` [n] after one query."""
    return np.asarray(
        relpos.relative_position_buckets(
            jnp.array([500]),
            500 + jnp.asarray(distance),
            bidirectional=bidirectional,
            buckets=buckets,
            max_distance=max_distance,
        )
    )[0]


@pytest.mark.parametrize(("buckets", "max_distance"), [(32, 128), (8, 16), (12, 100)])
def test_buckets_of_the_encoder(buckets, max_distance):
    distance = np.arange(-300, 301)
    half = buckets // 2
    wanted = [
        (d > 0) * half + exact_bucket(abs(d), half, max_distance)
        for d in distance.tolist()
    ]
    found = buckets_of(
        distance, bidirectional=True, buckets=buckets, max_distance=max_distance
    )
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(("buckets", "max_distance"), [(32, 128), (8, 16), (12, 100)])
def test_buckets_of_the_decoder(buckets, max_distance):
    distance = np.arange(-300, 301)
    wanted = [
        exact_bucket(max(-d, 0), buckets, max_distance) for d in distance.tolist()
    ]
    found = buckets_of(
        distance, bidirectional=False, buckets=buckets, max_distance=max_distance
    )
    np.testing.assert_array_equal(found, wanted)


def test_published_buckets_are_exact_first_then_wider_and_end_at_128():
    before = buckets_of(-np.arange(301), bidirectional=True)
    after = buckets_of(np.arange(301), bidirectional=True)
    np.testing.assert_array_equal(before[:8], np.arange(8))
    np.testing.assert_array_equal(after[1:], before[1:] + 16)
    assert (np.diff(before) >= 0).all()
    np.testing.assert_array_equal(np.unique(before), np.arange(16))
    # Powers of two are borders: each begins a bucket of its own.
    for power in (8, 16, 32, 64):
        assert before[power] == before[power - 1] + 1
    assert before[90] == 14 and (before[91:] == 15).all()
    causal = buckets_of(-np.arange(301), bidirectional=False)
    np.testing.assert_array_equal(causal[:16], np.arange(16))
    assert causal[112] == 30 and (causal[113:] == 31).all()
    assert (buckets_of(np.arange(1, 301), bidirectional=False) == 0).all()


def test_the_bias_depends_on_the_distance_alone(config):
    bias = relpos.RelativePositionBias(config, bidirectional=True)
    places = jnp.arange(9)
    shape = (config.heads, config.relpos_buckets)
    table = jax.random.normal(jax.random.key(0), shape)
    variables = {"params": {"rel_embedding": table}}
    found = bias.apply(variables, places, places)
    assert found.shape == (1, config.heads, 9, 9)
    np.testing.assert_array_equal(found, bias.apply(variables, places + 7, places + 7))
    np.testing.assert_array_equal(found[0, :, 4, 3], table[:, 1])
    np.testing.assert_array_equal(found[0, :, 3, 4], table[:, 5])


def test_its_gradient_equals_that_of_plain_indexing(config):
    bias = relpos.RelativePositionBias(config, bidirectional=True)
    query, key = jnp.arange(7), jnp.arange(9)
    rng = np.random.default_rng(0)
    size = (config.heads, config.relpos_buckets)
    table = jnp.asarray(rng.normal(size=size), jnp.float32)
    weights = rng.normal(size=(config.heads, 7, 9)).astype(np.float32)
    bucket = relpos.relative_position_buckets(
        query,
        key,
        bidirectional=True,
        buckets=config.relpos_buckets,
        max_distance=config.relpos_max_distance,
    )

    def ours(table):
        found = bias.apply({"params": {"rel_embedding": table}}, query, key)
        return (found[0] * weights).sum()

    def plain(table):
        return (table[:, bucket] * weights).sum()

    np.testing.assert_allclose(jax.grad(ours)(table), jax.grad(plain)(table), rtol=1e-5)
