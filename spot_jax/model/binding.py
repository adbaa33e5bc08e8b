"""What is trained and what is frozen, and how the two make a model with its prompts."""

import dataclasses
from collections.abc import Callable

import jax
from jaxtyping import PyTree

from spot_jax.prompts.base import PromptBundle, PromptSource


@dataclasses.dataclass(frozen=True)
class Binding:
    """How trained and frozen arrays make a model and its prompts.

    Attributes:
        bind: `(trained, frozen) -> (T5 parameters, prompt bundle or None)`.
        bank: number of prompts N, the leading axis of every trained array; None where
            the trained arrays have no such axis (the model itself).
    """

    bind: Callable[[PyTree, PyTree], tuple[PyTree, PromptBundle | None]]
    bank: int | None

    @property
    def prompts(self) -> int:
        """How many losses there are: one a prompt, or one for the model."""
        return self.bank or 1


def prompt_tuning(source: PromptSource, bank: int) -> Binding:
    """Trains a bank of prompts in front of a frozen model.

    Args:
        source: the kind of prompt; its parameters carry a leading bank axis.
        bank: how many prompts.
    """

    def bind(trained, frozen):
        return frozen, bank_bundle(source, trained)

    return Binding(bind, bank)


def bank_bundle(source: PromptSource, trained: PyTree) -> PromptBundle:
    """Returns the bundle of a bank, enc_input [bank, prompt, d_model]."""
    return jax.vmap(lambda parameters: source.apply({"params": parameters}))(trained)


def model_tuning() -> Binding:
    """Trains the whole model, without a prompt: the baseline."""
    return Binding(lambda trained, frozen: (trained, None), None)
