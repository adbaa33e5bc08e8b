"""The one number by which evaluations are compared, wherever they are compared."""

import math
from collections.abc import Mapping


def task_score(values: Mapping[str, float]) -> float:
    """Returns what a prompt is worth on one task; higher is better.

    `{"f1": 80.0, "accuracy": 70.0}` -> `75.0`; `{"loss": 2.0}` -> `-2.0`

    Args:
        values: {metric: value}; a task without metrics has its loss alone.

    Returns:
        The unweighted mean of the metrics (SPoT footnote 5), or minus the loss.
    """
    if set(values) == {"loss"}:
        return -float(values["loss"])
    return float(sum(values.values()) / len(values))


def overall_score(results: Mapping[str, Mapping[str, float]]) -> float:
    """Returns the mean over tasks of `task_score`, by which `train` chooses the best.

    `{"mrpc": {"f1": 80.0, "accuracy": 70.0}, "rte": {"accuracy": 65.0}}` -> `70.0`

    Args:
        results: {task: {metric: value}}.
    """
    scores = [task_score(values) for values in results.values()]
    return float(sum(scores) / len(scores))


def measured(results: Mapping[str, Mapping[str, float]]) -> tuple[str, float]:
    """Returns what `overall_score` is the value of, in words, and as people know it.

    `{"mrpc": {"f1": 80.0, "accuracy": 70.0}}` -> `("mean of f1 and accuracy", 75.0)`;
    `{"c4": {"loss": 2.0}}` -> `("loss", 2.0)`, which is less where it is better

    Args:
        results: {task: {metric: value}}.
    """
    score = overall_score(results)
    losses = [set(values) == {"loss"} for values in results.values()]
    if len(results) == 1:
        (values,) = results.values()
        *others, last = values
        mean = f"mean of {', '.join(others)} and {last}" if others else last
        return mean, -score if all(losses) else score
    if all(losses):
        return f"mean loss of {len(results)} tasks", -score
    negated = ", losses negated" if any(losses) else ""
    return f"mean of {len(results)} tasks{negated}", score


def comparable(score: float) -> float:
    """Returns a score to find the best by: one that is not a number is the least.

    `max` and `>` alone would keep a NaN that comes first, whatever comes later.
    """
    return -math.inf if math.isnan(score) else score
