"""Program: learn a bank of prompts over a frozen T5, or tune the T5 itself.

A run reads its tasks, loads the model, trains, evaluates and writes, into MODEL_DIR:

    config.gin, run.json     what ran: configuration, versions, commit, devices
    metrics.jsonl            every metric; tensorboard/ has the same
    prompts/NAME/            best, last and embedding.safetensors of each prompt
    checkpoints/             the state to resume from; never the frozen model
    checkpoint_N/            of model tuning only: the best model, as T5X writes it
    adapted/checkpoint_N/    and that of every SAVE_MODEL_PERIOD steps
    profile/                 traces of steps, where they were asked for

The same command continues a run that was stopped, at any moment, to the same end.
Ctrl-C and SIGTERM stop it after a step, which is saved; SIGUSR1 traces a few.
"""

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Callable, Sequence

import jax

from spot_jax import config, interrupts, processes
from spot_jax.config.bound import bound_to
from spot_jax.data import own_rows, set_up
from spot_jax.data.length_check import LengthCheck
from spot_jax.model import compiled, sharding
from spot_jax.model.weights import LoadedModel
from spot_jax.model_dir import claim, in_use, names, storage, story
from spot_jax.model_dir.described import described
from spot_jax.optim import Optimizer
from spot_jax.rows import flags
from spot_jax.scoring.evaluator import Evaluator
from spot_jax.settings import (
    Data,
    Evaluation,
    Loss,
    Model,
    Prompts,
    Target,
    Training,
)
from spot_jax.t5 import flops
from spot_jax.t5.decode import check_search
from spot_jax.training import (
    agreed,
    batches,
    moving,
    prepare,
    profiling,
    step,
    summary,
)
from spot_jax.training.bank import rate_numbers, with_classes
from spot_jax.training.checkpoint import Checkpoints
from spot_jax.training.leaving import around, check_steps
from spot_jax.training.outputs import Best, Outputs, best_checkpoint
from spot_jax.training.reports import Reports

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
    configuration: str | None = None,
    devices: Sequence[jax.Device] | None = None,
    loaded: LoadedModel | None = None,
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
        then: a second run, that tunes the best model of this one; see `mixture_first`.
        configuration: what is written as the run's configuration, and must be the same
            when the run goes on; None: the other arguments, described.
        devices: where the run computes; None: on all devices there are.
        loaded: the frozen model, where it is in memory already; None reads it.

    Returns:
        The best result of every prompt, by its name ("model" for model tuning).

    Raises:
        InputError: for anything wrong with the settings, if possible before the model
            is loaded, another process in MODEL_DIR, or a loss that is not finite.
        SystemExit: at a signal that spot_jax listens to; what was done is saved.
    """
    shared = dict(optimizer=optimizer, evaluation=evaluation, loss=loss)
    shared |= dict(prompts=prompts, seed=seed)
    if configuration is None:
        configuration = described(model, data, training, then, **shared)
    if then is not None:
        shared |= dict(configuration=configuration, devices=devices)
        run = functools.partial(train, **shared)
        return mixture_first(run, model_dir, model, data, training, then)

    # What is asked for, checked before anything is read.
    bank = prepare.bank_of(data, prompts, seed, optimizer(base_step=0).rates)
    check_steps(bank, training.steps)
    prepare.check_head(prompts, loss)
    prepare.tell_of_embedding(prompts, training)
    folder = claim.writable(model_dir, "--gin.MODEL_DIR")
    with contextlib.ExitStack() as until_the_end:
        enter = until_the_end.enter_context
        check_still_there = enter(in_use.alone_in(folder, "MODEL_DIR"))
        claim.check(model_dir, configuration)
        storage.remove_leftovers(folder, *names.prompt_folders(folder))

        # Which T5 it is, and the vocabulary that is its own.
        model, data = prepare.resolved(model, data)
        prepare.check_tuned(prompts, training, model)

        # The data.
        if evaluation.method == "decode":
            check_search(evaluation.search, model.config.vocab_size)
        vocabulary = set_up.set_up_tasks(data, model.config.vocab_size)
        data = own_rows.with_lengths(data, vocabulary)
        of_vocabulary = set_up.vocabulary_story(data)
        of_rows = own_rows.digests(data)
        claim.check_vocabulary(folder, of_vocabulary)
        claim.check_rows(folder, of_rows)
        bank = with_classes(bank, prompts, data, evaluation.labels)
        head = prompts.head if prompts else None
        starts = moving.check_starts(bank, prompts, model, vocabulary.encode)
        streams: dict[str, LengthCheck] = {}
        readers = prepare.readers_of(bank, data, streams, head, vocabulary)
        tasks = prepare.tasks_of(bank, evaluation, data, head)

        if processes.are_several():
            mesh = agreed.mesh_of(model, prompts, devices)
            facts = agreed.facts(configuration, of_vocabulary, readers, mesh)
            processes.agree(facts)

        # The model on its mesh, what of it is trained, and what moves that.
        loaded = loaded or prepare.load_model(model, prompts, seed, devices)
        claim.check_model(folder, loaded.story())
        claim.check_dtypes(folder, loaded.dtypes())
        encode = vocabulary.encode
        parts = moving.parts_of(loaded, bank, prompts, encode, training.tuned, starts)
        moved_by = optimizer(base_step=prepare.base_step(training, loaded))
        claim.claim(folder, configuration)

        # Where the run stands.
        is_to_stop = processes.together(enter(interrupts.answered()))
        enter(sharding.on_mesh(loaded.mesh))
        told = {"vocabulary": of_vocabulary, "configuration": configuration}
        made = folder, bank, loaded, parts.binding, told
        outputs = Outputs(*made, own_rows.stories(data), split=evaluation.split)
        checkpoints = enter(Checkpoints(folder, training.keep, training.keep_period))
        # Left before the checkpoints are, which would wait for a process that is gone.
        enter(processes.watched())
        state = moving.first_state(parts, moved_by, loaded.mesh)
        state, stands = prepare.resumed(state, bank, checkpoints, outputs)
        done, outputs.diverged = int(state.step), step.diverged_in(state)
        left = around(bank, done, outputs.diverged).left
        if done >= training.steps or len(left) == len(bank):
            asked_for = min(done, training.steps)
            logger.info("The run is complete: %d steps were asked for.", asked_for)
            return outputs.told()

        # The machinery.
        facts = {"model": loaded.story(), "vocabulary": of_vocabulary}
        facts |= {"rows": of_rows, "dtypes": loaded.dtypes(), "resumed_at": done}
        story.describe(folder, facts, loaded.mesh.devices.flat)
        platform = loaded.mesh.devices.flat[0].platform
        cost = flops.step_cost(loaded.config, platform, parts.prefix, parts.head)
        of_parts = parts.slots, loaded.mesh, cost, parts.mixes, parts.head
        rows = batches.Rows(readers, data.lengths, training, *of_parts)
        laid_out = batches.Ahead(rows, stands, done, left)
        train_step = step.make_train_step(
            loaded.config,
            parts.binding,
            moved_by,
            loss,
            target_length=data.lengths["targets"],
            microbatches=training.microbatches,
            rates=rate_numbers(bank, moved_by),
            last_steps=[entry.steps for entry in bank],
            places=sharding.places(state),
        )
        of_data = data.lengths, parts.slots
        evaluator = Evaluator(loaded, parts.binding, evaluation, *of_data)
        key = sharding.place(step.dropout_key(seed), sharding.replicated(loaded.mesh))
        of_run = folder, bank, training, done, moved_by, streams
        reports = enter(Reports(*of_run, outputs.diverged))
        train_step = enter(profiling.on_demand(train_step, folder, training, done))

        # The steps.
        ends = {entry.steps for entry in bank}
        for number, batch in enumerate(laid_out, start=done + 1):
            state, metrics = train_step(state, parts.frozen, batch.rows, key)
            reports.step(metrics, batch.useful)
            # Asked for the first time when the step is compiled.
            stopping = is_to_stop(number)
            due = training.due(number, ends)
            due |= {"log", "save"} if stopping else set()
            if not due:
                continue
            check_still_there()
            new = reports.write(number)
            outputs.diverged |= new
            there, leaving, left = around(bank, number, outputs.diverged, new)
            is_over = len(left) == len(bank)
            with reports.paused():
                # The others of the bank have their evaluations when they would alone.
                asked = {*leaving, *(there if "evaluate" in due else ())}
                if asked:
                    of_these = {index: tasks[index] for index in sorted(asked)}
                    given = state.trained, parts.frozen, of_these
                    results, _ = evaluator.evaluate(*given)
                    reports.evaluated(number, results)
                    outputs.keep_best(state.trained, number, results)
                # Before the checkpoint, after which nothing of it is done again.
                outputs.write_due(due, state.trained, number, there, leaving)
                if "save" in due or is_over:
                    progress = batch.stands | {"best": outputs.progress()}
                    checkpoints.save(state, progress)
            if stopping or is_over:
                break
            laid_out.leave(number, left)
        reports.close()
        checkpoints.close()
        check_still_there()
        if stopping:
            about = "Stopped at step %d of %d; the same command continues."
            logger.info(about, number, training.steps)
    return outputs.told()


def mixture_first(
    run: Callable[..., dict[str, Best]],
    model_dir: str,
    model: Model,
    data: Data,
    training: Training,
    then: Target,
) -> dict[str, Best]:
    """Tunes the model on a mixture, then the best of it on a target (SPoT §2.1.1).

    Args:
        run: `train` with what both runs share.
        model_dir: MODEL_DIR, in which the runs are mixture/ and target/.
        model: where the first run begins.
        data: of the mixture.
        training: of the mixture.
        then: the target.

    Returns:
        The best result of the second run.
    """
    # What a tuned checkpoint does not tell: the second run has the first one's.
    model, data = prepare.resolved(model, data)
    # A mistake in the second run is not found after days of the first.
    of_target = dataclasses.replace(data, names=then.name)
    set_up.set_up_tasks(of_target, model.config.vocab_size)
    mixture, target = f"{model_dir}/mixture", f"{model_dir}/target"
    run(model_dir=mixture, model=model, data=data, training=training)
    return run(
        model_dir=target,
        model=dataclasses.replace(model, checkpoint=str(best_checkpoint(mixture))),
        data=of_target,
        training=dataclasses.replace(training, steps=then.steps),
    )


def main(argv: Sequence[str]) -> None:
    """Runs `spot_jax train`."""
    config.parse_flags("train", argv, flags)
    compiled.keep(**bound_to(compiled.keep))
    best = config.configured(train)(configuration=config.text())
    print(summary.told(best), end="")
