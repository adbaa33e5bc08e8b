"""A training run made ready: everything that is decided before the first step."""

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any

import jax

from spot_jax.data import eval_tasks, head_targets, loading, sentinel
from spot_jax.data.eval_tasks import EvalTask
from spot_jax.data.length_check import LengthCheck
from spot_jax.data.model_vocabulary import with_vocabulary
from spot_jax.data.orders import Examples, Position
from spot_jax.errors import InputError
from spot_jax.model import architecture, weights
from spot_jax.model.binding import apart
from spot_jax.model.weights import LoadedModel
from spot_jax.scoring import head_answers
from spot_jax.settings import Data, Evaluation, Loss, Model, Prompts, Training
from spot_jax.t5 import parameter_shapes
from spot_jax.training import bank as banks
from spot_jax.training.bank import Entry
from spot_jax.training.batches import Stands, stands_of
from spot_jax.training.checkpoint import Checkpoints
from spot_jax.training.outputs import Outputs
from spot_jax.training.step import TrainState

logger = logging.getLogger(__name__)

# From a position, a prompt's own order of examples.
Opener = Callable[[Position], Examples]


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
    if not prompts and model.weights_dtype == "int8":
        raise InputError(
            "WEIGHTS_DTYPE is 'int8', in which a model cannot be tuned. Leave it out."
        )
    if training.tuned is not None:
        apart(parameter_shapes(model.config)[0], training.tuned)


def check_head(prompts: Prompts | None, loss: Loss) -> None:
    """Refuses what a head cannot be trained with.

    Raises:
        InputError: naming the macro.
    """
    if prompts and prompts.head is not None and loss.label_smoothing:
        raise InputError(
            f"LABEL_SMOOTHING is {loss.label_smoothing}, which is of texts; a head "
            "(HEAD) has none. Leave it out."
        )


def tell_of_embedding(prompts: Prompts | None, training: Training) -> None:
    """Says where a run of prompts will keep none that embeds its task."""
    if not prompts:
        return
    ends = [training.steps if n is None else n for n in prompts.step_counts]
    if training.embedding_step > min(ends):
        some = "the run ends" if len(ends) == 1 else "there are prompts that end"
        logger.info(
            "EMBEDDING_STEP is %d, and %s at step %d: no early prompt will "
            "be kept, and `transfer` would compare final ones. To compare this task "
            "with others set --gin.EMBEDDING_STEP, the same in all of their runs.",
            *(training.embedding_step, some, min(ends)),
        )


def readers_of(
    bank: Sequence[Entry],
    data: Data,
    streams: dict[str, LengthCheck] | None = None,
    head: str | None = None,
    vocabulary: Any = None,
) -> list[Opener]:
    """Reads the training examples of every prompt; what prompts share, once.

    Args:
        bank: the prompts.
        data: their tasks.
        streams: where every task that is streamed puts what counts its examples.
        head: what answers, where it is not the language model.
        vocabulary: encodes the classes of heads.

    Raises:
        InputError: see `loading.training_loader`.
    """
    logger.info("Reading %s.", ", ".join(data.names))
    numbers = _numbers(bank, data, vocabulary) if head == "cls" else {}
    load = loading.training_loader(data, streams, head, numbers)
    readers = {name: load(name) for name in data.names}
    return [functools.partial(readers[entry.task], entry.seed) for entry in bank]


def _numbers(
    bank: Sequence[Entry], data: Data, vocabulary: Any
) -> dict[str, loading.Number]:
    """Returns what makes numbers of the targets of every task that is classified."""
    answers, limit = sentinel.answers_of(vocabulary, data), data.lengths["targets"]
    return {
        task: head_targets.numbers(classes, answers, limit, task)
        for name, classes in {entry.task: entry.classes for entry in bank}.items()
        for task in loading.task_names(name, data)
    }


def tasks_of(
    bank: Sequence[Entry],
    evaluation: Evaluation,
    data: Data,
    head: str | None = None,
) -> dict[int, list[EvalTask]]:
    """Reads what every prompt (by its index) is evaluated on: a mixture's members."""
    evaluation = head_answers.evaluated(head, evaluation)
    # Prompts of a task share its examples, and the evaluator then asks them together.
    load = functools.cache(lambda name: eval_tasks.load_task(name, evaluation, data))
    found = {
        index: [load(name) for name in loading.task_names(entry.task, data)]
        for index, entry in enumerate(bank)
    }
    for task in (task for tasks in found.values() for task in tasks):
        head_answers.check_task(head, task)
    return found


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


def resumed(
    state: TrainState,
    bank: Sequence[Entry],
    checkpoints: Checkpoints,
    outputs: Outputs,
) -> tuple[TrainState, Stands]:
    """Returns the state and where the data stands, new or where the run stopped.

    Raises:
        InputError: when the checkpoint is damaged, or of other prompts.
    """
    restored = checkpoints.restore(state)
    if not restored:
        return state, Stands([Position() for _ in bank])
    state, progress = restored
    stands = stands_of(progress)
    if len(stands.positions) != len(bank):
        raise InputError(
            f"The checkpoint of step {int(state.step)} is of {len(stands.positions)} "
            f"prompts, and the run of {len(bank)}. Delete its folder to resume from "
            "the one before, or choose another MODEL_DIR."
        )
    outputs.resume(progress["best"])
    logger.info("Resuming at step %d.", int(state.step))
    return state, stands
