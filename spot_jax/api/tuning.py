"""Prompts learned from rows, as Python programs ask for them."""

import contextlib
import dataclasses
import functools
import hashlib
import os
import pathlib
from collections.abc import Sequence

import jax
import numpy as np

from spot_jax.api import tables
from spot_jax.api.frozen_model import FrozenModel
from spot_jax.api.kinds import recipe_of
from spot_jax.api.prompt import Prompt, as_prompt
from spot_jax.api.tables import Rows
from spot_jax.data import own_rows
from spot_jax.errors import InputError
from spot_jax.model.weights import LoadedModel
from spot_jax.model_dir import names, storage
from spot_jax.prompts import files, init
from spot_jax.prompts.base import PromptKind
from spot_jax.prompts.init import Start
from spot_jax.reading import path_of
from spot_jax.settings import Data, Evaluation, Loss, Prompts, Training
from spot_jax.t5.decode import Search, greedy
from spot_jax.train import train

AnyStart = str | os.PathLike | Prompt | Start

STARTS = {
    "class_labels": init.class_labels,
    "sampled_vocabulary": init.sampled_vocabulary,
    "random_uniform": init.random_uniform,
    "drawn": init.drawn,
}
# The step at which SPoT embeds a task (§3.2).
_EMBEDDING_STEP = 10_000


