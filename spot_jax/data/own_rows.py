"""Rows of one's own as token ids, without TensorFlow."""

import dataclasses
import functools
import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from spot_jax.data import sentinel
from spot_jax.data.ids import warn_of_unknown
from spot_jax.data.length_check import LengthCheck
from spot_jax.errors import InputError
from spot_jax.reading import path_of
from spot_jax.rows.task import Example, Recipe, RowsTask, read_task
from spot_jax.settings import Data
from spot_jax.tasks import catalog
from spot_jax.tasks.catalog_entry import TaskInfo
from spot_jax.text.lengths import FEATURES

logger = logging.getLogger(__name__)

_EOS_ID, _UNKNOWN_ID = 1, 2
_FAMILY = "rows of one's own"
# Lengths that nobody gives are the longest row's, up to these, in steps of these: few
# shapes to compile.
_LONGEST = {"inputs": 512, "targets": 64}
_STEP = {"inputs": 32, "targets": 8}


def are_all(data: Data) -> bool:
    """Whether all tasks of a run are made of rows, so that it needs no TensorFlow."""
    return not data.tokenized and set(data.names) <= set(data.rows)


def set_up(data: Data) -> None:
    """Reads the rows of a run, and lets the catalog know their tasks.

    Raises:
        InputError: when the rows cannot be right, have the name of another task, or no
            answers that could be learned.
    """
    for name in data.rows:
        info = info_of(name, data)
        if "train" in info.splits and task_of(name, data).recipe.target is None:
            raise InputError(
                f"The rows of {name} have no answers to learn: say in which column "
                'they are, --target "{label}".'
            )
        catalog.TASKS[name] = info


def info_of(name: str, data: Data) -> TaskInfo:
    """Returns the catalog's line of a task made of rows, whose files are read.

    Raises:
        InputError: when the rows cannot be right, or have the name of another task.
    """
    known = catalog.TASKS.get(name, catalog.MIXTURES.get(name))
    if known and known.family != _FAMILY:
        raise InputError(
            f"{name} is a task that there is already. Call your rows otherwise: "
            "--name my_rows."
        )
    task = task_of(name, data)
    return TaskInfo(
        name,
        _FAMILY,
        tfds="generated",
        train_examples=len(task.examples.get("train", ())),
        metrics=(task.recipe.metric,),
        labels=task.labels,
        splits={split: split for split in task.splits},
    )


def task_of(name: str, data: Data) -> RowsTask:
    """Returns a task made of rows; its files are read once.

    Raises:
        InputError: see `rows.task.read_task`.
    """
    told = data.rows[name]
    if "input" not in told:
        raise InputError(
            f'The rows of {name} have no template: --input "mood: {{text}}". A prompt '
            "that was trained on rows says it itself."
        )
    files = {split: str(path_of(path)) for split, path in told["files"].items()}
    states = {path: _state(path) for path in files.values()}
    return _read(name, json.dumps([files, told, states], sort_keys=True))


def _state(path: str) -> list[int]:
    """Returns what changes when a file does."""
    place = path_of(path)
    if not place.exists():
        return []
    return [place.stat().st_mtime_ns, place.stat().st_size]


@functools.lru_cache(maxsize=16)
def _read(name: str, told: str) -> RowsTask:
    files, recipe, _ = json.loads(told)
    of_recipe = {key: value for key, value in recipe.items() if key != "files"}
    return read_task(name, files, Recipe(**of_recipe))


def with_recipes(data: Data, stories: Iterable[Mapping[str, Any]]) -> Data:
    """Returns the data with templates, labels, metric and lengths of saved prompts.

    Args:
        data: what it says itself stays.
        stories: of prompts; the first that tells of rows counts.

    Raises:
        InputError: when two prompts tell of other templates.
    """
    told = [story["rows"] for story in stories if story.get("rows")]
    if not told or not data.rows:
        return data
    recipe = {key: told[0].get(key) for key in ("input", "target", "labels", "metric")}
    for other in told[1:]:
        differing = [key for key in recipe if other.get(key) != recipe[key]]
        if differing:
            key = differing[0]
            raise InputError(
                f"The prompts were trained on rows of other forms: the {key} of one is "
                f"{recipe[key]!r}, of another {other.get(key)!r}. Evaluate them one "
                "after the other."
            )
    for given in data.rows.values():
        if recipe["input"] and given.get("input", recipe["input"]) != recipe["input"]:
            logger.warning(
                "--input is %r, and the prompt was trained on %r.",
                *(given["input"], recipe["input"]),
            )
    rows = {
        name: {key: value for key, value in recipe.items() if value is not None} | given
        for name, given in data.rows.items()
    }
    lengths = data.lengths or told[0].get("lengths")
    return dataclasses.replace(data, rows=rows, lengths=lengths)


