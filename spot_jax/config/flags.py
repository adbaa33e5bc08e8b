"""T5X's flags: gin files and bindings of the command line."""

import argparse
import difflib
import re
from collections.abc import Sequence
from typing import Protocol

import gin

from spot_jax import reading
from spot_jax.config import code, listing
from spot_jax.config.parsing import parse
from spot_jax.errors import InputError

_BINDING = re.compile(r"--gin\.[^=]+=")


class Flags(Protocol):
    """Flags of a program that stand for gin bindings, such as `rows.flags`."""

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        """Adds them."""

    def bindings(self, flags: argparse.Namespace) -> list[str]:
        """Returns "NAME=VALUE" for those that were given."""


def parse_flags(
    program: str, argv: Sequence[str], more: Flags | None = None
) -> argparse.Namespace:
    """Reads T5X's flags and the gin files they name.

    Args:
        program: name of the program, for its help.
        argv: e.g. ["--gin_file=gin/runs/prompt_tune.gin", "--gin.BATCH_SIZE=16"].
        more: flags besides; bindings win over them.

    Returns:
        The flags, those of `more` among them.

    Raises:
        InputError: when a file is missing or does not parse, or a macro is not set.
        SystemExit: when help was asked for, which is printed, or a flag is unknown.
    """
    parser = _parser(program)
    if more:
        more.add_to(parser)
    flags, rest = parser.parse_known_args(argv)
    given = flags.gin_bindings
    given += [flag.removeprefix("--gin.") for flag in rest if _BINDING.match(flag)]
    folders = [folder for folder in flags.gin_search_paths.split(",") if folder]
    # A shell leaves the ~ of --gin_file=~/run.gin as it is.
    files, folders = (
        [str(reading.path_of(path)) for path in paths]
        for paths in (flags.gin_file, folders)
    )
    if flags.help or flags.macros:
        macros = listing.macros_of(files, given, folders)
        # A model or a prompt alone has no use for any.
        macros = macros or listing.macros_of([_usual_run(program), *files], given)
        print(listing.long(macros) if flags.macros else _help(program, parser, macros))
        parser.exit()
    if not files:
        parser.error(f"name at least one --gin_file, e.g. {_usual_run(program)}")
    unknown = [flag for flag in rest if not _BINDING.match(flag)]
    if unknown:
        parser.error(f"not understood: {' '.join(unknown)}")
    bindings = more.bindings(flags) if more else []
    if flags.module:
        bindings.append(f"MIXTURE_OR_TASK_MODULE={flags.module!r}")
    bindings += given
    parse(files, bindings, folders)
    check_used(bindings)
    return flags


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"spot_jax {program}",
        allow_abbrev=False,
        add_help=False,
    )
    flag = parser.add_argument
    flag("-h", "--help", action="store_true", help="show this and exit")
    flag("--macros", action="store_true", help="tell what each macro means, and exit")
    flag("--gin_file", action="append", default=[], metavar="FILE")
    flag("--gin_bindings", action="append", default=[], metavar="NAME=VALUE")
    flag("--gin_search_paths", default="", help="folders, separated by commas")
    flag(
        "--module",
        action="append",
        default=[],
        metavar="NAME",
        help="a Python module that registers tasks of your own (my_tasks, for "
        "my_tasks.py of this folder); it is run",
    )
    return parser


def _usual_run(program: str) -> str:
    return f"gin/runs/{'prompt_tune' if program == 'train' else program}.gin"


def _help(
    program: str, parser: argparse.ArgumentParser, macros: Sequence[listing.Macro]
) -> str:
    usage = parser.format_usage()
    parser.usage = argparse.SUPPRESS
    # argparse would make one paragraph of what the program says.
    parts = [usage, code.purpose(program), parser.format_help(), listing.short(macros)]
    return "\n\n".join(part.strip() for part in parts)


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
