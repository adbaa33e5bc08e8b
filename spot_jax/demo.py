"""Program: SPoT in a few minutes on a laptop, without any download.

The frozen T5 is spot_tiny, which comes with the package; the tasks are four sources and
two targets of the miniature.

1. Tune a prompt for every source, as one bank, and put them into a library.
2. Tune prompts for the targets from their class labels, several seeds, as one bank.
3. Find in the library the source most similar to each of them, and tune anew from it.
4. Print a table, and draw learning curves and the similarities.
"""

import argparse
import contextlib
import io
import pathlib
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, TypedDict

import msgspec

import spot_jax.tasks
from spot_jax import config, library_program, spot_tiny, transfer
from spot_jax.errors import InputError
from spot_jax.miniature import folder as miniature_folder
from spot_jax.model_dir import claim, names, records
from spot_jax.model_dir.score import task_score
from spot_jax.prompts import files
from spot_jax.reading import path_of, read_json
from spot_jax.retrieval import similarity
from spot_jax.tasks import catalog
from spot_jax.training.bank import Row, prompt_names

# What takes seconds to import (TensorFlow, pandas, seaborn) comes in where it is used:
# --help and wrong options are answered at once.
if TYPE_CHECKING:
    import pandas as pd

SOURCES = ("yelp_polarity", "mnli", "qqp", "squad")
TARGETS = ("cr", "mrpc")
SPOT = "from the most similar source"
_SOURCE_STEPS, _TARGET_STEPS = 150, 60
_CAPTION = (
    "Score against steps, mean over the seeds; bands are 95% bootstrap intervals."
)
_HEATMAP = "similarity_of_prompts_per_token"


class _Source(TypedDict):
    entry: str
    similarity: float


class _Target(TypedDict):
    name: str
    ranking: Annotated[list[_Source], msgspec.Meta(min_length=1)]


class _Ranked(TypedDict):
    """What is read of ranking.json."""

    targets: list[_Target]


def demo(folder: pathlib.Path, seeds: int = 3) -> "pd.DataFrame":
    """Runs the demo.

    Args:
        folder: where its data, runs, library and pictures are kept. A second demo there
            only shows the results.
        seeds: how many target prompts each start is tried with.

    Returns:
        Scores in percent: target, line (the start), seed, step, score.

    Raises:
        InputError: when there are no seeds, the folder cannot be written, or it holds
            a demo of other seeds or of another model.
    """
    if seeds < 1:
        raise InputError(f"--seeds {seeds}: give a number from 1 on.")
    folder = claim.writable(str(folder), "--dir")
    about = {"seeds": seeds, "model": spot_tiny.checksum()}
    claim.check_about(folder, about, "--dir")
    data = folder.absolute() / "data"
    played = [catalog.get(task) for task in (*SOURCES, *TARGETS)]
    miniature_folder.write_once(data, played, catalog.STUDY_LABELS)
    spot_jax.tasks.register_all()
    from spot_jax.analysis.curves import SCRATCH
    from spot_jax.text.registration import use_data_dir

    use_data_dir(str(data))

    _say(f"1/3  Tuning prompts for {', '.join(SOURCES)} as one bank.")
    sources = [(task, 0, None) for task in SOURCES]
    _tune(folder / "sources", sources, "sampled_vocabulary", _SOURCE_STEPS, 50)
    kept = str(folder / "library")
    _quietly(library_program.main, ["add", kept, str(folder / "sources")])

    _say(f"2/3  Tuning {' and '.join(TARGETS)} from class labels, {seeds} seeds each.")
    scratch = [(task, seed, None) for task in TARGETS for seed in range(seeds)]
    _tune(folder / "scratch", scratch, "class_labels", _TARGET_STEPS)

    _say("3/3  Tuning them from the source prompt that is most similar to each.")
    starts = _retrieve(folder, scratch)
    _tune(folder / "spot", starts, "class_labels", _TARGET_STEPS)

    lines = {SCRATCH: (folder / "scratch", scratch)}
    lines[SPOT] = folder / "spot", starts
    scores = _scores(lines)
    _draw(folder, scores, [*sources, *scratch])
    return scores


def _tune(
    model_dir: pathlib.Path,
    rows: Sequence[Row],
    start: str,
    steps: int,
    eval_period: int = 10,
) -> None:
    """Runs `spot_jax train` in this process, and says how it would be typed."""
    from spot_jax.train import train

    bindings = {
        "MIXTURE_OR_TASK_NAME": list(dict.fromkeys(task for task, _, _ in rows)),
        "BANK": list(rows),
        "TRAIN_STEPS": steps,
        "EVAL_PERIOD": eval_period,
        "MODEL_DIR": str(model_dir),
    }
    gin = [f"gin/prompts/{start}.gin", "gin/runs/demo.gin"]
    words = ["spot_jax train", *(f"--gin_file={file}" for file in gin)]
    words += [f'--gin.{name}="{value}"' for name, value in bindings.items()]
    data = model_dir.parent / "data"
    typed = " \\\n       ".join([f"TFDS_DATA_DIR={data}", *words])
    print(f"     {typed}", file=sys.stderr)
    config.parse(gin, [f"{name}={value!r}" for name, value in bindings.items()])
    config.configured(train)(configuration=config.text())


