"""Which training rows stand in front of a task's inputs, where some are to."""

import dataclasses
from collections.abc import Iterator

from spot_jax.data import demonstrations, loading
from spot_jax.data.eval_tasks import EvalTask, input_text, target_text
from spot_jax.errors import InputError
from spot_jax.rows.task import RowsTask
from spot_jax.settings import Data, Evaluation


def with_demonstrations(task: EvalTask, evaluation: Evaluation, data: Data) -> EvalTask:
    """Returns a task with demonstrations in front of its inputs, if it is to have any.

    Args:
        task: with its examples.
        evaluation: how many, and the seed.
        data: the lengths.

    Raises:
        InputError: when there are no training rows as text, or none has room.
    """
    if not evaluation.demonstrations:
        return task
    if data.tokenized:
        raise InputError(
            "DEMONSTRATIONS are texts, and TOKENIZED_DATA_DIR holds none. Name tasks "
            "or rows, or leave one of the two out."
        )
    drawn = demonstrations.draw(
        _training_rows(task, evaluation, data),
        *(task.labels, evaluation.demonstrations, evaluation.demonstrations_seed),
    )
    inputs = [input_text(task, example) for example in task.examples]
    plain = getattr(task.vocabulary, "plain", task.vocabulary)
    told = (task.name, task.examples, inputs, drawn, plain, data.lengths["inputs"])
    return dataclasses.replace(task, examples=demonstrations.shown(*told))


def _training_rows(
    task: EvalTask, evaluation: Evaluation, data: Data
) -> Iterator[demonstrations.Demonstration]:
    """Yields the training rows of a task as text."""
    if isinstance(task.task, RowsTask):
        for row in task.task.examples.get("train", ()):
            yield demonstrations.Demonstration(row.input, row.target)
        return
    # TensorFlow is here since the task was read.
    from spot_jax.text.checks import check_data

    if "train" not in task.task.splits:
        raise InputError(
            f"{task.name} has no training rows to show as demonstrations. Leave "
            "DEMONSTRATIONS out."
        )
    check_data(task.name, ("train",))
    dataset = task.task.get_dataset(
        *(loading.sequence_lengths(task.task, data), "train"),
        seed=evaluation.demonstrations_seed,
        num_epochs=1,
    ).take(demonstrations.POOL)
    rows = loading.undamaged(task.name, "train", dataset.as_numpy_iterator())
    for example in rows:
        texts = input_text(task, example), target_text(task, example)
        yield demonstrations.Demonstration(*texts)
