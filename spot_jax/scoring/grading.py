"""A task's examples and right answers, and how predictions of them are scored."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from spot_jax.data.eval_tasks import EvalTask


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


def score(task: EvalTask, predictions: Sequence[Prediction]) -> dict[str, float]:
    """Applies the task's postprocessor and metric functions, as seqio.Evaluator does.

    Args:
        task: the task with its examples.
        predictions: one for each example, in order.

    Returns:
        {metric: value}, in the metric's own scale (percent for the published tasks).
    """
    targets, answers = [], []
    for example, prediction in zip(task.examples, predictions, strict=True):
        targets.append(
            task.task.postprocess_fn(
                target_text(task, example), example=example, is_target=True
            )
        )
        answers.append(
            task.task.postprocess_fn(prediction.text, example=example, is_target=False)
        )
    results: dict[str, float] = {}
    for metric in task.task.predict_metric_fns:
        # Metrics give numpy's numbers, which JSON does not take.
        results |= {k: float(v) for k, v in metric(targets, answers).items()}
    return results


def target_text(task: EvalTask, example: Mapping[str, Any]) -> str:
    """Returns the right answer as text."""
    # Decoded tokens may be another text: of unknown pieces, or cut to their limit.
    if "targets_pretokenized" in example:
        return example["targets_pretokenized"].decode("utf-8")
    return task.vocabulary.decode([int(t) for t in example["targets"]])
