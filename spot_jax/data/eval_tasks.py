"""What a prompt is evaluated on: a task's examples and right answers."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from spot_jax.data import loading
from spot_jax.data.length_check import LengthCheck
from spot_jax.errors import InputError
from spot_jax.settings import Data, Evaluation
from spot_jax.text.lengths import FEATURES


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


def load_task(name: str, evaluation: Evaluation, data: Data) -> EvalTask:
    """Reads the split a task is evaluated on.

    Raises:
        InputError: when it is missing, empty, or too long for the lengths.
    """
    if data.tokenized:
        pairs = loading.open_tokenized(name, evaluation.split, data)
        count = min(len(pairs), evaluation.examples or len(pairs))
        examples = [
            dict(zip(FEATURES, pairs[place], strict=True)) for place in range(count)
        ]
        return EvalTask(name, None, examples, (), None)
    # TensorFlow comes in here, which runs on tokenized data do without.
    from spot_jax.text.opening import open_provider

    task = open_provider(name)
    if evaluation.split not in task.splits:
        raise InputError(
            f"{name} has no split {evaluation.split!r}; it has "
            f"{', '.join(sorted(task.splits))}. Set --gin.EVAL_SPLIT."
        )
    dataset = task.get_dataset(
        loading.sequence_lengths(task, data),
        evaluation.split,
        shuffle=False,
        num_epochs=1,
    )
    if evaluation.examples is not None:
        dataset = dataset.take(evaluation.examples)
    check = LengthCheck(f"{name} ({evaluation.split})", data.lengths, data.truncate)
    examples = [check.fit(example) for example in dataset.as_numpy_iterator()]
    if not examples:
        raise InputError(f"{name}: the split {evaluation.split!r} is empty.")
    check.report()
    vocabulary = task.output_features["targets"].vocabulary
    return EvalTask(name, task, examples, loading.labels_of(name), vocabulary)
