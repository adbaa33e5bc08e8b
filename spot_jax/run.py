"""A training run made ready: everything that is decided before the first step."""

import dataclasses
import functools
import logging
import pathlib
from collections.abc import Callable, Mapping, Sequence

import jax

from spot_jax import bank as banks
from spot_jax import config, data, frozen, packing, run_dir, scoring, sharding, step
from spot_jax.evaluation import Evaluator
from spot_jax.examples import Examples, Position, next_examples
from spot_jax.outputs import Outputs
from spot_jax.prompts.soft import SoftPrompt
from spot_jax.settings import Data, Evaluation, Model, Prompts, Training

logger = logging.getLogger(__name__)

# Batches looked at to decide how many rows a step has.
_PLANNED = 20


@dataclasses.dataclass(frozen=True)
class Run:
    """What is ready before the first step.

    Attributes:
        folder: MODEL_DIR.
        model: the T5 on its mesh.
        bank: the prompts, or one entry named "model".
        split: what is trained.
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
    model: frozen.LoadedModel
    bank: list[banks.Entry]
    split: step.Split
    frozen: dict
    trained: dict
    prompt_length: int
    lengths: Mapping[str, int]
    open_examples: list[Callable]
    eval_tasks: dict[int, list[scoring.EvalTask]]
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
    folder = run_dir.check(model_dir, config.text())
    vocabulary = data.set_up_tasks(settings, model.config.vocab_size)
    logger.info("Reading %s.", ", ".join(settings.names))
    load_training = data.training_loader(settings)
    readers = {name: load_training(name) for name in settings.names}
    load_task = functools.cache(lambda name: scoring.load_task(name, how, settings))
    eval_tasks = {
        index: [load_task(name) for name in data.task_names(entry.task, settings)]
        for index, entry in enumerate(bank)
    }

    loaded = _load(model, folder, prompts, seed)
    length = prompts.length if prompts else 0
    if prompts:
        split = step.prompt_tuning(SoftPrompt(length, loaded.config.d_model), len(bank))
        trained = banks.starting_values(bank, length, loaded, vocabulary.encode)
    else:
        split, trained = step.model_tuning(), loaded.params
    return Run(
        folder=folder,
        model=loaded,
        bank=bank,
        split=split,
        frozen=loaded.params if prompts else {},
        trained=trained,
        prompt_length=length,
        lengths=settings.lengths,
        open_examples=[readers[entry.task] for entry in bank],
        eval_tasks=eval_tasks,
        evaluator=Evaluator(loaded, split, how, settings.lengths, length),
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
) -> frozen.LoadedModel:
    if not prompts and model.checkpoint is None:
        return frozen.fresh(model, _only(seed))
    loaded = frozen.load(model)
    run_dir.check_model(folder, loaded.fingerprint)
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


def layout(run: Run, training: Training) -> Callable[[Sequence], dict]:
    """Returns what lays a step's examples out in rows on the mesh."""
    options = {"prompt_length": run.prompt_length}
    row_length = run.prompt_length + run.lengths["inputs"]
    multiple = run.model.mesh.shape["data"] * training.microbatches
    if training.pack:
        first = open_examples(run, [Position()] * len(run.bank))
        batches = [next_examples(first, training.batch_size) for _ in range(_PLANNED)]
        shape = packing.plan(
            batches,
            row_length=row_length,
            target_limit=max(run.lengths["targets"], row_length // 2),
            rows_multiple=multiple,
            **options,
        )
        lay_out = functools.partial(packing.pack, shape=shape, **options)
    else:
        lay_out = functools.partial(
            packing.one_per_row,
            row_length=row_length,
            target_length=run.lengths["targets"],
            rows_multiple=multiple,
            **options,
        )
    return lambda examples: sharding.shard_rows(lay_out(examples), run.model.mesh)


def open_examples(run: Run, positions: Sequence[Position]) -> list[Examples]:
    """Opens each prompt's own order of examples, where it stands."""
    return [
        reader(entry.seed, position)
        for reader, entry, position in zip(
            run.open_examples, run.bank, positions, strict=True
        )
    ]
