"""Every write of the project: whole files and folders that appear in one step."""

import contextlib
import errno
import os
import pathlib
import secrets
import shutil
from collections.abc import Iterator


def replace_file(path: pathlib.Path, data: bytes) -> None:
    """Replaces a file in one step that survives a crash at any moment."""
    temporary = beside(path)
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def beside(path: pathlib.Path) -> pathlib.Path:
    """Returns a name beside `path` for what is not complete: `.NAME.PID-TOKEN.tmp`."""
    # Machines that share a disk may share a process number, too.
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


@contextlib.contextmanager
def new_folder(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives a folder to fill, which then appears at `path` in one step.

    A process that is killed leaves what it had written, under the name `beside`; one
    that fails leaves nothing.

    Raises:
        FileExistsError: something is there already; it is left alone.
    """
    temporary = beside(path)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        _sync_folder(temporary)
        try:
            os.rename(temporary, path)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise FileExistsError(f"{path} is there already") from error
            raise
        _sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _sync_folder(path: pathlib.Path) -> None:
    """Makes the names in a folder survive a power failure, as fsync does a file."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
