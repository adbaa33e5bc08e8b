"""gin files and bindings in, one configuration out."""

import ast
import importlib.util  # noqa: F401  (gin 0.5 uses it without importing it)
import logging
import re
import tokenize
from collections.abc import Sequence

import gin

from spot_jax.config import files as gin_files
from spot_jax.config import macros, types
from spot_jax.errors import InputError

# What gin and Python's parser raise for a text that is no configuration; the last two
# for files that include each other and for brackets without end.
NO_CONFIGURATION = (
    *(SyntaxError, OSError, NameError, AttributeError, ImportError, ValueError),
    *(TypeError, tokenize.TokenError, RecursionError, MemoryError),
)


def parse(
    files: Sequence[str], bindings: Sequence[str] = (), folders: Sequence[str] = ()
) -> None:
    """Replaces the configuration by these files and bindings, later ones win.

    Files of gin/prompts are read after those of gin/runs; see `files.in_order`.

    Args:
        files: paths, looked for here, in `folders` and where spot_jax lies.
        bindings: "NAME=VALUE"; a value that is no Python literal is taken as text.
        folders: more places to look for files.

    Raises:
        InputError: see `parse_flags`.
    """
    gin.clear_config(clear_constants=False)
    for folder in (".", *folders, str(gin_files.root())):
        gin.add_config_file_search_path(folder)
    # gin logs an error for every folder that a file is not in, found or not.
    logging.disable(logging.ERROR)
    try:
        gin.parse_config_files_and_bindings(gin_files.in_order(files), None, False)
        gin_files.reach(bindings)
        gin.parse_config([quoted(binding) for binding in bindings])
        macros.check_circles()
        macros.fill_in()
        types.keep_texts(bindings)
        gin_files.import_once()
        gin.finalize()
    except InputError:
        raise
    except NO_CONFIGURATION as error:
        raise InputError(explain(error)) from error
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
            gin_files.reach(bindings)
            gin.parse_config([quoted(binding) for binding in bindings])
            macros.check_circles()
            macros.fill_in()
            types.keep_texts(bindings)
    except InputError:
        raise
    except NO_CONFIGURATION as error:
        raise InputError(explain(error)) from error


def quoted(binding: str) -> str:
    """Lets a shell write --gin.MODEL_DIR=/tmp/run without quoting twice.

    Raises:
        InputError: when it sets nothing.
    """
    name, equals, value = binding.partition("=")
    if not equals:
        raise InputError(f"{binding} sets nothing; write {binding}=VALUE.")
    value = value.strip()
    if value.startswith(("@", "%")):
        return f"{name}={value}"
    try:
        ast.literal_eval(value)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # References inside lists are gin's, not Python's; leave those alone.
        if not re.search(r"^[\[({].*[@%][A-Za-z_]", value):
            value = _quoted_list(value) or repr(value)
    return f"{name}={value}"


def _quoted_list(value: str) -> str | None:
    """Turns [sst2, mrpc] into ['sst2', 'mrpc']; None for what is no such list."""
    if not re.fullmatch(r"\[[\w./: ,-]+\]", value):
        return None
    return repr([item.strip() for item in value[1:-1].split(",")])


def explain(error: Exception) -> str:
    """Returns what is wrong with a configuration, and the cure, as a message."""
    if isinstance(error, RecursionError | MemoryError):
        return (
            "The configuration does not parse: its files include each other in a "
            "circle, or its brackets nest without end."
        )
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
    first, *rest = (text or repr(error)).splitlines()
    where = [f" {line.strip()}" for line in rest if line.startswith("  In file")]
    return f"The configuration does not parse. {first}{''.join(where[:1])}"
