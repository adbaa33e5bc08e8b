"""Prefix-Tuning: the MLP that makes the keys and values of each site."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax.errors import InputError
from spot_jax.prompts import keys_values, starting
from spot_jax.prompts.base import PromptBundle
from spot_jax.prompts.prefix_mlp import PrefixMLP
from spot_jax.t5 import T5Config
from tests.prompts.kinds import LENGTH, MODEL, another, entered_of, make, refuses, rng


def test_what_is_drawn_is_as_published():
    wide = T5Config(d_model=256, heads=4, d_mlp=8, encoder_layers=2, decoder_layers=2)
    prefix = PrefixMLP(50, wide).parameters_of(PromptBundle(), rng())
    assert prefix.keys() == {"enc_self", "dec_self", "cross"}
    for network in prefix.values():
        assert abs(network["embedding"].std() - 1) < 0.05
        for name, inputs in (("mlp_0", 256), ("mlp_1", 512)):
            for array in network[name].values():
                assert 0.9 * inputs**-0.5 < np.abs(array).max() <= inputs**-0.5
    assert np.abs(prefix["cross"]["embedding"] - prefix["dec_self"]["embedding"]).max()


def test_a_network_is_changed_in_its_last_matrix_alone_and_least():
    drawn, found = make("Prefix-Tuning")
    parameters, _ = make("Prefix-Tuning", another("Prefix-Tuning"))
    for site, network in parameters.items():
        changed = network["mlp_1"]["kernel"] - drawn[site]["mlp_1"]["kernel"]
        assert np.linalg.matrix_rank(changed, tol=1e-3) <= LENGTH
        rest = jax.tree.map(np.array_equal, network, drawn[site])
        rest["mlp_1"]["kernel"] = True
        assert all(jax.tree.leaves(rest))
    # Where it stands already nothing is changed.
    same, _ = make("Prefix-Tuning", jax.tree.map(np.asarray, found))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), same, drawn)


def test_a_regression_as_published_comes_near():
    start = another("Prefix-Tuning")
    errors = []
    for steps in (1, 500):
        source = PrefixMLP(LENGTH, MODEL, width=64, regression_steps=steps)
        parameters, bundle = make(source, start)
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


@pytest.mark.parametrize(
    ("width", "start", "words"),
    [
        (16, "P-Tuning v2", "Prefix-Tuning is enc_self and dec_self and cross, and"),
        (3, "Prefix-Tuning", "3 cannot begin at a prompt of 4 positions.*PREFIX_WIDTH"),
    ],
)
def test_a_start_of_something_else_is_refused(width, start, words):
    refuses(PrefixMLP(LENGTH, MODEL, width=width), another(start), words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (dict(bias_mode="none"), "PREFIX_BIAS is 'none'; it is zero or contiguous"),
        (dict(regression_steps=0), "REGRESSION_STEPS is 0"),
    ],
)
def test_an_option_that_there_is_not_is_refused(options, words):
    with pytest.raises(InputError, match=words):
        PrefixMLP(LENGTH, MODEL, **options)
