"""The prompts a target starts from, by each of SPoT's methods (SPoT §3.3)."""

import csv
import dataclasses
import io
import math
from collections.abc import Sequence

from spot_jax.errors import InputError
from spot_jax.model_dir import names as file_names
from spot_jax.prompts import algebra
from spot_jax.prompts.base import PromptBundle
from spot_jax.prompts.entry import LibraryEntry
from spot_jax.reading import path_of, read_text
from spot_jax.retrieval import operators
from spot_jax.retrieval.candidates import Ranking, Reason, Source, told
from spot_jax.tasks import catalog

_SCORES = "--scores takes a CSV with the columns source (an entry's name) and score."


@dataclasses.dataclass(frozen=True)
class Start:
    """What a method makes of a ranking for one target.

    Attributes:
        chosen: the sources it takes, best first.
        prompts: {file name: prompt}, empty where a run has to come first.
        made_of: {file name: the sources in it}.
        weights: of the chosen sources in an average, else empty.
        scores: {name: score} of the oracle's candidates, else empty.
        notes: what the reader should know, in sentences.
    """

    chosen: tuple[Source, ...]
    prompts: dict[str, PromptBundle]
    made_of: dict[str, tuple[Source, ...]]
    weights: tuple[float, ...] = ()
    scores: dict[str, float] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()


def top(ranking: Ranking, k: int) -> tuple[Source, ...]:
    """Returns the k sources most like the target.

    Raises:
        InputError: when there are not so many, with the reasons.
    """
    count = len(ranking.sources)
    if 1 <= k <= count:
        return ranking.sources[:k]
    why = " ".join(_reasons(ranking, list(ranking.left_out)))
    if not count:
        raise InputError(
            f"The library has nothing to rank for {ranking.target.name}. {why} Add "
            "prompts of other tasks."
        )
    raise InputError(
        f"--k is {k}, and {count} prompts can be ranked for {ranking.target.name}: "
        f"choose from 1 to {count}. {why}".rstrip()
    )


def _reasons(ranking: Ranking, names: Sequence[str]) -> list[str]:
    """Returns a sentence for each reason why these entries are left out."""
    sentences = []
    for why in dict.fromkeys(ranking.left_out[name] for name in names):
        these = ", ".join(name for name in names if ranking.left_out[name] is why)
        sentences.append(f"Each of these {told(why, ranking.task)}: {these}.")
    return sentences


def best_of_top(ranking: Ranking, k: int) -> Start:
    """BEST OF TOP-k: the target is tuned from each of the k, and the best is kept."""
    chosen = top(ranking, k)
    files = [file_names.start(source.rank) for source in chosen]
    return Start(
        chosen,
        prompts={f: s.entry.prompt for f, s in zip(files, chosen, strict=True)},
        made_of={f: (s,) for f, s in zip(files, chosen, strict=True)},
        notes=(
            f"All {k} are tuned as one bank, -start0 from start-1 and so on; keep the "
            "best on validation.",
        )
        if k > 1
        else (),
    )


def weighted_average(ranking: Ranking, k: int) -> Start:
    """TOP-k WEIGHTED AVERAGE: one start, in which the more similar ones weigh more."""
    chosen = top(ranking, k)
    alpha, note = operators.weights([source.similarity for source in chosen])
    prompt = algebra.weighted_average([source.entry.prompt for source in chosen], alpha)
    return Start(
        chosen,
        prompts={file_names.START: prompt},
        made_of={file_names.START: chosen},
        weights=tuple(alpha.tolist()),
        notes=(note,) if note else (),
    )


def mixture(ranking: Ranking, k: int) -> Start:
    """TOP-k MULTI-TASK MIXTURE: a prompt of their data sets' mixture is trained first.

    Raises:
        InputError: when the target's task is not known, or there are not k sources.
    """
    chosen = top(ranking, k)
    if not ranking.target.task:
        raise InputError(
            f"{ranking.target.path} does not say its task, and the mixture contains "
            "it. Name it: --target_task rte."
        )
    return Start(chosen, prompts={}, made_of={})


