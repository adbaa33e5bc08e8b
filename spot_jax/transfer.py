"""`spot_jax transfer`: what a target should start from, out of a library (SPoT §3.3).

    spot_jax transfer LIBRARY --target MODEL_DIR --method best --out DIR

ranks the library's task embeddings by their similarity to the target's, shows why, and
writes DIR:

    ranking.json             the whole ranking, what was left out, the commands
    start-1.safetensors ...  best: the prompts of the k most similar, in that order
    start.safetensors        average: theirs, weighted; single, generic: the one named
    mixture.gin source.gin   mixture: train on the data of the k and the target
    target.gin               the configuration of the target's run, to go on with

Several targets, say the seeds of one task, are ranked each on its own, into DIR/NAME.
"""

import argparse
import pathlib
from typing import Any

from spot_jax.errors import InputError
from spot_jax.model_dir import storage
from spot_jax.prompts import files
from spot_jax.prompts.base import length_of
from spot_jax.prompts.entry import LibraryEntry
from spot_jax.reading import as_json, path_of
from spot_jax.retrieval import candidates, explanation, next_runs, starts
from spot_jax.retrieval.candidates import Ranking
from spot_jax.retrieval.explanation import Result
from spot_jax.retrieval.similarity import MEASURES, USUAL_MEASURE
from spot_jax.retrieval.starts import Start

# The options that each method cannot do without, beside the library and --out.
_NEEDS = {
    "best": {"target"},
    "average": {"target"},
    "mixture": {"target"},
    "single": {"source"},
    "generic": {"source"},
    "oracle": {"scores"},
}
# How many sources a method takes, of so many as there are: SPoT Table 3. The best of 9
# have 80% of what the best of all 48 gain; averages and mixtures gain most with these.
_USUAL_K = {"best": 9, "average": 3, "mixture": 12}


def main(argv: list[str]) -> None:
    """Ranks, shows and writes.

    Raises:
        InputError: the input is wrong; nothing was written.
    """
    options = _parse(argv)
    _check_options(options)
    out = _new(options.out)

    entries = candidates.read_entries(options.library)
    targets = candidates.read_targets(options.target, options.target_task)
    candidates.check_belong_together(entries, targets)
    scores = starts.read_scores(options.scores, list(entries)) if options.scores else {}

    results = []
    for target in targets or [None]:
        task = target.task if target else options.target_task
        ranking = candidates.rank_entries(
            entries,
            target,
            options.similarity,
            task=task,
            include_own=options.include_target,
        )
        start = _start(options, ranking, entries, scores, task)
        folder = out / target.name if len(targets) > 1 else out
        results.append(_go_on(options.method, ranking, start, task, folder))

    asked = ("library", "method", "similarity", "k", "source", "scores")
    _write(out, {name: getattr(options, name) for name in asked}, results)
    for result in results:
        print(explanation.text(options.similarity, result))
    print(f"All of it is in {out / 'ranking.json'}.")


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="spot_jax transfer",
        description="Chooses the prompts of a library that a target task starts from.",
    )
    parser.add_argument(
        "library",
        metavar="LIBRARY",
        help="folder of a prompt library, or MODEL_DIR of a finished run, whose "
        "prompts are the sources",
    )
    parser.add_argument(
        "--target",
        nargs="+",
        default=[],
        metavar="FILE",
        help="the target's embedding: embedding.safetensors of a run, its folder, or "
        "MODEL_DIR for all prompts of the run",
    )
    parser.add_argument(
        "--target_task", metavar="TASK", help="its task, where the file does not say"
    )
    parser.add_argument("--method", required=True, choices=list(_NEEDS))
    usual = ", ".join(f"{method} {k}" for method, k in _USUAL_K.items())
    parser.add_argument(
        "--k",
        type=int,
        help=f"how many sources ({usual}, or all where there are fewer)",
    )
    parser.add_argument(
        "--similarity",
        choices=list(MEASURES),
        default=USUAL_MEASURE,
        help="of two task embeddings (%(default)s)",
    )
    parser.add_argument("--source", metavar="NAME", help="an entry (single, generic)")
    parser.add_argument(
        "--scores",
        metavar="CSV",
        help="columns source, score: what was reached (oracle)",
    )
    parser.add_argument(
        "--include_target",
        action="store_true",
        help="also choose among entries of the target's own task",
    )
    parser.add_argument(
        "--write_prompt", action="store_true", help="write the oracle's prompt (oracle)"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="a new folder")
    return parser.parse_args(argv)


