"""What make_english runs, each in a process of its own, within a given time.

A process gives the memory of the accelerator back when it ends, and one that fails or
takes too long ends alone.
"""

import concurrent.futures
import logging
import pathlib
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
from flax import serialization

from spot_jax import config
from spot_jax.model import weights
from spot_jax.model_dir import names, records, storage, story
from spot_jax.reading import as_json, read_json
from spot_jax.settings import Model
from spot_jax.t5 import flops
from spot_jax.training.outputs import best_checkpoint
from spot_jax.workshop import english_rows, english_text

logger = logging.getLogger(__name__)

MODEL = "gin/models/english.gin"
STUDY = "gin/runs/english_study.gin"
VOCABULARY = "spiece.model"
PRETRAIN, ADAPT = "pretrain", "adapt"
_FILES = {
    PRETRAIN: "gin/runs/english_pretrain.gin",
    ADAPT: "gin/runs/english_adapt.gin",
}
# How often the training text is drawn: as often as ten minutes of a GPU read it.
_DRAWS = {english_text.SPANS: 6, english_text.PREFIX: 4}
# Of the time for training, what span corruption gets.
_SHARE = 0.6
# Seconds that a process takes until its first step, once its program is compiled; that
# compiling one takes; and that the model takes to be written.
_START, _COMPILE, _EXPORT = 15, 20, 10
# A step of the language model is this much slower than its operations say, at most.
_DOUBT = 1.15
# Seconds without which a process is not begun, and what it gets to save what it has.
_LEAST, _PATIENCE = 5, 20
# What a hundredth of the text is enough for, on a CPU: names and values of gin.
_SMALL_MODEL = {
    "t5.T5Config.d_model": 32,
    "t5.T5Config.d_head": 8,
    "t5.T5Config.d_mlp": 64,
    "t5.T5Config.encoder_layers": 1,
    "t5.T5Config.decoder_layers": 1,
}
_SMALL_RUN = {"BATCH_SIZE": 16, "WARMUP_STEPS": 4, "EVALUATOR_NUM_EXAMPLES": 64}
_SMALL_STUDY = {
    "SOURCE_STEPS": 8,
    "SOURCE_EVAL_PERIOD": 8,
    "TARGET_STEPS": 4,
    "TARGET_EVAL_PERIOD": 2,
    "EMBEDDING_STEP": 2,
    "BATCH_SIZE": 2,
    "EVALUATOR_NUM_EXAMPLES": 16,
    "SOURCE_EVAL_EXAMPLES": 16,
    "EVAL_BATCH_SIZE": 64,
}


def run(words: Sequence[str], until: float) -> bool:
    """Runs a program of spot_jax, and stops it when its time is over.

    Args:
        words: the program and what follows it.
        until: on the clock of time.monotonic.

    Returns:
        Whether it came to its end.
    """
    command = [sys.executable, "-m", "spot_jax", *words]
    began = time.monotonic()
    if until - began < _LEAST:
        logger.warning("No time is left for %s.", words[0])
        return False
    print(f"\n[{' '.join(words[:3])}]", file=sys.stderr, flush=True)
    process = subprocess.Popen(command)
    try:
        code = process.wait(until - began)
    except subprocess.TimeoutExpired:
        # It saves what it has, and says so.
        process.terminate()
        try:
            code = process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
    seconds = time.monotonic() - began
    logger.info("%s ended with code %d after %.0f s.", words[0], code, seconds)
    return code == 0


