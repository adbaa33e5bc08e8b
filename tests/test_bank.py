import jax
import numpy as np
import pytest

from spot_jax import bank, sharding
from spot_jax.frozen import LoadedModel
from spot_jax.prompts import init
from spot_jax.settings import Data, Prompts


def test_a_bank_is_every_task_with_every_seed_and_start():
    prompts = Prompts(5, [init.random_uniform, init.class_labels], [3, 4])
    names = [entry.name for entry in bank.entries(("a", "b"), prompts)]
    assert names == [
        *("a-seed3-start0", "a-seed4-start0", "a-seed3-start1", "a-seed4-start1"),
        *("b-seed3-start0", "b-seed4-start0", "b-seed3-start1", "b-seed4-start1"),
    ]
    (alone,) = bank.entries(("a",), Prompts(5, init.random_uniform))
    assert alone.name == "a-seed0"


def test_a_starting_value_does_not_depend_on_the_bank(tiny_config, tiny_params):
    mesh = sharding.make_mesh()
    model = LoadedModel(tiny_config, tiny_params, mesh, 0, "f", "here")
    prompts = Prompts(5, init.sampled_vocabulary, [0, 1])
    together = bank.starting_values(
        bank.entries(("a", "b"), prompts), 5, model, lambda text: [3]
    )["enc_input"]
    assert together.shape == (4, 5, 32)
    alone = bank.starting_values(
        bank.entries(("b",), Prompts(5, init.sampled_vocabulary, 1)),
        5,
        model,
        lambda text: [3],
    )["enc_input"]
    np.testing.assert_array_equal(together[3], alone[0])
    assert np.abs(np.asarray(together[2] - together[3])).max() > 0
    embedding = np.asarray(jax.device_get(tiny_params["token_embedder"]["embedding"]))
    for vector in np.asarray(alone[0]):
        assert (embedding == vector).all(axis=1).any()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Prompts(0, init.random_uniform), "PROMPT_LENGTH is 0"),
        (lambda: Prompts(5, []), "0 starting values"),
        (lambda: Data([], {"inputs": 1, "targets": 1}, "v"), "empty list"),
        (lambda: Data("a", {"inputs": 0, "targets": 1}, "v"), "TASK_FEATURE_LENGTHS"),
    ],
)
def test_settings_are_checked_when_they_are_made(make, words):
    with pytest.raises(ValueError, match=words):
        make()