def _check_options(options: argparse.Namespace) -> None:
    """Refuses options that a method lacks, or has no use for."""
    needs = _NEEDS[options.method]
    values = {
        "target": options.target or None,
        "k": options.k,
        "source": options.source,
        "scores": options.scores,
        "write_prompt": options.write_prompt or None,
    }
    given = {name for name, value in values.items() if value is not None}
    missing = sorted(needs - given)
    if missing:
        raise InputError(
            f"--method {options.method} needs --{' and --'.join(missing)}; `spot_jax "
            "transfer --help` tells what it is."
        )
    takes = needs | {"target"}
    if options.method in _USUAL_K:
        takes.add("k")
    if options.method == "oracle":
        takes.add("write_prompt")
    useless = sorted(given - takes)
    if useless:
        raise InputError(
            f"--method {options.method} has no use for --{' and --'.join(useless)}. "
            "Leave it out, or choose another method."
        )
    if options.k is not None and options.k < 1:
        raise InputError(f"--k is {options.k}; at least 1 source has to be chosen.")


def _new(path: str) -> pathlib.Path:
    out = path_of(path)
    is_free = not out.exists() or out.is_dir() and not any(out.iterdir())
    # The folder appears in one step, which would take the current one away.
    if not is_free or out.resolve() == pathlib.Path.cwd():
        raise InputError(
            f"--out {out} is there already. Name a new folder, so that the prompts of "
            "two transfers are never mixed."
        )
    return out


def _start(
    options: argparse.Namespace,
    ranking: Ranking,
    entries: dict[str, LibraryEntry],
    scores: dict[str, float],
    task: str | None,
) -> Start:
    k = options.k
    if k is None:
        k = min(_USUAL_K.get(options.method, 1), max(1, len(ranking.sources)))
    match options.method:
        case "best":
            return starts.best_of_top(ranking, k)
        case "average":
            return starts.weighted_average(ranking, k)
        case "mixture":
            return starts.mixture(ranking, k)
        case "single":
            return starts.named(ranking, entries, options.source, task)
        case "generic":
            return starts.generic(ranking, entries, options.source, task)
    return starts.oracle(ranking, entries, scores, write=options.write_prompt)


def _go_on(
    method: str, ranking: Ranking, start: Start, task: str | None, folder: pathlib.Path
) -> Result:
    """Returns a start with the gin files beside it and the commands that go on."""
    target, chosen, where = ranking.target, start.chosen, str(folder)
    texts, commands = next_runs.target_files(target), []
    paths = [str(folder / name) for name in start.prompts]
    if method == "mixture":
        members = next_runs.mixture_members(chosen, target.task)
        texts |= next_runs.mixture_files(chosen, target, members, where)
        commands = [next_runs.mixture_run(chosen, target, where)]
        paths = [next_runs.mixture_prompt(target, len(chosen), where)]
    if not paths:
        return Result(ranking, start, folder, {}, [])
    first = chosen[0].entry
    commands.append(
        next_runs.target_run(
            target,
            task=task,
            starts=paths,
            length=length_of(first.prompt),
            folder=where,
            model=first.model,
        )
    )
    recipes = [target.configuration if target else ""]
    recipes += [first.configuration] if method == "mixture" else []
    has_gaps = any(map(next_runs.has_gaps, recipes))
    notes = next_runs.remarks(target, chosen if method == "mixture" else ())
    return Result(ranking, start, folder, texts, commands, has_gaps, notes)


def _write(out: pathlib.Path, asked: dict[str, Any], results: list[Result]) -> None:
    """Makes DIR appear in one step, complete."""
    record = as_json(explanation.record(asked, results), 2) + "\n"
    try:
        with storage.new_folder(out, last="ranking.json") as temporary:
            for result in results:
                folder = temporary / result.folder.relative_to(out)
                for name, prompt in result.start.prompts.items():
                    story = explanation.story(name, asked, result)
                    files.write(folder / name, prompt, story)
                for name, text in result.texts.items():
                    storage.replace_file(folder / name, text.encode("utf-8"))
            storage.replace_file(temporary / "ranking.json", record.encode("utf-8"))
    except OSError as error:
        raise InputError(
            f"--out {out} cannot be written ({error.strerror or error}). Name another "
            "folder, or make room."
        ) from error
