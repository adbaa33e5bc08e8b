"""The contract of a prompt: data, with a door for each site."""

import jax
import jax.numpy as jnp
import pytest

from spot_jax.prompts import base

SITES = ("enc_input", "enc_hidden", "enc_self", "dec_self", "cross")


def test_the_empty_bundle_holds_no_array():
    assert jax.tree.leaves(base.empty()) == []
    assert base.empty() == base.PromptBundle()


def test_a_bundle_is_a_tree_of_its_arrays():
    bundle = base.PromptBundle(enc_input=jnp.ones((2, 3)), mask=jnp.array([0, 1]))
    doubled = jax.jit(lambda b: jax.tree.map(lambda x: 2 * x, b))(bundle)
    assert doubled.enc_input.tolist() == [[2.0] * 3] * 2
    assert doubled.mask.tolist() == [0, 2]
    assert doubled.cross is None


def test_modes_are_part_of_the_program_not_arrays():
    added = base.PromptBundle(hidden_mode="add")
    assert jax.tree.structure(added) != jax.tree.structure(base.empty())
    assert jax.tree.leaves(added) == []


def test_a_bank_can_be_mapped_over():
    bank = base.PromptBundle(enc_input=jnp.ones((4, 2, 3)), mask=jnp.ones((4, 2)))
    sums = jax.vmap(lambda b: b.enc_input.sum() + b.mask.sum())(bank)
    assert sums.tolist() == [8.0] * 4


def test_the_encoder_input_has_a_door():
    base.check_supported(base.empty())
    base.check_supported(base.PromptBundle(enc_input=jnp.ones((2, 3))))


@pytest.mark.parametrize("site", SITES[1:])
def test_other_sites_are_refused_by_name(site):
    with pytest.raises(ValueError, match=f"at {site}, which is not built yet.*None"):
        base.check_supported(base.PromptBundle(**{site: jnp.ones((1, 2, 3, 4))}))


def test_all_refused_sites_are_named_at_once():
    bundle = base.PromptBundle(**dict.fromkeys(SITES, jnp.ones((1, 2, 3, 4))))
    with pytest.raises(ValueError, match="enc_hidden, enc_self, dec_self, cross, "):
        base.check_supported(bundle)
