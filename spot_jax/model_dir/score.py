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


def comparable(score: float) -> float:
    """Returns a score to find the best by: one that is not a number is the least.

    `max` and `>` alone would keep a NaN that comes first, whatever comes later.
    """
    return -math.inf if math.isnan(score) else score
