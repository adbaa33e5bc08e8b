"""P-tuning: a soft prompt that a bi-LSTM and an MLP make."""

import numpy as np
import pytest

from spot_jax.errors import InputError
from spot_jax.prompts.base import PromptBundle
from spot_jax.prompts.p_tuning import PTuning
from spot_jax.t5 import T5Config
from tests.bundles import soft
from tests.prompts.kinds import LENGTH, MODEL, refuses, rng


def test_what_is_drawn_is_as_published():
    wide = T5Config(d_model=256, heads=4, d_mlp=8, encoder_layers=2, decoder_layers=2)
    lstm = PTuning(50, wide).parameters_of(PromptBundle(), rng())
    cells = {f"lstm_{layer}_{way}" for layer in (0, 1) for way in ("fwd", "bwd")}
    assert lstm.keys() == {"embedding", "mlp_0", "mlp_1", *cells}
    assert abs(lstm["embedding"].std() - 1) < 0.05
    assert 0.9 * 128**-0.5 < np.abs(lstm["lstm_1_bwd"]["hf"]["kernel"]).max()


def test_a_start_of_more_vectors_than_the_network_can_give_is_refused():
    start = soft(rng().standard_normal((13, 12)))
    words = "width 12 cannot begin at a prompt of 13.*PROMPT_LENGTH"
    refuses(PTuning(13, MODEL), start, words)


def test_an_encoder_that_there_is_not_is_refused():
    with pytest.raises(InputError, match="PROMPT_ENCODER is 'gru'; it is lstm or mlp"):
        PTuning(LENGTH, MODEL, encoder="gru")


def test_an_lstm_of_half_a_column_is_refused():
    odd = T5Config(d_model=7, heads=1, d_mlp=8, encoder_layers=1, decoder_layers=1)
    with pytest.raises(InputError, match="7 wide.*PROMPT_ENCODER=mlp"):
        PTuning(LENGTH, odd)
    PTuning(LENGTH, odd, encoder="mlp").parameters_of(PromptBundle(), rng())
