import jax
import numpy as np
import pytest

from spot_jax.model import sharding
from spot_jax.model.weights import LoadedModel
from spot_jax.prompts import init
from spot_jax.prompts.soft import SoftPrompt
from spot_jax.settings import Data, Prompts
from spot_jax.training import bank


def test_a_bank_is_every_task_with_every_seed_and_start():
    prompts = Prompts(5, [init.random_uniform, init.class_labels], [3, 4])
    names = [entry.name for entry in bank.entries(("a", "b"), prompts)]
    assert names == [
        *("a-seed3-start0", "a-seed4-start0", "a-seed3-start1", "a-seed4-start1"),
        *("b-seed3-start0", "b-seed4-start0", "b-seed3-start1", "b-seed4-start1"),
    ]
    (alone,) = bank.entries(("a",), Prompts(5, init.random_uniform))
    assert alone.name == "a-seed0"


def test_a_listed_bank_is_its_rows(tmp_path):
    path = str(tmp_path / "b.safetensors")
    rows = [("b", 3, None), ("a", 0, path), ("b", 4, None), ("a", 0, None)]
    prompts = Prompts(5, init.random_uniform, [7, 8], rows)
    made = bank.entries(("a", "b"), prompts)
    assert [(entry.task, entry.seed) for entry in made] == [row[:2] for row in rows]
    names = [entry.name for entry in made]
    assert names == ["b-seed3", "a-seed0-start0", "b-seed4", "a-seed0-start1"]
    assert made[0].start is made[3].start is init.random_uniform
    with pytest.raises(ValueError, match=f"no prompt file {path}"):
        made[1].start(None)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "BANK holds 0 prompts"),
        ([("a", 0, None), ("a", 0, None)], "BANK holds 2 prompts, 1 different"),
        ([("a", 0)], r"bank of Prompts is \[\('a', 0\)\]"),
        ([("a", -1, None)], r"BANK holds \('a', -1, None\); .* from 0 on"),
        ([("a", True, None)], "bank of Prompts is .*got bool"),
        ([("a", 0, 1)], "bank of Prompts is .*got int"),
        ("abc", "bank of Prompts is 'abc'"),
        ([("c", 0, None)], r"BANK trains c. .* \(it is \['a'\]\)"),
    ],
)
def test_a_listed_bank_is_checked(rows, words):
    with pytest.raises(ValueError, match=words):
        bank.entries(("a",), Prompts(5, init.random_uniform, 0, rows))


def test_a_listed_bank_has_one_start_of_its_own():
    starts = [init.random_uniform, init.class_labels]
    prompts = Prompts(5, starts, 0, [("a", 0, None)])
    with pytest.raises(ValueError, match="there are 2"):
        bank.entries(("a",), prompts)


def test_a_starting_value_does_not_depend_on_the_bank(tiny_config, tiny_params):
    mesh = sharding.make_mesh()
    model = LoadedModel(tiny_config, tiny_params, mesh, 0, "f", "here")
    prompts = Prompts(5, init.sampled_vocabulary, [0, 1])
    source = SoftPrompt(5, tiny_config)
    together = bank.starting_values(
        bank.entries(("a", "b"), prompts), source, 5, model, lambda text: [3]
    )["enc_input"]
    assert together.shape == (4, 5, 32)
    alone = bank.starting_values(
        bank.entries(("b",), Prompts(5, init.sampled_vocabulary, 1)),
        source,
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
        (lambda: Data([], {"inputs": 1, "targets": 1}, "v"), "names no task"),
        (lambda: Data("a", {"inputs": 0, "targets": 1}, "v"), "TASK_FEATURE_LENGTHS"),
        (lambda: Prompts(5, init.random_uniform, 0, 3), "bank of Prompts is 3"),
        (
            lambda: Data(
                "a",
                {"inputs": 1, "targets": 1},
                "v",
                tokenized="t",
                mixtures={"m": ["a"]},
            ),
            "MIXTURES are drawn by SeqIO",
        ),
    ],
)
def test_settings_are_checked_when_they_are_made(make, words):
    with pytest.raises(ValueError, match=words):
        make()
