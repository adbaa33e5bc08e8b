"""The T5 and its prompt as T5X's module: the same numbers, the same names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from spot_jax.prompts.base import PromptBundle
from spot_jax.prompts.soft import SoftPrompt
from spot_jax.t5 import T5, parameter_shapes

pytest.importorskip("t5x", reason="T5X is not installed: make t5x T5X=FOLDER")
pytestmark = pytest.mark.t5x

LENGTH = 2
INPUTS = np.array([[7, 9, 11, 1], [8, 1, 0, 0]])
TARGETS = np.array([[5, 6, 1], [9, 1, 0]])
SHIFTED = np.array([[0, 5, 6], [0, 9, 0]])


@pytest.fixture
def module(tiny_config):
    from spot_jax.t5x_engine.module import PromptedT5

    return PromptedT5(tiny_config, SoftPrompt(LENGTH, tiny_config), LENGTH)


@pytest.fixture
def params(tiny_params, tiny_config):
    vectors = jax.random.normal(jax.random.key(1), (LENGTH, tiny_config.d_model))
    return {**tiny_params, "prompt": {"enc_input": vectors}}


def test_its_parameters_are_the_t5s_and_the_prompts(module, tiny_config):
    made = jax.eval_shape(module.init, jax.random.key(0), INPUTS, SHIFTED, TARGETS)
    found = traverse_util.flatten_dict(dict(made["params"]), sep="/")
    shapes, _ = parameter_shapes(tiny_config)
    expected = traverse_util.flatten_dict(dict(shapes), sep="/")
    assert found.keys() - expected.keys() == {"prompt/enc_input"}
    assert expected.keys() < found.keys()


def test_it_scores_as_the_t5_with_the_prompt_in_front(module, params, tiny_config):
    logits = module.apply(
        {"params": params}, INPUTS, SHIFTED, TARGETS, enable_dropout=False
    )
    bundle = PromptBundle(enc_input=params["prompt"]["enc_input"])
    wanted = T5(tiny_config).apply({"params": params}, INPUTS, SHIFTED, prompt=bundle)
    np.testing.assert_array_equal(logits, wanted)


def test_packed_rows_score_as_rows_of_their_own(module, params):
    """Tokens stand where slots are, as SlotConverter leaves them."""
    row = np.array([[2, 2, 7, 9, 11, 1, 2, 2, 8, 1]])
    logits = module.apply(
        {"params": params},
        row,
        np.array([[0, 5, 6, 0, 9]]),
        np.array([[5, 6, 1, 9, 1]]),
        encoder_segment_ids=np.array([[1, 1, 1, 1, 1, 1, 2, 2, 2, 2]]),
        decoder_segment_ids=np.array([[1, 1, 1, 2, 2]]),
        encoder_positions=np.array([[0, 1, 2, 3, 4, 5, 0, 1, 2, 3]]),
        enable_dropout=False,
    )
    alone = module.apply(
        {"params": params}, INPUTS, SHIFTED, TARGETS, enable_dropout=False
    )
    wanted = jnp.concatenate([alone[0, :3], alone[1, :2]])
    np.testing.assert_allclose(logits[0], wanted, atol=1e-5)


def test_the_loss_moves_nothing_but_the_prompt(module, params):
    from spot_jax.t5x_engine.model import PromptedModel

    model = PromptedModel(
        search=None,
        module=module,
        input_vocabulary=None,
        output_vocabulary=None,
        optimizer_def=None,
    )
    batch = {
        "encoder_input_tokens": INPUTS,
        "decoder_input_tokens": SHIFTED,
        "decoder_target_tokens": TARGETS,
        "decoder_loss_weights": (TARGETS > 0).astype(np.float32),
    }
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        gradient = jax.grad(lambda p: model.loss_fn(p, batch, None)[0])(params)
    prompt = gradient.pop("prompt")["enc_input"]
    assert np.abs(prompt).min() > 0
    assert all(not np.any(leaf) for leaf in jax.tree.leaves(gradient))