def tune(
    model: FrozenModel,
    rows: Rows | Sequence[Rows],
    *,
    input: str | Sequence[str],
    target: str | Sequence[str],
    labels: Sequence[str] | None = None,
    metric: str | None = None,
    name: str | Sequence[str] | None = None,
    steps: int = 500,
    kind: str | PromptKind = "soft",
    head: str | None = None,
    start: AnyStart | Sequence[AnyStart] | None = None,
    length: int | Sequence[int] | None = None,
    learning_rate: float | Sequence[float] | None = None,
    seed: int | Sequence[int] = 0,
    batch_size: int = 32,
    eval_period: int | None = None,
    embedding_step: int | None = None,
    method: str | None = None,
    search: Search = greedy,
    dropout_rate: float | None = None,
    folder: str | os.PathLike | None = None,
) -> Prompt | list[Prompt]:
    """Learns a prompt of rows, or a bank of prompts at once where lists are given.

    A bank has every combination of its tasks (`rows`, each with its `input` and
    `target`), starts, lengths, rates and seeds, and costs little more than one of them.
    What is learned is what `spot_jax train` learns of these rows and settings.

    Args:
        model: the frozen model.
        rows: a file (csv, tsv, jsonl, parquet, arrow, each also gzipped, or a folder
            that the datasets library saved), a list of dicts, a pandas.DataFrame or a
            datasets.Dataset; or {"train": ..., "validation": ...} of these. Without
            validation a fixed tenth is set aside. A list of any of these is a bank.
        input: what the model reads, columns in braces: "mood: {text}".
        target: what it shall answer: "{label}".
        labels: all of them; None finds them, () says that answers are free.
        metric: what answers are compared by; None chooses by their looks.
        name: of the task; None: the file's, or "rows".
        steps: of training.
        kind: "soft", "p_tuning_v2", "prefix_tuning", "p_tuning" or "deep_prompt", with
            the optimizer and schedule of its file of gin/prompts; or a class of such
            prompts, options bound by functools.partial.
        head: "cls": a linear layer, trained with the prompt, chooses among the labels;
            None: the language model answers.
        start: "class_labels", "sampled_vocabulary" or "random_uniform" of soft prompts,
            "drawn" of other kinds; a prompt or its file (SPoT's transfer); or a
            function of prompts/init.py. None: the kind's own.
        length: vectors of a prompt; None: of the prompt that it starts from, or the
            kind's, 100 of a soft one.
        learning_rate: None: the kind's, 0.3 of a soft prompt.
        seed: of data order, dropout and sampled starting values.
        batch_size: examples of each prompt in a step.
        eval_period: steps between evaluations, the best of which is kept; None: a
            fifth of the steps.
        embedding_step: whose prompt is kept as the task's embedding; None: 10,000, or
            the last of fewer.
        method: "rank" chooses among labels, "decode" writes; None: "rank" where there
            are labels.
        search: of "decode".
        dropout_rate: while training; None: the checkpoint's.
        folder: MODEL_DIR, where the run is kept and goes on after a stop; None keeps
            nothing but the prompt.

    Returns:
        The best prompt on validation; of a bank a list: tasks first, then starts,
        seeds, lengths and rates.

    Raises:
        InputError: for anything wrong with rows or settings, before the first step.
    """
    training = Training(
        steps,
        batch_size=batch_size,
        eval_period=max(1, steps // 5) if eval_period is None else eval_period,
        log_period=max(1, min(100, steps // 5)),
        embedding_step=(
            min(_EMBEDDING_STEP, max(1, steps))
            if embedding_step is None
            else embedding_step
        ),
    )
    with contextlib.ExitStack() as until_the_end:
        if folder is None:
            place = until_the_end.enter_context(storage.temporary_folder())
        else:
            place = folder
        place = path_of(place)
        data = Data(
            rows=tables.tasks_of(place, rows, input, target, labels, metric, name),
            vocabulary=model.identity.path,
            extra_ids=model.identity.extra_ids,
        )
        recipe = recipe_of(kind)
        starts = (
            start
            if tables.is_list(start)
            else [recipe.start if start is None else start]
        )
        begin = [_start(place, one) for one in starts]
        length_of_all = _length(starts, recipe.length) if length is None else length
        rate = recipe.rate if learning_rate is None else learning_rate
        prompts = Prompts(length_of_all, begin, seed, kind=recipe.kind, head=head)
        if method is None:
            tasks = [own_rows.task_of(task, data) for task in data.names]
            method = "rank" if all(task.labels for task in tasks) else "decode"
        best = train(
            model_dir=str(place),
            model=model.settings,
            data=data,
            training=training,
            optimizer=recipe.optimizer(rate, steps),
            evaluation=Evaluation(method, search=search),
            loss=Loss(),
            prompts=prompts,
            seed=seed,
            loaded=_with_dropout(model, dropout_rate),
        )
        found = [Prompt.load(place / names.PROMPTS / name) for name in best]
    if folder is None:
        # What it was read from is gone.
        found = [dataclasses.replace(prompt, path="") for prompt in found]
    asked = (start, length, learning_rate, seed)
    are_several = tables.is_bank(rows) or any(map(tables.is_list, asked))
    return found if are_several else found[0]


def _length(starts: Sequence[AnyStart], usual: int) -> int:
    """Returns how long prompts are: as those that they start from."""
    saved = [one for one in starts if not _is_named(one) and not callable(one)]
    return len(as_prompt(saved[0])) if saved else usual


def _is_named(start: AnyStart) -> bool:
    return isinstance(start, str) and start in STARTS


def _start(folder: pathlib.Path, start: AnyStart) -> Start:
    """Returns a starting value as `Prompts` takes it."""
    if _is_named(start):
        return STARTS[start]
    if callable(start):
        return start
    is_path = isinstance(start, str | os.PathLike)
    if is_path and not path_of(start).exists():
        raise InputError(
            f"There is no start {str(start)!r}: it is {', '.join(STARTS)}, a prompt, "
            "or the path of a prompt's file."
        )
    prompt = as_prompt(start)
    if is_path:
        return functools.partial(init.from_file, path=prompt.path)
    # With its head and modes, which another prompt of the same vectors may not have.
    leaves, form = jax.tree.flatten(prompt.bundle)
    content = b"".join(np.asarray(leaf).tobytes() for leaf in leaves)
    digest = hashlib.sha256(content + str(form).encode()).hexdigest()[:12]
    path = folder / "starts" / f"{prompt.name}-{digest}.safetensors"
    files.write(path, prompt.bundle, prompt.story)
    return functools.partial(init.from_file, path=str(path.absolute()))


def _with_dropout(model: FrozenModel, rate: float | None) -> LoadedModel:
    if rate is None:
        return model.loaded
    config = dataclasses.replace(model.loaded.config, dropout_rate=rate)
    return dataclasses.replace(model.loaded, config=config)
