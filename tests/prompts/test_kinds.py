"""The kinds of prompts: what each owns, what it gives, and where it begins."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax import t5
from spot_jax.errors import InputError
from spot_jax.model.binding import bank_bundle
from spot_jax.prompts import algebra, files, keys_values, starting
from spot_jax.prompts.base import PromptBundle, misfit, modes, sites
from spot_jax.prompts.deep_kv import DeepKV
from spot_jax.prompts.deep_prompt import DeepPrompt
from spot_jax.prompts.p_tuning import PTuning
from spot_jax.prompts.prefix_mlp import PrefixMLP
from spot_jax.prompts.soft import SoftPrompt
from spot_jax.t5 import T5Config
from tests.bundles import assert_same, everywhere, soft

# Every dimension differs, so that none can stand for another.
MODEL = T5Config(
    d_model=12,
    heads=3,
    d_head=5,
    d_mlp=8,
    encoder_layers=3,
    decoder_layers=2,
    vocab_size=16,
)
LENGTH = 4
KINDS = {
    "P-Tuning v2": DeepKV,
    "of some layers": functools.partial(DeepKV, layers="1:"),
    "with an MLP": functools.partial(DeepKV, width=16),
    "an MLP of some layers": functools.partial(DeepKV, width=16, layers="1:"),
    "Prefix-Tuning": functools.partial(PrefixMLP, width=16),
    "P-tuning": PTuning,
    "P-tuning without LSTM": functools.partial(PTuning, encoder="mlp"),
    "in every layer": DeepPrompt,
    "added in every layer": functools.partial(DeepPrompt, mode="add"),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


@functools.cache
def source_of(kind):
    """One for each kind: what draws its parameters is compiled once."""
    return KINDS[kind](length=LENGTH, model=MODEL)


@functools.cache
def compiled(source):
    return jax.jit(lambda parameters: source.apply({"params": parameters}))


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def made():
    """(kind, start) -> its parameters and their bundle."""

    def make(kind, start=None, seed=0):
        source = source_of(kind) if isinstance(kind, str) else kind
        parameters = source.parameters_of(start or PromptBundle(), rng(seed))
        return parameters, compiled(source)(parameters)

    return make


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


def total(tree) -> int:
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


@every_kind
def test_what_is_drawn_is_float32_and_another_for_another_seed(kind, made):
    parameters, bundle = made(kind)
    wanted = jax.eval_shape(source_of(kind).init, jax.random.key(0))["params"]
    assert jax.tree.map(jnp.shape, parameters) == jax.tree.map(jnp.shape, wanted)
    leaves = jax.tree.leaves(parameters)
    assert all(isinstance(x, np.ndarray) and x.dtype == np.float32 for x in leaves)
    assert_same(made(kind)[1], bundle)
    _, other = made(kind, seed=1)
    for site, array in sites(other).items():
        assert np.abs(array - sites(bundle)[site]).max() > 1e-4


def test_what_is_drawn_is_as_published():
    wide = T5Config(d_model=256, heads=4, d_mlp=8, encoder_layers=2, decoder_layers=2)
    keys = DeepKV(50, wide).parameters_of(PromptBundle(), rng())
    assert keys.keys() == {"enc_self", "dec_self"}
    for array in keys.values():
        assert abs(array.std() - 0.02) < 1e-3 and abs(array.mean()) < 1e-3
    prefix = PrefixMLP(50, wide).parameters_of(PromptBundle(), rng())
    assert prefix.keys() == {"enc_self", "dec_self", "cross"}
    for network in prefix.values():
        assert abs(network["embedding"].std() - 1) < 0.05
        for name, inputs in (("mlp_0", 256), ("mlp_1", 512)):
            for array in network[name].values():
                assert 0.9 * inputs**-0.5 < np.abs(array).max() <= inputs**-0.5
    assert np.abs(prefix["cross"]["embedding"] - prefix["dec_self"]["embedding"]).max()
    mlp = DeepKV(50, wide, width=512).parameters_of(PromptBundle(), rng())
    assert abs(mlp["enc_self"]["mlp_1"]["kernel"].std() - 0.02) < 1e-3
    assert not mlp["enc_self"]["mlp_1"]["bias"].any()
    hidden = DeepPrompt(50, wide).parameters_of(PromptBundle(), rng())["enc_hidden"]
    assert 0.49 < np.abs(hidden).max() <= 0.5 and abs(hidden.std() - 12**-0.5) < 0.01
    added = DeepPrompt(50, wide, mode="add").parameters_of(PromptBundle(), rng())
    assert added["enc_hidden"][0].any() and not added["enc_hidden"][1:].any()
    lstm = PTuning(50, wide).parameters_of(PromptBundle(), rng())
    cells = {f"lstm_{layer}_{way}" for layer in (0, 1) for way in ("fwd", "bwd")}
    assert lstm.keys() == {"embedding", "mlp_0", "mlp_1", *cells}
    assert abs(lstm["embedding"].std() - 1) < 0.05
    assert 0.9 * 128**-0.5 < np.abs(lstm["lstm_1_bwd"]["hf"]["kernel"]).max()


def another(kind, seed=5):
    """A prompt that somebody else made, at the sites of a kind."""
    wanted = starting.shape_of(source_of(kind))
    noise = sites(everywhere(LENGTH, seed, MODEL))
    arrays = {site: 3 * noise[site] for site in sites(wanted)}
    return PromptBundle(**arrays, **modes(wanted))


@every_kind
def test_training_begins_at_the_prompt_of_another(kind, made):
    """SPoT, for every kind: also where a network makes the prompt."""
    start = another(kind)
    parameters, bundle = made(kind, start)
    wanted = jax.eval_shape(source_of(kind).init, jax.random.key(0))["params"]
    assert jax.tree.structure(parameters) == jax.tree.structure(wanted)
    for found, array in entered_of(bundle, start):
        np.testing.assert_allclose(found, array, atol=1e-4)
    # And again at what was exported.
    _, again = made(kind, jax.tree.map(np.asarray, bundle), seed=7)
    for found, array in entered_of(again, start):
        np.testing.assert_allclose(found, array, atol=2e-4)


def entered_of(found, wanted):
    assert modes(found) == modes(wanted) and sites(found).keys() == sites(wanted).keys()
    pairs = map(algebra.token_matrices, (found, wanted))
    return list(zip(*pairs, strict=True))


@pytest.mark.parametrize("kind", ["P-Tuning v2", "in every layer"])
def test_what_is_trained_itself_begins_at_the_very_numbers(kind, made):
    start = another(kind)
    assert_same(made(kind, start)[1], start)


def test_a_network_is_changed_in_its_last_matrix_alone_and_least(made):
    drawn, found = made("Prefix-Tuning")
    parameters, _ = made("Prefix-Tuning", another("Prefix-Tuning"))
    for site, network in parameters.items():
        changed = network["mlp_1"]["kernel"] - drawn[site]["mlp_1"]["kernel"]
        assert np.linalg.matrix_rank(changed, tol=1e-3) <= LENGTH
        rest = jax.tree.map(np.array_equal, network, drawn[site])
        rest["mlp_1"]["kernel"] = True
        assert all(jax.tree.leaves(rest))
    # Where it stands already nothing is changed.
    same, _ = made("Prefix-Tuning", jax.tree.map(np.asarray, found))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), same, drawn)


def test_a_regression_as_published_comes_near(made):
    start = another("Prefix-Tuning")
    errors = []
    for steps in (1, 500):
        source = PrefixMLP(LENGTH, MODEL, width=64, regression_steps=steps)
        parameters, bundle = made(source, start)
        pairs = entered_of(bundle, start)
        errors.append(np.mean([np.mean((one - other) ** 2) for one, other in pairs]))
        assert parameters["cross"]["embedding"].dtype == np.float32
    assert errors[1] < 0.9 * errors[0]


def test_a_regression_is_that_of_torch_by_hand():
    """One step of Adam moves every parameter by the rate, against its gradient."""
    network = keys_values.PrefixNetwork(
        *(2, 3, 4, 5),
        embedding_init=jax.nn.initializers.normal(1.0),
        kernel_init=starting.uniform_by_inputs,
    )
    first = jax.tree.map(np.asarray, network.init(jax.random.key(0))["params"])
    wanted = rng().standard_normal((2, 5)).astype(np.float32)

    def error(parameters):
        return jnp.mean((network.apply({"params": parameters}) - wanted) ** 2)

    gradient = jax.grad(error)(first)
    found = network.fitted(first, wanted, 1)
    expected = jax.tree.map(lambda p, g: p - 1e-4 * jnp.sign(g), first, gradient)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), found, expected
    )


@every_kind
def test_what_is_saved_is_what_was_trained(kind, made, tmp_path):
    """Exported once, and read back: the same numbers at the same sites and modes."""
    _, bundle = made(kind)
    path = tmp_path / "prompt.safetensors"
    files.write(path, bundle, {"task": "a"})
    found = files.read(path)
    assert_same(found.bundle, bundle)
    assert modes(found.bundle) == modes(starting.shape_of(source_of(kind)))
    assert found.story["task"] == "a" and "layers" not in found.story


@pytest.mark.parametrize("kind", ["Prefix-Tuning", "P-tuning"])
def test_without_its_network_a_prompt_is_the_same_to_the_model(kind, made, tmp_path):
    """What Prefix-Tuning and P-tuning throw away after training changes nothing."""
    source, (parameters, bundle) = source_of(kind), made(kind)
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
def test_a_bank_gives_every_prompt_its_own(kind, made):
    source, seeds = source_of(kind), (3, 4, 5)
    parameters = [made(kind, seed=seed)[0] for seed in seeds]
    stacked = jax.tree.map(lambda *each: np.stack(each), *parameters)
    bank = jax.jit(functools.partial(bank_bundle, source))(stacked)
    for number, seed in enumerate(seeds):
        one, wanted = algebra.take(bank, number), made(kind, seed=seed)[1]
        for found, array in entered_of(one, wanted):
            np.testing.assert_allclose(found, array, atol=1e-6)


@every_kind
def test_a_gradient_reaches_all_that_is_trained(kind, made):
    source, (parameters, _) = source_of(kind), made(kind)

    def squares(parameters):
        bundle = compiled(source)(parameters)
        return sum(jnp.sum(jnp.sin(x)) for x in jax.tree.leaves(bundle))

    for path, gradient in jax.tree_util.tree_leaves_with_path(
        jax.grad(squares)(parameters)
    ):
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0, path


def test_layers_that_are_not_entered_have_nothing_to_train(made):
    parameters, bundle = made("of some layers")
    assert parameters["enc_self"].shape == (2, 2, LENGTH, 15)
    assert parameters["dec_self"].shape == (1, 2, LENGTH, 15)
    np.testing.assert_array_equal(bundle.enc_self[1:], parameters["enc_self"])
    assert not np.any(bundle.enc_self[0]) and bundle.layers == "1:"
    # Nor is anything of them compared.
    assert len(algebra.token_matrices(bundle)) == 2 * 2 + 2 * 1
    assert not algebra.has_zeros(bundle)
    assert algebra.has_zeros(bundle.replace(layers=""))


def test_a_soft_prompt_is_a_start_for_every_layer():
    start = soft(rng().standard_normal((LENGTH, 12)))
    found = DeepPrompt(LENGTH, MODEL).parameters_of(start, rng())["enc_hidden"]
    np.testing.assert_array_equal(found, np.stack([start.enc_input] * 3))
    added = DeepPrompt(LENGTH, MODEL, mode="add").parameters_of(start, rng())
    np.testing.assert_array_equal(added["enc_hidden"][0], start.enc_input)
    assert not added["enc_hidden"][1:].any()


REFUSED = {
    "a prefix for a soft prompt": (
        SoftPrompt(LENGTH, MODEL),
        another("Prefix-Tuning"),
        r"soft prompt starts from vectors at enc_input alone; .* enc_self \[3, 2, 4",
    ),
    "nothing for a soft prompt": (
        SoftPrompt(LENGTH, MODEL),
        PromptBundle(),
        r"enc_input alone; this start has nothing",
    ),
    "a soft prompt for keys": (
        DeepKV(LENGTH, MODEL),
        another("P-tuning"),
        "P-Tuning v2 is enc_self and dec_self, and the start has enc_input",
    ),
    "three sites for two": (
        DeepKV(LENGTH, MODEL),
        another("Prefix-Tuning"),
        "the start has enc_self and dec_self and cross: it is of another kind",
    ),
    "two sites for three": (
        PrefixMLP(LENGTH, MODEL),
        another("P-Tuning v2"),
        "Prefix-Tuning is enc_self and dec_self and cross, and the start has",
    ),
    "another length": (
        DeepKV(LENGTH + 1, MODEL),
        another("P-Tuning v2"),
        r"\[3, 2, 5, 15\], .* has enc_self \[3, 2, 4, 15\].*PROMPT_LENGTH",
    ),
    "another position bias": (
        DeepKV(LENGTH, MODEL, bias_mode="contiguous"),
        another("P-Tuning v2"),
        "bias_mode 'zero', not 'contiguous'. To go on from it: --gin.PREFIX_BIAS=zero",
    ),
    "other layers": (
        DeepKV(LENGTH, MODEL),
        another("of some layers"),
        "layers '1:', not ''. To go on from it: --gin.PROMPT_LAYERS=1:",
    ),
    "all layers": (
        DeepKV(LENGTH, MODEL, layers="1:"),
        another("P-Tuning v2"),
        "layers '', not '1:'. To go on from it: --gin.PROMPT_LAYERS=''",
    ),
    "added for replaced": (
        DeepPrompt(LENGTH, MODEL),
        another("added in every layer"),
        "hidden_mode 'add', not 'replace'. .* --gin.HIDDEN_MODE=add",
    ),
    "keys for hidden vectors": (
        DeepPrompt(LENGTH, MODEL),
        another("P-Tuning v2"),
        "A prompt in every layer is enc_hidden, and the start has enc_self and",
    ),
    "a narrow MLP": (
        PrefixMLP(LENGTH, MODEL, width=3),
        another("Prefix-Tuning"),
        "width 3 cannot begin at a prompt of 4 positions.*PREFIX_WIDTH",
    ),
    "a narrow model": (
        PTuning(13, MODEL),
        soft(rng().standard_normal((13, 12))),
        "width 12 cannot begin at a prompt of 13.*PROMPT_LENGTH",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_start_of_something_else_is_refused(case):
    source, start, words = REFUSED[case]
    with pytest.raises(InputError, match=words):
        source.parameters_of(start, rng())


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        (DeepKV, dict(sites=["enc_input"]), r"PROMPT_SITES is \['enc_input'\]"),
        (DeepKV, dict(sites=[]), r"PROMPT_SITES is \[\]; name some of enc_self"),
        (DeepKV, dict(sites=["cross", "cross"]), "each once"),
        (DeepKV, dict(sites="cross"), "PROMPT_SITES is"),
        (DeepKV, dict(layers="16:24"), "none of the 3"),
        (DeepKV, dict(layers="2:"), "none of the 2"),
        (DeepKV, dict(layers="x"), "no range"),
        (DeepKV, dict(width=0), "PREFIX_WIDTH is 0"),
        (PrefixMLP, dict(bias_mode="none"), "PREFIX_BIAS is 'none'; it is zero or con"),
        (PrefixMLP, dict(regression_steps=0), "REGRESSION_STEPS is 0"),
        (PTuning, dict(encoder="gru"), "PROMPT_ENCODER is 'gru'; it is lstm or mlp"),
        (DeepPrompt, dict(mode="zero"), "HIDDEN_MODE is 'zero'; it is replace or add"),
    ],
)
def test_an_option_that_there_is_not_is_refused(kind, options, words):
    with pytest.raises(InputError, match=words):
        kind(length=LENGTH, model=MODEL, **options)


def test_an_lstm_of_half_a_column_is_refused():
    odd = T5Config(d_model=7, heads=1, d_mlp=8, encoder_layers=1, decoder_layers=1)
    with pytest.raises(InputError, match="7 wide.*PROMPT_ENCODER=mlp"):
        PTuning(LENGTH, odd)
    PTuning(LENGTH, odd, encoder="mlp").parameters_of(PromptBundle(), rng())
