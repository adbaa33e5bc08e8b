"""Every write of the project: whole files and folders that appear in one step.

What other programs read is never seen half written, and survives a crash. Nothing else
in spot_jax writes, makes, renames or deletes anything (tests/test_layout.py looks), but
for libraries that fill a folder that was made here: orbax, tensorstore, TFDS and
TensorBoard. Where processes share a run, or paths are in a bucket, this is the one
place that has to know.
"""

import contextlib
import errno
import os
import pathlib
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from typing import BinaryIO, TextIO


def replace_file(path: pathlib.Path, data: bytes) -> None:
    """Replaces a file in one step that survives a crash; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = beside(path)
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def replace_text(path: pathlib.Path, text: str) -> None:
    """Replaces a file by a text in UTF-8; see `replace_file`."""
    replace_file(path, text.encode("utf-8"))


def create_file(path: pathlib.Path, data: bytes) -> bool:
    """Makes a file that is not there yet, whole; of two processes one alone may.

    Returns:
        Whether this process made it.
    """
    temporary = beside(path)
    replace_file(temporary, data)
    try:
        # A link, not a rename, which would replace what another process has made.
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True


def beside(path: pathlib.Path) -> pathlib.Path:
    """Returns a name beside `path` for what is not complete: `.NAME.PID-TOKEN.tmp`."""
    # Machines that share a disk may share a process number, too.
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def leftovers(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns what processes that were killed left in a folder, under such names."""
    return sorted(folder.glob(".*.tmp"))


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


def make_folder(path: pathlib.Path) -> pathlib.Path:
    """Makes a folder and those above it, unless they are there, and returns it."""
    path.mkdir(parents=True, exist_ok=True)
    return path


def check_writable(folder: pathlib.Path) -> None:
    """Makes a folder, and makes sure that files can be written in it.

    Raises:
        OSError: when they cannot.
    """
    make_folder(folder)
    # Of a name of its own: several machines may look at once.
    with tempfile.TemporaryFile(dir=folder):
        pass


def remove_folder(path: pathlib.Path) -> None:
    """Deletes a folder with all that is in it; none is no mistake."""
    shutil.rmtree(path, ignore_errors=True)


def open_to_append(path: pathlib.Path) -> TextIO:
    """Opens a file of lines, of which a crash may leave the last one cut short."""
    return open(path, "a", encoding="utf-8")


def open_to_fill(path: pathlib.Path) -> BinaryIO:
    """Opens a file of a `new_folder` that is too large to be in memory as a whole."""
    return open(path, "wb")