def _retrieve(folder: pathlib.Path, targets: Sequence[Row]) -> list[Row]:
    """Asks `spot_jax transfer` what each target starts from."""
    out, called = folder / "retrieved", prompt_names(targets)
    embeddings = [_embedding(folder / "scratch", name) for name in called]
    if not out.exists():
        options = ["--target", *map(str, embeddings), "--method", "best", "--k", "1"]
        _quietly(transfer.main, [str(folder / "library"), *options, "--out", str(out)])
    cure = f"Delete {out}; it is written anew."
    found = read_json(out / "ranking.json", _Ranked, cure)
    for target in found["targets"]:
        nearest = target["ranking"][0]
        print(
            f"     {target['name']}: {nearest['entry']}, similarity "
            f"{nearest['similarity']:.2f}",
            file=sys.stderr,
        )
    return [
        (task, seed, str(out / name / names.start(1)))
        for (task, seed, _), name in zip(targets, called, strict=True)
    ]


def _embedding(model_dir: pathlib.Path, name: str) -> pathlib.Path:
    return names.prompt_file(model_dir, name, names.EMBEDDING)


def _scores(lines: Mapping[str, tuple[pathlib.Path, Sequence[Row]]]) -> "pd.DataFrame":
    """Collects the validation scores of runs."""
    import pandas as pd

    found = []
    for line, (model_dir, rows) in lines.items():
        of_prompt = dict(zip(prompt_names(rows), rows, strict=True))
        for step, prompt, task, values in records.read_evaluations(model_dir):
            seed = of_prompt[prompt][1]
            found.append((task, line, seed, step, task_score(values)))
    return pd.DataFrame(found, columns=["target", "line", "seed", "step", "score"])


def _draw(folder: pathlib.Path, scores: "pd.DataFrame", rows: Sequence[Row]) -> None:
    """Draws the learning curves and how similar the task embeddings are."""
    import pandas as pd

    from spot_jax.analysis import figures, output, statistics

    lines = statistics.summarize(scores, ["target", "line", "step"], "score")
    called, parts = prompt_names(rows), (folder / "sources", folder / "scratch")
    paths = [_embedding(part, name) for name in called for part in parts]
    prompts = [files.read(path).bundle for path in paths if path.exists()]
    table = pd.DataFrame(similarity.per_token(prompts, prompts), called, called)
    with figures.style():
        drawn = [
            figures.learning_curves(lines, "learning_curves", _CAPTION),
            figures.clusters(table, "per_token", "prompts"),
        ]
    for figure in drawn:
        output.draw(folder, figure)


def table(scores: "pd.DataFrame") -> str:
    """Returns mean and deviation over the seeds, a line a start, as text."""
    steps = sorted(scores["step"].unique())
    shown = [steps[0], *steps[1 : len(steps) - 1 : 2], steps[-1]]
    seeds = scores["seed"].nunique()
    text = [
        "\nScore on held-out rows, in percent: mean, and deviation over "
        f"{seeds} seeds, after so many steps:\n",
        f"{'target, and what its prompt starts from':44}"
        + "".join(f"{step:>13}" for step in shown),
    ]
    for (target, line), part in scores.groupby(["target", "line"], sort=False):
        cells = ""
        for step in shown:
            values = part.loc[part["step"] == step, "score"]
            spread = values.std() if seeds > 1 else 0.0
            cells += f"{f'{values.mean():.1f} ({spread:.1f})':>13}"
        text.append(f"{target + ', ' + line:44}{cells}")
    return "\n".join(text)


def _quietly(program, argv: list[str]) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        program(argv)


def _say(text: str) -> None:
    print(f"\n{text}", file=sys.stderr, flush=True)


def main(argv: Sequence[str]) -> None:
    """Runs `spot_jax demo`."""
    options = _parse(argv)
    began, folder = time.monotonic(), path_of(options.dir)
    print(table(demo(folder, options.seeds)))
    print(f"\nlearning_curves.png and {_HEATMAP}.png are in {folder}.")
    print(f"{time.monotonic() - began:.0f} seconds in all.")


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="spot_jax demo",
        description=__doc__.removeprefix("Program: "),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--dir", default="runs/demo", help="where to keep it all (%(default)s)"
    )
    parser.add_argument(
        "--seeds",
        type=int,
        default=3,
        metavar="N",
        help="target prompts that each start is tried with (%(default)s)",
    )
    return parser.parse_args(argv)
