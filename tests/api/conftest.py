"""One small model and a few prompts, which the tests of the API share."""

import jax
import pytest

import spot_jax
from spot_jax.t5 import T5Config
from tests import demo_world

CONFIG = T5Config(*(64, 4, 128, 2, 2), d_head=16, vocab_size=384, dropout_rate=0.0)


@pytest.fixture(scope="session")
def model(demo_model):
    return spot_jax.load(
        demo_model["INITIAL_CHECKPOINT_PATH"],
        vocabulary=demo_model["VOCABULARY"],
        config=CONFIG,
        devices=jax.devices()[:1],
    )


@pytest.fixture(scope="session")
def rows():
    """Forty reviews, of which every other one is good."""
    reviews = demo_world.reviews("food", 40, 40)
    return [
        {"text": row["inputs"], "label": ("bad", "good")[number % 2]}
        for number, row in enumerate(reviews)
    ]


@pytest.fixture(scope="session")
def prompts(model, rows):
    """Two prompts of one bank, with an early prompt each."""
    return spot_jax.tune(
        *(model, rows),
        **dict(input="mood: {text}", target="{label}", name="mood", length=4),
        **dict(
            steps=4, batch_size=4, embedding_step=2, seed=[0, 1], start="random_uniform"
        ),
    )
