"""A training run made ready: everything that is decided before the first step."""

import dataclasses
import functools
import logging
import pathlib
from collections.abc import Callable, Mapping, Sequence

import jax

from spot_jax import config
from spot_jax.data import eval_tasks, loading
from spot_jax.model import sharding, weights
from spot_jax.model.binding import Binding, model_tuning, prompt_tuning
from spot_jax.model_dir import claim
from spot_jax.prompts.soft import SoftPrompt
from spot_jax.scoring.evaluator import Evaluator
from spot_jax.settings import Data, Evaluation, Model, Prompts
from spot_jax.training import bank as banks
from spot_jax.training import step
from spot_jax.training.outputs import Outputs

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Run:
    """What is ready before the first step.

    Attributes:
        folder: MODEL_DIR.
        model: the T5 on its mesh.
        bank: the prompts, or one entry named "model".
        binding: what is trained.
        frozen: the parameters that do not move.
        trained: the starting values of those that do.
        prompt_length: slots in front of every input, 0 when the model is tuned.
        lengths: TASK_FEATURE_LENGTHS.
        open_examples: for each prompt, `(seed, position) -> Examples`.
        eval_tasks: for each prompt, what it is evaluated on.
        evaluator: what evaluates it.
        outputs: what writes its files.
    """

    folder: pathlib.Path
    model: weights.LoadedModel
    bank: list[banks.Entry]
    binding: Binding
    frozen: dict
    trained: dict
    prompt_length: int
    lengths: Mapping[str, int]
    open_examples: list[Callable]
    eval_tasks: dict[int, list[eval_tasks.EvalTask]]
    evaluator: Evaluator
    outputs: Outputs


def prepare(
    model_dir: str,
    model: Model,
    settings: Data,
    how: Evaluation,
    prompts: Prompts | None,
    seed: int | Sequence[int],
) -> Run:
    """Checks and reads everything a run needs, cheap things first.

    Args:
        model_dir: MODEL_DIR.
        model: the T5.
        settings: the tasks and their lengths.
        how: how prompts are evaluated.
        prompts: the prompts; None tunes the model.
        seed: of a model that is trained from scratch.

    Raises:
        ValueError: for anything wrong with the settings, the data or the checkpoint.
    """
    bank = _bank(settings, prompts, seed)
    folder = claim.check(model_dir, config.text())
    vocabulary = loading.set_up_tasks(settings, model.config.vocab_size)
    logger.info("Reading %s.", ", ".join(settings.names))
    load_training = loading.training_loader(settings)
    readers = {name: load_training(name) for name in settings.names}
    load_task = functools.cache(lambda name: eval_tasks.load_task(name, how, settings))
    evaluated_on = {
        index: [load_task(name) for name in loading.task_names(entry.task, settings)]
        for index, entry in enumerate(bank)
    }

    loaded = _load(model, folder, prompts, seed)
    length = prompts.length if prompts else 0
    if prompts:
        binding = prompt_tuning(SoftPrompt(length, loaded.config.d_model), len(bank))
        trained = banks.starting_values(bank, length, loaded, vocabulary.encode)
    else:
        binding, trained = model_tuning(), loaded.params
    return Run(
        folder=folder,
        model=loaded,
        bank=bank,
        binding=binding,
        frozen=loaded.params if prompts else {},
        trained=trained,
        prompt_length=length,
        lengths=settings.lengths,
        open_examples=[readers[entry.task] for entry in bank],
        eval_tasks=evaluated_on,
        evaluator=Evaluator(loaded, binding, how, settings.lengths, length),
        outputs=Outputs(folder, bank, loaded, is_model=prompts is None),
    )


def _bank(
    settings: Data, prompts: Prompts | None, seed: int | Sequence[int]
) -> list[banks.Entry]:
    if prompts:
        prompts.check_against(settings.lengths)
        return banks.entries(settings.names, prompts)
    if len(settings.names) == 1:
        return [banks.Entry("model", settings.names[0], _only(seed), None)]
    raise ValueError(
        f"A model is tuned on one task or mixture, not on {settings.names}; name a "
        "mixture of them."
    )


def _load(
    model: Model,
    folder: pathlib.Path,
    prompts: Prompts | None,
    seed: int | Sequence[int],
) -> weights.LoadedModel:
    if not prompts and model.checkpoint is None:
        return weights.fresh(model, _only(seed))
    loaded = weights.load(model)
    claim.check_model(folder, loaded.fingerprint)
    return loaded


def _only(seed: int | Sequence[int]) -> int:
    if isinstance(seed, int):
        return seed
    raise ValueError(f"A model is tuned with one RANDOM_SEED, not with {list(seed)}.")


def state_shardings(state: step.TrainState, run: Run) -> step.TrainState:
    """Returns where a state lives: statistics of an array are split as the array is.

    An optimizer keeps them in trees like that of the parameters, so the end of a
    statistic's path is the path of its parameter.
    """
    whole = sharding.replicated(run.model.mesh)
    flat = jax.tree_util.tree_leaves_with_path(run.trained)
    known = {_keys(path): array for path, array in flat}

    def find(path, leaf):
        keys = _keys(path)
        for start in range(len(keys)):
            array = known.get(keys[start:])
            if array is not None and array.shape == leaf.shape:
                return array.sharding
        return whole

    return jax.tree_util.tree_map_with_path(find, state)


def _keys(path: tuple) -> tuple[str, ...]:
    return tuple(jax.tree_util.keystr((key,), simple=True) for key in path)
