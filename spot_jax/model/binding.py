"""What is trained and what is frozen, and how the two make a model with its prompts."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from spot_jax.prompts.base import BANK_AXES, PromptBundle, PromptSource, sites


@dataclasses.dataclass(frozen=True)
class Binding:
    """How trained and frozen arrays make a model and its prompts.

    Attributes:
        bundle: from the trained arrays to the bank of prompts that they are; None where
            there is no prompt.
        bank: number of prompts N, the leading axis of every trained array; None where
            the trained arrays have no such axis.
        tunes_model: whether the trained arrays are the T5 itself.
    """

    bundle: Callable[[PyTree], PromptBundle | None]
    bank: int | None
    tunes_model: bool = False

    def bind(
        self, trained: PyTree, frozen: PyTree
    ) -> tuple[PyTree, PromptBundle | None]:
        """Returns the T5's parameters and the prompts."""
        return trained if self.tunes_model else frozen, self.bundle(trained)

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
    return Binding(lambda trained: bank_bundle(source, trained), bank)


def bank_bundle(source: PromptSource, trained: PyTree) -> PromptBundle:
    """Returns the bundle of a bank, whose arrays have the axes of `base.BANK_AXES`."""
    bank = jax.vmap(lambda parameters: source.apply({"params": parameters}))(trained)
    moved = {
        site: jnp.moveaxis(array, 0, BANK_AXES[site])
        for site, array in sites(bank).items()
        # vmap puts the bank first, where a soft prompt has it.
        if BANK_AXES[site]
    }
    return bank.replace(**moved)


def saved_prompts(bank: int) -> Binding:
    """Binds prompts that are only used: what stands for "trained" is their bundle.

    Args:
        bank: how many prompts.
    """
    return Binding(lambda bundle: bundle, bank)


def model_alone() -> Binding:
    """Binds a frozen model without any prompt."""
    return Binding(lambda _: None, None)


def model_tuning() -> Binding:
    """Trains the whole model, without a prompt: the baseline."""
    return Binding(lambda _: None, None, tunes_model=True)
