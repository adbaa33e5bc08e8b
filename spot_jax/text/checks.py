"""Is the data of a task there and whole? Asked before anything expensive begins."""

import difflib
import functools
import logging
from collections.abc import Sequence

import seqio
import tensorflow_datasets as tfds

from spot_jax.errors import InputError
from spot_jax.text.data_folder import DataFolder, split_problem
from spot_jax.text.registration import PreparedSource

logger = logging.getLogger(__name__)


def check_data(name: str, splits: Sequence[str] = ("train", "validation")) -> None:
    """Looks whether the data of a task, or of all members of a mixture, can be read.

    The tasks must be registered: `spot_jax.tasks.register_all()`. Sources other than
    TFDS are asked for their splits only.

    Raises:
        InputError: no task or mixture has this name (the nearest ones are listed), a
            task lacks one of the splits, or its data is missing, incomplete, empty or
            there in several versions. The message says where it was looked for and what
            to do; a mixture's message lists all members with a problem.
    """
    tasks = member_tasks(name)
    problems = [problem for task in tasks if (problem := _problem(task, splits))]
    if problems:
        raise InputError("\n".join(problems))
    if len(tasks) > 1:
        _report_sizes(name, tasks)


def member_tasks(name: str) -> list[seqio.Task]:
    """Returns the task of this name, or the tasks of the mixture of this name.

    Raises:
        InputError: there is none; the message lists the nearest names.
    """
    if name in seqio.MixtureRegistry.names():
        return seqio.MixtureRegistry.get(name).tasks
    if name in seqio.TaskRegistry.names():
        return [seqio.TaskRegistry.get(name)]
    known = sorted({*seqio.MixtureRegistry.names(), *seqio.TaskRegistry.names()})
    close = difflib.get_close_matches(name, known, n=4, cutoff=0.5)
    question = f"did you mean {' or '.join(close)}? " if close else ""
    raise InputError(
        f"there is no task or mixture {name!r}; {question}"
        "`spot_jax inspect_tasks` lists them all"
    )


def _problem(task: seqio.Task, splits: Sequence[str]) -> str:
    """Says what is wrong with the splits of a task; empty if nothing is."""
    if isinstance(task.source, PreparedSource):
        return _prepared_problem(task.source, splits)
    unknown = [split for split in splits if split not in task.splits]
    if not unknown:
        return ""
    return (
        f"{task.name} has no split {', '.join(unknown)}; it has "
        f"{', '.join(task.splits)}"
    )


def _prepared_problem(source: PreparedSource, splits: Sequence[str]) -> str:
    data, info = source.data(), source.info
    problem = data.problem or split_problem(info.name, data, info.splits, splits)
    if problem:
        return problem
    try:
        # A new builder: SeqIO keeps the one it made when the data was not there yet.
        found = tfds.builder_from_directory(data.folder).info
        problems = [_columns_problem(data, found, info.columns)]
        problems += [_split_problem(data, found, info.splits[name]) for name in splits]
    # What TFDS raises of a damaged file is what its parsers do, all kinds of errors.
    except Exception as error:
        problems = [f"TFDS cannot read {data.folder} ({error!r:.300})"]
    problem = next(filter(None, problems), "")
    advice = "Remove the folder and prepare it again"
    return f"{info.name}: {problem}. {advice}" if problem else ""


def _report_sizes(name: str, tasks: Sequence[seqio.Task]) -> None:
    """Logs which members have other sizes than those that decide the rates."""
    different = [
        f"{task.name} {size:,} (catalog {task.source.info.train_examples:,})"
        for task in tasks
        if isinstance(task.source, PreparedSource)
        if (size := task.source.train_rows()) != task.source.info.train_examples
    ]
    if different:
        _warn_of_sizes(name, ", ".join(different))


@functools.cache  # once, not for every reader of the mixture
def _warn_of_sizes(name: str, different: str) -> None:
    logger.warning(
        "%s draws in proportion to the catalog's sizes; the training rows of these "
        "members are others: %s",
        name,
        different,
    )


def _columns_problem(
    data: DataFolder, info: tfds.core.DatasetInfo, columns: Sequence[str]
) -> str:
    missing = [column for column in columns if column not in info.features]
    return f"{data.folder} has no column {', '.join(missing)}" if missing else ""


def _split_problem(data: DataFolder, info: tfds.core.DatasetInfo, split: str) -> str:
    if not data.sizes[split]:
        return f"split {split} of {data.folder} is empty"
    files = info.splits[split].filepaths
    missing = [path.name for path in files if not path.exists()]
    if missing:
        return f"{data.folder} lacks {', '.join(missing)}"
    found, expected = (
        sum(path.stat().length for path in files),
        _least_bytes(info, split),
    )
    if found < expected:
        return (
            f"the files of split {split} in {data.folder} have {found:,} bytes, of at "
            f"least {expected:,}"
        )
    return ""


def _least_bytes(info: tfds.core.DatasetInfo, split: str) -> int:
    """Returns how large the files are together without the sums that are in them."""
    # Other formats are compressed.
    is_plain = info.file_format == tfds.core.FileFormat.TFRECORD
    return int(info.splits[split].num_bytes) if is_plain else 0
