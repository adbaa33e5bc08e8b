"""Where gin files are, and what older ones call modules that have moved."""

import importlib
import io
import pathlib
import re
import tokenize
from collections.abc import Sequence

import gin

from spot_jax import reading
from spot_jax.errors import InputError

PACKAGE = pathlib.Path(__file__).parents[1]

# Modules that had other names when prompts were made whose files tell of them.
_MOVED = {
    "spot_jax.domain_shift": "spot_jax.scoring.domain_shift",
    "spot_jax.nearest": "spot_jax.scoring.nearest_pieces",
    "spot_jax.studies.cost": "spot_jax.campaign.cost",
    "spot_jax.studies.plan": "spot_jax.campaign.plan",
}


def root() -> pathlib.Path:
    """Returns the folder that holds gin/: the checkout, or the package in a wheel."""
    parent = PACKAGE.parent
    return parent if (parent / "gin" / "runs").is_dir() else PACKAGE


def in_order(paths: Sequence[str]) -> list[str]:
    """Returns gin files as they are read: those of gin/prompts after those of gin/runs.

    What the paper of a kind of prompt has otherwise than a run, its optimizer and rate,
    wins wherever it stands among them.
    """
    of_runs = [n for n, path in enumerate(paths) if _is_of(path, "runs")]
    last = of_runs[-1] + 1 if of_runs else 0
    early = [path for path in paths[:last] if _is_of(path, "prompts")]
    before = [path for path in paths[:last] if not _is_of(path, "prompts")]
    return [*before, *early, *paths[last:]]


def _is_of(path: str, folder: str) -> bool:
    return pathlib.PurePath(path).parts[-3:-1] == ("gin", folder)


def open_file(path: str) -> io.StringIO:
    """Opens a gin file, with the names in it that modules have today."""
    text = reading.read_text(path, "A gin file is plain text.")
    try:
        list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, IndentationError) as error:
        # gin would not say in which file.
        raise InputError(
            f"The configuration does not parse. {path}, line {_line(error)}: "
            f"{error.args[0]}."
        ) from error
    statement = r"^from ([\w.]+) import (\w+)( as \w+)?(?=\s*(?:#.*)?$)"
    opened = io.StringIO(re.sub(statement, _renamed, text, flags=re.MULTILINE))
    opened.name = path  # For gin's messages.
    return opened


def _line(error: tokenize.TokenError | IndentationError) -> int:
    return error.lineno if isinstance(error, IndentationError) else error.args[1][0]


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


def import_once() -> None:
    """Keeps one import of each module: of two gin would take one or the other.

    An old file may call a module otherwise than the files it stands beside.
    """
    imports = sorted(gin.config._IMPORTS, key=lambda s: s.alias or "", reverse=True)
    gin.config._IMPORTS.clear()
    gin.config._IMPORTS.update({s.module: s for s in imports}.values())


def reach(bindings: Sequence[str]) -> None:
    """Lets bindings name functions of the modules that files import.

    gin knows those that a file names itself: `@decode.greedy` of a command line would
    be unknown where every file leaves the search to its default.
    """
    modules = {s.bound_name().rsplit(".", 1)[-1]: s.module for s in gin.config._IMPORTS}
    for name in re.findall(r"@([\w.]+)", "\n".join(bindings)):
        module, _, function = name.rpartition(".")
        is_known = gin.config._REGISTRY.matching_selectors(name)
        if is_known or module not in modules:
            continue
        found = getattr(importlib.import_module(modules[module]), function, None)
        if callable(found):
            gin.external_configurable(found, function, modules[module])


# gin asks its readers in order, and the first of its own opens every file there is.
gin.config._FILE_READERS.insert(0, (open_file, reading.is_file))
