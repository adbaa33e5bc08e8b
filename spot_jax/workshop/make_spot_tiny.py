"""Program: make the embedded model spot_tiny anew (`make spot_tiny`).

1. A vocabulary of the miniature's words and syllables.
2. Pre-training by span corruption, LM adaptation and its revision by `spot_jax train`,
   whose losses are drawn in DIR/pretraining.png.
3. The model in bfloat16, the vocabulary and a card, in the package (spot_jax/spot_tiny)
   or where --out says.

What is finished in DIR is not done again, so that a killed build goes on.
"""

import argparse
import contextlib
import hashlib
import os
import pathlib
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
from flax import serialization
from matplotlib.figure import Figure as Drawing

from spot_jax import config
from spot_jax.analysis import figures, output
from spot_jax.analysis.contents import Figure
from spot_jax.miniature.games import ROUNDS_OF_YEARS, YEARS
from spot_jax.miniature.plain import halves, plain_text, revision, story_text
from spot_jax.miniature.vocabulary import build_vocabulary
from spot_jax.model import weights
from spot_jax.model_dir import claim, records, story
from spot_jax.model_dir.storage import replace_file, replace_text
from spot_jax.reading import as_json, parse_json, read_json
from spot_jax.settings import Model
from spot_jax.spot_tiny import FOLDER
from spot_jax.tasks.catalog import STUDY_LABELS
from spot_jax.train import train
from spot_jax.training.outputs import best_checkpoint

_STORIES = 20_000
# Of each kind of text, to tell whether a build goes on with the text it was begun with.
_DOCUMENTS_COMPARED = 300
_STAGES = {
    "pretrain": "gin/runs/pretrain_tiny.gin",
    "adapt": "gin/runs/adapt_tiny.gin",
    "revise": "gin/runs/revise_tiny.gin",
}


def build(
    folder: pathlib.Path, bindings: Sequence[str] = (), out: pathlib.Path = FOLDER
) -> None:
    """Trains the model in `folder` and puts it into the package.

    Args:
        folder: where the runs are kept.
        bindings: gin bindings for every stage.
        out: where the three files of the model are written.

    Raises:
        InputError: when a folder cannot be written or was begun with other text, or a
            binding is of no use.
    """
    config.parse([_STAGES["pretrain"]], ["MODEL_DIR=None", *bindings])
    config.check_used(bindings)
    folder = claim.writable(str(folder), "DIR")
    out = claim.writable(str(out), "--out")
    claim.check_about(folder, {"text": _text()}, "DIR")
    vocabulary = folder / "vocabulary.model"
    if not vocabulary.exists():
        stories = story_text(0, _STORIES, STUDY_LABELS)
        replace_file(vocabulary, build_vocabulary(stories))
    stages, started_from = {}, None
    for stage, file in _STAGES.items():
        with stopwatch(folder / f"{stage}.seconds") as seconds:
            made = run_stage(folder / stage, vocabulary, file, started_from, bindings)
            stages[stage] = _record(folder / f"{stage}.json", made, seconds())
        started_from = best_checkpoint(str(folder / stage))
    model = _load(started_from, bindings)
    card = as_json(_card(model.params, stages, bindings)) + "\n"
    replace_file(out / "checkpoint", _serialized(model))
    replace_file(out / "vocabulary.model", vocabulary.read_bytes())
    replace_text(out / "card.json", card)
    with figures.style():
        output.draw(folder, _losses(folder))


def _text() -> str:
    """Returns what tells the text of this program from any other."""
    some = _DOCUMENTS_COMPARED
    years = [some] * (len(YEARS) - 1)
    texts = [
        *story_text(0, some, STUDY_LABELS),
        *plain_text(0, some, STUDY_LABELS),
        *map(" ".join, halves(0, some * len(YEARS), STUDY_LABELS, years=years)),
        *map(" ".join, revision(0, some, STUDY_LABELS)),
        str(ROUNDS_OF_YEARS),
    ]
    return hashlib.sha256("\n".join(texts).encode("utf-8")).hexdigest()


def _record(path: pathlib.Path, made: dict, seconds: int) -> dict:
    """Returns what the card says of a stage, as it was when the stage was finished."""
    # As it is read again: the keys of JSON are text.
    made = parse_json(as_json(made), dict[str, Any], str(path), "")
    if path.exists():
        before = read_json(path, dict[str, Any], "Delete it: it is written anew.")
        if made.items() <= before.items():
            return before
    record = made | {
        "seconds": seconds,
        "machine": f"{platform.machine()}, {_cores()} CPU cores, "
        f"{jax.device_count()} {jax.default_backend()} device(s) of JAX",
        "versions": story.versions(),
    }
    replace_text(path, as_json(record))
    return record


