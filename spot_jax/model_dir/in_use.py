"""One process in a folder: a lock that names its holder, and ends with it."""

import contextlib
import datetime
import errno
import fcntl
import functools
import logging
import os
import pathlib
import socket
from collections.abc import Callable, Iterator
from typing import BinaryIO

import jax

from spot_jax import buckets
from spot_jax.errors import InputError
from spot_jax.model_dir import names, storage

logger = logging.getLogger(__name__)

# What file systems answer that have no locks.
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)


@contextlib.contextmanager
def alone_in(folder: pathlib.Path, option: str) -> Iterator[Callable[[], None]]:
    """Keeps others out of a folder, which is there and can be written.

    The kernel takes the lock back however its holder ends, so that none is left over.
    Of the processes that share a run the first alone writes, and holds it.

    Args:
        folder: the folder.
        option: how it is given, for the messages: "MODEL_DIR", "--dir".

    Yields:
        What makes sure that the folder is still the one that was locked.

    Raises:
        InputError: when someone else is in it, by name; from what is yielded, when it
            was removed, or another process has taken it.
    """
    if jax.process_index():
        yield lambda: None
        return
    path = folder / names.LOCK
    if buckets.is_inside(path):
        with _alone_in_bucket(path, option) as check:
            yield check
        return
    with locked(path) as holder:
        if holder:
            raise _in_use(folder, option, holder)
        check = functools.partial(_check_still_there, path, _which(path), option)
        try:
            yield check
        except storage.WriteError:
            # Nothing can be written where nothing is: say so, and not what follows.
            check()
            raise


def _in_use(folder: pathlib.Path, option: str, holder: str) -> InputError:
    return InputError(
        f"{option} {folder} is in use by {holder}. Wait until that ends, or choose "
        f"another {option}."
    )


@contextlib.contextmanager
def _alone_in_bucket(path: pathlib.Path, option: str) -> Iterator[Callable[[], None]]:
    from spot_jax.model_dir import lease

    with lease.held(path) as found:
        if isinstance(found, str):
            raise _in_use(path.parent, option, found)

        def check() -> None:
            is_held = True
            # One that cannot be asked now is asked again: nothing is lost by that.
            with contextlib.suppress(ValueError, TimeoutError):
                is_held = found.is_held()
            if not is_held:
                raise (_taken if found.is_taken else _gone)(path, option)

        yield check


def _check_still_there(path: pathlib.Path, which: object, option: str) -> None:
    if _which(path) != which:
        raise _gone(path, option)


def _gone(path: pathlib.Path, option: str) -> InputError:
    return InputError(
        f"{option} {path.parent} was removed or replaced while this process wrote to "
        "it, so that what it has done is lost. Begin again, and leave the folder where "
        "it is until the end."
    )


def _taken(path: pathlib.Path, option: str) -> InputError:
    return InputError(
        f"Another process has taken {option} {path.parent}, because this one did not "
        f"renew {path.name} for a minute. Leave it to that one, or begin in another "
        f"{option}."
    )


def _which(path: pathlib.Path) -> tuple[int, int] | None:
    """Returns what tells a file from any other, also of its name; None: it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def locked(path: pathlib.Path, wait: bool = False) -> Iterator[str | None]:
    """Holds the lock of a file, which stays behind, empty.

    Args:
        path: the file.
        wait: for whoever holds it now.

    Yields:
        None where it is held; else who holds it, as told in a message.
    """
    with storage.open_lock(path) as file:
        if not _lock(file, path, wait):
            file.seek(0)
            yield file.read().decode("utf-8", "replace") or "another process"
            return
        now = datetime.datetime.now().astimezone().isoformat(" ", "seconds")
        told = f"process {os.getpid()} on {socket.gethostname()}, since {now}"
        with storage.writing(path):
            file.truncate(0)
            file.write(told.encode("utf-8"))
        try:
            yield None
        finally:
            # Where the disk broke or the folder is gone nobody will read it.
            with contextlib.suppress(OSError):
                file.truncate(0)


def _lock(file: BinaryIO, path: pathlib.Path, wait: bool) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise storage.WriteError(path, error) from error
        about = "%s is on a file system without locks: let no other process use it."
        logger.warning(about, path.parent)
    return True
