"""What a T5 computes, against what the compiler counts."""

import jax
import jax.numpy as jnp
import pytest

from spot_jax import t5
from spot_jax.t5 import flops


@pytest.mark.parametrize(("inputs", "targets"), [(96, 16), (24, 48)])
def test_a_forward_pass_is_what_the_compiler_counts(tiny_config, inputs, targets):
    params, _ = t5.parameter_shapes(tiny_config)
    ids = [jax.ShapeDtypeStruct((1, n), jnp.int32) for n in (inputs, targets)]
    apply = jax.jit(lambda p, x, y: t5.T5(tiny_config).apply({"params": p}, x, y))
    counted = apply.lower(params, *ids).cost_analysis()["flops"]
    found = flops.forward(tiny_config, inputs, targets)
    # The compiler counts norms, softmax and activations as well.
    assert 0.75 * counted < found.weights + found.attention < counted


def test_keys_beside_the_text_are_attended_to_and_not_computed(tiny_config):
    plain = flops.forward(tiny_config, 40, 4)
    longer = flops.forward(tiny_config, 40, 4, beside=100)
    assert longer.weights == plain.weights
    assert longer.scores - plain.scores == 100 * tiny_config.heads
    found = [flops.step_cost(tiny_config, "cpu", n)(40, 4) for n in (0, 10)]
    pairs = 10 * (tiny_config.encoder_layers * 40 + tiny_config.decoder_layers * 4)
    each = 3 * 4 * tiny_config.d_joined + 850 * tiny_config.heads
    assert found[1] - found[0] == pytest.approx(pairs * each)


def test_a_step_costs_its_products_and_what_softmax_takes(tiny_config):
    counted = flops.forward(tiny_config, 40, 4)
    bare = 2 * counted.weights + 3 * counted.attention
    for platform in ("cpu", "tpu", "gpu", "another"):
        assert flops.step_cost(tiny_config, platform)(40, 4) > bare


def test_a_head_leaves_out_what_it_does_not_read(tiny_config):
    whole, of_class, beside = (
        flops.step_cost(tiny_config, "cpu", head=head) for head in (None, "cls", "span")
    )
    logits = 2 * 2 * 4 * tiny_config.d_model * tiny_config.vocab_size
    assert whole(40, 4) - of_class(40, 4) == pytest.approx(logits)
    # Marks are as long as the input, and cost nothing.
    assert beside(40, 40) == pytest.approx(beside(40, 0)) and beside(40, 0) > 0
