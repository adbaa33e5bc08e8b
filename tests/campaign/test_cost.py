import jax
import jax.numpy as jnp
import pytest

from spot_jax.campaign import cost
from spot_jax.prompts.base import PromptBundle
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


def loss(prompt, params, inputs, targets):
    bundle = PromptBundle(enc_input=prompt)
    logits = T5(CONFIG).apply({"params": params}, inputs, targets, prompt=bundle)
    return logits.mean()


def counted(function, inputs: int, targets: int) -> float:
    params, _ = parameter_shapes(CONFIG)
    params = jax.tree.map(
        lambda s: jax.ShapeDtypeStruct(s.shape, jnp.float32), dict(params)
    )
    prompt = jax.ShapeDtypeStruct((PROMPT, CONFIG.d_model), jnp.float32)
    ids = [jax.ShapeDtypeStruct((1, n), jnp.int32) for n in (inputs, targets)]
    compiled = jax.jit(function).lower(prompt, params, *ids).compile()
    return compiled.cost_analysis()["flops"]


@pytest.mark.parametrize(("inputs", "targets"), [(96, 16), (32, 64)])
def test_a_forward_pass_costs_what_the_compiler_counts(inputs, targets):
    expected = counted(loss, inputs, targets)
    made = sum(cost.forward(CONFIG, PROMPT + inputs, targets))
    assert made == pytest.approx(expected, rel=0.1)


def test_a_step_of_a_prompt_costs_what_the_compiler_counts():
    expected = counted(jax.value_and_grad(loss), 96, 16)
    sizes = cost.Sizes(CONFIG, PROMPT, 4, {"inputs": 96, "targets": 16})
    assert cost.tuning(sizes, 10, 0) == pytest.approx(40 * expected, rel=0.1)


def test_evaluations_cost_forward_passes():
    sizes = cost.Sizes(CONFIG, PROMPT, 4, {"inputs": 96, "targets": 16}, 25)
    of_one = cost.tuning(sizes, 10, 3) - cost.tuning(sizes, 10, 2)
    assert of_one == pytest.approx(25 * sum(cost.forward(CONFIG, PROMPT + 96, 16)))


def test_hours_are_operations_over_what_the_machine_reaches():
    machine = cost.Machine(peak=1e12, utilisation=0.5, says="made up")
    assert cost.hours(1.8e15, machine) == pytest.approx(1)
