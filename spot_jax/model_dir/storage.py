"""Every write of the project: whole files and folders that appear in one step.

What other programs read is never seen half written, and survives a crash. Nothing else
in spot_jax writes, makes, renames or deletes anything (tests/test_layout.py looks), but
for libraries that fill a folder that was made here: orbax, tensorstore, TFDS and
TensorBoard. Where processes share a run, or paths are in a bucket, this is the one
place that has to know. What cannot be written is a `WriteError`, whoever writes it.

In a bucket an object appears as a whole by itself, and there are no folders: one that
is filled here is whole when the file is there that is written last, by which whoever
reads it looks for it.
"""

import atexit
import contextlib
import errno
import functools
import os
import pathlib
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

from spot_jax import buckets
from spot_jax.errors import InputError

# A disk, a quota or a file that is full: of what writes alone can meet.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_BESIDE_ARRAYS = 2**20
# The names that `beside` gives.
_TEMPORARY = re.compile(r"\.(.+)\.\d+-[0-9a-f]+\.tmp")
# What this process is about to write, under the names of `beside`.
_unfinished: set[pathlib.Path] = set()
# Whether this process writes: of several that share a run one does, for all.
_is_writer = True


def write_nothing() -> None:
    """Lets every write of this process be none: another one writes the same."""
    global _is_writer
    _is_writer = False


def is_writer() -> bool:
    """Whether this process writes."""
    return _is_writer


class WriteError(InputError, OSError):
    """A disk that is full, a folder that is another's or gone.

    It is an OSError as well, with the system's reason in `strerror`: who knows more of
    what was written can say it in words of its own.
    """

    def __init__(self, path: pathlib.Path, error: OSError):
        mend = "Make room there" if error.errno in _FULL else "Mend that"
        reason = error.strerror or str(error)
        super().__init__(
            f"{path} cannot be written ({reason}). {mend} and give the command again, "
            "or name another place; what was finished is untouched."
        )
        self.errno, self.strerror = error.errno, reason

    def __str__(self) -> str:
        return self.args[0]


@contextlib.contextmanager
def writing(path: pathlib.Path) -> Iterator[None]:
    """Makes of an OSError inside a `WriteError` that names the path and the cure."""
    try:
        with _in_a_disks_words(path):
            yield
    except WriteError:
        raise
    except OSError as error:
        raise WriteError(path, error) from error


def _in_a_disks_words(path: pathlib.Path) -> contextlib.AbstractContextManager:
    if not buckets.is_inside(path):
        return contextlib.nullcontext()
    from spot_jax.buckets.path import as_on_a_disk

    return as_on_a_disk(path)


def check_room(folder: pathlib.Path, needed: int) -> None:
    """Makes sure that a disk has room, or that a bucket, which has, may be written.

    Libraries that write in threads tell of a full disk in many ways, and of a bucket
    that refuses minutes later; this tells before.

    Args:
        folder: where something will be written.
        needed: how large it is, in bytes.

    Raises:
        WriteError: when there is less room.
    """
    if buckets.is_inside(folder):
        check_writable(folder)
        return
    with writing(folder):
        free = shutil.disk_usage(folder).free
        # Beside its arrays a checkpoint has files that say what they are.
        needed += _BESIDE_ARRAYS
        if free < needed:
            full = f"{free / 1e6:,.1f} MB are free, and {needed / 1e6:,.1f} are needed"
            raise OSError(errno.ENOSPC, full)


def replace_file(path: pathlib.Path, data: bytes) -> None:
    """Replaces a file in one step that survives a crash; its folder is made.

    Raises:
        WriteError: when it cannot be written; what was there is there still.
    """
    if not _is_writer:
        return
    if buckets.is_inside(path):
        with writing(path):
            path.write_bytes(data)
        return
    with writing(path), _temporary_for(path, data) as temporary:
        os.replace(temporary, path)


def replace_text(path: pathlib.Path, text: str) -> None:
    """Replaces a file by a text in UTF-8; see `replace_file`."""
    replace_file(path, text.encode("utf-8"))


def create_file(path: pathlib.Path, data: bytes) -> bool:
    """Makes a file that is not there yet, whole; of two processes one alone may.

    Returns:
        Whether this process made it.
    """
    if not _is_writer:
        return False
    if buckets.is_inside(path):
        try:
            with writing(path):
                path.create_bytes(data)
        except WriteError as error:
            if error.errno == errno.EEXIST:
                return False
            raise
        return True
    with writing(path), _temporary_for(path, data) as temporary:
        try:
            # A link, not a rename, which would replace what another process has made.
            os.link(temporary, path)
        except FileExistsError:
            return False
        return True


def beside(path: pathlib.Path) -> pathlib.Path:
    """Returns a name beside `path` for what is not complete: `.NAME.PID-TOKEN.tmp`."""
    # Machines that share a disk may share a process number, too.
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


@contextlib.contextmanager
def _temporary_for(
    path: pathlib.Path, data: bytes | None = None
) -> Iterator[pathlib.Path]:
    """Gives the name `beside`, with data or without, of which nothing stays behind."""
    temporary = beside(path)
    _unfinished.add(temporary)
    try:
        if data is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        yield temporary
    finally:
        _remove(temporary)
        _unfinished.discard(temporary)


def remove_unfinished() -> None:
    """Removes what this process has begun to write, when it ends without more ado."""
    for path in list(_unfinished):
        _remove(path)


