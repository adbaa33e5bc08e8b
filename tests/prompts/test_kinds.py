"""Every kind of prompt: what it owns, what it gives, and where it begins."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax import t5
from spot_jax.model.binding import bank_bundle
from spot_jax.prompts import algebra, files, starting
from spot_jax.prompts.base import misfit, modes, sites
from spot_jax.prompts.deep_kv import DeepKV
from spot_jax.prompts.deep_prompt import DeepPrompt
from spot_jax.prompts.p_tuning import PTuning
from spot_jax.prompts.prefix_mlp import PrefixMLP
from spot_jax.t5 import T5Config
from tests.bundles import assert_same
from tests.prompts.kinds import (
    KINDS,
    MODEL,
    another,
    compiled,
    entered_of,
    make,
    source_of,
    total,
)

every_kind = pytest.mark.parametrize("kind", KINDS)
# Of T5 1.1 small, base, large, xl and xxl; see the papers' sizes in docs/kinds.md.
SIZES = [(8, 6, 512), (12, 12, 768), (24, 16, 1024), (24, 32, 2048), (24, 64, 4096)]
# Trained, and where it differs exported.
COUNTS = {
    "v2, encoder alone": (
        DeepKV,
        dict(length=20, sites=["enc_self"]),
        [122_880, 368_640, 983_040, 1_966_080, 3_932_160],
        None,
    ),
    "v2": (
        DeepKV,
        dict(length=20),
        [245_760, 737_280, 1_966_080, 3_932_160, 7_864_320],
        None,
    ),
    "v2, 100 positions": (
        DeepKV,
        dict(length=100),
        [1_228_800, 3_686_400, 9_830_400, 19_660_800, 39_321_600],
        None,
    ),
    "Prefix-Tuning": (
        PrefixMLP,
        dict(length=10),
        [10_258_944, 29_571_072, 77_250_048, 154_498_560, 308_995_584],
        [184_320, 552_960, 1_474_560, 2_949_120, 5_898_240],
    ),
    "Prefix-Tuning of summaries": (
        PrefixMLP,
        dict(length=200, width=800),
        [16_302_432, 46_598_496, 121_186_656, 242_370_912, 484_739_424],
        [3_686_400, 11_059_200, 29_491_200, 58_982_400, 117_964_800],
    ),
    "P-tuning": (
        PTuning,
        dict(length=20),
        [3_685_376, 8_280_576, 14_710_784, 58_781_696, 235_003_904],
        [10_240, 15_360, 20_480, 40_960, 81_920],
    ),
    "in every layer": (
        DeepPrompt,
        dict(length=20),
        [81_920, 184_320, 491_520, 983_040, 1_966_080],
        None,
    ),
}


@pytest.mark.parametrize("case", COUNTS)
def test_a_kind_has_as_many_parameters_as_its_paper_says(case):
    kind, options, trained, exported = COUNTS[case]
    for number, (layers, heads, d_model) in enumerate(SIZES):
        stacks = dict(encoder_layers=layers, decoder_layers=layers)
        model = T5Config(d_model=d_model, heads=heads, d_mlp=8, **stacks)
        source = kind(model=model, **options)
        shapes = jax.eval_shape(source.init, jax.random.key(0))["params"]
        assert total(shapes) == trained[number]
        bundle = starting.shape_of(source)
        assert total(bundle) == (exported or trained)[number]
        assert not misfit(bundle, model)


@every_kind
def test_what_is_drawn_is_float32_and_another_for_another_seed(kind):
    parameters, bundle = make(kind)
    wanted = jax.eval_shape(source_of(kind).init, jax.random.key(0))["params"]
    assert jax.tree.map(jnp.shape, parameters) == jax.tree.map(jnp.shape, wanted)
    leaves = jax.tree.leaves(parameters)
    assert all(isinstance(x, np.ndarray) and x.dtype == np.float32 for x in leaves)
    assert_same(make(kind)[1], bundle)
    _, other = make(kind, seed=1)
    for site, array in sites(other).items():
        assert np.abs(array - sites(bundle)[site]).max() > 1e-4


@every_kind
def test_training_begins_at_the_prompt_of_another(kind):
    """SPoT, for every kind: also where a network makes the prompt."""
    start = another(kind)
    parameters, bundle = make(kind, start)
    wanted = jax.eval_shape(source_of(kind).init, jax.random.key(0))["params"]
    assert jax.tree.structure(parameters) == jax.tree.structure(wanted)
    for found, array in entered_of(bundle, start):
        np.testing.assert_allclose(found, array, atol=1e-4)
    # And again at what was exported.
    _, again = make(kind, jax.tree.map(np.asarray, bundle), seed=7)
    for found, array in entered_of(again, start):
        np.testing.assert_allclose(found, array, atol=2e-4)


@pytest.mark.parametrize("kind", ["P-Tuning v2", "in every layer"])
def test_what_is_trained_itself_begins_at_the_very_numbers(kind):
    start = another(kind)
    assert_same(make(kind, start)[1], start)


@every_kind
def test_what_is_saved_is_what_was_trained(kind, tmp_path):
    """Exported once, and read back: the same numbers at the same sites and modes."""
    _, bundle = make(kind)
    path = tmp_path / "prompt.safetensors"
    files.write(path, bundle, {"task": "a"})
    found = files.read(path)
    assert_same(found.bundle, bundle)
    assert modes(found.bundle) == modes(starting.shape_of(source_of(kind)))
    assert found.story["task"] == "a" and "layers" not in found.story


@pytest.mark.parametrize("kind", ["Prefix-Tuning", "P-tuning"])
def test_without_its_network_a_prompt_is_the_same_to_the_model(kind, tmp_path):
    """What Prefix-Tuning and P-tuning throw away after training changes nothing."""
    source, (parameters, bundle) = source_of(kind), make(kind)
    params = dict(t5.initial_parameters(MODEL, jax.random.key(0)))
    path = tmp_path / "prompt.safetensors"
    files.write(path, bundle, {})

    def logits(prompt):
        inputs, targets = jnp.int32([[5, 6, 1]]), jnp.int32([[0, 4]])
        return t5.T5(MODEL).apply({"params": params}, inputs, targets, prompt=prompt)

    # The network inside of the program that computes the logits, and without it.
    of_network = jax.jit(lambda p: logits(source.apply({"params": p})))(parameters)
    of_file = jax.jit(logits)(jax.tree.map(jnp.asarray, files.read(path).bundle))
    # But for what a compiler rounds otherwise when it sees more of the program.
    np.testing.assert_allclose(of_network, of_file, rtol=0, atol=1e-6)
    assert np.abs(jax.jit(logits)(None) - of_file).max() > 1e-5


@every_kind
def test_a_bank_gives_every_prompt_its_own(kind):
    source, seeds = source_of(kind), (3, 4, 5)
    parameters = [make(kind, seed=seed)[0] for seed in seeds]
    stacked = jax.tree.map(lambda *each: np.stack(each), *parameters)
    bank = jax.jit(functools.partial(bank_bundle, source))(stacked)
    for number, seed in enumerate(seeds):
        one, wanted = algebra.take(bank, number), make(kind, seed=seed)[1]
        for found, array in entered_of(one, wanted):
            np.testing.assert_allclose(found, array, atol=1e-6)


@every_kind
def test_a_gradient_reaches_all_that_is_trained(kind):
    source, (parameters, _) = source_of(kind), make(kind)

    def squares(parameters):
        bundle = compiled(source)(parameters)
        return sum(jnp.sum(jnp.sin(x)) for x in jax.tree.leaves(bundle))

    for path, gradient in jax.tree_util.tree_leaves_with_path(
        jax.grad(squares)(parameters)
    ):
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0, path
