"""Kinds of prompts by name, each tuned as its file of gin/prompts has it."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from spot_jax import optim
from spot_jax.errors import InputError
from spot_jax.optim import Optimizer
from spot_jax.prompts.base import PromptKind
from spot_jax.prompts.deep_kv import DeepKV
from spot_jax.prompts.deep_prompt import DeepPrompt
from spot_jax.prompts.p_tuning import PTuning
from spot_jax.prompts.prefix_mlp import PrefixMLP
from spot_jax.prompts.soft import SoftPrompt


class Recipe(NamedTuple):
    """How a kind of prompt is tuned where nobody says otherwise.

    Attributes:
        kind: from a length and a T5 to the source of such prompts.
        start: of `tuning.STARTS`.
        length: how many vectors, or keys and values in each layer.
        rate: the learning rate, or several, at which training begins.
        optimizer: from rates and the number of steps to what makes the optimizer.
    """

    kind: PromptKind
    start: str
    length: int
    rate: float
    optimizer: Callable[[Any, int], Callable[..., Optimizer]]


def _adafactor(rate: optim.Rate, steps: int) -> Callable[..., Optimizer]:
    del steps
    return functools.partial(optim.adafactor, rate)


def _falling(rate: optim.Rate, steps: int) -> Callable[..., Optimizer]:
    return functools.partial(optim.adamw, optim.linear_decay(rate, steps))


def _p_tuning(rate: optim.Rate, steps: int) -> Callable[..., Optimizer]:
    del steps
    schedule = optim.exponential_decay(rate, 0.98)
    return functools.partial(optim.adamw, schedule, weight_decay=5e-4)


RECIPES = {
    "soft": Recipe(SoftPrompt, "class_labels", 100, 0.3, _adafactor),
    "p_tuning_v2": Recipe(DeepKV, "drawn", 20, 5e-3, _falling),
    "prefix_tuning": Recipe(PrefixMLP, "drawn", 10, 5e-5, _falling),
    "p_tuning": Recipe(PTuning, "drawn", 20, 1e-5, _p_tuning),
    "deep_prompt": Recipe(DeepPrompt, "drawn", 20, 0.3, _adafactor),
}


def recipe_of(kind: str | PromptKind) -> Recipe:
    """Returns how a kind is tuned.

    Args:
        kind: its name; or its class, options bound by functools.partial, which is tuned
            as that of the name or, where it is of none, as a soft prompt.

    Raises:
        InputError: when there is no such kind.
    """
    if isinstance(kind, str) and kind in RECIPES:
        return RECIPES[kind]
    if not callable(kind):
        raise InputError(
            f"There is no kind {kind!r} of prompt: it is {', '.join(RECIPES)}, or a "
            "class that makes such prompts (prompts/base.py, PromptKind)."
        )
    made_by = kind.func if isinstance(kind, functools.partial) else kind
    known = [recipe for recipe in RECIPES.values() if recipe.kind is made_by]
    return (known or [RECIPES["soft"]])[0]._replace(kind=kind)
