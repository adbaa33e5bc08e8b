"""What a worker of a study says of itself: commands, machine, time and memory."""

import json
import os
import pathlib
import platform
import resource
import sys
import time

import jax

from spot_jax.model_dir import story
from spot_jax.model_dir.storage import replace_file


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
        self._path = folder / "workers" / "{}of{}.json".format(*worker)
        self._before = self._read()
        self._command, self._began = command, time.monotonic()

    def _read(self) -> dict:
        if self._path.exists():
            return json.loads(self._path.read_text(encoding="utf-8"))
        return {"commands": [], "wall_seconds": 0.0, "peak_memory_gb": 0.0}

    def write(self) -> None:
        """Writes everything up to now."""
        commands = [*self._before["commands"], self._command]
        seconds = time.monotonic() - self._began
        devices = jax.devices()
        entry = {
            # A study goes on by the same command, which is told once.
            "commands": list(dict.fromkeys(commands)),
            "versions": story.versions(),
            "machine": f"{platform.machine()} of {os.cpu_count()} cores, "
            f"{len(devices)} x {devices[0].device_kind}",
            "wall_seconds": self._before["wall_seconds"] + seconds,
            "peak_memory_gb": max(self._before["peak_memory_gb"], _peak_memory_gb()),
        }
        text = json.dumps(entry, indent=1)
        replace_file(self._path, text.encode("utf-8"))


def _peak_memory_gb() -> float:
    """Returns the most main memory this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in kilobytes, macOS in bytes.
    return peak / (1e9 if sys.platform == "darwin" else 1e6)
