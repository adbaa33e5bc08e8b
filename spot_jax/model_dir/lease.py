"""One process in a folder of a bucket: an object that names it, and that it renews.

No bucket knows whether a process still lives. So its object is written anew again and
again, each time only if it is still the one that was written before; one that has not
changed for a while is of a process that has gone. Nobody's clock is asked.
"""

import contextlib
import datetime
import functools
import logging
import os
import pathlib
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import tensorstore as ts

from spot_jax.errors import InputError
from spot_jax.model_dir import storage
from spot_jax.reading import as_json, parse_json

logger = logging.getLogger(__name__)

# Seconds between two renewals, and without one after which a holder has gone.
_RENEWED = 20.0
_GONE = 3 * _RENEWED
# A bucket that does not answer is told in a minute, and not after 32 retries.
_ANSWERS = 60
_RETRIES = {"max_retries": 6, "initial_delay": "500ms", "max_delay": "10s"}


class Lease:
    """An object that this process holds.

    Args:
        path: the object.
        store: the folder it is in.
        generation: of the object that it replaces.

    Attributes:
        is_taken: whether it was seen that another process has written the object.

    Raises:
        FileExistsError: when another process was first.
    """

    def __init__(self, path: pathlib.Path, store: ts.KvStore, generation: bytes):
        self._path, self._store, self._generation = path, store, generation
        self._is_over, self._lock = threading.Event(), threading.Lock()
        # What it writes is told by it from what another lease of this process writes.
        self._token, self.is_taken = secrets.token_hex(8), False
        if not self.is_held():
            raise FileExistsError(f"{path} is there already")
        threading.Thread(target=self._renew, daemon=True).start()

    def is_held(self) -> bool:
        """Writes it anew, and returns whether it was still this process's to write."""
        with self._lock:
            return self._is_over.is_set() or self._write(_told(self._token))

    def _renew(self) -> None:
        while not self._is_over.wait(_RENEWED):
            try:
                if not self.is_held():
                    return
            except (ValueError, TimeoutError) as error:
                # Tried again: a network that is away for a while takes nothing.
                logger.warning("%s cannot be renewed: %s", self._path, error)

    def _write(self, told: bytes | None) -> bool:
        name, held = self._path.name, self._generation
        done = self._store.write(name, told, if_equal=held).result(timeout=_ANSWERS)
        if not done.generation and told is not None:
            # What was written may be there although its answer got lost.
            there = self._store.read(name).result(timeout=_ANSWERS)
            if there.state == "value":
                is_mine = _read(there.value).get("token") == self._token
                done = there.stamp if is_mine else done
                self.is_taken |= not is_mine
        self._generation = done.generation or held
        return bool(done.generation)

    def end(self) -> None:
        """Lets it go, if it is this process's."""
        self._is_over.set()
        with self._lock, contextlib.suppress(ValueError, TimeoutError):
            self._write(None)


@contextlib.contextmanager
def held(path: pathlib.Path) -> Iterator[Lease | str]:
    """Holds the lease of an object of a bucket.

    Where another machine's process is said to hold it, it takes up to a minute to see
    whether that still lives.

    Args:
        path: the object.

    Yields:
        The lease, or else who holds it, in words.

    Raises:
        WriteError: when it cannot be written.
    """
    try:
        lease = _taken(path)
    except (ValueError, TimeoutError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise storage.WriteError(path, OSError(0, reason)) from error
    try:
        yield lease
    finally:
        if isinstance(lease, Lease):
            lease.end()


def _taken(path: pathlib.Path) -> Lease | str:
    bucket, folder = path.parts[2], "/".join(path.parts[3:-1])
    store = ts.KvStore.open(
        {
            "driver": "gcs",
            "bucket": bucket,
            "path": f"{folder}/" if folder else "",
            "context": {"gcs_request_retries": _RETRIES},
        }
    ).result()
    there = store.read(path.name).result(timeout=_ANSWERS)
    if there.state == "value" and (lives := _lives(there.value)) is not False:
        if lives:
            return _words(there.value)
        about = "%s is of %s: looking for up to %d s whether that still runs."
        logger.warning(about, path, _words(there.value), _GONE)
        later = _changed(store, path.name, there)
        if later.state == "value" and later.stamp.generation != there.stamp.generation:
            return _words(later.value)
        there = later
    try:
        return Lease(path, store, there.stamp.generation)
    except FileExistsError:
        return _words(store.read(path.name).result(timeout=_ANSWERS).value)


def _changed(store: ts.KvStore, name: str, before: Any) -> Any:
    """Returns what is there when it is another, or when nobody renews it."""
    until, now = time.monotonic() + _GONE, before
    while now.stamp.generation == before.stamp.generation and time.monotonic() < until:
        time.sleep(min(1.0, _GONE / 10))
        now = store.read(name).result(timeout=_ANSWERS)
    return now


def _told(token: str) -> bytes:
    now = datetime.datetime.now().astimezone().isoformat(" ", "seconds")
    mine = {"machine": socket.gethostname(), "boot": _boot(), "seen": now}
    mine |= {"process": os.getpid(), "began": _began(os.getpid()), "token": token}
    return as_json(mine).encode("utf-8")


def _read(told: bytes) -> dict[str, Any]:
    try:
        return parse_json(told, dict[str, Any], "", "")
    except InputError:
        return {}


def _words(told: bytes) -> str:
    said = _read(told)
    if not said.keys() >= {"process", "machine", "seen"}:
        return "another process"
    return f"process {said['process']} on {said['machine']}, seen {said['seen']}"


def _lives(told: bytes) -> bool | None:
    """Returns whether a process lives; None of another machine's."""
    said = _read(told)
    if not said.get("boot") or said["boot"] != _boot():
        return None
    return bool(said.get("began")) and said["began"] == _began(said.get("process"))


@functools.cache
def _boot() -> str | None:
    """Returns what this machine, since it was started, has alone; a container, too."""
    try:
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text()
        return f"{boot.strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def _began(process: Any) -> str | None:
    """Returns when a process of this machine began, by which numbers are told apart."""
    try:
        # The name, in brackets, may have spaces.
        told = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2]
        return told.split()[19]
    except (OSError, IndexError):
        return None
