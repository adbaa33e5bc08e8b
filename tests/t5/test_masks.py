"""Who may attend to whom: the matrices of the docstrings."""

import jax.numpy as jnp
import numpy as np

from spot_jax.t5 import masks


def test_packed_examples_see_themselves_and_padding_is_seen_by_nobody():
    segments = jnp.array([[1, 1, 2, 0]])
    mask = masks.same_segment(segments, segments)
    assert mask.shape == (1, 1, 4, 4)
    np.testing.assert_array_equal(
        mask[0, 0].astype(int),
        [
            [1, 1, 0, 0],
            [1, 1, 0, 0],
            [0, 0, 1, 0],
            [0, 0, 0, 0],
        ],
    )


def test_targets_see_the_inputs_of_their_own_example():
    mask = masks.same_segment(jnp.array([[1, 2, 2]]), jnp.array([[1, 1, 2, 0]]))
    np.testing.assert_array_equal(
        mask[0, 0].astype(int), [[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0]]
    )


def test_rows_do_not_share_a_mask():
    segments = jnp.array([[1, 1], [1, 0]])
    np.testing.assert_array_equal(
        masks.same_segment(segments, segments).astype(int)[:, 0],
        [[[1, 1], [1, 1]], [[1, 0], [0, 0]]],
    )


def test_every_query_sees_all_keys_but_padding():
    mask = masks.visible_keys(jnp.array([[1, 1, 0], [0, 1, 1]]))
    np.testing.assert_array_equal(mask.astype(int), [[[[1, 1, 0]]], [[[0, 1, 1]]]])


def test_a_position_sees_itself_and_what_came_before():
    np.testing.assert_array_equal(
        masks.causal(3).astype(int), [[[[1, 0, 0], [1, 1, 0], [1, 1, 1]]]]
    )
