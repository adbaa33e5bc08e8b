"""What make_english's study shows: does it matter which source a target starts from?

Of each target the scores of the last step, means over seeds; of sources chosen by
similarity, at random, and of another family than the target's.
"""

import csv
import io
import math
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from spot_jax import tables
from spot_jax.model_dir import storage
from spot_jax.reading import as_json, read_text
from spot_jax.retrieval.similarity import USUAL_MEASURE
from spot_jax.workshop import english_rows
from spot_jax.workshop.english_rows import Rows

_RESAMPLES = 4000
_COLUMNS = (
    *("scratch", "scratch_longer", "most_similar", "random", "related", "unrelated"),
    *("best", "gain", "gain_low", "gain_high", "chance", "correlation", "p"),
)
_CURE = "Run the study again: spot_jax make_english DIR --stage study."


def write(runs: pathlib.Path) -> str:
    """Writes results/table.json and table.csv; returns the table of the last step.

    Args:
        runs: with study/ and, if it was run, longer/.

    Raises:
        InputError: when the study has no tables.
    """
    curves = _read(runs / "study" / "curves.csv")
    steps = sorted({int(line["step"]) for line in curves if line["target"]})
    similar = _similarities(runs / "study" / "similarities.csv")
    longer = []
    if (runs / "longer" / "curves.csv").exists():
        longer = _read(runs / "longer" / "curves.csv")
    found = {step: table(curves, longer, similar, step) for step in steps}
    folder = runs / "results"
    storage.replace_text(folder / "table.json", as_json(found) + "\n")
    lines = [
        [step, row["target"], *(row[name] for name in _COLUMNS)]
        for step, rows in found.items()
        for row in rows
    ]
    header = ["step", "target", *_COLUMNS]
    storage.replace_file(folder / "table.csv", tables.as_csv([header, *lines]))
    last = [line[1:] for line in lines if steps and line[0] == steps[-1]]
    return tables.as_text([header[1:], *last])


def table(
    curves: Sequence[dict[str, str]],
    longer: Sequence[dict[str, str]],
    similar: dict[tuple, float],
    step: int,
) -> list[dict[str, Any]]:
    """Returns a row for each target, and one of their means.

    Args:
        curves: lines of the study's curves.csv.
        longer: of the study of longer baselines, of which the last step counts.
        similar: {(target, its seed, source, its seed): similarity}.
        step: whose scores are compared.
    """
    rows, drawn = [], []
    for target in english_rows.TARGETS:
        scratch = _scores(curves, "baseline", target, step)
        moved = _scores(curves, "transfer", target, step)
        if not scratch or not moved:
            continue
        sources, seeds = sorted(moved), sorted(seed for *_, seed in scratch)
        scores = np.array([moved[source] for source in sources])
        picks = np.array(
            [_most_similar(similar, target.name, seed, sources) for seed in seeds]
        )
        row = _row(target, sources, scores, picks, similar, seeds)
        row["scratch"] = float(np.mean(list(scratch.values())))
        last = max((int(line["step"]) for line in longer), default=0)
        of_longer = list(_scores(longer, "baseline", target, last).values())
        row["scratch_longer"] = float(np.mean(of_longer)) if of_longer else math.nan
        gains = _gains(scores, picks)
        row["gain_low"], row["gain_high"] = _interval(gains)
        rows.append(row)
        drawn.append(gains)
    if rows:
        mean = {"target": "mean"} | {
            name: float(np.mean([row[name] for row in rows])) for name in _COLUMNS
        }
        mean["gain_low"], mean["gain_high"] = _interval(np.mean(drawn, axis=0))
        mean["p"] = math.nan
        rows.append(mean)
    return rows


def _row(
    target: Rows,
    sources: Sequence[tuple[str, int]],
    scores: np.ndarray,
    picks: np.ndarray,
    similar: dict[tuple, float],
    seeds: Sequence[int],
) -> dict[str, Any]:
    """Returns what the transfers to a target tell.

    Args:
        target: the target.
        sources: (name, seed) of every source prompt.
        scores: [sources] of the target, started from each.
        picks: [seeds] which source is most similar to the target of each seed.
        similar: similarities; see `table`.
        seeds: of the target.
    """
    families = {rows.name: english_rows.family(rows) for rows in english_rows.SOURCES}
    own = english_rows.family(target)
    is_related = np.array([families[name] == own for name, _ in sources])
    alike = np.array(
        [
            np.mean([similar[target.name, seed, *source] for seed in seeds])
            for source in sources
        ]
    )
    r, p = _correlation(alike, scores)
    return {
        "target": target.name,
        "most_similar": float(scores[picks].mean()),
        "random": float(scores.mean()),
        "related": float(scores[is_related].mean()) if is_related.any() else math.nan,
        "unrelated": float(scores[~is_related].mean()),
        "best": float(scores.max()),
        "gain": float(scores[picks].mean() - scores.mean()),
        # Of a random pick to do better than the retrieved one.
        "chance": float((scores[None] > scores[picks][:, None]).mean()),
        "correlation": r,
        "p": p,
        "picked": ["{}, seed {}".format(*sources[i]) for i in picks],
        "scores": {
            f"{name}, seed {seed}": float(score)
            for (name, seed), score in zip(sources, scores, strict=True)
        },
    }


def _scores(
    lines: Sequence[dict[str, str]], method: str, target: Rows, step: int
) -> dict[tuple[str, int], float]:
    """Returns {(source, seed): score} of a target's prompts at a step.

    Answers that are all alike correlate with nothing, and have no line: 0.
    """
    own = [x for x in lines if (x["method"], x["target"]) == (method, target.name)]
    found = {(line["source"], int(line["seed"])): 0.0 for line in own}
    for line in own:
        if int(line["step"]) == step:
            found[line["source"], int(line["seed"])] = float(line["score"])
    return found


def _most_similar(
    similar: dict[tuple, float],
    target: str,
    seed: int,
    sources: Sequence[tuple[str, int]],
) -> int:
    return int(np.argmax([similar[target, seed, *source] for source in sources]))


def _gains(scores: np.ndarray, picks: np.ndarray) -> np.ndarray:
    """Returns [resamples] most similar minus random, seeds and sources drawn anew."""
    rng = np.random.default_rng(0)
    of_picks = rng.integers(len(picks), size=(_RESAMPLES, len(picks)))
    of_all = rng.integers(len(scores), size=(_RESAMPLES, len(scores)))
    return scores[picks[of_picks]].mean(axis=1) - scores[of_all].mean(axis=1)


def _interval(values: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _correlation(alike: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    """Returns Pearson's r, and how often it is as far from 0 in a random order."""
    if not alike.std() or not scores.std():
        return math.nan, math.nan
    r = float(np.corrcoef(alike, scores)[0, 1])
    rng = np.random.default_rng(0)
    others = [np.corrcoef(alike, rng.permutation(scores))[0, 1] for _ in range(2000)]
    return r, float(np.mean(np.abs(others) >= abs(r) - 1e-12))


def _similarities(path: pathlib.Path) -> dict[tuple, float]:
    return {
        (
            *(line["first"], int(line["first_seed"])),
            *(line["second"], int(line["second_seed"])),
        ): float(line["similarity"])
        for line in _read(path)
        if line["measure"] == USUAL_MEASURE
    }


def _read(path: pathlib.Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(read_text(path, _CURE))))
