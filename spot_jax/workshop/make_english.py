"""Program: a small T5 of real English, and a transfer study on real tasks.

    spot_jax make_english DIR --corpus CORPUS --data DATA --seconds 540

1. prepare: a vocabulary, the corpus as ids and the tasks' rows as text, into DIR. This
   alone needs TensorFlow; DIR goes to the machine with the accelerator.
2. pretrain: span corruption, then a prefix language model, by `spot_jax train`.
3. study: 6 sources, 5 targets and 3 seeds by `spot_jax study`, the targets from scratch
   with the sources' steps added, and a table of what each source does for a target.

What was prepared is not prepared again. Training takes the time that it is given, and
says how many steps that was; each stage can be called alone.
"""

import argparse
import contextlib
import gzip
import io
import pathlib
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from typing import TypedDict

import jax

from spot_jax.data import vocabularies
from spot_jax.errors import InputError
from spot_jax.model_dir import claim, storage
from spot_jax.reading import as_json, path_of, read_json
from spot_jax.workshop import english_rows, english_runs, english_table, english_text

STAGES = ("prepare", "pretrain", "study")
# The weights go into the package, and through doors, in files of at most so much.
_PART = 15 * 2**20
# Of the time for both, what pre-training gets.
_SHARE = 0.5
# A smaller part of the text than this is for a small model.
_SMALL = 0.5
_ABOUT = "english.json"
# What is brought home, beside the weights.
_RESULTS = (
    *("results/*", "model/card.json", "model/spiece.model"),
    *("*/config.gin", "*/run.json", "*/metrics.jsonl"),
    *("*/*.csv", "*/study.json", "*/runs/*/tunings.json", "*/runs/*/metrics.jsonl"),
    *("study/runs/*/prompts/*/best.safetensors",),
    *("study/runs/[!t]*/prompts/*/embedding.safetensors",),
)


class About(TypedDict):
    """What a prepared folder says of itself."""

    scale: float
    pieces: int
    tokens: dict[str, int]
    rows: dict[str, dict[str, int]]


def prepare(
    folder: pathlib.Path, corpus: pathlib.Path, data: pathlib.Path, scale: float
) -> None:
    """Writes what pre-training and the study read.

    Args:
        folder: where to.
        corpus: gzipped JSON lines of text; english_text.py says which.
        data: rows of the tasks, a folder for each.
        scale: which part of both.

    Raises:
        InputError: when something is missing there.
    """
    texts = {
        split: english_text.passages(corpus, split, scale)
        for split in english_text.FILES
    }
    vocabulary = folder / english_runs.VOCABULARY
    storage.replace_file(vocabulary, english_text.build_vocabulary(texts["train"]))
    pieces = vocabularies.open_sentencepiece(str(vocabulary))
    rows = english_rows.write(folder / "rows", data, str(vocabulary), scale)
    tokens = {}
    for split, of_split in texts.items():
        packed = english_text.packed(of_split, pieces)
        storage.replace_file(folder / f"{split}.xz", packed)
        tokens[split] = len(english_text.unpacked(packed))
    about = About(scale=scale, pieces=pieces.vocab_size(), tokens=tokens, rows=rows)
    # Last: what it tells of is whole.
    storage.replace_text(folder / _ABOUT, as_json(about) + "\n")
    print(as_json(about))


def bring_home(runs: pathlib.Path, keep: pathlib.Path) -> None:
    """Writes the weights and the results into few files, none of them large.

    Args:
        runs: what was run.
        keep: where to; `cat checkpoint.part* > checkpoint` puts parts together.
    """
    weights = runs / "model" / "checkpoint"
    if weights.exists():
        _write_parts(keep, "checkpoint", weights.read_bytes())
    packed = io.BytesIO()
    paths = sorted({path for pattern in _RESULTS for path in runs.glob(pattern)})
    with tarfile.TarFile(fileobj=packed, mode="w") as archive:
        for path in paths:
            archive.add(path, path.relative_to(runs), recursive=False)
    _write_parts(keep, "results.tar.gz", gzip.compress(packed.getvalue()))


def _write_parts(folder: pathlib.Path, name: str, data: bytes) -> None:
    starts = range(0, len(data), _PART)
    for number, start in enumerate(starts):
        part = f"{name}.part{number}" if len(starts) > 1 else name
        storage.replace_file(folder / part, data[start : start + _PART])


def main(argv: Sequence[str]) -> None:
    """Runs `spot_jax make_english`."""
    options = _parse(argv)
    # What computes are other processes, to which the accelerator is left.
    jax.config.update("jax_platforms", "cpu")
    folder = claim.writable(options.folder, "DIR")
    stages = options.stage or STAGES
    if "prepare" in stages and not (folder / _ABOUT).exists():
        if not options.corpus or not options.data:
            raise InputError(
                f"{folder} is not prepared: give --corpus and --data, or the folder "
                "that was prepared on another machine."
            )
        prepare(folder, path_of(options.corpus), path_of(options.data), options.scale)
    about = read_json(folder / _ABOUT, About, "Prepare it: --stage prepare.")
    runs = claim.writable(options.out or str(folder / "runs"), "--out")
    small, until = about["scale"] < _SMALL, time.monotonic() + options.seconds
    both = {"pretrain", "study"} <= {*stages}
    if "pretrain" in stages:
        seconds = options.seconds * (_SHARE if both else 1)
        with _brought_home(runs, options.keep):
            english_runs.pretrain(folder, runs, seconds, small)
    if "study" in stages:
        left = until - time.monotonic()
        with _brought_home(runs, options.keep):
            english_runs.study(folder, runs, left, small, options.gin)
            print(english_table.write(runs), flush=True)


@contextlib.contextmanager
def _brought_home(runs: pathlib.Path, keep: str | None) -> Iterator[None]:
    """Brings home what there is, however far it came."""
    try:
        yield
    finally:
        if keep:
            bring_home(runs, claim.writable(keep, "--keep"))
            print(f"brought home to {keep}", file=sys.stderr, flush=True)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="spot_jax make_english",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="DIR", help="of what is prepared")
    parser.add_argument("--corpus", metavar="FOLDER", help="text, *.jsonl.gz")
    parser.add_argument("--data", metavar="FOLDER", help="rows, NAME/train.jsonl.gz")
    parser.add_argument(
        "--stage", action="append", choices=STAGES, help="only this one (all)"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=540.0,
        metavar="S",
        help="for pre-training and the study together (%(default)s)",
    )
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        metavar="PART",
        help="of the text and rows; below a half a small model is trained (1)",
    )
    parser.add_argument("--out", metavar="FOLDER", help="of the runs (DIR/runs)")
    parser.add_argument(
        "--keep", metavar="FOLDER", help="where weights and results go in small files"
    )
    parser.add_argument(
        "--gin",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a gin binding for the study",
    )
    options = parser.parse_args(argv)
    if not 0 < options.scale <= 1 or not options.seconds > 0:
        raise InputError(
            f"--scale is {options.scale} and --seconds {options.seconds}: a part of "
            "the text is above 0 and up to 1, and a time above 0."
        )
    return options
