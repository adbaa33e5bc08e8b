"""Rows of one's own as a task of SeqIO; TensorFlow comes in here."""

import seqio
import tensorflow as tf

from spot_jax.rows.task import RowsTask
from spot_jax.text.registration import FEATURES


def register(task: RowsTask) -> seqio.Task:
    """Registers a task made of rows with SeqIO, in place of one of its name.

    Args:
        task: the task; its examples are in memory.

    Returns:
        What SeqIO's registry then has, with the splits, metrics and labels of `task`.
    """
    if task.name in seqio.TaskRegistry.names():
        seqio.TaskRegistry.remove(task.name)

    def dataset(split: str, shuffle_files: bool, seed: int | None = None):
        del shuffle_files, seed
        examples = task.examples[split]
        texts = {
            "inputs": [example.input for example in examples],
            "targets": [example.target for example in examples],
        }
        return tf.data.Dataset.from_tensor_slices(texts)

    return seqio.TaskRegistry.add(
        task.name,
        source=seqio.FunctionDataSource(
            dataset,
            splits=task.splits,
            num_input_examples={s: len(e) for s, e in task.examples.items()},
        ),
        preprocessors=[
            seqio.preprocessors.tokenize,
            seqio.CacheDatasetPlaceholder(),
            # Cuts before it adds the end token, which is therefore never cut away.
            seqio.preprocessors.append_eos_after_trim,
        ],
        output_features=FEATURES,
        postprocess_fn=task.postprocess_fn,
        metric_fns=list(task.metric_fns),
    )