def named(
    ranking: Ranking, entries: dict[str, LibraryEntry], name: str, task: str | None
) -> Start:
    """One source by its name, the same for every target.

    Raises:
        InputError: when the library has none of this name.
    """
    if name not in entries:
        raise InputError(
            f"The library has no entry {name!r}. It has {', '.join(entries)}."
        )
    # What has no embedding has no rank, and may be named all the same.
    ranked = {source.entry.name: source for source in ranking.sources}
    source = ranked.get(name, Source(entries[name]))
    notes = ()
    if task and source.entry.task == task:
        notes = (f"{name} is a prompt of the target's own task, {task}.",)
    return _one(source, notes=notes)


def generic(
    ranking: Ranking, entries: dict[str, LibraryEntry], name: str, task: str | None
) -> Start:
    """A generic source (SPoT §2.2): one prompt of a mixture starts every target."""
    start = named(ranking, entries, name, task)
    learnt = entries[name].task
    note = f"{name}, of {learnt}, is one start for all targets: nothing was retrieved."
    if learnt in catalog.TASKS:
        note += f" {learnt} is a single task; SPoT's generic prompts learn mixtures."
    return dataclasses.replace(start, notes=(*start.notes, note))


def oracle(
    ranking: Ranking,
    entries: dict[str, LibraryEntry],
    scores: dict[str, float],
    *,
    write: bool,
) -> Start:
    """ORACLE: the source from which the target was tuned best, known afterwards.

    Args:
        ranking: of the library; what has no embedding may be chosen as well.
        entries: of the library.
        scores: {entry: score of the target tuned from it}.
        write: whether the prompt is wanted, not only its name.

    Raises:
        InputError: when no entry that may be chosen has a score.
    """
    allowed = {source.entry.name: source for source in ranking.sources}
    # An oracle looks at scores, so it needs no embedding; a prompt of the target's own
    # task stays out, which would be no transfer.
    for name, why in ranking.left_out.items():
        if why is Reason.NO_EMBEDDING:
            allowed[name] = Source(entries[name])
    scored = [name for name in allowed if name in scores]
    if not scored:
        raise InputError(
            "None of the entries that may be chosen has a score. "
            + " ".join(_reasons(ranking, [n for n in ranking.left_out if n in scores]))
        )
    # Of equal scores the first by name, as in a ranking.
    best = allowed[min(scored, key=lambda name: (-scores[name], name))]
    missing = [name for name in allowed if name not in scores]
    notes = (f"The oracle is {best.entry.name}: {scores[best.entry.name]:g}.",)
    if missing:
        notes += (
            f"{len(missing)} of {len(allowed)} entries have no score, so it is the "
            f"best of the others: {', '.join(missing)}.",
        )
    start = _one(best, notes=notes) if write else Start((best,), {}, {}, notes=notes)
    return dataclasses.replace(start, scores=scores)


def read_scores(path: str, names: Sequence[str]) -> dict[str, float]:
    """Reads the columns source and score of a CSV.

    Args:
        path: the file.
        names: of the library's entries.

    Raises:
        InputError: when it cannot be read, or is about other entries.
    """
    text = read_text(path_of(path), _SCORES)
    try:
        return _scores(csv.DictReader(io.StringIO(text, newline="")), path, names)
    except csv.Error as error:
        raise InputError(f"{path} is no CSV ({error}). {_SCORES}") from error


def _scores(lines: csv.DictReader, path: str, names: Sequence[str]) -> dict[str, float]:
    if not {"source", "score"} <= set(lines.fieldnames or ()):
        raise InputError(
            f"{path} has the columns {lines.fieldnames}; source (an entry's name) "
            "and score are needed."
        )
    scores: dict[str, float] = {}
    for line in lines:
        # csv gives None for the cells that a short line lacks.
        source, score = line["source"], _number(line["score"])
        if source not in names or source in scores or score is None:
            raise InputError(
                f"{path}, line {lines.line_num}: source {source!r}, score "
                f"{line['score']!r}. Every line needs another entry of the "
                "library and a finite number."
            )
        scores[source] = score
    if not scores:
        raise InputError(
            f"{path} has no line below its head: there is nothing to rank."
        )
    return scores


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    # float() takes "nan", "inf" and "1_0" as well.
    return value if math.isfinite(value) and "_" not in text else None


def _one(source: Source, notes: tuple[str, ...]) -> Start:
    file = file_names.START
    return Start((source,), {file: source.entry.prompt}, {file: (source,)}, notes=notes)