def leftovers(folder: pathlib.Path, of: str | None = None) -> list[pathlib.Path]:
    """Returns what processes that were killed left in a folder, or are writing there.

    Args:
        folder: the folder; those in it are not searched.
        of: the name of what they were writing; None: whatever it was.
    """
    if buckets.is_inside(folder):
        # Objects are whole or not there.
        return []
    found = {path: _TEMPORARY.fullmatch(path.name) for path in folder.glob(".*.tmp")}
    return sorted(p for p, name in found.items() if name and of in (None, name[1]))


def remove_leftovers(*folders: pathlib.Path, of: str | None = None) -> None:
    """Removes `leftovers`, where a lock says that nobody else is writing."""
    for folder in folders:
        for path in leftovers(folder, of):
            _remove(path)


def _remove(path: pathlib.Path) -> None:
    """Deletes a file, or a folder with all that is in it; none is no mistake."""
    if not _is_writer:
        return
    if buckets.is_inside(path):
        with contextlib.suppress(OSError):
            path.rmtree(missing_ok=True)
        return
    with contextlib.suppress(OSError):
        path.unlink()
        return
    shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def new_folder(path: pathlib.Path, last: str = "") -> Iterator[pathlib.Path]:
    """Gives a folder to fill, which then appears at `path` in one step.

    A process that is killed leaves what it had written, under the name `beside`; one
    that fails leaves nothing. In a bucket it is filled where it will be.

    Args:
        path: the folder, which is made.
        last: the file in it that is written last; "" where it is none of all.

    Raises:
        FileExistsError: something is there already; it is left alone.
        WriteError: when it cannot be made, or the disk is full before it is filled.
    """
    if buckets.is_inside(path):
        with _filled_in_place(path, last):
            yield path
        return
    with _temporary_for(path) as temporary:
        with writing(path):
            temporary.mkdir(parents=True)
        try:
            yield temporary
        except OSError as error:
            # What is read to fill it may be missing as well.
            if isinstance(error, WriteError) or error.errno in _FULL:
                raise WriteError(path, error) from error
            raise
        with writing(path):
            _sync_folder(temporary)
        _appear(temporary, path)


@contextlib.contextmanager
def _filled_in_place(path: pathlib.Path, last: str) -> Iterator[None]:
    if (path / last).exists():
        raise FileExistsError(f"{path} is there already")
    # What a process left that was killed before it had written the last.
    _remove(path)
    try:
        yield
    except BaseException:
        _remove(path)
        raise


def _appear(temporary: pathlib.Path, path: pathlib.Path) -> None:
    try:
        os.rename(temporary, path)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise FileExistsError(f"{path} is there already") from error
        raise WriteError(path, error) from error
    with writing(path.parent):
        _sync_folder(path.parent)


def _sync_folder(path: pathlib.Path) -> None:
    """Makes the names in a folder survive a power failure, as fsync does a file."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: pathlib.Path) -> pathlib.Path:
    """Makes a folder and those above it, unless they are there, and returns it.

    Raises:
        WriteError: when it cannot be made.
    """
    if buckets.is_inside(path):
        # It is there with the first thing in it.
        return path
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def temporary_folder() -> Iterator[pathlib.Path]:
    """Makes a folder for a while, where the system keeps what is temporary.

    Raises:
        WriteError: when it cannot be made.
    """
    with writing(pathlib.Path(tempfile.gettempdir())):
        folder = tempfile.TemporaryDirectory(
            prefix="spot_jax-", ignore_cleanup_errors=True
        )
    with folder as name:
        yield pathlib.Path(name)


@functools.cache
def scratch() -> pathlib.Path:
    """Makes a folder that is there until this process ends.

    Raises:
        WriteError: when it cannot be made.
    """
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(temporary_folder())


def check_writable(folder: pathlib.Path) -> None:
    """Makes a folder, and makes sure that files can be written in it.

    Raises:
        WriteError: when they cannot.
    """
    if buckets.is_inside(folder):
        tried = folder / f".tried-{secrets.token_hex(4)}"
        with writing(folder):
            tried.write_bytes(b"")
            tried.unlink()
        return
    make_folder(folder)
    # Of a name of its own: several machines may look at once.
    with writing(folder), tempfile.TemporaryFile(dir=folder):
        pass


def remove_file(path: pathlib.Path) -> None:
    """Deletes a file; none is no mistake.

    Raises:
        WriteError: when it cannot be deleted.
    """
    if _is_writer:
        with writing(path):
            path.unlink(missing_ok=True)


def remove_folder(path: pathlib.Path) -> None:
    """Deletes a folder with all that is in it; none is no mistake."""
    if _is_writer:
        _remove(path)


def open_to_add(path: pathlib.Path) -> BinaryIO:
    """Opens a file of this machine that grows.

    Raises:
        WriteError: when it cannot be written.
    """
    with writing(path):
        # Without a buffer, which would be written once more at the end.
        return open(path, "ab", buffering=0)


@contextlib.contextmanager
def open_to_fill(path: pathlib.Path) -> Iterator[BinaryIO]:
    """Opens a file of a `new_folder` that is too large to be in memory as a whole."""
    if not buckets.is_inside(path):
        with open(path, "wb") as file:
            yield file
        return
    with temporary_folder() as folder:
        with open(folder / path.name, "wb") as file:
            yield file
        with writing(path):
            path.fill_from(folder / path.name)


def open_lock(path: pathlib.Path) -> BinaryIO:
    """Opens a file that is locked, and says by whom; what it says stays.

    Raises:
        WriteError: when it cannot be made.
    """
    with writing(path):
        return open(path, "a+b", buffering=0)
