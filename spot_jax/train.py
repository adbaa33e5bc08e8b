"""Program: learn a bank of prompts over a frozen T5, or tune the T5 itself.

A run reads its tasks, loads the model, trains, evaluates and writes, into MODEL_DIR:

    config.gin, run.json     what ran: configuration, versions, commit, devices
    metrics.jsonl            every metric; tensorboard/ has the same
    prompts/NAME/            best, last and embedding.safetensors of each prompt
    checkpoints/             the state to resume from; never the frozen model
    checkpoint_N/            of model tuning only: the best model, as T5X writes it

The same command continues a run that was stopped, at any moment, to the same end.
"""

import dataclasses
import logging
from collections.abc import Callable, Sequence

import jax
import numpy as np

from spot_jax import config
from spot_jax.data.orders import Position
from spot_jax.data.prefetch import prefetch
from spot_jax.model import objective, sharding, weights
from spot_jax.model_dir import claim, records, story
from spot_jax.optim import Optimizer
from spot_jax.settings import Data, Evaluation, Loss, Model, Prompts, Target, Training
from spot_jax.training import step
from spot_jax.training.batches import batches_of, layout, open_examples
from spot_jax.training.checkpoint import Checkpoints
from spot_jax.training.outputs import Best, best_checkpoint
from spot_jax.training.prepare import Run, prepare, state_shardings

logger = logging.getLogger(__name__)


def train(
    *,
    model_dir: str,
    model: Model,
    data: Data,
    training: Training,
    optimizer: Callable[..., Optimizer],
    evaluation: Evaluation,
    loss: Loss,
    prompts: Prompts | None,
    seed: int | Sequence[int] = 0,
    then: Target | None = None,
) -> dict[str, Best]:
    """Trains, or continues, the run of MODEL_DIR.

    Args:
        model_dir: MODEL_DIR, where everything is written.
        model: the T5.
        data: the tasks and their lengths.
        training: how long, how often.
        optimizer: makes the optimizer, given `base_step`.
        evaluation: how the best prompt is found.
        loss: what is minimised.
        prompts: the prompts to train; None tunes the model itself.
        seed: dropout's, which all prompts of a bank share, and that of a model trained
            from scratch; of several seeds each counts.
        then: a second run, MODEL_DIR/target, that tunes the best model of this one,
            MODEL_DIR/mixture, on another task.

    Returns:
        The best result of every prompt, by its name ("model" for model tuning).

    Raises:
        ValueError: for anything wrong with the settings, before the model is loaded
            where that is possible, or when the loss is not finite.
    """
    rest = (optimizer, evaluation, loss, prompts, seed)
    if then is None:
        return _train_once(model_dir, model, data, training, *rest)
    mixture, target = f"{model_dir}/mixture", f"{model_dir}/target"
    _train_once(mixture, model, data, training, *rest)
    model = dataclasses.replace(model, checkpoint=str(best_checkpoint(mixture)))
    data = dataclasses.replace(data, names=then.name)
    training = dataclasses.replace(training, steps=then.steps)
    return _train_once(target, model, data, training, *rest)


def _train_once(
    model_dir: str,
    model: Model,
    data: Data,
    training: Training,
    optimizer: Callable[..., Optimizer],
    evaluation: Evaluation,
    loss: Loss,
    prompts: Prompts | None,
    seed: int | Sequence[int],
) -> dict[str, Best]:
    run = prepare(model_dir, model, data, evaluation, prompts, seed)
    made = optimizer(base_step=_base_step(training, run.model))
    claim.claim(run.folder, config.text())
    options = objective.LossOptions(
        target_length=data.lengths["targets"],
        microbatches=training.microbatches,
        **dataclasses.asdict(loss),
    )
    return _loop(run, made, options, training, seed)


def _base_step(training: Training, model: weights.LoadedModel) -> int:
    if isinstance(training.optimizer_clock, int):
        return training.optimizer_clock
    if model.step is None:
        raise ValueError(
            f"{model.source} does not say at which step it was saved, and the "
            "optimizer's clock goes on from there. Set --gin.OPTIMIZER_CLOCK=1100000 "
            "for LM-adapted T5 1.1, 1000000 for T5 1.1, or 0 for a clock of its own."
        )
    return model.step


