"""What a run comes to: the best of every prompt, and which prompt was best."""

import functools
from collections.abc import Mapping

import numpy as np

from spot_jax import tables
from spot_jax.model_dir.score import comparable, measured
from spot_jax.prompts.init import Start
from spot_jax.training.outputs import Best


def told(best: Mapping[str, Best]) -> str:
    """Returns the results of a run as text: a line, or a table of several prompts.

    Args:
        best: {prompt: its best evaluation}, as `train` returns it.
    """
    if len(best) == 1:
        ((name, result),) = best.items()
        measure, value = measured(result.results)
        return f"{name}: best {measure} {value:.2f} at step {result.step}\n"
    if not best:
        # Stopped before the first evaluation.
        return ""
    split = next(iter(best.values())).split
    means = over_seeds(best)
    # Below the head a line for each seed's prompt would say nothing new.
    is_swept = 2 < len(means) <= len(best)
    return "".join(
        [
            tables.as_text(_shown(table(best))),
            "\n",
            f"{tables.as_text(_shown(means))}\n" if is_swept else "",
            *_diverged(best),
            *map(_best, best_of_tasks(best).items()),
            f"These scores are of {split}, which chose the steps and the prompts: they "
            "are optimistic.\nReport what `spot_jax evaluate` gives on a split that "
            "chose nothing (--gin.EVAL_SPLIT).\n",
        ]
    )


def table(best: Mapping[str, Best]) -> list[list]:
    """Returns a line for every prompt: what it is, its best score, and when."""
    head = ["prompt", "task", "seed", "start", "length", "rate", "steps", "best"]
    head += ["metric", "at step"]
    rows = []
    for name, result in best.items():
        entry, (measure, value) = result.entry, measured(result.results)
        # As text: numbers of a table are shown with two decimals.
        rate = "" if entry.rate is None else str(entry.rate)
        start, steps = _start(entry.start), entry.steps or ""
        what = [name, entry.task, entry.seed, start, entry.length, rate, steps]
        rows.append([*what, float(value), measure, result.step])
    return [head, *rows]


def _shown(rows: list[list]) -> list[list]:
    """Leaves out the steps of prompts, where they have all of the run's."""
    at = rows[0].index("steps")
    are_told = any(row[at] for row in rows[1:])
    return rows if are_told else [row[:at] + row[at + 1 :] for row in rows]


def over_seeds(best: Mapping[str, Best]) -> list[list]:
    """Returns a line for all prompts that differ in their seeds alone.

    It has the mean of their best scores, and the standard deviation of these.
    """
    head = ["task", "start", "length", "rate", "steps", "seeds", "mean", "std"]
    head += ["metric"]
    groups: dict[tuple, list[float]] = {}
    for line in table(best)[1:]:
        _, task, _, *what, score, measure, _ = line
        groups.setdefault((task, *what, measure), []).append(score)
    rows = [
        [*what, len(scores), float(np.mean(scores)), float(np.std(scores)), measure]
        for (*what, measure), scores in groups.items()
    ]
    return [head, *rows]


def best_of_tasks(best: Mapping[str, Best]) -> dict[str, list[str]]:
    """Returns {task: the names of its best prompts}, of tasks with several prompts."""
    by_task: dict[str, dict[str, float]] = {}
    for name, result in best.items():
        scores = by_task.setdefault(result.entry.task, {})
        scores[name] = comparable(result.score)
    return {
        task: [name for name, score in scores.items() if score == max(scores.values())]
        for task, scores in by_task.items()
        if len(scores) > 1
    }


def _diverged(best: Mapping[str, Best]) -> list[str]:
    return [
        f"{name} has diverged at step {result.diverged}; its best prompt is kept.\n"
        for name, result in best.items()
        if result.diverged
    ]


def _best(of_task: tuple[str, list[str]]) -> str:
    task, (first, *others) = of_task
    more = f", and {len(others)} as good" if others else ""
    return f"Best on {task}: {first}{more}\n"


def _start(start: Start) -> str:
    """Returns a starting value as a word: "class_labels", or the file it is."""
    if isinstance(start, functools.partial):
        return start.keywords.get("path") or _start(start.func)
    return getattr(start, "__name__", type(start).__name__)
