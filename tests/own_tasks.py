"""Tasks that people might register themselves; they read the run's vocabulary."""

import itertools

import seqio
import tensorflow as tf

from spot_jax.tasks import catalog
from spot_jax.tasks.catalog_entry import TaskInfo
from spot_jax.text import metrics
from spot_jax.text.vocabulary import VOCABULARY

INPUTS = ["Ada ate the soup", "Ben saw the film"]


def add(
    name,
    targets,
    labels=(),
    *,
    postprocess=None,
    metric_fns=(metrics.accuracy,),
    metric_objs=(),
    keep=True,
    learned=None,
) -> str:
    """Registers a task, with SeqIO and in the catalog, in place of one of its name.

    Args:
        name: its name.
        targets: of its examples.
        labels: that are ranked.
        postprocess: SeqIO's.
        metric_fns: SeqIO's.
        metric_objs: SeqIO's.
        keep: whether inputs and targets are kept as text beside their ids.
        learned: targets of the training examples, where they are others.

    Returns:
        The name.
    """
    of_split = {"train": list(learned or targets), "validation": list(targets)}

    def dataset(split, shuffle_files, seed=None):
        targets = of_split[split]
        inputs = list(itertools.islice(itertools.cycle(INPUTS), len(targets)))
        rows = {"inputs": inputs, "targets": targets}
        return tf.data.Dataset.from_tensor_slices(rows)

    def tokenize(dataset, output_features):
        return seqio.preprocessors.tokenize(
            dataset, output_features, copy_pretokenized=keep
        )

    if name in seqio.TaskRegistry.names():
        seqio.TaskRegistry.remove(name)
        catalog.TASKS.pop(name, None)
    feature = seqio.Feature(VOCABULARY, add_eos=True)
    seqio.TaskRegistry.add(
        name,
        source=seqio.FunctionDataSource(dataset, splits=("train", "validation")),
        preprocessors=[tokenize, seqio.preprocessors.append_eos],
        output_features={"inputs": feature, "targets": feature},
        postprocess_fn=postprocess,
        metric_fns=list(metric_fns),
        metric_objs=list(metric_objs),
    )
    size = len(of_split["train"])
    info = TaskInfo(name, "own", tfds="generated", labels=labels, train_examples=size)
    catalog.add(info)
    return name


def options(given: dict) -> dict:
    """What a task's Data shares with that of other settings."""
    data = given["data"]
    return {"lengths": data.lengths, "vocabulary": data.vocabulary}