def flags(files: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """Returns files and bindings of gin as a program takes them."""
    of_files = [f"--gin_file={file}" for file in files]
    return of_files + [f"--gin.{name}={value!r}" for name, value in values.items()]


def pretrain(
    prepared: pathlib.Path, runs: pathlib.Path, seconds: float, small: bool
) -> None:
    """Pre-trains the model, into runs/model, in so many seconds.

    Args:
        prepared: the folder that was prepared.
        runs: where everything is written.
        seconds: how long it may take.
        small: whether a small model is enough.
    """
    began = time.monotonic()
    until = began + seconds
    drawn, shared = runs / "tokenized", _shared(prepared, runs, small)
    texts = {
        split: english_text.unpacked((prepared / f"{split}.xz").read_bytes())
        for split in english_text.FILES
    }
    vocabulary = str(prepared / VOCABULARY)

    def draw(folder: pathlib.Path, task: str, draws: int) -> None:
        english_text.write_draws(folder, task, texts, draws, vocabulary)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        # The rest is drawn while other processes compute.
        draw(runs / "tokenized_probe", english_text.SPANS, 1)
        draws = {task: 1 if small else count for task, count in _DRAWS.items()}
        waiting = [pool.submit(draw, drawn, *each) for each in draws.items()]
        rate = _measured_rate(runs, shared, until, small)
        waiting[0].result()
        left = until - time.monotonic() - 2 * _START - _COMPILE - 2 * _EXPORT
        if small:
            left = (until - time.monotonic()) / 2
        steps = _decided(runs, PRETRAIN, max(2, int(_SHARE * left / rate)))
        values = shared | {"TOKENIZED_DATA_DIR": str(drawn)}
        _train(PRETRAIN, runs, values, steps, until)
        _export(runs, PRETRAIN, vocabulary, seconds=time.monotonic() - began)
        waiting[1].result()
    left = until - time.monotonic() - _START - _COMPILE - _EXPORT
    if small:
        left = (until - time.monotonic()) / 2
    rate *= _ratio(shared) * _DOUBT
    # More than the steps of its warm-up.
    steps = _decided(runs, ADAPT, max(6 if small else 60, int(left / rate)))
    values["INITIAL_CHECKPOINT_PATH"] = str(best_checkpoint(str(runs / PRETRAIN)))
    _train(ADAPT, runs, values, steps, until - _EXPORT)
    _export(runs, ADAPT, vocabulary, seconds=time.monotonic() - began)


def _shared(prepared: pathlib.Path, runs: pathlib.Path, small: bool) -> dict[str, Any]:
    shared = {
        "VOCABULARY": str(prepared / VOCABULARY),
        "COMPILATION_CACHE_DIR": str(runs / "compiled"),
    }
    return shared | ({**_SMALL_MODEL, **_SMALL_RUN} if small else {})


def _measured_rate(
    runs: pathlib.Path, shared: Mapping[str, Any], until: float, small: bool
) -> float:
    """Returns the seconds of a step of span corruption; what is compiled is kept."""
    steps = 6 if small else 80
    data = {"TOKENIZED_DATA_DIR": str(runs / "tokenized_probe")}
    values = {**shared, **data, "LOG_PERIOD": steps // 2, "EVAL_PERIOD": steps}
    _train(PRETRAIN, runs, values, steps, until, name="probe")
    # Of the later steps, for the first fill what is prefetched.
    rate = _seconds_per_step(runs / "probe")
    logger.info("A step of span corruption takes %.4f s.", rate)
    return rate


def _ratio(shared: Mapping[str, Any]) -> float:
    """Returns how many operations a step of ADAPT has for each of one of PRETRAIN."""
    counted = {}
    for stage, file in _FILES.items():
        bindings = [f"{name}={value!r}" for name, value in shared.items()]
        bindings += ["MODEL_DIR=None", "TRAIN_STEPS=100"]
        if stage == ADAPT:
            bindings.append("INITIAL_CHECKPOINT_PATH=None")
        config.parse([MODEL, file], bindings)
        lengths = config.value("TASK_FEATURE_LENGTHS")
        model = config.configured(Model)().config
        row = flops.forward(model, lengths["inputs"], lengths["targets"])
        counted[stage] = config.value("BATCH_SIZE") * (row.weights + row.attention)
    return counted[ADAPT] / counted[PRETRAIN]


def _decided(runs: pathlib.Path, stage: str, steps: int) -> int:
    """Returns the steps of a stage: those it was begun with, if it was."""
    path = runs / "steps.json"
    before = {}
    if path.exists():
        before = read_json(path, dict[str, int], "Delete it, and the runs beside it.")
    if stage not in before:
        storage.replace_text(path, as_json(before | {stage: steps}) + "\n")
    return before.get(stage, steps)


def _train(
    stage: str,
    runs: pathlib.Path,
    values: Mapping[str, Any],
    steps: int,
    until: float,
    name: str | None = None,
) -> None:
    period = max(1, steps // 4)
    own = {"MODEL_DIR": str(runs / (name or stage)), "TRAIN_STEPS": steps}
    own |= {"EVAL_PERIOD": period, "CHECKPOINT_PERIOD": period}
    run(["train", *flags([MODEL, _FILES[stage]], own | dict(values))], until)


def _export(runs: pathlib.Path, stage: str, vocabulary: str, seconds: float) -> None:
    """Writes the best model so far in bfloat16, its vocabulary and a card."""
    found = best_checkpoint(str(runs / stage))
    bindings = [f"INITIAL_CHECKPOINT_PATH={str(found)!r}", "WEIGHTS_DTYPE='bfloat16'"]
    config.parse([str(runs / stage / names.CONFIG)], bindings)
    model = weights.load(config.configured(Model)())
    state = {"target": jax.device_get(model.params), "state": {"step": model.step}}
    data = serialization.msgpack_serialize({"version": 3, "optimizer": state})
    folder = runs / "model"
    storage.replace_file(folder / "checkpoint", data)
    storage.replace_file(folder / VOCABULARY, pathlib.Path(vocabulary).read_bytes())
    card = {
        "model": "a T5 1.1 with the parameter tree of T5X, in bfloat16",
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(model.params)),
        "bytes": len(data),
        "seconds": round(seconds),
        "versions": story.versions(),
        "stages": {x: _told(runs / x) for x in _FILES if (runs / x).exists()},
    }
    storage.replace_text(folder / "card.json", as_json(card) + "\n")
    print(as_json(card), flush=True)


def _seconds_per_step(folder: pathlib.Path) -> float:
    """Returns what a step took at the end of a run, in the median."""
    speeds = [x for x in records.read_metrics(folder) if x["kind"] == "speed"]
    medians = [x["seconds_per_step"] for x in speeds if "seconds_per_step" in x]
    return medians[-1] if medians else 1 / speeds[-1]["steps_per_second"]


def _told(folder: pathlib.Path) -> dict[str, Any]:
    """Returns what the card says of a stage."""
    evaluations = records.read_evaluations(folder)
    losses = {each.step: each.values["loss"] for each in evaluations}
    told = read_json(folder / names.RUN, dict[str, Any], "Train again.")
    return {
        "steps": max(losses, default=0),
        "seconds_per_step": _seconds_per_step(folder),
        "validation_loss": losses,
        "devices": told["devices"],
    }


def study(
    prepared: pathlib.Path,
    runs: pathlib.Path,
    seconds: float,
    small: bool,
    bindings: Sequence[str] = (),
) -> None:
    """Runs the study, then its baselines with the steps of the sources added.

    Args:
        prepared: the folder that was prepared.
        runs: where everything is written; runs/model is studied.
        seconds: how long it may take.
        small: whether the model is small.
        bindings: of gin, for the study.
    """
    until = time.monotonic() + seconds
    values = _shared(prepared, runs, False) | (_SMALL_MODEL if small else {})
    values |= {
        "INITIAL_CHECKPOINT_PATH": str(runs / "model"),
        "ROWS": english_rows.told(prepared / "rows"),
        **(_SMALL_STUDY if small else {}),
    }
    own = [f"--gin.{binding}" for binding in bindings]
    words = ["study", *flags([MODEL, STUDY], values), *own]
    words.append(f"--gin.STUDY_DIR={runs / 'study'}")
    run(words, until)
    config.parse([MODEL, STUDY], [word.removeprefix("--gin.") for word in words[3:]])
    steps = config.value("SOURCE_STEPS") + config.value("TARGET_STEPS")
    longer = {
        "STAGES": ["baselines"],
        "SOURCE_STEPS": steps,
        "TARGET_STEPS": steps,
        "TARGET_EVAL_PERIOD": steps,
        "STUDY_DIR": str(runs / "longer"),
    }
    run([*words, *flags([], longer)], until)
