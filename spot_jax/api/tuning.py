"""Prompts learned from rows, as Python programs ask for them."""

import contextlib
import dataclasses
import functools
import hashlib
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spot_jax import optim
from spot_jax.api.frozen_model import FrozenModel
from spot_jax.api.prompt import Prompt, as_prompt
from spot_jax.data import own_rows
from spot_jax.errors import InputError
from spot_jax.model.weights import LoadedModel
from spot_jax.model_dir import names, storage
from spot_jax.prompts import files, init
from spot_jax.prompts.base import sites
from spot_jax.prompts.init import Start
from spot_jax.reading import as_json, path_of
from spot_jax.rows import files as files_of_rows
from spot_jax.rows import flags
from spot_jax.settings import Data, Evaluation, Loss, Prompts, Training
from spot_jax.t5.decode import Search, greedy
from spot_jax.train import train

# A file, or the rows themselves: dicts, a pandas.DataFrame, a datasets.Dataset.
Table = str | os.PathLike | Iterable[Mapping[str, Any]]
# One of them, or one for each split: {"train": ..., "validation": ...}.
Rows = Table | Mapping[str, Table]
AnyStart = str | os.PathLike | Prompt | Start

STARTS = {
    "class_labels": init.class_labels,
    "sampled_vocabulary": init.sampled_vocabulary,
    "random_uniform": init.random_uniform,
}
# As in the papers.
_LENGTH = 100
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
    start: AnyStart | Sequence[AnyStart] = "class_labels",
    length: int | Sequence[int] | None = None,
    learning_rate: float | Sequence[float] = 0.3,
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
        start: "class_labels", "sampled_vocabulary" or "random_uniform"; a prompt or its
            file (SPoT's transfer); or a function of prompts/init.py.
        length: vectors of a prompt; None: of the prompt that it starts from, or 100.
        learning_rate: of Adafactor, constant.
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
            rows=_tasks(place, rows, input, target, labels, metric, name),
            vocabulary=model.identity.path,
            extra_ids=model.identity.extra_ids,
        )
        starts = start if _is_list(start) else [start]
        begin = [_start(place, one) for one in starts]
        length_of_all = _length(starts) if length is None else length
        prompts = Prompts(length_of_all, begin, seed)
        if method is None:
            tasks = [own_rows.task_of(task, data) for task in data.names]
            method = "rank" if all(task.labels for task in tasks) else "decode"
        best = train(
            model_dir=str(place),
            model=model.settings,
            data=data,
            training=training,
            optimizer=functools.partial(optim.adafactor, learning_rate),
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
    is_bank = _is_bank(rows) or any(map(_is_list, asked))
    return found if is_bank else found[0]


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _is_bank(rows: Any) -> bool:
    """Whether rows are several tasks: not one list of rows."""
    return _is_list(rows) and not (rows and _is_row(rows[0]))


def _is_row(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    # A column may be called so as well.
    rows = value.get("train")
    is_file = isinstance(rows, str | os.PathLike) and path_of(rows).exists()
    return not is_file and (rows is None or isinstance(rows, str | int | float))


def _tasks(
    folder: pathlib.Path,
    rows: Any,
    input: str | Sequence[str],
    target: str | Sequence[str],
    labels: Sequence[str] | None,
    metric: str | None,
    name: str | Sequence[str] | None,
) -> dict[str, dict[str, Any]]:
    """Returns {name: files and recipe} as Data.rows takes it."""
    tables = list(rows) if _is_bank(rows) else [rows]
    if not tables:
        raise InputError("rows is an empty list; give a file, or rows.")
    inputs = _each("input", input, len(tables))
    targets = _each("target", target, len(tables))
    called = _each("name", name, len(tables)) if name else [None] * len(tables)
    found: dict[str, dict[str, Any]] = {}
    for place, table in enumerate(tables):
        splits = table if isinstance(table, Mapping) else {"train": table}
        own = called[place] or _name(splits, place if len(tables) > 1 else None)
        if own in found:
            raise InputError(
                f"Two tasks would be called {own}. Give each a name: name=['a', 'b']."
            )
        recipe = {"input": inputs[place], "target": targets[place]}
        recipe |= {"labels": labels, "metric": metric}
        files = {
            split: _file(folder, f"{own}-{split}", one) for split, one in splits.items()
        }
        told = {key: value for key, value in recipe.items() if value is not None}
        found[own] = {"files": files} | told
    return found


def _each(what: str, value: str | Sequence[str], count: int) -> list[str]:
    """Returns one value for each task; one alone is that of all."""
    values = [value] * count if isinstance(value, str) else list(value)
    if len(values) != count:
        raise InputError(
            f"{what} is {value!r}, and there are {count} tasks: give one, or one for "
            "each."
        )
    return values


def _name(splits: Mapping[str, Table], place: int | None) -> str:
    """Returns what a task is called that nobody has named."""
    first = splits.get("train", next(iter(splits.values()), None))
    if isinstance(first, str | os.PathLike):
        return flags.name_of({"train": os.fspath(first)})
    return "rows" if place is None else f"rows{place}"


def _file(folder: pathlib.Path, name: str, table: Table) -> str:
    """Returns the file of a table; one that is in memory is written."""
    if isinstance(table, str | os.PathLike):
        return str(path_of(table).absolute())
    text = "".join(as_json(row, None) + "\n" for row in _rows_of(name, table))
    # Other rows are another file, and so another run.
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]
    path = folder / "rows" / f"{name}-{digest}.jsonl"
    storage.replace_text(path, text)
    return str(path.absolute())


def _rows_of(name: str, table: Any) -> list[dict[str, Any]]:
    if hasattr(table, "to_dict") and hasattr(table, "columns"):
        table = table.to_dict("records")
    # The datasets library keeps classes as numbers.
    classes = {
        column: feature.names
        for column, feature in (getattr(table, "features", None) or {}).items()
        if hasattr(feature, "names")
    }
    if not isinstance(table, Iterable):
        table = [table]
    found = []
    for number, row in enumerate(table):
        if not isinstance(row, Mapping):
            raise InputError(
                f"Row {number} of {name} is {row!r}; rows are dicts, {{column: value}}."
            )
        found.append({key: _cell(v, classes.get(key)) for key, v in row.items()})
    return found


def _cell(value: Any, classes: Sequence[str] | None) -> Any:
    if getattr(value, "size", 1) == 1 and hasattr(value, "item"):
        value = value.item()
    elif hasattr(value, "tolist"):
        value = value.tolist()
    if classes and isinstance(value, int):
        return files_of_rows.class_of(value, classes, "label of a row")
    # What no template names may be anything; JSON has no dates.
    plain = isinstance(value, str | int | float | bool | list | dict | None)
    return value if plain else str(value)


def _length(starts: Sequence[AnyStart]) -> int:
    """Returns how long prompts are: as those that they start from."""
    saved = [one for one in starts if not _is_named(one) and not callable(one)]
    return len(as_prompt(saved[0])) if saved else _LENGTH


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
    content = b"".join(a.tobytes() for a in sites(prompt.bundle).values())
    digest = hashlib.sha256(content).hexdigest()[:12]
    path = folder / "starts" / f"{prompt.name}-{digest}.safetensors"
    files.write(path, prompt.bundle, prompt.story)
    return functools.partial(init.from_file, path=str(path.absolute()))


def _with_dropout(model: FrozenModel, rate: float | None) -> LoadedModel:
    if rate is None:
        return model.loaded
    config = dataclasses.replace(model.loaded.config, dropout_rate=rate)
    return dataclasses.replace(model.loaded, config=config)
