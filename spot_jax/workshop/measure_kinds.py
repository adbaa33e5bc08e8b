"""Program: the kinds of prompts side by side, over the embedded model.

    spot_jax measure_kinds DIR                 every kind on every task
    spot_jax measure_kinds DIR rates           rates, on training rows that are left out
    spot_jax measure_kinds DIR low_data        prefixes and models tuned on few rows
    spot_jax measure_kinds DIR low_data_rates  their rates, on rows that are left out
    spot_jax measure_kinds DIR seconds         a step of every kind, taken in turns

Scores are the tasks' own metrics in percent, of the last step: nothing is chosen by
them. DIR/WHAT.csv has every score; what is finished is not done again. Several
processes may share DIR, each with --kinds and --tasks of its own; one without gathers
what there is.
"""

import argparse
import functools
import hashlib
import math
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

import spot_jax.tasks
from spot_jax import config, miniature, spot_tiny
from spot_jax.errors import InputError
from spot_jax.miniature.published import PUBLISHED
from spot_jax.model import compiled
from spot_jax.model_dir import claim, storage
from spot_jax.model_dir.storage import replace_file
from spot_jax.workshop import kind_costs, kinds
from spot_jax.workshop.kinds import FEW, GENERATED, KINDS, LABELLED, TASKS, Kind
from spot_jax.workshop.measuring import (
    Line,
    Rows,
    cell,
    check_names,
    gathered,
    of_task,
    once,
    read_from,
    write_changed,
)

# Of every form: classes, a scale, places in a text, tags, tables.
SEARCHED = ("mnli", "rte", "cola", "stsb", "squad", "conll2003", "web_nlg_table")
# Of which task few rows are taken, how many, and of how many rates are searched.
TABLE, COUNTS, FEW_SEARCHED = "web_nlg_table", (50, 100, 200, 500), 100


class Job(NamedTuple):
    """What is measured by itself.

    Attributes:
        called: its file.
        rows: the data folder that it reads.
        measured: from the folder of its runs to its lines.
    """

    called: str
    rows: pathlib.Path
    measured: Callable[[pathlib.Path], Iterable[Line]]


def measure(
    folder: pathlib.Path,
    what: str,
    *,
    names: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    seeds: int = 3,
) -> pd.DataFrame:
    """Measures what is not yet in DIR.

    Args:
        folder: DIR.
        what: of `JOBS`.
        names: which kinds; None: all.
        tasks: which tasks; None: all that are usual.
        seeds: how many seeds.

    Returns:
        Columns method, task, seed, score, of all that DIR has by now.

    Raises:
        InputError: when a kind or a task is unknown, there are no seeds, or DIR cannot
            be written or holds measurements of another model, recipe or number of
            seeds.
    """
    known, there, usual, jobs_of = JOBS[what]
    names, tasks = names or list(known), tasks or usual
    check_names("--kinds", names, known)
    check_names("--tasks", tasks, there)
    if seeds < 1:
        raise InputError(f"--seeds {seeds}: give a number from 1 on.")
    folder = claim.writable(str(folder), "DIR").absolute()
    for name in names:
        kind = known[name]
        own = claim.writable(str(folder / what / name), "DIR")
        about = {"model": spot_tiny.checksum(), "seeds": seeds}
        about["recipe"] = _recipe(kind, kind.tried if "rates" in what else {})
        claim.check_about(own, about, "DIR")
        for job in jobs_of(name, kind, folder / "data", tasks, range(seeds)):
            read_from(job.rows)
            runs = own / job.called
            once(own / f"{job.called}.csv", functools.partial(job.measured, runs))
    every = gathered(sorted((folder / what).glob("*/*.csv")))
    replace_file(folder / f"{what}.csv", every.to_csv(index=False).encode("utf-8"))
    return every


def _recipe(kind: Kind, tried: Mapping[str, Sequence[float]]) -> str:
    """Returns what tells how a kind is tuned from any other way.

    Args:
        kind: how.
        tried: what is in place of what the kind says.
    """
    bank = [f"{macro}={list(values)!r}" for macro, values in tried.items()]
    config.parse(kind.files, [*kind.bindings, *bank, of_task("cr"), "MODEL_DIR=None"])
    return hashlib.sha256(config.text().encode("utf-8")).hexdigest()


def _whole(data: pathlib.Path) -> pathlib.Path:
    return write_changed(data / "whole", TASKS, lambda _, rows: rows)


def _scores(
    name: str,
    kind: Kind,
    data: pathlib.Path,
    tasks: Sequence[str],
    seeds: Sequence[int],
) -> Iterator[Job]:
    """Every task, as it is."""

    def measured(folder: pathlib.Path, task: str) -> Iterator[Line]:
        if task in GENERATED:
            yield from kinds.seen_and_unseen(name, kind, folder, task, seeds, task)
            return
        for each in kinds.tune(kind, folder, task, seeds):
            yield name, task, each.seed, each.score

    for task in tasks:
        yield Job(task, _whole(data), functools.partial(measured, task=task))


