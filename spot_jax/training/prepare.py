"""A training run made ready: everything that is decided before the first step."""

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding
from jaxtyping import PyTree

from spot_jax.data import eval_tasks, loading
from spot_jax.data.eval_tasks import EvalTask
from spot_jax.data.length_check import LengthCheck
from spot_jax.data.model_vocabulary import with_vocabulary
from spot_jax.data.orders import Examples, Position
from spot_jax.errors import InputError
from spot_jax.model import architecture, automatic, sharding, weights
from spot_jax.model.binding import (
    Binding,
    apart,
    model_tuning,
    prompt_tuning,
    prompts_of_lengths,
)
from spot_jax.model.weights import LoadedModel
from spot_jax.optim import Optimizer
from spot_jax.prompts.base import Dimensions, PromptSource, mixes_in_rows, slots_of
from spot_jax.settings import Data, Evaluation, Model, Prompts, Training
from spot_jax.settings.training import Tuned
from spot_jax.t5 import parameter_shapes
from spot_jax.training import bank as banks
from spot_jax.training import step
from spot_jax.training.bank import Entry
from spot_jax.training.checkpoint import Checkpoints
from spot_jax.training.outputs import Outputs
from spot_jax.training.step import TrainState

logger = logging.getLogger(__name__)

# From a position, a prompt's own order of examples.
Opener = Callable[[Position], Examples]


# Examples that several processes compare before they begin.
_COMPARED = 16


class Parts(NamedTuple):
    """A model and its prompts, by what moves.

    Attributes:
        binding: puts the two together again.
        trained: where training begins.
        frozen: the parameters that do not move.
        slots: positions that a prompt takes up in front of every input.
        mixes: whether a row may hold examples of several prompts.
    """

    binding: Binding
    trained: PyTree
    frozen: PyTree
    slots: int
    mixes: bool = True


def bank_of(
    data: Data,
    prompts: Prompts | None,
    seed: int | Sequence[int],
    rates: Sequence[float],
) -> list[Entry]:
    """Lists the prompts of a run, or the model as its one entry "model".

    Args:
        data: the tasks.
        prompts: None: the model is tuned.
        seed: of the model.
        rates: the optimizer's.

    Raises:
        InputError: when they do not fit together.
    """
    data.check_named()
    if prompts:
        prompts.check_against(data.lengths)
        return banks.entries(data.names, prompts, rates or (None,))
    if len(rates) > 1:
        raise InputError(
            f"A model is tuned with one LEARNING_RATE, not with {list(rates)}."
        )
    if len(data.names) == 1:
        return [Entry("model", data.names[0], _only(seed), rate=(*rates, None)[0])]
    raise InputError(
        f"A model is tuned on one task or mixture, not on {data.names}; name a "
        "mixture of them."
    )


def _only(seed: int | Sequence[int]) -> int:
    if isinstance(seed, int):
        return seed
    raise InputError(f"A model is tuned with one RANDOM_SEED, not with {list(seed)}.")


def resolved(model: Model, data: Data) -> tuple[Model, Data]:
    """Returns which T5 it is, and the data with the vocabulary that is its own.

    Raises:
        InputError: when nothing tells it, or what tells it differs.
    """
    description = architecture.described(model)
    model = architecture.resolved(model, description)
    return model, with_vocabulary(data, description)


def check_tuned(prompts: Prompts | None, training: Training, model: Model) -> None:
    """Refuses what is said of a tuned model where it is not there, or none is tuned.

    Args:
        prompts: None: the model is tuned.
        training: how.
        model: of which the shape is known.

    Raises:
        InputError: naming the macro.
    """
    asked = {"TUNED_LAYERS": training.tuned, "SAVE_MODEL_PERIOD": training.model_period}
    for macro, value in asked.items():
        if prompts and value is not None:
            raise InputError(
                f"{macro} is {value!r}, which is of model tuning, and this run trains "
                "prompts over a model that is frozen. Leave it out, or take "
                "gin/runs/model_tune_top.gin or lm_adapt.gin."
            )
    if training.tuned is not None:
        apart(parameter_shapes(model.config)[0], training.tuned)


def tell_of_embedding(prompts: Prompts | None, training: Training) -> None:
    """Says where a run of prompts will keep none that embeds its task."""
    if prompts and training.embedding_step > training.steps:
        logger.info(
            "EMBEDDING_STEP is %d, and the run ends at step %d: no early prompt will "
            "be kept, and `transfer` would compare final ones. To compare this task "
            "with others set --gin.EMBEDDING_STEP, the same in all of their runs.",
            *(training.embedding_step, training.steps),
        )


def readers_of(
    bank: Sequence[Entry], data: Data, streams: dict[str, LengthCheck] | None = None
) -> list[Opener]:
    """Reads the training examples of every prompt; what prompts share, once.

    Every task that is streamed puts into `streams` what counts its examples.
    """
    logger.info("Reading %s.", ", ".join(data.names))
    load = loading.training_loader(data, streams)
    readers = {name: load(name) for name in data.names}
    return [functools.partial(readers[entry.task], entry.seed) for entry in bank]


def tasks_of(
    bank: Sequence[Entry], evaluation: Evaluation, data: Data
) -> dict[int, list[EvalTask]]:
    """Reads what every prompt (by its index) is evaluated on: a mixture's members."""
    # Prompts of a task share its examples, and the evaluator then asks them together.
    load = functools.cache(lambda name: eval_tasks.load_task(name, evaluation, data))
    return {
        index: [load(name) for name in loading.task_names(entry.task, data)]
        for index, entry in enumerate(bank)
    }


