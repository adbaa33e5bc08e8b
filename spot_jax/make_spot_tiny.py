"""Program: make the embedded model spot_tiny anew (`make spot_tiny`).

1. A vocabulary of the miniature's words and syllables.
2. Pre-training by span corruption, LM adaptation and its revision by `spot_jax train`.
3. The model in bfloat16, the vocabulary and a card, in spot_jax/spot_tiny.

What is finished in DIR is not done again, so that a killed build goes on.
"""

import argparse
import contextlib
import json
import pathlib
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import jax
from flax import serialization

from spot_jax import config, frozen, records
from spot_jax.miniature.plain import story_text
from spot_jax.miniature.vocabulary import build_vocabulary
from spot_jax.outputs import best_checkpoint
from spot_jax.prompts.files import replace_file
from spot_jax.settings import Model
from spot_jax.spot_tiny import FOLDER
from spot_jax.train import train

_STORIES = 20_000
_STAGES = {
    "pretrain": "gin/runs/pretrain_tiny.gin",
    "adapt": "gin/runs/adapt_tiny.gin",
    "revise": "gin/runs/revise_tiny.gin",
}


def build(folder: pathlib.Path, bindings: Sequence[str] = ()) -> None:
    """Trains the model in `folder` and puts it into the package.

    Args:
        folder: where the runs are kept.
        bindings: gin bindings for every stage.
    """
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = folder / "vocabulary.model"
    if not vocabulary.exists():
        replace_file(vocabulary, build_vocabulary(story_text(0, _STORIES)))
    stages, started_from = {}, None
    for stage, file in _STAGES.items():
        with _stopwatch(folder / f"{stage}.seconds") as seconds:
            made = _run(folder / stage, vocabulary, file, started_from, bindings)
        stages[stage] = made | {"seconds": seconds()}
        started_from = best_checkpoint(str(folder / stage))
    _ship(started_from, vocabulary, stages)


@contextlib.contextmanager
def _stopwatch(path: pathlib.Path) -> Iterator[Callable[[], int]]:
    """Adds the seconds spent inside to those in the file; yields what reads them."""

    def seconds() -> int:
        return int(path.read_text()) if path.exists() else 0

    began = time.monotonic()
    try:
        yield seconds
    finally:
        total = seconds() + round(time.monotonic() - began)
        replace_file(path, str(total).encode())


def _run(
    model_dir: pathlib.Path,
    vocabulary: pathlib.Path,
    file: str,
    started_from: pathlib.Path | None,
    bindings: Sequence[str],
) -> dict:
    """Runs `spot_jax train` in this process; returns what the card says of it."""
    bindings = [
        f"VOCABULARY='{vocabulary}'",
        f"MODEL_DIR='{model_dir}'",
        *([f"INITIAL_CHECKPOINT_PATH='{started_from}'"] if started_from else []),
        *bindings,
    ]
    words = [f"--gin_file={file}", *(f"--gin.{binding}" for binding in bindings)]
    print("spot_jax train " + " ".join(words), file=sys.stderr)
    config.parse([file], bindings)
    best = config.configured(train)()["model"]
    losses = {
        step: values["loss"]
        for step, _, _, values in records.read_evaluations(model_dir)
    }
    return {
        "gin_file": file,
        "steps": max(losses),
        "validation_loss": losses,
        "best_step": best.step,
    }


def _ship(
    checkpoint: pathlib.Path, vocabulary: pathlib.Path, stages: dict[str, dict]
) -> None:
    """Writes one file of T5X's format, in bfloat16, and the card."""
    config.parse(
        [_STAGES["adapt"]],
        [
            f"INITIAL_CHECKPOINT_PATH='{checkpoint}'",
            f"MODEL_DIR='{checkpoint.parent}'",
            "WEIGHTS_DTYPE='bfloat16'",
        ],
    )
    model = frozen.load(config.configured(Model)())
    weights = jax.device_get(model.params)
    state = {"target": weights, "state": {"step": model.step}}
    replace_file(
        FOLDER / "checkpoint",
        serialization.msgpack_serialize({"version": 3, "optimizer": state}),
    )
    shutil.copyfile(vocabulary, FOLDER / "vocabulary.model")
    card = {
        "model": "a T5 1.1 with the parameter tree of T5X, in bfloat16",
        "parameters": sum(x.size for x in jax.tree.leaves(weights)),
        "data": "generated plain text of the miniature world, split 'train': no task's "
        "format, no label, no held-out name",
        "command": "make spot_tiny",
        "machine": f"{jax.device_count()} {jax.default_backend()} device(s)",
        "stages": stages,
        "license": "Apache-2.0",
    }
    text = json.dumps(card, indent=1) + "\n"
    replace_file(FOLDER / "card.json", text.encode("utf-8"))


def main(argv: Sequence[str]) -> None:
    """Runs `spot_jax make_spot_tiny`."""
    parser = argparse.ArgumentParser(
        prog="spot_jax make_spot_tiny", description=__doc__
    )
    parser.add_argument("folder", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--gin", action="append", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args(argv)
    build(arguments.folder, arguments.gin)
