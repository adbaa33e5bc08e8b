import functools

import jax
import jax.numpy as jnp
import pytest

from spot_jax.campaign import cost
from spot_jax.prompts.deep_kv import DeepKV
from spot_jax.prompts.deep_prompt import DeepPrompt
from spot_jax.prompts.prefix_mlp import PrefixMLP
from spot_jax.prompts.soft import SoftPrompt
from spot_jax.t5 import T5, T5Config, parameter_shapes

CONFIG = T5Config(
    d_model=64,
    heads=4,
    d_head=16,
    d_mlp=128,
    encoder_layers=3,
    decoder_layers=2,
    vocab_size=256,
    dropout_rate=0.0,
)
PROMPT = 16


KINDS = {
    "soft": SoftPrompt,
    "P-Tuning v2": DeepKV,
    "of some layers": functools.partial(DeepKV, layers="1:"),
    "of the last layer": functools.partial(DeepKV, layers="-1:"),
    "of the decoder": functools.partial(DeepKV, sites=["dec_self"], layers="1:"),
    "Prefix-Tuning": functools.partial(PrefixMLP, width=32),
    "in every layer": DeepPrompt,
}


def counted(inputs: int, targets: int, kind="soft", batch=1, is_trained=False) -> float:
    """What the compiler counts, of the loss of a batch or of its gradient too."""
    source = KINDS[kind](length=PROMPT, model=CONFIG)
    model = T5(CONFIG)

    def loss(prompt, params, inputs, targets):
        bundle = source.apply({"params": prompt})
        variables = {"params": params}
        return model.apply(variables, inputs, targets, prompt=bundle).mean()

    params, _ = parameter_shapes(CONFIG)
    params = jax.tree.map(
        lambda s: jax.ShapeDtypeStruct(s.shape, jnp.float32), dict(params)
    )
    prompt = jax.eval_shape(source.init, jax.random.key(0))["params"]
    ids = [jax.ShapeDtypeStruct((batch, n), jnp.int32) for n in (inputs, targets)]
    function = jax.value_and_grad(loss) if is_trained else loss
    compiled = jax.jit(function).lower(prompt, params, *ids).compile()
    return compiled.cost_analysis()["flops"]


@pytest.mark.parametrize(("inputs", "targets"), [(96, 16), (32, 64)])
def test_a_forward_pass_costs_what_the_compiler_counts(inputs, targets):
    expected = counted(inputs, targets)
    made = sum(cost.forward(CONFIG, PROMPT + inputs, targets))
    assert made == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_of_a_prompt_costs_what_the_compiler_counts(kind):
    expected = counted(96, 16, kind, batch=4, is_trained=True)
    of_kind = {"examples": None, "kind": KINDS[kind]}
    lengths = {"inputs": 96, "targets": 16}
    sizes = cost.Sizes(CONFIG, PROMPT, 4, lengths, **of_kind)
    assert cost.tuning(sizes, 10, 0) == pytest.approx(10 * expected, rel=0.1)


def test_keys_take_no_slots_and_are_asked_in_the_layers_that_they_enter():
    """[layers that have keys, of 3] x 16 keys x 96 positions, and of 2 x 16 x 16."""
    _, alone = cost.forward(CONFIG, 96, 16)
    for kind, encoder, decoder in (("P-Tuning v2", 3, 2), ("of some layers", 2, 1)):
        sizes = cost.Sizes(CONFIG, PROMPT, 4, {}, kind=KINDS[kind])
        _, attention = cost.forward(CONFIG, 96, 16, sizes.prompt)
        pairs = encoder * 96 * PROMPT + decoder * 16 * PROMPT
        assert attention - alone == 4 * CONFIG.d_joined * pairs


def test_evaluations_cost_forward_passes():
    sizes = cost.Sizes(CONFIG, PROMPT, 4, {"inputs": 96, "targets": 16}, 25)
    of_one = cost.tuning(sizes, 10, 3) - cost.tuning(sizes, 10, 2)
    assert of_one == pytest.approx(25 * sum(cost.forward(CONFIG, PROMPT + 96, 16)))


def test_hours_are_operations_over_what_the_machine_reaches():
    machine = cost.Machine(peak=1e12, utilisation=0.5, says="made up")
    assert cost.hours(1.8e15, machine) == pytest.approx(1)
