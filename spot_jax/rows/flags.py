"""The flags by which programs take rows of one's own, and what they set."""

import argparse
import csv
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from spot_jax.errors import InputError
from spot_jax.reading import path_of
from spot_jax.rows.answers import METRICS
from spot_jax.rows.files import KINDS
from spot_jax.rows.template import Template

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def add_to(parser: argparse.ArgumentParser) -> None:
    """Adds --rows, --input, --target, --labels, --metric and --name."""
    group = parser.add_argument_group(
        "rows of your own", f"files are {KINDS}; columns stand in braces"
    )
    group.add_argument(
        "--rows",
        action="append",
        default=[],
        metavar="SPLIT=FILE",
        help="train=my.csv; once for each split. Without validation a part of the "
        "training rows is set aside for it",
    )
    group.add_argument("--input", metavar="TEXT", help='e.g. "mood: {text}"')
    group.add_argument("--target", metavar="TEXT", help='e.g. "{label}"')
    group.add_argument(
        "--labels", metavar="A,B", help="all labels (found among the training rows)"
    )
    group.add_argument(
        "--metric", metavar="NAME", help=f"{', '.join(METRICS)} (by the answers' looks)"
    )
    group.add_argument("--name", metavar="NAME", help="of the task (the file's)")


def bindings(flags: argparse.Namespace) -> list[str]:
    """Returns the gin bindings that the flags stand for; [] where none is given.

    Raises:
        InputError: when one is missing, or cannot be right.
    """
    told = task_of(flags)
    if not told:
        return []
    return [f"ROWS={told!r}", f"MIXTURE_OR_TASK_NAME={next(iter(told))!r}"]


def task_of(flags: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Returns {name: files and recipe} as ROWS takes it; {} where none is given.

    Raises:
        InputError: when a flag is missing, or cannot be right.
    """
    given = {
        key: getattr(flags, key)
        for key in ("input", "target", "labels", "metric", "name")
        if getattr(flags, key) is not None
    }
    if not flags.rows and not given:
        return {}
    if not flags.rows:
        raise InputError(
            f"--{next(iter(given))} is of rows of your own, and --rows is missing: "
            "--rows train=my.csv. `spot_jax infer` takes lines of text, or rows in the "
            "form that a prompt was trained on, without it: --gin.INFER_INPUT=FILE."
        )
    files = _files(flags.rows)
    name = given.pop("name", None) or name_of(files)
    if not _NAME.fullmatch(name):
        raise InputError(
            f"--name {name!r} cannot name a task; use letters, digits, _, - and dots."
        )
    for option in ("input", "target"):
        if option in given:
            Template(given[option], f"--{option}")
    if "labels" in given:
        given["labels"] = _listed(given["labels"])
    return {name: {"files": files} | given}


def _files(options: list[str]) -> dict[str, str]:
    files: dict[str, str] = {}
    for option in options:
        split, equals, path = option.partition("=")
        if not equals or not split or not path:
            raise InputError(f"--rows {option}: write SPLIT=FILE, as in train=my.csv.")
        if split in files:
            raise InputError(f"--rows gives {split} twice; put its rows in one file.")
        # Whoever goes on with the run may stand elsewhere.
        files[split] = str(path_of(path).absolute())
    return files


def name_of(files: Mapping[str, str]) -> str:
    """Returns what a task is called that nobody names: as its training file."""
    path = pathlib.Path(files.get("train") or next(iter(files.values())))
    stem = path.name.partition(".")[0]
    return re.sub(r"[^A-Za-z0-9_-]", "_", stem).lstrip("-.") or "rows"


def _listed(text: str) -> list[str]:
    """Returns the labels of "good,bad"; one with a comma stands in quotes."""
    if not text:
        return []
    labels = [label.strip() for label in next(csv.reader([text]))]
    twice = [label for label in labels if labels.count(label) > 1]
    if twice or not all(labels):
        raise InputError(
            f"--labels {text}: {repr(twice[0]) if twice else 'an empty one'} cannot be "
            "a label of its own. Write each once: --labels good,bad."
        )
    return labels