def _loop(
    run: Run,
    optimizer: Optimizer,
    options: objective.LossOptions,
    training: Training,
    seed: int | Sequence[int],
) -> dict[str, Best]:
    checkpoints = Checkpoints(run.folder, training.keep)
    state, positions = _state(run, optimizer, checkpoints)
    done = int(state.step)
    if done >= training.steps:
        logger.info("The run is complete: %d steps were asked for.", training.steps)
        checkpoints.close()
        return run.outputs.best
    examples = open_examples(run, positions)
    laid_out = prefetch(batches_of(examples, layout(run, training), training, done))
    story.describe(run.folder, {"model": run.model.story(), "resumed_at": done})

    # The machinery.
    train_step = step.make_train_step(
        run.model.config, run.binding, optimizer, options, run.model.mesh
    )
    key = jax.device_put(_key(seed), sharding.replicated(run.model.mesh))
    metrics = records.Metrics(run.folder, done)
    prompts, left = len(run.bank), training.steps - done
    rows = training.batch_size * prompts
    progress_bar = records.Progress(training.steps, done, rows)
    recent: list[dict] = []
    about = "Training %d prompt(s) for %d steps; the first step compiles."
    logger.info(about, prompts, left)

    # The steps.
    for number, (batch, positions) in enumerate(laid_out, start=done + 1):
        state, step_metrics = train_step(state, run.frozen, batch, key)
        recent.append(step_metrics)
        progress_bar.step()
        is_last = number == training.steps
        evaluates = is_last or number % training.eval_period == 0
        saves = is_last or number % training.checkpoint_period == 0
        embeds = number == training.embedding_step
        if evaluates or saves or embeds or number % training.log_period == 0:
            values = _summarise(recent, run, number)
            recent = []
            _log(metrics, progress_bar, run, number, values, optimizer)
        if embeds:
            run.outputs.write("embedding", state.trained, number, {})
        if evaluates:
            with progress_bar.paused():
                _evaluate(metrics, run, number, state)
        if is_last:
            # Before the last checkpoint, which says that nothing is left to do.
            run.outputs.write("last", state.trained, number, {})
        if saves:
            progress = {"positions": positions, "best": run.outputs.progress()}
            checkpoints.save(state, progress)
    progress_bar.close()
    checkpoints.close()
    metrics.close()
    return run.outputs.best


def _state(
    run: Run, optimizer: Optimizer, checkpoints: Checkpoints
) -> tuple[step.TrainState, list[Position]]:
    """Returns the state and where the data stands, new or where the run stopped."""
    state = step.initial_state(run.trained, optimizer, run.binding)
    state = jax.device_put(state, state_shardings(state, run))
    restored = checkpoints.restore(state)
    if not restored:
        return state, [Position() for _ in run.bank]
    state, progress = restored
    run.outputs.resume(progress["best"])
    logger.info("Resuming at step %d.", int(state.step))
    return state, [Position(**position) for position in progress["positions"]]


def _key(seeds: int | Sequence[int]) -> jax.Array:
    """Returns the key of dropout, which no two lists of seeds share."""
    first, *others = [seeds] if isinstance(seeds, int) else seeds
    # The default generator doubles the time that small steps take on a CPU.
    key = jax.random.key(first, impl="rbg")
    for other in others:
        key = jax.random.fold_in(key, other)
    return key


def _summarise(recent: Sequence[dict], run: Run, number: int) -> dict:
    """Averages metrics [bank] over the steps since the last line.

    Raises:
        ValueError: when a loss is not finite.
    """
    recent = jax.device_get(list(recent))
    values = {name: np.mean([m[name] for m in recent], axis=0) for name in recent[0]}
    tokens = sum(m["weight_sum"] for m in recent)
    values["accuracy"] = sum(m["correct"] for m in recent) / np.maximum(tokens, 1)
    del values["correct"]
    bad = [
        entry.name
        for entry, loss, gradient in zip(
            run.bank, values["loss"], values["gradient_norm"], strict=True
        )
        if not np.isfinite(loss + gradient)
    ]
    if bad:
        raise ValueError(
            f"The loss of {', '.join(bad)} is not finite near step {number}, or its "
            "gradient is not. Lower the "
            "learning rate (--gin.LEARNING_RATE), or compute in float32 "
            "(--gin.ACTIVATION_DTYPE=float32). Earlier checkpoints and prompts in "
            f"{run.folder} are untouched."
        )
    return values


def _log(metrics, progress, run: Run, number: int, values: dict, optimizer) -> None:
    for index, entry in enumerate(run.bank):
        its_own = {name: float(v[index]) for name, v in values.items()}
        metrics.write(number, entry.name, "train", its_own)
    rate = float(optimizer.learning_rate(number - 1))
    speed = progress.speed() | {"learning_rate": rate}
    metrics.write(number, "", "speed", speed)
    progress.report(f"loss {values['loss'].mean():.4f}")


def _evaluate(metrics, run: Run, number: int, state: step.TrainState) -> None:
    """Scores the prompts, and keeps those that are the best so far."""
    results, _ = run.evaluator.evaluate(state.trained, run.frozen, run.eval_tasks)
    _log_results(metrics, run, number, results)
    run.outputs.keep_best(state.trained, number, results)


def _log_results(metrics, run: Run, number: int, results: dict) -> None:
    by_task: dict[str, list[dict]] = {}
    for index, entry in enumerate(run.bank):
        for task, values in results[index].items():
            metrics.write(number, entry.name, task, values)
            by_task.setdefault(task, []).append(values)
    for task, of_prompts in by_task.items():
        means = {k: np.mean([v[k] for v in of_prompts]) for k in of_prompts[0]}
        shown = ", ".join(f"{k} {v:.2f}" for k, v in means.items())
        many = f" (mean of {len(of_prompts)} prompts)" if len(of_prompts) > 1 else ""
        logger.info("step %d  %s: %s%s", number, task, shown, many)


def main(argv: Sequence[str]) -> None:
    """Runs `spot_jax train`."""
    config.parse_flags("train", argv)
    best = config.configured(train)()
    for name, result in best.items():
        print(f"{name}: best {result.score:.2f} at step {result.step}")
