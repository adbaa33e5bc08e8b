"""Files where libraries open them by name: on a disk, whatever bucket they are in."""

import contextlib
import pathlib
import secrets
from collections.abc import Iterable, Iterator

from spot_jax import buckets
from spot_jax.model_dir import storage


@contextlib.contextmanager
def one(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives a file that is only read: itself, or a copy for a while.

    Raises:
        OSError: when it cannot be fetched from its bucket.
    """
    if not buckets.is_inside(path):
        yield path
        return
    with storage.temporary_folder() as folder:
        here = folder / path.name
        path.copy_to(here)
        yield here


def several(folder: pathlib.Path, names: Iterable[str]) -> pathlib.Path:
    """Returns a folder that has these files: itself, or one until this process ends.

    Raises:
        OSError: when one of them is not there.
    """
    if not buckets.is_inside(folder):
        return folder
    here = storage.make_folder(storage.scratch() / secrets.token_hex(8))
    for name in names:
        (folder / name).copy_to(here / name)
    return here
