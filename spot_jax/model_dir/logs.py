"""Files that grow while a run goes on, of which each line is to be seen soon.

An object of a bucket cannot be added to. There such a file is written here, and sent
whole: now and then, before a checkpoint, after which nobody writes its lines again, and
at the end.
"""

import contextlib
import pathlib
import time
from collections.abc import Callable

from spot_jax import buckets
from spot_jax.model_dir import storage

# Seconds after which what was written is sent; the whole of it, each time.
_LATEST = 30.0
_logs: set["Log"] = set()


class Log:
    """Where a file that grows is written, and that it gets to its place.

    Attributes:
        here: the file itself, or what is sent of it.
        flush: brings to `here` what is still in memory.

    Args:
        path: the file, of which what is there stays.

    Raises:
        WriteError: when there is no place for it.
    """

    def __init__(self, path: pathlib.Path):
        self._path, self.here = path, path
        self.flush: Callable[[], None] = lambda: None
        self._stack, self._sent = contextlib.ExitStack(), time.monotonic()
        self._is_sent = True
        if buckets.is_inside(path):
            folder = self._stack.enter_context(storage.temporary_folder())
            self.here = folder / path.name
            with storage.writing(path):
                before = path.read_bytes() if path.exists() else b""
            storage.replace_file(self.here, before)
            _logs.add(self)

    def has_grown(self) -> None:
        """Sends it, if it is a while since it was sent."""
        self._is_sent = False
        if time.monotonic() - self._sent > _LATEST:
            self.send()

    def send(self) -> None:
        """Brings what was written to its place.

        Raises:
            WriteError: when it cannot be written there.
        """
        if self.here is not self._path and not self._is_sent:
            self.flush()
            storage.replace_file(self._path, self.here.read_bytes())
        self._is_sent, self._sent = True, time.monotonic()

    def close(self) -> None:
        """Sends it for the last time."""
        self.send()
        _logs.discard(self)
        self._stack.close()


def send() -> None:
    """Sends all logs that have grown; see `Log.send`."""
    for log in list(_logs):
        log.send()


class Lines:
    """A file to which lines are added, of which a crash may cut the last one short.

    Args:
        path: the file.

    Raises:
        WriteError: when it cannot be written, then or later.
    """

    def __init__(self, path: pathlib.Path):
        self._path, self._log = path, Log(path)
        self._file = storage.open_to_add(self._log.here)

    def add(self, line: str) -> None:
        """Writes a line, which does not end in a line break yet."""
        if not storage.is_writer():
            return
        data = memoryview(line.encode("utf-8") + b"\n")
        with storage.writing(self._path):
            while data:
                # As much as there is room for.
                data = data[self._file.write(data) :]
        self._log.has_grown()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
        self._log.close()
