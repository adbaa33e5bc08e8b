"""Program: see prompts transfer, in a few minutes on a laptop, without any download.

1. Pre-train a tiny T5 on the plain text of a small world, and freeze it.
2. Learn prompts for two source tasks as one bank: opinions on food, and topics.
3. Learn a target task, opinions on films, from 32 examples: from class labels, and from
   each source prompt, several seeds each, as one bank.
4. Print how well each start does.
"""

import argparse
import io
import pathlib
import sys
import tempfile
import time
from collections.abc import Sequence

import numpy as np
import sentencepiece

from spot_jax import config, demo_world, records
from spot_jax.outputs import best_checkpoint
from spot_jax.train import train

_LENGTHS = "{'inputs': 32, 'targets': 24}"
_SOURCES = ("demo_food", "demo_topic")
_TARGET_STEPS = (5, 10, 20, 40)


def demo(folder: pathlib.Path, seeds: int = 3) -> list[tuple[str, list[list[float]]]]:
    """Runs the demo.

    Args:
        folder: where its runs are kept; a second demo there only shows the table.
        seeds: how many target prompts each start is tried with.

    Returns:
        For each start its name and [seeds][evaluations] accuracy in percent.
    """
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = train_vocabulary(folder / "vocabulary.model")

    _say("1/3  Pre-training a T5 of 0.5 million parameters on plain text.")
    _run(folder / "model", vocabulary, ["gin/runs/pretrain_demo.gin"], [])
    model = best_checkpoint(str(folder / "model"))

    _say("2/3  Freezing it, and learning two source prompts over it as one bank.")
    tuning = [f"INITIAL_CHECKPOINT_PATH={model}", "PROMPT_LENGTH=10"]
    _run(
        folder / "sources",
        vocabulary,
        ["gin/prompts/sampled_vocabulary.gin", "gin/runs/demo_prompt.gin"],
        [*tuning, f"MIXTURE_OR_TASK_NAME={list(_SOURCES)}", "TRAIN_STEPS=150"],
    )

    _say(f"3/3  Learning the target from 32 examples: 3 starts, {seeds} seeds each.")
    best = "prompts/{}-seed0/best.safetensors"
    food, topic = (str(folder / "sources" / best.format(name)) for name in _SOURCES)
    _run(
        folder / "target",
        vocabulary,
        ["gin/runs/demo_target.gin"],
        [
            *tuning,
            f"RANDOM_SEED={list(range(seeds))}",
            f"food/init.from_file.path={food}",
            f"topic/init.from_file.path={topic}",
        ],
    )
    return _curves(folder / "target", seeds)


def train_vocabulary(path: pathlib.Path) -> pathlib.Path:
    """Writes a SentencePiece model of the world's words."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=demo_world.stories(4000, seed=0),
        model_writer=model,
        model_type="word",
        vocab_size=300,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    path.write_bytes(model.getvalue())
    return path


def _run(
    model_dir: pathlib.Path,
    vocabulary: pathlib.Path,
    files: Sequence[str],
    bindings: Sequence[str],
) -> None:
    """Runs `spot_jax train` in this process, and says how it would be typed."""
    bindings = [
        *bindings,
        f"TASK_FEATURE_LENGTHS={_LENGTHS}",
        f"VOCABULARY={vocabulary}",
        f"MODEL_DIR={model_dir}",
    ]
    files = ["gin/models/demo.gin", *files]
    words = [f"--gin_file={file}" for file in files]
    words += [f'--gin.{name}="{value}"' for name, value in _pairs(bindings)]
    print("     spot_jax train " + " \\\n       ".join(words), file=sys.stderr)
    config.parse(files, bindings)
    config.configured(train)()


def _pairs(bindings: Sequence[str]) -> list[tuple[str, str]]:
    return [tuple(binding.split("=", 1)) for binding in bindings]


def _curves(model_dir: pathlib.Path, seeds: int):
    """Collects accuracy by start, seed and evaluation."""
    lines = [
        line for line in records.read_metrics(model_dir) if line["kind"] == "demo_film"
    ]
    names = ("class labels", "prompt of demo_food", "prompt of demo_topic")
    curves = []
    for number, name in enumerate(names):
        of_start = [
            [
                line["accuracy"]
                for line in lines
                if line["prompt"] == f"demo_film-seed{seed}-start{number}"
                and line["step"] in _TARGET_STEPS
            ]
            for seed in range(seeds)
        ]
        curves.append((name, of_start))
    return curves


def _print_table(curves) -> None:
    print("\nAccuracy on 200 held-out film reviews, in percent (mean, and deviation")
    print(f"over {len(curves[0][1])} seeds), after so many steps on 32 examples:\n")
    print(
        f"{'target prompt starts from':28}" + "".join(f"{s:>14}" for s in _TARGET_STEPS)
    )
    for name, of_start in curves:
        mean, spread = np.mean(of_start, axis=0), np.std(of_start, axis=0)
        cells = [f"{m:.1f} ({d:.1f})" for m, d in zip(mean, spread, strict=True)]
        print(f"{name:28}" + "".join(f"{cell:>14}" for cell in cells))


def _say(text: str) -> None:
    print(f"\n{text}", file=sys.stderr, flush=True)


def main(argv: Sequence[str]) -> None:
    """Runs `spot_jax demo`."""
    parser = argparse.ArgumentParser(prog="spot_jax demo", description=__doc__)
    parser.add_argument("--dir", help="where to keep its runs (default: nowhere)")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args(argv)
    began = time.monotonic()
    if arguments.dir:
        curves = demo(pathlib.Path(arguments.dir), arguments.seeds)
    else:
        with tempfile.TemporaryDirectory() as folder:
            curves = demo(pathlib.Path(folder), arguments.seeds)
    _print_table(curves)
    print(f"\n{time.monotonic() - began:.0f} seconds in all.")
