"""The model that comes with the package."""

import json

import numpy as np
import pytest
import sentencepiece

from spot_jax import config, frozen, packing, spot_tiny
from spot_jax.miniature import world
from spot_jax.miniature.facts import askable, question
from spot_jax.miniature.scenes import draw_scene, tell
from spot_jax.miniature.world import open_world, sentence
from spot_jax.packing import Example
from spot_jax.settings import Model
from spot_jax.t5 import T5

FILES = ("checkpoint", "vocabulary.model", "card.json")


@pytest.fixture(scope="module")
def model():
    values = ["MIXTURE_OR_TASK_NAME='rte'", "MODEL_DIR='unused'"]
    config.parse(["gin/runs/miniature_model.gin"], values)
    return frozen.load(config.configured(Model)())


def test_it_is_small():
    size = sum((spot_tiny.FOLDER / name).stat().st_size for name in FILES)
    assert size <= 6_000_000


def test_the_card_tells_how_it_was_made(model):
    card = json.loads((spot_tiny.FOLDER / "card.json").read_text())
    assert set(card["stages"]) == {"pretrain", "adapt", "revise"}
    assert sum(stage["seconds"] for stage in card["stages"].values()) <= 90 * 60
    for stage in card["stages"].values():
        losses = list(stage["validation_loss"].values())
        assert losses[-1] < losses[0]


def test_it_answers_questions_about_people_it_never_read_of(model):
    path = spot_tiny.vocabulary_path("spot_tiny")
    vocabulary = sentencepiece.SentencePieceProcessor(model_file=path)
    held_out = open_world("validation", "questions")
    assert set(held_out.everybody) <= world.held_out()
    examples = []
    for _ in range(64):
        (fact,) = draw_scene(held_out, 1)
        role = held_out.one(askable(fact))
        asked = sentence(question(held_out, fact, role), "?")
        texts = f"{tell(held_out, [fact])} {asked}", sentence(fact.roles[role])
        ids = [np.asarray([*vocabulary.encode(t), 1], np.int32) for t in texts]
        examples.append(Example(*ids, 0))
    batch = packing.one_per_row(
        examples, prompt_length=0, row_length=64, target_length=8, rows=64
    )
    logits = T5(model.config).apply(
        {"params": model.params},
        batch["encoder_input_tokens"],
        batch["decoder_input_tokens"],
        encoder_segment_ids=batch["encoder_segment_ids"],
        encoder_prompt_ids=batch["encoder_prompt_ids"],
        encoder_positions=batch["encoder_positions"],
        decoder_segment_ids=batch["decoder_segment_ids"],
        deterministic=True,
    )
    right = logits.argmax(-1) == batch["decoder_target_tokens"]
    right |= batch["decoder_loss_weights"] == 0
    # Whoever copies any name or thing of the fact is right a third of the time.
    assert right.all(axis=1).mean() > 0.6
