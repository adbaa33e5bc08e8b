"""Tasks for quick tests: generated text, no data set needed.

tests/demo.gin imports them, as gin files of users may import tasks of their own.
"""

import seqio
import tensorflow as tf

from spot_jax.tasks import catalog
from spot_jax.tasks.catalog_entry import TaskInfo
from spot_jax.text import metrics
from spot_jax.text.vocabulary import VOCABULARY
from tests import demo_world

_FEATURES = {
    "inputs": seqio.Feature(VOCABULARY, add_eos=True),
    "targets": seqio.Feature(VOCABULARY, add_eos=True),
}
_VALIDATION = 400


def add(name, train_examples, generate, labels, metric_fns) -> None:
    """Registers a task, with SeqIO and in the catalog.

    Args:
        name: its name.
        train_examples: how many examples train.
        generate: count, seed -> rows with inputs and targets.
        labels: every target text there is; () where answers are free.
        metric_fns: SeqIO's.
    """
    sizes = {"train": train_examples, "validation": _VALIDATION}
    seeds = {"train": 1, "validation": 2}

    def dataset(split: str, shuffle_files: bool, seed: int | None = None):
        del shuffle_files, seed
        rows = list(generate(sizes[split], seeds[split]))
        columns = {key: [row[key] for row in rows] for key in ("inputs", "targets")}
        return tf.data.Dataset.from_tensor_slices(columns)

    seqio.TaskRegistry.add(
        name,
        source=seqio.FunctionDataSource(
            dataset, splits=tuple(sizes), num_input_examples=sizes
        ),
        preprocessors=[seqio.preprocessors.tokenize, seqio.preprocessors.append_eos],
        output_features=_FEATURES,
        metric_fns=metric_fns,
    )
    catalog.add(
        TaskInfo(
            name,
            family="demo",
            tfds="generated",
            train_examples=train_examples,
            metrics=("accuracy",) if metric_fns else (),
            labels=labels,
        )
    )


add("demo_text", 20_000, demo_world.prefix_examples, (), [])
add(
    "demo_food",
    2_000,
    lambda count, seed: demo_world.reviews("food", count, seed),
    ("bad", "good"),
    [metrics.accuracy],
)
add("demo_topic", 2_000, demo_world.topics, ("film", "food"), [metrics.accuracy])
add(
    "demo_film",
    32,
    lambda count, seed: demo_world.reviews("film", count, seed),
    ("bad", "good"),
    [metrics.accuracy],
)
