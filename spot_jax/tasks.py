"""The door to the folder tasks/: `spot_jax.tasks.glue` is the file tasks/glue.py.

The folder stands beside the package in a checkout and inside it in a wheel; setting
`__path__` makes this module a package whose members are found in either place.
"""

import importlib
import pathlib
import pkgutil

from spot_jax import text

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


def register_all() -> None:
    """Imports every file of tasks/, which registers its tasks with SeqIO."""
    text.import_tensorflow()
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
