"""What is made of prompts keeps every position of every site where it belongs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax.prompts import algebra, base
from spot_jax.prompts.base import PromptBundle, sites
from tests.bundles import MODEL, assert_same, everywhere, soft

SITE = pytest.mark.parametrize("site", base.SITES)
OTHER_MODES = {"hidden_mode": "add", "bias_mode": "contiguous"}
# Of one prompt of MODEL, without its length, which is the last axis but one.
WITHOUT_LENGTH = {
    "enc_input": (4,),
    "enc_hidden": (3, 4),
    "enc_self": (3, 2, 6),
    "dec_self": (5, 2, 6),
    "cross": (5, 2, 6),
}


def only(site: str, length: int, seed: int = 0) -> PromptBundle:
    """Returns a prompt of one site."""
    return PromptBundle(**{site: getattr(everywhere(length, seed), site)})


@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize("modes", [{}, OTHER_MODES], ids=["default", "other modes"])
def test_a_prompt_comes_out_of_a_bank_as_it_went_in(modes, index):
    prompts = [everywhere(n, n).replace(**modes) for n in (2, 5, 1)]
    found = algebra.take(algebra.stack(prompts), index)
    assert_same(found, prompts[index])
    assert found.mask is None


@SITE
def test_every_site_alone_comes_out_of_a_bank_as_it_went_in(site):
    prompts = [only(site, length, length) for length in (2, 5, 1)]
    bank = algebra.stack(prompts)
    assert list(sites(bank)) == [site]
    for index, prompt in enumerate(prompts):
        assert_same(algebra.take(bank, index), prompt)


@SITE
def test_a_bank_has_its_axis_where_the_model_looks_for_it(site):
    bank = algebra.stack([everywhere(length, length) for length in (2, 5, 1)])
    *before, width = WITHOUT_LENGTH[site]
    # enc_input: [bank, prompt, d_model]; with layers [layers, bank, prompt, d_model];
    # with keys and values [layers, 2, bank, prompt, width].
    assert getattr(bank, site).shape == (*before, 3, 5, width)
    assert len(before) == base.BANK_AXES[site]
    for index, length in enumerate((2, 5, 1)):
        mine = np.take(getattr(bank, site), index, axis=base.BANK_AXES[site])
        wanted = getattr(everywhere(length, length), site)
        np.testing.assert_array_equal(mine[..., 5 - length :, :], wanted)
        assert not mine[..., : 5 - length, :].any()


def test_shorter_prompts_of_a_bank_are_masked_in_front():
    bank = algebra.stack([soft(np.ones((length, 4))) for length in (2, 4, 1)])
    assert bank.mask.tolist() == [[0, 0, 1, 1], [1, 1, 1, 1], [0, 0, 0, 1]]
    assert bank.mask.dtype == np.int32
    assert bank.enc_input.dtype == np.float32


@SITE
def test_banks_of_several_lengths_are_joined_as_their_prompts_are_stacked(site):
    prompts = [only(site, length, seed) for seed, length in enumerate((2, 5, 1, 5, 2))]
    banks = [
        algebra.stack([prompts[i] for i in group]).replace(mask=None)
        for group in ((1, 3), (0, 4), (2,))
    ]
    # Among 1, 3, 0, 4, 2 the first prompt is third.
    found = jax.jit(lambda *banks: algebra.join(banks, [2, 0, 4, 1, 3]))(*banks)
    wanted = algebra.stack(prompts)
    assert_same(found, wanted)
    assert found.mask.tolist() == wanted.mask.tolist()


@pytest.mark.parametrize(
    "wrong",
    [
        soft(np.ones((2, 4))).replace(mask=np.array([0, 1])),
        everywhere(2).replace(enc_input=np.ones((3, 4), np.float32)),
    ],
)
@pytest.mark.parametrize(
    "function",
    [
        lambda bundle: algebra.stack([bundle]),
        lambda bundle: algebra.weighted_average([bundle], [1.0]),
        lambda bundle: algebra.truncate(bundle, 1),
        lambda bundle: algebra.concatenate(bundle, bundle),
    ],
)
def test_what_is_no_single_prompt_is_refused(function, wrong):
    with pytest.raises(ValueError, match="one length at all of its sites, and no mask"):
        function(wrong)


@pytest.mark.parametrize("index", [-1, 2])
def test_a_prompt_that_is_not_in_a_bank_is_not_another_one(index):
    bank = jax.tree.map(jnp.asarray, algebra.stack([everywhere(2), everywhere(3)]))
    with pytest.raises(IndexError, match=f"prompt {index} of a bank"):
        algebra.take(bank, index)


def test_a_bank_keeps_how_its_prompts_enter():
    bank = algebra.stack([everywhere(2).replace(**OTHER_MODES)])
    assert base.modes(bank) == OTHER_MODES


def test_a_bank_of_different_kinds_is_refused():
    with pytest.raises(ValueError, match="of different kinds.*one bank"):
        algebra.stack([soft(np.ones((2, 4))), everywhere(2)])


def test_a_prompt_is_taken_from_a_bank_of_jax_arrays_without_a_mask():
    prompts = [everywhere(3, seed) for seed in range(2)]
    stacked = algebra.stack(prompts).replace(mask=None)
    found = algebra.take(jax.tree.map(jnp.asarray, stacked), 1)
    assert_same(found, prompts[1])
    assert all(isinstance(array, np.ndarray) for array in sites(found).values())


ALPHA = np.array([0.5, 0.3, 0.2])


def test_the_average_is_that_of_each_position_of_each_site():
    prompts = [everywhere(3, seed).replace(**OTHER_MODES) for seed in range(3)]
    found = algebra.weighted_average(prompts, ALPHA)
    for site, array in sites(found).items():
        each = [getattr(prompt, site).astype(np.float64) for prompt in prompts]
        expected = np.average(each, axis=0, weights=ALPHA).astype(np.float32)
        np.testing.assert_array_equal(array, expected)
        assert array.dtype == np.float32
    assert base.modes(found) == OTHER_MODES


@pytest.mark.parametrize("index", range(3))
def test_all_of_the_weight_on_one_prompt_gives_that_prompt(index):
    prompts = [everywhere(3, seed) for seed in range(3)]
    found = algebra.weighted_average(prompts, np.eye(3)[index])
    assert_same(found, prompts[index])


def test_the_average_is_linear():
    prompts = [everywhere(3, seed) for seed in range(3)]

    def scaled(prompt, factor):
        return algebra.map_sites(lambda _, array: factor * array, prompt)

    # A power of two changes no digit.
    doubled = [scaled(prompt, np.float32(2)) for prompt in prompts]
    once = algebra.weighted_average(prompts, ALPHA)
    assert_same(algebra.weighted_average(doubled, ALPHA), scaled(once, np.float32(2)))
    # The average of two averages is that by the averaged weights.
    other = np.array([0.1, 0.1, 0.8])
    two = [algebra.weighted_average(prompts, alpha) for alpha in (ALPHA, other)]
    found = algebra.weighted_average(two, [0.25, 0.75])
    expected = algebra.weighted_average(prompts, 0.25 * ALPHA + 0.75 * other)
    for site, array in sites(expected).items():
        np.testing.assert_allclose(getattr(found, site), array, rtol=1e-5, atol=1e-6)


def test_the_average_is_summed_in_float64():
    # In float32 the 4 is lost beside 2 ** 27.
    large, small = soft([[2.0**27]]), soft([[4.0]])
    found = algebra.weighted_average([large, small, large], [1.0, 1.0, -1.0])
    assert found.enc_input.item() == 4.0


@pytest.mark.parametrize(
    "prompts, alpha, message",
    [
        ([soft(np.ones((2, 4)))] * 3, [0.5, 0.5], r"3 prompts and .* shape \(2,\)"),
        ([soft(np.ones((2, 4)))] * 3, [0.5, 0.5, 0.5], "sum to 1.5"),
        ([soft(np.ones((2, 4)))] * 3, [np.nan, 0.5, 0.5], "sum to nan"),
        ([soft(np.ones((2, 4)))] * 2, np.full((1, 2), 0.5), r"of shape \(1, 2\)"),
        ([], [], "0 prompts"),
        (
            [soft(np.ones((2, 4))), soft(np.ones((3, 4)))],
            [0.5, 0.5],
            r"shapes enc_input \[2, 4\] and enc_input \[3, 4\] have no average",
        ),
        ([soft(np.ones((2, 4))), soft(np.ones((2, 5)))], [0.5, 0.5], "no average"),
        ([soft(np.ones((2, 4))), everywhere(2)], [0.5, 0.5], "of different kinds"),
        (
            [everywhere(2), everywhere(2).replace(hidden_mode="add")],
            [0.5, 0.5],
            "of different kinds",
        ),
    ],
)
def test_an_average_that_is_none_is_refused(prompts, alpha, message):
    with pytest.raises(ValueError, match=message):
        algebra.weighted_average(prompts, alpha)


def test_a_prompt_is_cut_at_its_end():
    prompt = everywhere(5).replace(**OTHER_MODES)
    found = algebra.truncate(prompt, 2)
    for site, array in sites(prompt).items():
        np.testing.assert_array_equal(getattr(found, site), array[..., :2, :])
    assert base.length_of(found) == 2
    assert base.modes(found) == OTHER_MODES
    assert_same(algebra.truncate(prompt, 5), prompt)


def test_one_prompt_is_continued_by_another():
    one, other = everywhere(2, 0), everywhere(3, 1)
    both = algebra.concatenate(one, other)
    assert_same(algebra.truncate(both, 2), one)
    for site, array in sites(other).items():
        np.testing.assert_array_equal(getattr(both, site)[..., 2:, :], array)
    assert base.misfit(both, MODEL) == ""


def test_continuing_is_associative():
    a, b, c = (
        everywhere(length, length).replace(**OTHER_MODES) for length in (2, 1, 4)
    )
    assert_same(
        algebra.concatenate(algebra.concatenate(a, b), c),
        algebra.concatenate(a, algebra.concatenate(b, c)),
    )


def test_prompts_of_different_kinds_do_not_continue_each_other():
    with pytest.raises(ValueError, match="of different kinds"):
        algebra.concatenate(everywhere(2), soft(np.ones((2, 4))))


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (soft(np.ones((2, 4))), r"a prompt with enc_input \[2, 4\] and"),
        (everywhere(2).replace(cross=None), "hidden_mode replace, bias_mode zero"),
        (everywhere(2).replace(hidden_mode="add"), "hidden_mode add"),
        (everywhere(2).replace(bias_mode="contiguous"), "bias_mode contiguous"),
        (base.empty(), "with nothing"),
    ],
)
def test_kinds_differ_by_sites_and_modes(other, told):
    for both in ([other, everywhere(2)], [everywhere(2), other]):
        with pytest.raises(ValueError, match="of different kinds") as error:
            algebra.check_alike(both)
    with pytest.raises(ValueError, match="(?i)" + told):
        algebra.check_alike([other, everywhere(2)])
    # The last of many is looked at as well.
    with pytest.raises(ValueError, match="of different kinds"):
        algebra.check_alike([everywhere(2), everywhere(2), other])
    assert "Take prompts of one kind" in str(error.value)


def test_kinds_differ_neither_by_length_nor_by_the_mode_of_an_absent_site():
    algebra.check_alike([everywhere(2), everywhere(7), everywhere(1)])
    one = soft(np.ones((2, 4)))
    algebra.check_alike([one, one.replace(**OTHER_MODES)])
    algebra.check_alike([one])


def test_a_soft_prompt_is_one_matrix():
    (matrix,) = algebra.token_matrices(soft(np.arange(12).reshape(3, 4)))
    np.testing.assert_array_equal(matrix, np.arange(12).reshape(3, 4))


def test_the_matrices_go_by_site_then_layer_then_key_and_value():
    prompt = everywhere(7)
    found = algebra.token_matrices(prompt)
    expected = [prompt.enc_input, *prompt.enc_hidden]
    for array in (prompt.enc_self, prompt.dec_self, prompt.cross):
        expected += [array[layer, i] for layer in range(len(array)) for i in (0, 1)]
    assert len(found) == 1 + 3 + 2 * (3 + 5 + 5)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert [one.shape for one in found] == [(7, 4)] * 4 + [(7, 6)] * 26


def test_the_order_of_matrices_is_not_that_of_the_arguments():
    prompt = everywhere(2)
    backwards = dict(reversed(sites(prompt).items()))
    pairs = zip(
        algebra.token_matrices(prompt),
        algebra.token_matrices(PromptBundle(**backwards)),
        strict=True,
    )
    assert all((one == other).all() for one, other in pairs)


def test_nothing_has_no_matrices():
    assert algebra.token_matrices(base.empty()) == []
    (matrix,) = algebra.token_matrices(soft(np.ones((0, 4))))
    assert matrix.shape == (0, 4)
