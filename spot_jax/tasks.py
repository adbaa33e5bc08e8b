"""The door to the folder tasks/: `spot_jax.tasks.glue` is the file tasks/glue.py.

The folder stands beside the package in a checkout and inside it in a wheel; setting
`__path__` makes this module a package whose members are found in either place.
"""

import importlib
import os
import pathlib
import pkgutil
import sys
from collections.abc import Iterable

from spot_jax import text
from spot_jax.errors import InputError

_HERE = pathlib.Path(__file__).parent
__path__ = [
    str(folder)
    for folder in (_HERE.parent / "tasks", _HERE / "tasks")
    if (folder / "catalog.py").exists()
][:1]


def has_more() -> bool:
    """Returns whether files of tasks/ may add tasks to the catalog, if imported.

    Those that are shipped do not: their lines stand in the catalog.
    """
    files = (path for folder in __path__ for path in pathlib.Path(folder).glob("*.py"))
    others = (path for path in files if not path.name.startswith("catalog"))
    return any(b"TaskInfo" in path.read_bytes() for path in others)


def use_modules(names: Iterable[str]) -> None:
    """Imports modules of the user's, which register tasks with SeqIO.

    They are looked for in the current folder as well.

    Args:
        names: as Python imports them: "my_tasks", "my.tasks".

    Raises:
        InputError: when there is no such module.
    """
    for name in names:
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            # What it imports itself is its own affair, and has a trace.
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise
            raise InputError(
                f"There is no module {name!r} in {os.getcwd()} or where Python looks "
                "for modules. Name a file without .py: --module my_tasks."
            ) from error


def register_all() -> None:
    """Imports every file of tasks/, which registers its tasks with SeqIO."""
    text.import_tensorflow()
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
