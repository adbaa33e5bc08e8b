"""What a prompt is evaluated on: a task's examples and right answers."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from spot_jax.data import loading
from spot_jax.data.length_check import LengthCheck
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


def load_task(name: str, how: Evaluation, settings: Data) -> EvalTask:
    """Reads the split a task is evaluated on.

    Raises:
        ValueError: when it is missing, empty, or too long for the lengths.
    """
    if settings.tokenized:
        pairs = loading.open_tokenized(name, how.split, settings)
        count = min(len(pairs), how.examples or len(pairs))
        examples = [
            dict(zip(("inputs", "targets"), pairs[i], strict=True))
            for i in range(count)
        ]
        return EvalTask(name, None, examples, (), None)
    task = loading.provider(name)
    if how.split not in task.splits:
        raise ValueError(
            f"{name} has no split {how.split!r}; it has "
            f"{', '.join(sorted(task.splits))}. Set --gin.EVAL_SPLIT."
        )
    dataset = task.get_dataset(
        loading.sequence_lengths(task, settings), how.split, shuffle=False, num_epochs=1
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
    return EvalTask(name, task, examples, loading.labels_of(name), vocabulary)
