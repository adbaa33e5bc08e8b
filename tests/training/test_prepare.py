"""What is decided before the first step."""

import logging

import pytest

from spot_jax.errors import InputError
from spot_jax.prompts import init
from spot_jax.settings import Data, Prompts, Training
from spot_jax.training import prepare

PROMPTS = Prompts(5, init.random_uniform)


@pytest.mark.parametrize(
    ("step", "prompts", "is_told"),
    [(11, PROMPTS, True), (10, PROMPTS, False), (1, PROMPTS, False), (11, None, False)],
)
def test_a_run_without_an_early_prompt_is_told(step, prompts, is_told, caplog):
    caplog.set_level(logging.INFO)
    prepare.tell_of_embedding(prompts, Training(10, embedding_step=step))
    told = "EMBEDDING_STEP is 11, and the run ends at step 10"
    assert (told in caplog.text) == is_told
    assert ("--gin.EMBEDDING_STEP" in caplog.text) == is_told


LENGTHS = {"inputs": 8, "targets": 2}


@pytest.mark.parametrize(
    ("names", "prompts", "rates", "words"),
    [
        ("a", None, (0.1, 0.3), r"one LEARNING_RATE, not with \[0.1, 0.3\]"),
        (["a", "b"], None, (0.1,), "one task or mixture"),
        ("a", Prompts([5, 9], init.random_uniform), (), "PROMPT_LENGTH is 9"),
        ([], PROMPTS, (), "names no task"),
    ],
)
def test_a_bank_that_cannot_be_is_refused(names, prompts, rates, words):
    data = Data(names, LENGTHS, "v")
    with pytest.raises(InputError, match=words):
        prepare.bank_of(data, prompts, 0, rates)


def test_a_schedule_of_ones_own_has_no_rate():
    (entry,) = prepare.bank_of(Data("a", LENGTHS, "v"), PROMPTS, 0, ())
    assert (entry.name, entry.length, entry.rate) == ("a-seed0", 5, None)
    (model,) = prepare.bank_of(Data("a", LENGTHS, "v"), None, 3, (0.1,))
    assert (model.name, model.seed, model.rate) == ("model", 3, 0.1)
