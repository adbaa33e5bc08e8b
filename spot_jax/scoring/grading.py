"""A task's examples and right answers, and how predictions of them are scored."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spot_jax.data.eval_tasks import EvalTask, right_answer
from spot_jax.errors import InputError

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What a prompt answered to one example.

    Attributes:
        example: index in the task's split.
        text: the answer as text, in this task's words where the task translates.
        score: the sum of its tokens' log-probabilities (after beam search's penalty).
    """

    example: int
    text: str
    score: float


def score(
    task: EvalTask,
    predictions: Sequence[Prediction] = (),
    target_scores: Sequence[float] = (),
) -> dict[str, float]:
    """Applies the task's postprocessor and metric functions, as seqio.Evaluator does.

    Args:
        task: the task with its examples.
        predictions: one for each example, in order, where metrics compare answers.
        target_scores: the log-probability of each example's targets, where metrics are
            of these.

    Returns:
        {metric: value}, in the metric's own scale (percent for the published tasks).

    Raises:
        InputError: when the metrics report a figure twice, or none.
    """
    targets = [right_answer(task, example) for example in task.examples]
    reported = []
    if task.needs_answers:
        answers = [
            processed(task, example, prediction)
            for example, prediction in zip(task.examples, predictions, strict=True)
        ]
        # T5X's models give no other auxiliary values.
        aux_values = {"scores": np.asarray([each.score for each in predictions])}
        reported += [
            *(metric(targets, answers) for metric in task.task.predict_metric_fns),
            *(
                metric(targets, answers, aux_values)
                for metric in task.task.predict_with_aux_metric_fns
            ),
        ]
    for metric in task.score_metrics:
        reported.append(metric(targets, np.asarray(target_scores)))
    return _merged(task.name, reported)


def processed(task: EvalTask, example: dict, prediction: Prediction) -> Any:
    """Returns an answer as the task's metrics compare it."""
    return task.task.postprocess_fn(prediction.text, example=example, is_target=False)


def _merged(name: str, reported: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    results: dict[str, float] = {}
    for values in reported:
        twice = sorted(results.keys() & values.keys())
        if twice:
            raise InputError(
                f"Two metrics of {name} report {', '.join(twice)}: give them other "
                "names."
            )
        for metric, value in values.items():
            # SeqIO's own type of number; its texts and pictures are none.
            value = getattr(value, "value", value)
            try:
                # Metrics give numpy's numbers, which JSON does not take.
                results[metric] = float(value)
            except (TypeError, ValueError):
                kind = type(value).__name__
                logger.warning(
                    "%s: the metric %s is no number but of type %s, and left out.",
                    *(name, metric, kind),
                )
    if not results:
        raise InputError(f"The metrics of {name} report no number to compare by.")
    return results
