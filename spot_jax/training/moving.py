"""What of a run moves: its prompts or the model, taken apart, bound and laid out."""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding
from jaxtyping import PyTree

from spot_jax.errors import InputError
from spot_jax.model import sharding, tying
from spot_jax.model.binding import (
    Binding,
    apart,
    model_tuning,
    prompt_tuning,
    prompts_of_shapes,
)
from spot_jax.model.weights import LoadedModel
from spot_jax.optim import Optimizer
from spot_jax.prompts.base import (
    KEYS_VALUES,
    Dimensions,
    PromptBundle,
    PromptSource,
    described,
    mixes_in_rows,
    prefix_of,
    sites,
    slots_of,
)
from spot_jax.prompts.heads import Headed
from spot_jax.prompts.starting import shape_of
from spot_jax.settings import Model, Prompts
from spot_jax.settings.training import Tuned
from spot_jax.training import bank as banks
from spot_jax.training import starts as starts_of
from spot_jax.training import step
from spot_jax.training.bank import Entry, Shape
from spot_jax.training.step import TrainState

logger = logging.getLogger(__name__)

_OF_DECODER = ("dec_self", "cross")


class Parts(NamedTuple):
    """A model and its prompts, by what moves.

    Attributes:
        binding: puts the two together again.
        trained: where training begins.
        frozen: the parameters that do not move.
        slots: positions that a prompt takes up in front of every input.
        mixes: whether a row may hold examples of several prompts.
        head: what answers, where it is not the language model.
        prefix: keys that a prompt puts beside those of a row.
    """

    binding: Binding
    trained: PyTree
    frozen: PyTree
    slots: int
    mixes: bool = True
    head: str | None = None
    prefix: int = 0


def parts_of(
    model: LoadedModel,
    bank: Sequence[Entry],
    prompts: Prompts | None,
    encode: Callable[[str], Sequence[int]],
    tuned: Tuned = None,
    known: Sequence[PyTree | None] | None = None,
) -> Parts:
    """Decides what is trained: a bank of prompts, or the model or a part of it.

    Args:
        model: the T5.
        bank: the prompts.
        prompts: their kind and length; None trains the model.
        encode: text -> ids without EOS, for starting values.
        tuned: which part of the model is trained, where it is.
        known: what `check_starts` found.

    Raises:
        InputError: when a starting value does not fit, or there is no such part.
    """
    if not prompts:
        return Parts(model_tuning(), *apart(model.params, tuned), 0)
    sources, binding = bound(bank, prompts, model.config)
    starts = starts_of.starting_values(bank, sources, model, encode, known)
    tying.begin_alike(binding, starts)
    stacked = [
        jax.tree.map(lambda *each: np.stack(each), *(starts[i] for i in members))
        for members in binding.members()
    ]
    trained = sharding.place(binding.joined(stacked), sharding.replicated(model.mesh))
    # Shapes are enough to count the slots.
    bundle = jax.eval_shape(binding.bundle, trained)
    slots, mixes = slots_of(bundle), mixes_in_rows(bundle)
    of_rows = slots, mixes, prompts.head, prefix_of(bundle)
    return Parts(binding, trained, model.params, *of_rows)


def check_starts(
    bank: Sequence[Entry],
    prompts: Prompts | None,
    model: Model,
    encode: Callable[[str], Sequence[int]],
) -> list[PyTree | None] | None:
    """Refuses starts that no prompt of the bank can have, before the model is loaded.

    Returns:
        What is known of the others already; see `starts.check_starts`.

    Raises:
        InputError: see `starts.check_starts`; also when the head reads nothing of the
            prompt.
    """
    if prompts:
        sources, _ = bound(bank, prompts, model.config)
        _check_read(shape_of(next(iter(sources.values()))))
        return starts_of.check_starts(bank, sources, model.config, encode)
    return None


def _check_read(shape: PromptBundle) -> None:
    """Says which sites a head that stands beside the input never reads.

    Raises:
        InputError: when these are all.
    """
    unread = [site for site in _OF_DECODER if site in sites(shape)]
    if shape.head is None or not shape.head.is_beside or not unread:
        return
    about = f"HEAD is {shape.head.kind!r}, whose states are the encoder's"
    if len(unread) == len(sites(shape)):
        raise InputError(
            f"{about}, and the prompt is {described(shape)}, which the decoder alone "
            "reads. Set --gin.PROMPT_SITES=\"['enc_self']\"."
        )
    logger.info(
        "%s: %s is never read; --gin.PROMPT_SITES=\"['enc_self']\" leaves it out.",
        *(about, " and ".join(unread)),
    )


def bound(
    bank: Sequence[Entry], prompts: Prompts, model: Dimensions
) -> tuple[dict[Shape, PromptSource], Binding]:
    """Returns what makes prompts of each shape, and what binds the bank of them.

    Raises:
        InputError: when PREFIX_DROPOUT is given, and there is nothing to drop.
    """
    sources: dict[Shape, PromptSource] = {}
    for entry in bank:
        source = prompts.kind(length=entry.length, model=model)
        if prompts.head is not None:
            source = Headed(source, prompts.head, entry.classes, model.d_model)
        sources.setdefault(entry.shape, source)
    if len(sources) == 1:
        binding = prompt_tuning(*sources.values(), len(bank))
    else:
        binding = prompts_of_shapes(sources, [entry.shape for entry in bank])
    if prompts.dropout:
        _check_dropout(prompts.dropout, next(iter(sources.values())))
    ties = banks.ties(bank, prompts)
    return sources, dataclasses.replace(binding, ties=ties, dropout=prompts.dropout)


def _check_dropout(rate: float, source: PromptSource) -> None:
    """Raises InputError where there are no keys and values, or not these alone."""
    shape = shape_of(source)
    if not sites(shape).keys() <= set(KEYS_VALUES):
        raise InputError(
            f"PREFIX_DROPOUT is {rate}, which is of keys and values, and this kind of "
            f"prompt is {described(shape)}. Leave it out; the T5's own is DROPOUT_RATE."
        )


def first_state(parts: Parts, optimizer: Optimizer, mesh: Mesh) -> TrainState:
    """Returns the state before the first step, on the mesh."""
    state = step.initial_state(parts.trained, optimizer, parts.binding)
    places = places_of(state, parts.trained, parts.binding, optimizer, mesh)
    return sharding.place(state, places)


def places_of(
    state: TrainState,
    trained: PyTree,
    binding: Binding,
    optimizer: Optimizer,
    mesh: Mesh,
) -> TrainState | NamedSharding:
    """Returns where a state lies: a sharding for all of it, or for each array.

    Prompts and their statistics are on every device whole; of a model that is tuned, a
    statistic is split as the array that it is of.

    Args:
        state: arrays, or their shapes.
        trained: of the same, with shardings.
        binding: what is trained.
        optimizer: whose statistics the state has.
        mesh: where.
    """
    whole = sharding.replicated(mesh)
    if not binding.tunes_model:
        return whole
    of_optimizer = optax.tree_map_params(
        optimizer.transformation,
        # A factored statistic is a row or a column of its array: those are small.
        lambda leaf, array: array.sharding if leaf.shape == array.shape else whole,
        state.optimizer,
        trained,
        transform_non_params=lambda _: whole,
    )
    return TrainState(whole, sharding.places(trained), of_optimizer, whole)
