"""The contract of a prompt: data, with a door for each site."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax.prompts import algebra, base
from spot_jax.t5 import T5Config
from tests.bundles import MODEL, everywhere

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


def test_the_sites_are_told_in_one_order_and_without_the_mask():
    bundle = everywhere(2).replace(mask=np.ones(2))
    assert tuple(base.sites(bundle)) == SITES == base.SITES
    assert all(
        array is getattr(bundle, site) for site, array in base.sites(bundle).items()
    )
    two = base.PromptBundle(cross=bundle.cross, enc_input=bundle.enc_input)
    assert list(base.sites(two)) == ["enc_input", "cross"]
    assert base.sites(base.empty()) == {}


@pytest.mark.parametrize(
    ("present", "said"),
    [
        ((), {}),
        (("enc_input",), {}),
        (("enc_hidden",), {"hidden_mode": "add"}),
        (("enc_self",), {"bias_mode": "contiguous"}),
        (("dec_self",), {"bias_mode": "contiguous"}),
        (("cross",), {"bias_mode": "contiguous"}),
        (SITES, {"hidden_mode": "add", "bias_mode": "contiguous"}),
    ],
)
def test_a_mode_counts_where_its_site_is(present, said):
    arrays = {site: getattr(everywhere(2), site) for site in present}
    ways = {"hidden_mode": "add", "bias_mode": "contiguous"}
    assert base.modes(base.PromptBundle(**arrays, **ways)) == said


def test_the_defaults_are_modes_as_well():
    assert base.modes(everywhere(2)) == {"hidden_mode": "replace", "bias_mode": "zero"}


@pytest.mark.parametrize(
    ("lengths", "length", "slots"),
    [
        ({}, 0, 0),
        ({"enc_input": 3}, 3, 3),
        ({"enc_hidden": 3}, 3, 3),
        ({"enc_input": 2, "enc_hidden": 3}, 3, 3),
        ({"enc_input": 4, "enc_hidden": 3}, 4, 4),
        # Keys and values stand beside the row.
        ({"enc_self": 5}, 5, 0),
        ({"dec_self": 5}, 5, 0),
        ({"cross": 5}, 5, 0),
        ({"enc_input": 2, "cross": 5}, 5, 2),
    ],
)
def test_keys_and_values_have_a_length_and_take_no_place(lengths, length, slots):
    arrays = {site: getattr(everywhere(n), site) for site, n in lengths.items()}
    bundle = base.PromptBundle(**arrays)
    assert (base.length_of(bundle), base.slots_of(bundle)) == (length, slots)
    bank = algebra.stack([bundle]) if len(set(lengths.values())) == 1 else bundle
    assert (base.length_of(bank), base.slots_of(bank)) == (length, slots)


def test_a_prompt_is_described_by_its_sites_and_shapes():
    assert base.described(base.empty()) == "nothing"
    bundle = everywhere(2).replace(mask=np.ones(2), enc_hidden=None, dec_self=None)
    assert base.described(bundle) == (
        "enc_input [2, 4], enc_self [3, 2, 2, 6], cross [5, 2, 2, 6]"
    )
    assert base.shapes_of(bundle)["enc_self"] == [3, 2, 2, 6]


def test_a_prompt_of_any_length_fits_its_model():
    for length in (1, 7):
        assert base.misfit(everywhere(length), MODEL) == ""
    assert base.misfit(base.empty(), MODEL) == ""


@pytest.mark.parametrize(
    ("site", "wanted", "others"),
    [
        ("enc_input", "[prompt, 4]", [(2, 5), (4,), (1, 2, 4)]),
        ("enc_hidden", "[3, prompt, 4]", [(3, 2, 6), (5, 2, 4), (2, 4)]),
        ("enc_self", "[3, 2, prompt, 6]", [(5, 2, 2, 6), (3, 1, 2, 6), (3, 2, 2, 4)]),
        ("dec_self", "[5, 2, prompt, 6]", [(3, 2, 2, 6), (5, 3, 2, 6), (5, 2, 2, 4)]),
        ("cross", "[5, 2, prompt, 6]", [(3, 2, 2, 6), (5, 2, 6), (5, 2, 1, 2, 6)]),
    ],
)
def test_what_does_not_fit_a_model_is_named(site, wanted, others):
    for shape in others:
        told = base.misfit(everywhere(2).replace(**{site: np.ones(shape)}), MODEL)
        assert told == f"its {site} is {list(shape)}, the model takes {wanted}"


def test_the_dimensions_of_a_t5_are_its_configuration():
    config = T5Config(
        d_model=4, heads=3, d_head=2, d_mlp=8, encoder_layers=3, decoder_layers=5
    )
    assert base.misfit(everywhere(2), config) == ""
