"""A task's examples and right answers, and how predictions of them are scored."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spot_jax import data
from spot_jax.length_check import LengthCheck
from spot_jax.settings import Data, Evaluation


@dataclasses.dataclass(frozen=True)
class EvalTask:
    """A task's examples, ready to be predicted and scored.

    Attributes:
        name: of the task.
        task: SeqIO's, for its metrics; None where there is only text to answer.
        examples: as SeqIO gives them, with inputs and targets int32 [length].
        labels: the class labels that are ranked, as text; () where answers are free.
        vocabulary: SeqIO's, of the answers.
        translation: labels of another task, and which of this task's they mean.
    """

    name: str
    task: Any
    examples: list[dict]
    labels: tuple[str, ...]
    vocabulary: Any
    translation: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def has_metrics(self) -> bool:
        """Whether predictions can be scored; else the loss is what there is."""
        return self.task is not None and bool(self.task.predict_metric_fns)


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


def load_task(name: str, how: Evaluation, settings: Data) -> EvalTask:
    """Reads the split a task is evaluated on.

    Raises:
        ValueError: when it is missing, empty, or too long for the lengths.
    """
    if settings.tokenized:
        pairs = data.open_tokenized(name, how.split, settings)
        count = min(len(pairs), how.examples or len(pairs))
        examples = [
            dict(zip(("inputs", "targets"), pairs[i], strict=True))
            for i in range(count)
        ]
        return EvalTask(name, None, examples, (), None)
    task = data.provider(name)
    if how.split not in task.splits:
        raise ValueError(
            f"{name} has no split {how.split!r}; it has "
            f"{', '.join(sorted(task.splits))}. Set --gin.EVAL_SPLIT."
        )
    dataset = task.get_dataset(
        data.sequence_lengths(task, settings), how.split, shuffle=False, num_epochs=1
    )
    if how.examples is not None:
        dataset = dataset.take(how.examples)
    check = LengthCheck(f"{name} ({how.split})", settings.lengths, settings.truncate)
    examples = []
    for example in dataset.as_numpy_iterator():
        check.seen += 1
        cut = {f: check(f, example[f].astype(np.int32)) for f in ("inputs", "targets")}
        examples.append(example | cut)
    if not examples:
        raise ValueError(f"{name}: the split {how.split!r} is empty.")
    check.report()
    vocabulary = task.output_features["targets"].vocabulary
    return EvalTask(name, task, examples, data.labels_of(name), vocabulary)


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
        results |= {k: float(v) for k, v in metric(targets, answers).items()}
    return results


def target_text(task: EvalTask, example: Mapping[str, Any]) -> str:
    """Returns the right answer as text."""
    if "targets_pretokenized" in example:
        return example["targets_pretokenized"].decode("utf-8")
    return task.vocabulary.decode([int(t) for t in example["targets"]])


def overall(name: str, results: Mapping[str, float]) -> float:
    """Returns the one number that decides which prompt is best; higher is better.

    The mean of the task's metrics (SPoT fn 5), or minus the loss where it has none.
    """
    if set(results) == {"loss"}:
        return -results["loss"]
    from spot_jax.tasks import catalog

    info = catalog.TASKS.get(name)
    if info and info.metrics:
        return info.score(results)
    return sum(results.values()) / len(results)
