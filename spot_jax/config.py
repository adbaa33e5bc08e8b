"""gin, in one place: T5X's flags in, configured functions out.

Nothing else imports gin. Configuration files name functions by their modules
(`from spot_jax import train`, dynamic registration), so code carries no decorators.

Defaults are the code's: gin files bind parameters to macros, and a macro that nobody
sets has the default of its parameter.
"""

import argparse
import ast
import dataclasses
import difflib
import importlib.util  # noqa: F401  (gin 0.5 uses it without importing it)
import inspect
import io
import logging
import os
import pathlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gin

from spot_jax.errors import InputError

_PACKAGE = pathlib.Path(__file__).parent
NO_DEFAULT = inspect.Parameter.empty

# Modules that had other names when prompts were made whose files tell of them.
_MOVED = {
    "spot_jax.domain_shift": "spot_jax.scoring.domain_shift",
    "spot_jax.nearest": "spot_jax.scoring.nearest_pieces",
    "spot_jax.studies.cost": "spot_jax.campaign.cost",
    "spot_jax.studies.plan": "spot_jax.campaign.plan",
}


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
        InputError: with the names that are close.
    """
    used = set(re.findall(r"%([A-Za-z_]\w*)", gin.config_str()))
    for binding in bindings:
        name = binding.partition("=")[0].strip()
        if re.fullmatch(r"[A-Z_][A-Z0-9_]*", name) and name not in used:
            close = difflib.get_close_matches(name, used, n=2)
            question = f" Did you mean {' or '.join(close)}?" if close else ""
            raise InputError(f"These gin files have no use for {name}.{question}")


def parse(
    files: Sequence[str], bindings: Sequence[str] = (), folders: Sequence[str] = ()
) -> None:
    """Replaces the configuration by these files and bindings, later ones win.

    Args:
        files: paths, looked for here, in `folders` and where spot_jax lies.
        bindings: "NAME=VALUE"; a value that is no Python literal is taken as text.
        folders: more places to look for files.

    Raises:
        InputError: see `parse_flags`.
    """
    gin.clear_config(clear_constants=False)
    for folder in (".", *folders, str(root())):
        gin.add_config_file_search_path(folder)
    # gin logs an error for every folder that a file is not in, found or not.
    logging.disable(logging.ERROR)
    try:
        gin.parse_config_files_and_bindings(
            list(files), [_quoted(binding) for binding in bindings], False
        )
        _fill_in()
        _import_once()
        gin.finalize()
    except (SyntaxError, OSError, AttributeError, ImportError, ValueError) as error:
        raise InputError(_explain(error)) from error
    finally:
        logging.disable(logging.NOTSET)


def override(bindings: Sequence[str]) -> None:
    """Adds bindings to the configuration, for a run that a program begins.

    Args:
        bindings: as `parse` takes them; they win over what is there.

    Raises:
        InputError: when one does not parse.
    """
    try:
        with gin.unlock_config():
            gin.parse_config([_quoted(binding) for binding in bindings])
            _fill_in()
    except (SyntaxError, ValueError) as error:
        raise InputError(_explain(error)) from error


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


def _fill_in() -> None:
    """Sets macros that nobody has set to the defaults of what they are bound to.

    A macro stays unset where the parameters it is bound to have no default, or two.
    """
    macro = gin.get_configurable(gin.config.macro)
    references = gin.config.iterate_references(gin.config._CONFIG, to=macro)
    for name in sorted({"/".join(reference.scopes) for reference in references}):
        if (name, "gin.macro") not in gin.config._CONFIG:
            defaults = [default_of(*parameter) for parameter in _bound_to(name)]
            texts = {_setting(name, x) for x in defaults if x is not NO_DEFAULT}
            if len(texts) == 1 and None not in texts:
                gin.parse_config(texts.pop())


def _bound_to(macro: str) -> Iterator[tuple[Callable, str]]:
    """Yields the functions and parameters that take a macro's value."""
    for (scope, name), bindings in gin.config._CONFIG.items():
        for parameter, value in bindings.items():
            # Text of these characters would have quotes.
            if repr(value) == f"%{macro}":
                if name == "gin.macro":
                    yield from _bound_to(scope)
                else:
                    yield gin.config._REGISTRY[name].wrapped, parameter


