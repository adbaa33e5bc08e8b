"""How long does it take from the command to the first step?

One step of a prompt over the embedded model, then its evaluation and its files; what
was compiled by a run before is found again, but in the first.
"""

import csv
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from asked import Asked
from work import ROOT

_ROWS, _TURNS = 400, 4
_WORDS = "the a red blue dog runs fast slow and very good bad film story".split()
_COMMON = (
    *("--gin_file=gin/prompts/class_labels.gin", "--gin_file=gin/runs/prompt_tune.gin"),
    *("--gin.INITIAL_CHECKPOINT_PATH=spot_tiny", "--gin.TRAIN_STEPS=1"),
)
_OWN = ("--input", "mood: {text}", "--target", "{label}", "--name", "mood")
# What rows of one's own tell by themselves.
_TOLD = [
    "--gin.MIXTURE_OR_TASK_NAME=mood",
    "--gin.CLASS_LABELS=['good', 'bad']",
    "--gin.TASK_FEATURE_LENGTHS={'inputs': 128, 'targets': 8}",
]


def ask(asked: Asked) -> list[dict[str, Any]]:
    """Starts runs on rows of one's own and on the same rows, tokenized."""
    turns = 1 if asked.quick else asked.few(_TURNS)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        rows = _write(folder / "rows.csv")
        own = ["train", "--rows", f"train={rows}", *_OWN]
        lines = [_started("rows of one's own", own, folder, turns)]
        if not asked.quick:
            _run(_tokenize(rows, folder / "tokenized"), folder / "compiled")
            tokenized = ["train", f"--gin.TOKENIZED_DATA_DIR={folder / 'tokenized'}"]
            lines.append(_started("tokenized", tokenized + _TOLD, folder, turns))
        return lines


def _started(
    name: str, command: Sequence[str], folder: pathlib.Path, turns: int
) -> dict[str, Any]:
    """Starts a run, with nothing compiled at first, and then some times again."""
    found = []
    try:
        for turn in range(1 + turns):
            where = f"--gin.MODEL_DIR={folder / name.replace(' ', '_')}{turn}"
            found.append(_run([*command, *_COMMON, where], folder / f"compiled {name}"))
    except subprocess.CalledProcessError as error:
        return {"side": "spot_jax", "name": name, "error": error.output[-300:]}
    cold, warm = found[0], found[1:]
    return {
        "side": "spot_jax",
        "name": name,
        "cold": cold[0],
        "seconds": statistics.median(first for first, _ in warm),
        "each": [first for first, _ in warm],
        "whole": statistics.median(whole for _, whole in warm),
    }


def _run(command: Sequence[str], compiled: pathlib.Path) -> tuple[float, float]:
    """Returns the seconds to the first step's metrics, and to the end."""
    began = time.perf_counter()
    first, said = 0.0, []
    process = subprocess.Popen(
        [sys.executable, "-m", "spot_jax", *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "JAX_COMPILATION_CACHE_DIR": str(compiled)},
    )
    # The last of them is written when the step is done.
    for line in process.stdout:
        said.append(line)
        if line.startswith("step 1/") and not first:
            first = time.perf_counter() - began
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, command, "".join(said))
    return first, time.perf_counter() - began


def _tokenize(rows: pathlib.Path, folder: pathlib.Path) -> list[str]:
    return [
        *("tokenize", "--rows", f"train={rows}", *_OWN),
        *("--vocabulary", "spot_tiny", "--lengths", "inputs=128,targets=8"),
        *("--output", str(folder)),
    ]


def _write(path: pathlib.Path) -> pathlib.Path:
    rng = np.random.default_rng(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        for _ in range(_ROWS):
            words = rng.choice(_WORDS, rng.integers(5, 40))
            rows.writerow([" ".join(words), rng.choice(["good", "bad"])])
    return path
