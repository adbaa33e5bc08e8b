"""What a worker of a study says of itself: commands, machine, time and memory."""

import os
import pathlib
import platform
import resource
import sys
import time
from typing import TypedDict

import jax

from spot_jax.model_dir import story
from spot_jax.model_dir.storage import replace_text
from spot_jax.reading import as_json, read_json


class Entry(TypedDict):
    """What a worker says of itself.

    Attributes:
        commands: its command lines, each once.
        versions: {package: version}.
        machine: its cores and devices.
        wall_seconds: the time of its finished runs.
        peak_memory_gb: the most main memory it had.
    """

    commands: list[str]
    versions: dict[str, str]
    machine: str
    wall_seconds: float
    peak_memory_gb: float


def read(path: pathlib.Path) -> Entry:
    """Returns what a worker has written.

    Raises:
        InputError: when it is damaged.
    """
    return read_json(path, Entry, "Delete it: only the time it tells of is lost.")


class Diary:
    """STUDY_DIR/workers/IofN.json, which goes on where a worker was stopped.

    The time of a run that was killed does not count, only that of finished ones.

    Args:
        folder: STUDY_DIR.
        worker: (i, n).
        command: the command line.
    """

    def __init__(self, folder: pathlib.Path, worker: tuple[int, int], command: str):
        self.is_first = worker[0] == 1
        self.path = folder / "workers" / "{}of{}.json".format(*worker)
        self._before = read(self.path) if self.path.exists() else None
        self._command, self._began = command, time.monotonic()

    def write(self) -> None:
        """Writes everything up to now."""
        commands, seconds, memory = [], 0.0, 0.0
        if self._before:
            commands = self._before["commands"]
            seconds = self._before["wall_seconds"]
            memory = self._before["peak_memory_gb"]
        devices = jax.devices()
        entry: Entry = {
            # A study goes on by the same command, which is told once.
            "commands": list(dict.fromkeys([*commands, self._command])),
            "versions": story.versions(),
            "machine": f"{platform.machine()} of {os.cpu_count()} cores, "
            f"{len(devices)} x {devices[0].device_kind}",
            "wall_seconds": seconds + time.monotonic() - self._began,
            "peak_memory_gb": max(memory, _peak_memory_gb()),
        }
        replace_text(self.path, as_json(entry))


def _peak_memory_gb() -> float:
    """Returns the most main memory this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in kilobytes, macOS in bytes.
    return peak / (1e9 if sys.platform == "darwin" else 1e6)