def beginnings(readers: Sequence[Opener]) -> list[str]:
    """Returns the first examples of every prompt, as text that tells them apart."""
    found = []
    for open_at in readers:
        pairs = open_at(Position()).take(_COMPARED)
        found.append(repr([[part.tolist() for part in pair] for pair in pairs]))
    return found


def mesh_of(
    model: Model, prompts: Prompts | None, devices: Sequence[jax.Device] | None
) -> str:
    """Returns how a model would lie on the devices, as text that tells it apart."""
    place = automatic.place_of(devices)
    settled = automatic.settled(model, place, is_tuned=not prompts)
    return repr((settled.num_partitions, settled.weights_dtype, settled.config))


def facts(
    configuration: str, vocabulary: Mapping[str, Any], begins: Sequence[str], mesh: str
) -> dict[str, str]:
    """Returns what several processes of a run compare: {what it is: its text}."""
    # What a run may change between two starts may not differ within one.
    return {
        "The configuration": configuration,
        "The model on its mesh": mesh,
        "The vocabulary": str(vocabulary.get("fingerprint")),
        "The data": "\n".join(begins),
    }


def load_model(
    model: Model,
    prompts: Prompts | None,
    seed: int | Sequence[int],
    devices: Sequence[jax.Device] | None,
) -> LoadedModel:
    """Loads the T5, or draws one where it is trained from scratch."""
    if not prompts and model.checkpoint is None:
        return weights.draw(model, _only(seed), devices)
    return weights.load(model, devices, is_tuned=not prompts)


def parts_of(
    model: LoadedModel,
    bank: Sequence[Entry],
    prompts: Prompts | None,
    encode: Callable[[str], Sequence[int]],
    tuned: Tuned = None,
) -> Parts:
    """Decides what is trained: a bank of prompts, or the model or a part of it.

    Args:
        model: the T5.
        bank: the prompts.
        prompts: their kind and length; None trains the model.
        encode: text -> ids without EOS, for starting values.
        tuned: which part of the model is trained, where it is.

    Raises:
        InputError: when a starting value does not fit, or there is no such part.
    """
    if not prompts:
        return Parts(model_tuning(), *apart(model.params, tuned), 0)
    sources, binding = bound(bank, prompts, model.config)
    starts = banks.starting_values(bank, sources, model, encode)
    stacked = [
        jax.tree.map(lambda *each: np.stack(each), *(starts[i] for i in members))
        for members in binding.members()
    ]
    trained = sharding.place(binding.joined(stacked), sharding.replicated(model.mesh))
    # Shapes are enough to count the slots.
    bundle = jax.eval_shape(binding.bundle, trained)
    slots, mixes = slots_of(bundle), mixes_in_rows(bundle)
    return Parts(binding, trained, model.params, slots, mixes)


def check_starts(
    bank: Sequence[Entry],
    prompts: Prompts | None,
    model: Model,
    encode: Callable[[str], Sequence[int]],
) -> None:
    """Refuses starts that no prompt of the bank can have, before the model is loaded.

    Raises:
        InputError: see `bank.check_starts`.
    """
    if prompts:
        sources, _ = bound(bank, prompts, model.config)
        banks.check_starts(bank, sources, model.config, encode)


def bound(
    bank: Sequence[Entry], prompts: Prompts, model: Dimensions
) -> tuple[dict[int, PromptSource], Binding]:
    """Returns what makes prompts of each length, and what binds the bank of them."""
    sources = {n: prompts.kind(length=n, model=model) for n in prompts.lengths}
    if len(sources) == 1:
        return sources, prompt_tuning(*sources.values(), len(bank))
    return sources, prompts_of_lengths(sources, [entry.length for entry in bank])


def base_step(training: Training, model: LoadedModel) -> int:
    """Returns the step that the optimizer's clock goes on from; 0 if none is known."""
    if isinstance(training.optimizer_clock, int):
        return training.optimizer_clock
    if model.step is None:
        logger.info(
            "%s does not say at which step it was saved, so the optimizer's clock "
            "begins at 0. T5X's goes on from the checkpoint's step: set "
            "OPTIMIZER_CLOCK, 1100000 for LM-adapted T5 1.1, 1000000 for T5 1.1.",
            model.source,
        )
    return model.step or 0


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
    of_trained = jax.tree.map(lambda array: array.sharding, trained)
    return TrainState(whole, of_trained, of_optimizer)


def resumed(
    state: TrainState,
    bank: Sequence[Entry],
    checkpoints: Checkpoints,
    outputs: Outputs,
) -> tuple[TrainState, list[Position]]:
    """Returns the state and where the data stands, new or where the run stopped.

    Raises:
        InputError: when the checkpoint is damaged, or of other prompts.
    """
    restored = checkpoints.restore(state)
    if not restored:
        return state, [Position() for _ in bank]
    state, progress = restored
    positions = [Position(**position) for position in progress["positions"]]
    if len(positions) != len(bank):
        raise InputError(
            f"The checkpoint of step {int(state.step)} is of {len(positions)} prompts, "
            f"and the run of {len(bank)}. Delete its folder to resume from the one "
            "before, or choose another MODEL_DIR."
        )
    outputs.resume(progress["best"])
    logger.info("Resuming at step %d.", int(state.step))
    return state, positions