def default_of(function: Callable, parameter: str) -> Any:
    """Returns a parameter's default, NO_DEFAULT where it has none."""
    if dataclasses.is_dataclass(function):
        for field in dataclasses.fields(function):
            if field.name == parameter and callable(field.default_factory):
                return field.default_factory()
    found = inspect.signature(function).parameters.get(parameter)
    return found.default if found else NO_DEFAULT


def _setting(name: str, value: Any) -> str | None:
    """Returns gin text that sets a name; None for a value that gin cannot write."""
    function = getattr(value, "__qualname__", "")
    if function.isidentifier():
        package, _, module = value.__module__.rpartition(".")
        return (
            "from __gin__ import dynamic_registration\n"
            f"from {package} import {module}\n{name} = @{module}.{function}\n"
        )
    try:
        ast.literal_eval(repr(value))
    except (SyntaxError, ValueError):
        return None
    return f"{name} = {value!r}\n"


def _import_once() -> None:
    """Keeps one import of each module: of two gin would take one or the other.

    An old file may call a module otherwise than the files it stands beside.
    """
    imports = sorted(gin.config._IMPORTS, key=lambda s: s.alias or "", reverse=True)
    gin.config._IMPORTS.clear()
    gin.config._IMPORTS.update({s.module: s for s in imports}.values())


def _open(path: str) -> io.StringIO:
    """Opens a gin file, with the names in it that modules have today."""
    text = pathlib.Path(path).read_text(encoding="utf-8")
    statement = r"^from ([\w.]+) import (\w+)( as \w+)?(?=\s*(?:#.*)?$)"
    opened = io.StringIO(re.sub(statement, _renamed, text, flags=re.MULTILINE))
    opened.name = path  # For gin's messages.
    return opened


def _renamed(statement: re.Match) -> str:
    package, name, alias = statement.groups(default="")
    moved = _MOVED.get(f"{package}.{name}")
    if not moved:
        return statement.group()
    package, _, module = moved.rpartition(".")
    if module != name:
        # What follows in the file goes on calling it by the old name.
        alias = alias or f" as {name}"
    return f"from {package} import {module}{alias}"


# gin asks its readers in order, and the first of its own opens every file there is.
gin.config._FILE_READERS.insert(0, (_open, os.path.isfile))


def _explain(error: Exception) -> str:
    text = str(error)
    unset = re.search(r"No bindings specified for '(.+?)/gin\.macro'", text)
    # What a gin file asks for although the code has a default.
    unset = unset or re.match(r"(\w+)/macro\.value set to `%gin\.REQUIRED`", text)
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
    """Returns the configuration as gin text, with what it leaves to the code."""
    rest = ["# Defaults, where a program says no other:", *_left_to_the_code()]
    return "\n".join([gin.config_str(), *rest, ""])


def _left_to_the_code() -> list[str]:
    """Returns comments: the defaults of parameters that nothing binds."""
    references = gin.config.iterate_references(gin.config._CONFIG)
    names = {name for _, name in gin.config._CONFIG}
    lines = []
    for name in names | {reference.configurable.selector for reference in references}:
        function = gin.config._REGISTRY[name].wrapped
        where = f"{function.__module__}.{function.__qualname__}"
        bound = gin.config._CONFIG.get(("", name), {})
        for parameter in inspect.signature(function).parameters:
            default = default_of(function, parameter)
            if parameter not in bound and default is not NO_DEFAULT:
                setting = _setting(f"# {where}.{parameter}", default) or ""
                lines += setting.splitlines()[-1:]
    return sorted(lines)
