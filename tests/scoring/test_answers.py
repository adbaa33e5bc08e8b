"""Ranking labels side by side: the scores of whole forward passes, label by label."""

import jax
import jax.numpy as jnp
import numpy as np

from spot_jax import losses
from spot_jax.data import packing
from spot_jax.model import binding
from spot_jax.prompts.base import PromptBundle
from spot_jax.scoring import answers
from spot_jax.t5 import T5

# Labels of one, two and four tokens, the last the beginning of the first two.
LABELS = np.array([[9, 7, 5, 1], [9, 1, 0, 0], [1, 0, 0, 0]], np.int32)


def test_a_label_sees_its_own_beginning_and_nothing_else():
    assert answers.own_beginning(2, 2)[0, 0].astype(int).tolist() == [
        [1, 0, 0, 0],
        [1, 1, 0, 0],
        [0, 0, 1, 0],
        [0, 0, 1, 1],
    ]


def test_labels_side_by_side_score_as_each_in_a_pass_of_its_own(
    tiny_config, tiny_params
):
    random = np.random.default_rng(0)
    bank = random.normal(size=(2, 3, 32)).astype(np.float32)
    batch = packing.one_per_row(
        [
            packing.Example(random.integers(2, 99, length), np.zeros(0, int), prompt)
            for length, prompt in ((4, 0), (9, 1), (1, 1), (6, 0), (3, 1))
        ],
        prompt_length=3,
        row_length=12,
        target_length=1,
        rows=6,
    )
    rank = jax.jit(answers.make_rank(tiny_config, binding.saved_prompts(2)))
    scores = rank(PromptBundle(bank), tiny_params, batch, LABELS)
    alone = [
        whole_pass(tiny_config, tiny_params, bank, batch, label) for label in LABELS
    ]
    assert scores.shape == (6, 3)
    np.testing.assert_allclose(scores[:5], np.stack(alone, axis=1)[:5], atol=1e-5)


def whole_pass(config, params, bank, batch, label):
    """[rows] the log-probability of one label, through encoder and decoder."""
    target = np.tile(label, (len(batch["encoder_input_tokens"]), 1))
    logits = jax.jit(T5(config).apply)(
        {"params": params},
        batch["encoder_input_tokens"],
        np.pad(target[:, :-1], ((0, 0), (1, 0))),
        prompt=PromptBundle(bank),
        encoder_segment_ids=batch["encoder_segment_ids"],
        encoder_prompt_ids=batch["encoder_prompt_ids"],
        encoder_positions=batch["encoder_positions"],
    )
    scores = np.asarray(jax.nn.log_softmax(logits))
    scores = np.take_along_axis(scores, target[..., None], axis=-1)[..., 0]
    return np.where(target > 0, scores, 0).sum(axis=1)


def test_label_scores_are_those_of_the_labels_in_order():
    logits = jax.random.normal(jax.random.key(0), (2, 12, 16))
    scores = answers.label_scores(jnp.asarray(LABELS), logits)
    for row in range(2):
        for column, label in enumerate(LABELS):
            batch = {
                "decoder_target_tokens": label[None],
                "decoder_loss_weights": (label > 0)[None].astype(np.float32),
            }
            part = logits[row : row + 1, column * 4 : column * 4 + 4]
            expected = losses.sequence_scores(part, batch)[0]
            np.testing.assert_allclose(scores[row, column], expected, rtol=1e-6)
