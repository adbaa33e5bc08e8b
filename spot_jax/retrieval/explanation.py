"""What a transfer tells: a table for people, JSON for programs, headers of prompts."""

import dataclasses
import pathlib
from typing import Any

from spot_jax import tables
from spot_jax.retrieval.candidates import Ranking, Source, told
from spot_jax.retrieval.starts import Start

FORMAT = "spot_jax ranking 1"
# How many lines of a ranking are printed; ranking.json has all.
_SHOWN = 10


@dataclasses.dataclass(frozen=True)
class Result:
    """What comes of one target.

    Attributes:
        ranking: the library as the target sees it.
        start: what the method chose.
        folder: where its files will be.
        texts: {file name: text} of the gin files there.
        commands: that go on with it.
        has_gaps: whether they have words in capitals, for what no file says.
        notes: what the reader should know of them, in sentences.
    """

    ranking: Ranking
    start: Start
    folder: pathlib.Path
    texts: dict[str, str]
    commands: list[str]
    has_gaps: bool = False
    notes: tuple[str, ...] = ()


def record(asked: dict[str, Any], results: list[Result]) -> dict[str, Any]:
    """Returns what ranking.json says.

    Args:
        asked: the library, the method and its options.
        results: of every target.
    """
    return {
        "format": FORMAT,
        **asked,
        "targets": [_record_of_target(result) for result in results],
    }


def story(name: str, asked: dict[str, Any], result: Result) -> dict[str, Any]:
    """Returns what the header of a start says: of which model, and made of what."""
    made_of = result.start.made_of[name]
    weights = result.start.weights or [1.0] * len(made_of)
    return {
        "name": pathlib.Path(name).stem,
        "kind": "start",
        # A library's prompts are all of one model.
        "model": made_of[0].entry.model,
        "provenance": {
            **asked,
            "target": _told_target(result.ranking),
            "sources": [
                _told(source) | {"weight": weight}
                for source, weight in zip(made_of, weights, strict=True)
            ],
        },
    }


def _record_of_target(result: Result) -> dict[str, Any]:
    ranking, start = result.ranking, result.start
    return {
        **_told_target(ranking),
        "ranking": _lines(result),
        "chosen": [source.entry.name for source in start.chosen],
        "left_out": {
            name: told(why, ranking.task) for name, why in ranking.left_out.items()
        },
        "notes": [*ranking.notes, *start.notes, *result.notes],
        "written": [str(result.folder / n) for n in (*start.prompts, *result.texts)],
        "commands": result.commands,
    }


def _told_target(ranking: Ranking) -> dict[str, Any]:
    if ranking.target is None:
        return {"name": None}
    fields = ("name", "path", "task", "seed", "step")
    return {field: getattr(ranking.target, field) for field in fields}


def _lines(result: Result) -> list[dict[str, Any]]:
    """Returns the ranking line by line, and a chosen source that is not in it."""
    start = result.start
    chosen = {source.entry.name: n for n, source in enumerate(start.chosen)}
    ranked = {source.entry.name: source for source in result.ranking.sources}
    others = [s for s in start.chosen if s.entry.name not in ranked]
    lines = []
    for source in (*ranked.values(), *others):
        name = source.entry.name
        line = _told(source) | {"chosen": name in chosen}
        if start.weights:
            line["weight"] = start.weights[chosen[name]] if name in chosen else 0.0
        if start.scores:
            line["target_score"] = start.scores.get(name)
        lines.append(line)
    return lines


def _told(source: Source) -> dict[str, Any]:
    entry = source.entry
    fields = ("task", "seed", "prompt_step", "embedding_step", "score")
    return {
        "entry": entry.name,
        **{field: getattr(entry, field) for field in fields},
        "rank": source.rank,
        "similarity": source.similarity,
    }


def text(measure: str, result: Result) -> str:
    """Returns what a reader sees of one target: the ranking, notes, commands."""
    target, count = result.ranking.target, len(result.ranking.sources)
    about = "No target was given, so nothing is ranked by similarity."
    if target:
        steps = f", step {target.step:,}" if target.step else ""
        about = (
            f"{target.name} ({target.task or 'task unknown'}{steps}): {count} prompts "
            f"ranked by {measure}; the lines with * are taken."
        )
    notes = [*result.ranking.notes, *result.start.notes, *result.notes]
    parts = [about, "", _table(result), *notes]
    if result.commands:
        filled = ""
        if result.has_gaps:
            filled = ", with your own in place of MODEL, LENGTHS and the like"
        parts += [f"Go on with{filled}:", "", "\n\n".join(result.commands), ""]
    return "\n".join(parts)


def _table(result: Result) -> str:
    lines = _lines(result)
    # What is taken is shown however far down it stands.
    shown = [line for n, line in enumerate(lines) if n < _SHOWN or line["chosen"]]
    optional = [key for key in ("weight", "target_score") if key in lines[0]]
    heads = ("", "rank", "entry", "task", "seed", "similarity", *optional)
    rows = [
        (
            "*" if line["chosen"] else "",
            str(line["rank"] or "-"),
            line["entry"],
            line["task"],
            "?" if line["seed"] is None else str(line["seed"]),
            _number(line["similarity"]),
            *(_number(line[key]) for key in optional),
        )
        for line in shown
    ]
    more = len(lines) - len(shown)
    return tables.as_text([heads, *rows]) + (f"({more} more)\n" if more else "")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
