"""gin, in one place: T5X's flags in, configured functions out.

Nothing else imports gin. Configuration files name functions by their modules
(`from spot_jax import train`, dynamic registration), so code carries no decorators.
"""

import argparse
import ast
import difflib
import importlib.util  # noqa: F401  (gin 0.5 uses it without importing it)
import logging
import pathlib
import re
from collections.abc import Callable, Sequence
from typing import Any

import gin

_PACKAGE = pathlib.Path(__file__).parent


def root() -> pathlib.Path:
    """Returns the folder that holds gin/: the checkout, or the package in a wheel."""
    parent = _PACKAGE.parent
    return parent if (parent / "gin" / "runs").is_dir() else _PACKAGE


def parse_flags(program: str, argv: Sequence[str]) -> None:
    """Reads T5X's flags and the gin files they name.

    Args:
        program: name of the program, for its help.
        argv: e.g. ["--gin_file=gin/runs/prompt_tune.gin", "--gin.BATCH_SIZE=16"].

    Raises:
        ValueError: when a file is missing or does not parse, or a macro is not set.
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
    flags, rest = parser.parse_known_args(argv)
    if not flags.gin_file:
        parser.error("name at least one --gin_file, e.g. gin/runs/prompt_tune.gin")
    unknown = [flag for flag in rest if not re.match(r"--gin\.[^=]+=", flag)]
    if unknown:
        parser.error(f"not understood: {' '.join(unknown)}")
    bindings = flags.gin_bindings + [flag.removeprefix("--gin.") for flag in rest]
    folders = [folder for folder in flags.gin_search_paths.split(",") if folder]
    parse(flags.gin_file, bindings, folders)
    check_used(bindings)


def check_used(bindings: Sequence[str]) -> None:
    """Refuses macros of the command line that nothing in the files refers to.

    Raises:
        ValueError: with the names that are close.
    """
    used = set(re.findall(r"%([A-Za-z_]\w*)", gin.config_str()))
    for binding in bindings:
        name = binding.partition("=")[0].strip()
        if re.fullmatch(r"[A-Z_][A-Z0-9_]*", name) and name not in used:
            close = difflib.get_close_matches(name, used, n=2)
            question = f" Did you mean {' or '.join(close)}?" if close else ""
            raise ValueError(f"These gin files have no use for {name}.{question}")


def parse(
    files: Sequence[str], bindings: Sequence[str] = (), folders: Sequence[str] = ()
) -> None:
    """Replaces the configuration by these files and bindings, later ones win.

    Args:
        files: paths, looked for here, in `folders` and where spot_jax lies.
        bindings: "NAME=VALUE"; a value that is no Python literal is taken as text.
        folders: more places to look for files.

    Raises:
        ValueError: see `parse_flags`.
    """
    gin.clear_config(clear_constants=False)
    for folder in (".", *folders, str(root())):
        gin.add_config_file_search_path(folder)
    # gin logs an error for every folder that a file is not in, found or not.
    logging.disable(logging.ERROR)
    try:
        gin.parse_config_files_and_bindings(
            list(files), [_quoted(binding) for binding in bindings]
        )
    except (SyntaxError, OSError, AttributeError, ImportError, ValueError) as error:
        raise ValueError(_explain(error)) from error
    finally:
        logging.disable(logging.NOTSET)


def override(bindings: Sequence[str]) -> None:
    """Adds bindings to the configuration, for a run that a program begins.

    Args:
        bindings: as `parse` takes them; they win over what is there.

    Raises:
        ValueError: when one does not parse.
    """
    try:
        with gin.unlock_config():
            gin.parse_config([_quoted(binding) for binding in bindings])
    except (SyntaxError, ValueError) as error:
        raise ValueError(_explain(error)) from error


def _quoted(binding: str) -> str:
    """Lets a shell write --gin.MODEL_DIR=/tmp/run without quoting twice."""
    name, _, value = binding.partition("=")
    value = value.strip()
    if value.startswith(("@", "%")):
        return f"{name}={value}"
    try:
        ast.literal_eval(value)
    except (SyntaxError, ValueError):
        # References inside lists are gin's, not Python's; leave those alone.
        if not re.search(r"^[\[({].*[@%][A-Za-z_]", value):
            value = _quoted_list(value) or repr(value)
    return f"{name}={value}"


def _quoted_list(value: str) -> str | None:
    """Turns [sst2, mrpc] into ['sst2', 'mrpc']; None for what is no such list."""
    if not re.fullmatch(r"\[[\w./: ,-]+\]", value):
        return None
    return repr([item.strip() for item in value[1:-1].split(",")])


def _explain(error: Exception) -> str:
    text = str(error)
    unset = re.search(r"No bindings specified for '(.+?)/gin\.macro'", text)
    if unset:
        name = unset.group(1)
        folder = {"ARCHITECTURE": "gin/models", "PROMPT_START": "gin/prompts"}.get(name)
        cure = f"--gin.{name}=VALUE"
        if folder:
            cure = f"give a --gin_file of {folder}, which sets it"
        return f"The macro {name} is not set; {cure}."
    return (
        f"The configuration does not parse. {text.splitlines()[0] if text else error!r}"
    )


def configured(function: Callable) -> Callable:
    """Returns the function with what the configuration sets bound to it."""
    return gin.get_configurable(function)


def value(macro: str) -> Any:
    """Returns what a macro of the configuration is set to."""
    return gin.query_parameter(f"{macro}/gin.macro.value")


def text() -> str:
    """Returns the configuration as gin text."""
    return gin.config_str()
