"""A small library and a target, in one plane, so that similarities are known."""

import json
import math

import numpy as np

from spot_jax import transfer
from spot_jax.prompts import files
from spot_jax.prompts.library import Library, LibraryEntry
from tests.bundles import soft

MODEL = {"fingerprint": "0123456789abcdef", "source": "/models/base"}
RNG = np.random.default_rng(0)
# name: task, angle in degrees between its embedding and the target's
SOURCES = {
    "mnli-seed0": ("mnli", 10),
    "mnli-seed1": ("mnli", 20),
    "qqp-seed0": ("qqp", 60),
    "squad-seed0": ("squad", 120),
    "rte-seed0": ("rte", 0),
}
CONFIGURATION = "TASK_FEATURE_LENGTHS = {'inputs': 512, 'targets': 8}\n"


def towards(degrees: float, length: int = 3, width: int = 4) -> np.ndarray:
    vector = np.zeros(width, np.float32)
    vector[:2] = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.tile(vector, (length, 1))


def entry(name, task, degrees=10.0, **changes) -> LibraryEntry:
    values = {
        "name": name,
        "task": task,
        "seed": int(name[-1]),
        "prompt": soft(RNG.standard_normal((3, 4))),
        "embedding": soft(towards(degrees)),
        "prompt_step": 2000,
        "embedding_step": 100,
        "results": {},
        "score": 80.0,
        "model": MODEL,
        "configuration": "",
        "provenance": {},
    }
    return LibraryEntry(**values | changes)


def small_library(folder) -> Library:
    """Writes the entries of SOURCES."""
    library = Library(folder)
    for name, (task, degrees) in SOURCES.items():
        library.add(entry(name, task, degrees))
    return library


def write_target(path, prompt=None, **changes):
    story = {
        "name": "rte-seed1",
        "task": "rte",
        "seed": 1,
        "kind": "embedding",
        "step": 100,
        "model": MODEL,
        "configuration": CONFIGURATION,
    }
    files.write(
        path,
        soft(towards(0) if prompt is None else prompt),
        story | changes,
    )
    return path


def caller(library: Library, tmp_path):
    """Makes what runs `spot_jax transfer` on a library, with a target if not told.

    Returns:
        A function of the method and options (None leaves one out), which returns DIR
        and what ranking.json says.
    """
    target = write_target(tmp_path / "target" / "embedding.safetensors")

    def call(method, **options):
        given = {"target": target, "out": tmp_path / "out"} | options
        flags = []
        for name, value in given.items():
            values = value if isinstance(value, list) else [value]
            if value is not None:
                shown = [] if value is True else map(str, values)
                flags += [f"--{name}", *shown]
        transfer.main([str(library.folder), "--method", method, *flags])
        return given["out"], json.loads((given["out"] / "ranking.json").read_text())

    return call