def _cores() -> int | None:
    """Returns how many cores this process may use, or, where unknown, what there is."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


@contextlib.contextmanager
def stopwatch(
    path: pathlib.Path, kept_every: float = 10.0
) -> Iterator[Callable[[], int]]:
    """Adds the seconds spent inside to those in the file; yields what reads them.

    The file is written all along: a build that is killed has taken its time, too.

    Args:
        path: the file.
        kept_every: seconds after which it is written again.
    """
    before = 0
    if path.exists():
        before = read_json(path, int, "Delete it: only the time so far is lost.")
    began, over = time.monotonic(), threading.Event()

    def seconds() -> int:
        return before + round(time.monotonic() - began)

    def keep() -> None:
        while not over.wait(kept_every):
            replace_file(path, str(seconds()).encode())

    keeper = threading.Thread(target=keep, daemon=True)
    keeper.start()
    try:
        yield seconds
    finally:
        over.set()
        keeper.join()
        replace_file(path, str(seconds()).encode())


def run_stage(
    model_dir: pathlib.Path,
    vocabulary: pathlib.Path,
    file: str,
    started_from: pathlib.Path | None,
    bindings: Sequence[str],
) -> dict:
    """Runs `spot_jax train` in this process; returns what the card says of it.

    Args:
        model_dir: MODEL_DIR, where what is finished is not done again.
        vocabulary: the SentencePiece model.
        file: the stage's gin file.
        started_from: the checkpoint that it goes on from; None: weights are drawn.
        bindings: gin bindings besides.
    """
    bindings = [
        f"VOCABULARY='{vocabulary}'",
        f"MODEL_DIR='{model_dir}'",
        *([f"INITIAL_CHECKPOINT_PATH='{started_from}'"] if started_from else []),
        *bindings,
    ]
    words = [f"--gin_file={file}", *(f"--gin.{binding}" for binding in bindings)]
    print("spot_jax train " + " ".join(words), file=sys.stderr)
    config.parse([file], bindings)
    best = config.configured(train)(configuration=config.text())["model"]
    losses = {
        step: values["loss"]
        for step, _, _, values in records.read_evaluations(model_dir)
    }
    steps = max(losses)
    return {
        "gin_file": file,
        "steps": steps,
        "documents": steps * config.value("BATCH_SIZE"),
        "target_tokens": _target_tokens(model_dir),
        "learning_rate": config.value("LEARNING_RATE"),
        "validation_loss": losses,
        "best_step": best.step,
    }


def _target_tokens(model_dir: pathlib.Path) -> int:
    """Returns how many tokens were predicted; the records have means of some steps."""
    tokens, last = 0.0, 0
    for line in records.read_metrics(model_dir):
        if line["kind"] == "train":
            tokens += line["weight_sum"] * (line["step"] - last)
            last = line["step"]
    return round(tokens)


def _load(checkpoint: pathlib.Path, bindings: Sequence[str]) -> weights.LoadedModel:
    """Reads what the last stage made, in bfloat16."""
    config.parse(
        [_STAGES["adapt"]],
        [
            *bindings,
            f"INITIAL_CHECKPOINT_PATH='{checkpoint}'",
            f"MODEL_DIR='{checkpoint.parent}'",
            "WEIGHTS_DTYPE='bfloat16'",
        ],
    )
    return weights.load(config.configured(Model)())


def _serialized(model: weights.LoadedModel) -> bytes:
    """Returns one file in the format of T5X's checkpoints before orbax."""
    state = {"target": jax.device_get(model.params), "state": {"step": model.step}}
    return serialization.msgpack_serialize({"version": 3, "optimizer": state})


def _card(weights: dict, stages: dict[str, dict], bindings: Sequence[str]) -> dict:
    """Returns what there is to know about the model."""
    given = [f"--gin {binding}" for binding in bindings]
    return {
        "model": "a T5 1.1 with the parameter tree of T5X, in bfloat16",
        "parameters": sum(x.size for x in jax.tree.leaves(weights)),
        "data": "generated plain text of the miniature world, split 'train': no task's "
        "format, no label, no held-out name",
        "command": " ".join(["spot_jax make_spot_tiny DIR", *given]),
        "seconds": sum(stage["seconds"] for stage in stages.values()),
        "stages": stages,
        "license": "Apache-2.0",
    }


def _losses(folder: pathlib.Path) -> Figure:
    """Draws the loss of every stage against its steps, in training and validation."""
    drawing = Drawing(figsize=(7.2, 2.6), layout="constrained")
    panels = drawing.subplots(1, len(_STAGES), width_ratios=(1, 2, 1))
    titles = ("Span corruption", "LM adaptation", "Revision")
    for axes, stage, title in zip(panels, _STAGES, titles, strict=True):
        lines = records.read_metrics(folder / stage)
        training = [(x["step"], x["loss"]) for x in lines if x["kind"] == "train"]
        axes.plot(*zip(*training, strict=True), c=figures.GREY, lw=0.8)
        evaluations = records.read_evaluations(folder / stage)
        held_out = [(each.step, each.values["loss"]) for each in evaluations]
        axes.plot(*zip(*held_out, strict=True), "o-", ms=3.5, c=figures.COLOURS[0])
        axes.set_title(title, loc="left")
        axes.set_ylim(bottom=0)
    drawing.supxlabel("steps", fontsize=10)
    drawing.supylabel("nats per token", fontsize=10)
    names = ["training, mean of 100 steps", "validation"]
    drawing.legend(panels[0].lines, names, loc="outside upper right", ncols=2)
    return Figure("pretraining", "", "", drawing, {})


def main(argv: Sequence[str]) -> None:
    """Runs `spot_jax make_spot_tiny`."""
    parser = argparse.ArgumentParser(
        prog="spot_jax make_spot_tiny", description=__doc__
    )
    parser.add_argument("folder", type=pathlib.Path, metavar="DIR")
    parser.add_argument(
        "--gin",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a gin binding for every stage",
    )
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        default=FOLDER,
        metavar="FOLDER",
        help="where to write the model (the package, whose model it replaces)",
    )
    arguments = parser.parse_args(argv)
    build(arguments.folder, arguments.gin, arguments.out)
