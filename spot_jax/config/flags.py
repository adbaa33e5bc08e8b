"""T5X's flags: gin files and bindings of the command line."""

import argparse
import difflib
import re
from collections.abc import Sequence
from typing import Protocol

import gin

from spot_jax import reading
from spot_jax.config.parsing import parse
from spot_jax.errors import InputError


class Flags(Protocol):
    """Flags of a program that stand for gin bindings, such as `rows.flags`."""

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        """Adds them."""

    def bindings(self, flags: argparse.Namespace) -> list[str]:
        """Returns "NAME=VALUE" for those that were given."""


def parse_flags(program: str, argv: Sequence[str], more: Flags | None = None) -> None:
    """Reads T5X's flags and the gin files they name.

    Args:
        program: name of the program, for its help.
        argv: e.g. ["--gin_file=gin/runs/prompt_tune.gin", "--gin.BATCH_SIZE=16"].
        more: flags besides; bindings win over them.

    Raises:
        InputError: when a file is missing or does not parse, or a macro is not set.
    """
    parser = argparse.ArgumentParser(
        prog=f"spot_jax {program}",
        allow_abbrev=False,
        epilog="Any gin binding may follow: --gin.BATCH_SIZE=16 "
        "--gin.MODEL_DIR=/tmp/run. README.md lists the macros.",
    )
    parser.add_argument("--gin_file", action="append", default=[], metavar="FILE")
    parser.add_argument(
        "--gin_bindings", action="append", default=[], metavar="NAME=VALUE"
    )
    parser.add_argument(
        "--gin_search_paths", default="", help="folders, separated by commas"
    )
    parser.add_argument(
        "--module",
        action="append",
        default=[],
        metavar="NAME",
        help="a Python module that registers tasks of your own (my_tasks, for "
        "my_tasks.py of this folder); it is run",
    )
    if more:
        more.add_to(parser)
    flags, rest = parser.parse_known_args(argv)
    if not flags.gin_file:
        parser.error("name at least one --gin_file, e.g. gin/runs/prompt_tune.gin")
    unknown = [flag for flag in rest if not re.match(r"--gin\.[^=]+=", flag)]
    if unknown:
        parser.error(f"not understood: {' '.join(unknown)}")
    bindings = more.bindings(flags) if more else []
    if flags.module:
        bindings.append(f"MIXTURE_OR_TASK_MODULE={flags.module!r}")
    bindings += flags.gin_bindings + [flag.removeprefix("--gin.") for flag in rest]
    folders = [folder for folder in flags.gin_search_paths.split(",") if folder]
    # A shell leaves the ~ of --gin_file=~/run.gin as it is.
    files, folders = (
        [str(reading.path_of(path)) for path in paths]
        for paths in (flags.gin_file, folders)
    )
    parse(files, bindings, folders)
    check_used(bindings)


def check_used(bindings: Sequence[str]) -> None:
    """Refuses macros of the command line that nothing in the files refers to.

    Raises:
        InputError: with the names that are close.
    """
    used = set(re.findall(r"%([A-Za-z_]\w*)", gin.config_str()))
    for binding in bindings:
        name = binding.partition("=")[0].strip()
        if re.fullmatch(r"[A-Z_][A-Z0-9_]*", name) and name not in used:
            close = difflib.get_close_matches(name, used, n=2)
            question = f" Did you mean {' or '.join(close)}?" if close else ""
            raise InputError(f"These gin files have no use for {name}.{question}")
