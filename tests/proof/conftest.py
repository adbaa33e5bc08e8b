"""A small run, as `train` would be called."""

import pytest

from spot_jax import optim
from spot_jax.model.automatic import Place
from spot_jax.prompts.init import random_uniform
from spot_jax.proof import run as runs
from spot_jax.settings import Data, Evaluation, Loss, Model, Prompts, Training
from spot_jax.t5 import T5Config

# What tests run on: eight devices that one machine pretends to have.
PLACE = Place("cpu", 8, 2**40)
SMALL = T5Config(
    d_model=64,
    heads=4,
    d_head=16,
    d_mlp=128,
    encoder_layers=2,
    decoder_layers=2,
    vocab_size=384,
)


@pytest.fixture
def make_run():
    """Makes a run of a small T5; what is given differs from it."""

    def make(
        *, bank=None, expected=None, model=None, training=None, config=SMALL, **changes
    ):
        arguments = {
            "model": Model(config, None, **(model or {})),
            "data": Data(lengths={"inputs": 24, "targets": 8}),
            "training": Training(10, **{"batch_size": 16} | (training or {})),
            "optimizer": lambda base_step: optim.adafactor(0.3, base_step=base_step),
            "evaluation": Evaluation(rows=16),
            "loss": Loss(),
            "prompts": Prompts(length=6, starts=random_uniform),
            "seed": 0,
        }
        return runs.of(arguments | changes, bank, expected).on(PLACE)

    return make