def _rates(
    name: str, kind: Kind, data: pathlib.Path, tasks: Sequence[str], _: Sequence[int]
) -> Iterator[Job]:
    """Rates on training rows that are left out, a quarter of them."""

    def left_out(task: str, rows: Rows) -> Rows:
        return validated_on_training(task, rows, 0.75)

    for task in tasks:
        rows = write_changed(data / f"left_out_{task}", [task], left_out)
        yield Job(task, rows, functools.partial(kinds.tries, name, kind, task=task))


def _few(
    name: str, kind: Kind, data: pathlib.Path, _: Sequence[str], seeds: Sequence[int]
) -> Iterator[Job]:
    """Few rows of a table."""

    def first(_: str, rows: Rows, *, count: int) -> Rows:
        return rows | {"train": rows["train"][:count]}

    for count in COUNTS:
        these = functools.partial(first, count=count)
        rows = write_changed(data / f"first_{count}", [TABLE], these)
        called = f"{count} rows"
        measured = functools.partial(
            *(kinds.seen_and_unseen, name, kind), task=TABLE, seeds=seeds, called=called
        )
        yield Job(called, rows, measured)


def _few_rates(
    name: str, kind: Kind, data: pathlib.Path, _: Sequence[str], __: Sequence[int]
) -> Iterator[Job]:
    """Rates on few rows, scored on the last of the others."""

    def first(task: str, rows: Rows) -> Rows:
        found = validated_on_training(task, rows, 0.75)
        return found | {"train": rows["train"][:FEW_SEARCHED]}

    rows = write_changed(data / "left_out_few", [TABLE], first)
    yield Job(TABLE, rows, functools.partial(kinds.tries, name, kind, task=TABLE))


def validated_on_training(task: str, rows: Rows, share: float) -> Rows:
    """Puts the last training rows in the place of the validation rows."""
    splits = spot_jax.tasks.catalog.get(task).splits
    train, validation = splits["train"], splits["validation"]
    own = rows[train]
    # What is told twice is not divided: tables have two rows each, one after the other.
    cut = int(len(own) * share) // 2 * 2
    left_out = own[cut:][: miniature.VALIDATION_ROWS]
    return rows | {train: own[:cut], validation: left_out}


# What is measured: of which kinds, which tasks there are, the usual ones, and how.
# Published in files of their own, of which readers make the splits.
_DIVIDED = [task for task in TASKS if task not in PUBLISHED]
JOBS = {
    "scores": (KINDS, TASKS, TASKS, _scores),
    "rates": (KINDS, _DIVIDED, SEARCHED, _rates),
    "low_data": (FEW, [TABLE], [TABLE], _few),
    "low_data_rates": (FEW, [TABLE], [TABLE], _few_rates),
}


def markdown(scores: pd.DataFrame) -> str:
    """Returns the table: a line a task, mean and deviation over the seeds."""
    methods = list(dict.fromkeys(scores["method"]))
    lines = [f"| task | {' | '.join(methods)} |", "|---" + "|--:" * len(methods) + "|"]
    for task in dict.fromkeys(scores["task"]):
        part = scores[scores["task"] == task].groupby("method")["score"]
        of_method = dict(list(part))
        cells = [cell(of_method.get(method)) for method in methods]
        lines.append(f"| {task} | {' | '.join(cells)} |")
    wide = scores.groupby(["task", "method"])["score"].mean().unstack()
    labelled = wide[wide.index.isin(LABELLED)]
    of_tasks = {f"the {len(labelled)} labelled": labelled, "all": wide}
    for called, part in of_tasks.items():
        if part.empty:
            continue
        # Of a kind that was not measured on each of them there is no mean.
        means = part[methods].mean(skipna=False)
        cells = ["" if math.isnan(mean) else f"{mean:.1f}" for mean in means]
        lines.append(f"| mean of {called} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _seconds(folder: pathlib.Path, names: Sequence[str]) -> str:
    """Times the kinds anew, and returns the table."""
    check_names("--kinds", names, KINDS)
    folder = claim.writable(str(folder), "DIR").absolute()
    read_from(_whole(folder / "data"))
    chosen = {name: KINDS[name] for name in names}
    # Runs that are there would have no steps left.
    storage.remove_folder(folder / "seconds")
    found = kind_costs.seconds_of(chosen, folder / "seconds", banks=(1, 3))
    return kind_costs.markdown(chosen, found)


def main(argv: Sequence[str]) -> None:
    """Runs `spot_jax measure_kinds`."""
    parser = argparse.ArgumentParser(
        prog="spot_jax measure_kinds",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=pathlib.Path, metavar="DIR")
    parser.add_argument("what", nargs="?", default="scores", choices=[*JOBS, "seconds"])
    parser.add_argument("--seeds", type=int, default=3)
    for option in ("--kinds", "--tasks"):
        parser.add_argument(
            option,
            type=lambda text: text.split(","),
            metavar="A,B",
            help=f"only these {option[2:]}",
        )
    given = parser.parse_args(argv)
    compiled.keep()
    if given.what == "seconds":
        print(_seconds(given.folder, given.kinds or list(KINDS)))
        return
    which = {"names": given.kinds, "tasks": given.tasks, "seeds": given.seeds}
    print(markdown(measure(given.folder, given.what, **which)))