def digests(data: Data) -> dict[str, str]:
    """Returns {task: what changes when its training or validation rows do}."""
    return {
        name: hashlib.sha256(repr(_texts(task_of(name, data))).encode()).hexdigest()[
            :16
        ]
        for name in data.rows
    }


def _texts(task: RowsTask) -> list[tuple[str, list[tuple[str, str]]]]:
    # Where a row stands is no part of it.
    return [
        (split, [(example.input, example.target) for example in examples])
        for split, examples in sorted(task.examples.items())
    ]


def stories(data: Data) -> dict[str, dict[str, Any]]:
    """Returns what headers say of tasks made of rows: {task: recipe and lengths}."""
    lengths = {"lengths": dict(data.lengths)}
    return {
        name: dataclasses.asdict(task_of(name, data).recipe) | lengths
        for name in data.rows
    }


def examples_of(
    task: RowsTask, split: str, data: Data, vocabulary: Any
) -> list[dict[str, Any]]:
    """Returns the examples of a split, as SeqIO's tasks give them.

    Args:
        task: the task.
        split: one of its splits.
        data: the lengths.
        vocabulary: encodes text.

    Returns:
        For each row {"inputs", "targets": int32 [length], "inputs_pretokenized",
        "targets_pretokenized": bytes}.

    Raises:
        InputError: when there is no such split, or one is too long and may not be cut.
    """
    name = task.name if split == "train" else f"{task.name} ({split})"
    check = LengthCheck(name, data.lengths, data.truncate)
    examples = list(map(check.fit, _learned(task, split, data, vocabulary)))
    check.report()
    targets = np.concatenate([example["targets"] for example in examples])
    unknown = np.count_nonzero(targets == _UNKNOWN_ID)
    warn_of_unknown(name, int(unknown), len(targets))
    return examples


def _learned(
    task: RowsTask, split: str, data: Data, vocabulary: Any
) -> Iterator[dict[str, Any]]:
    """Yields the examples of a split as a run learns them, none of them cut."""
    for example in encoded(task, split, vocabulary):
        targets = sentinel.begin(example["targets"], vocabulary, data)
        yield example | {"targets": targets}


def encoded(task: RowsTask, split: str, vocabulary: Any) -> Iterator[dict[str, Any]]:
    """Returns the examples of a split as `examples_of` does, none of them cut.

    Without a vocabulary they are text alone.

    Raises:
        InputError: when there is no such split.
    """
    if split not in task.examples:
        raise InputError(
            f"{task.name} has no split {split!r}; it has {', '.join(task.splits)}. "
            f"Give its rows: --rows {split}=FILE."
        )
    encode = vocabulary and vocabulary.encode
    return (_encoded(example, encode) for example in task.examples[split])


def _encoded(
    example: Example, encode: Callable[[str], list[int]] | None
) -> dict[str, Any]:
    texts = dict(zip(FEATURES, (example.input, example.target), strict=True))
    told = {f"{f}_pretokenized": t.encode("utf-8") for f, t in texts.items()}
    if encode is None:
        return told
    ids = {f: np.asarray([*encode(t), _EOS_ID], np.int32) for f, t in texts.items()}
    return ids | told


def with_lengths(data: Data, vocabulary: Any) -> Data:
    """Returns the data with lengths that hold its rows, if it has none."""
    if data.lengths is not None:
        return data
    longest = dict.fromkeys(FEATURES, 1)
    for name in data.rows:
        task = task_of(name, data)
        for split in task.splits:
            for ids in _learned(task, split, data, vocabulary):
                longest = {f: max(longest[f], len(ids[f])) for f in FEATURES}
    found = {
        f: min(_LONGEST[f], -(-longest[f] // _STEP[f]) * _STEP[f]) for f in FEATURES
    }
    logger.info(
        "TASK_FEATURE_LENGTHS is not given; the rows need %s, and it is %s.",
        *(longest, found),
    )
    return dataclasses.replace(data, lengths=found)
