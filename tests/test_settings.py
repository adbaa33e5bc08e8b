import functools

import pytest

from spot_jax.errors import InputError
from spot_jax.prompts import init
from spot_jax.prompts.deep_kv import DeepKV
from spot_jax.prompts.deep_prompt import DeepPrompt
from spot_jax.prompts.p_tuning import PTuning
from spot_jax.prompts.prefix_mlp import PrefixMLP
from spot_jax.prompts.soft import SoftPrompt
from spot_jax.settings import Prompts, Training


def test_what_follows_a_step():
    training = Training(
        12, eval_period=4, checkpoint_period=3, log_period=5, embedding_step=7
    )
    due = {number: training.due(number) for number in range(1, 13)}
    assert {n for n in due if "evaluate" in due[n]} == {4, 8, 12}
    assert {n for n in due if "save" in due[n]} == {3, 6, 9, 12}
    assert {n for n in due if "embed" in due[n]} == {7}
    assert {n for n in due if "log" in due[n]} == {3, 4, 5, 6, 7, 8, 9, 10, 12}
    assert {n for n in due if "last" in due[n]} == {12}


def test_where_a_prompt_leaves_its_metrics_are_there_and_nothing_else_of_others():
    training = Training(12, eval_period=4, checkpoint_period=3, log_period=5)
    assert training.due(7, {7, None}) == {"leave", "log"}
    assert training.due(8, {8}) == {"leave", "log", "evaluate"}
    assert training.due(7, {8, None}) == set()


@pytest.mark.parametrize(
    ("kind", "is_refused"),
    [
        (SoftPrompt, True),
        (PTuning, True),
        (DeepPrompt, True),
        (DeepKV, False),
        (functools.partial(DeepKV, layers="16:24"), False),
        (functools.partial(DeepKV, layers="90:"), False),
        (PrefixMLP, False),
    ],
)
def test_only_what_stands_before_the_input_may_not_outweigh_it(kind, is_refused):
    """Keys and values take no room of it: 200 of them for 128 tokens are published."""
    prompts = Prompts([5, 200], init.drawn, kind=kind)
    prompts.check_against({"inputs": 200, "targets": 8})
    lengths = {"inputs": 128, "targets": 8}
    if is_refused:
        with pytest.raises(InputError, match="PROMPT_LENGTH is 200, the inputs are at"):
            prompts.check_against(lengths)
    else:
        prompts.check_against(lengths)
