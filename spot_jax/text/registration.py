"""Registering a task with SeqIO: the same source, features and last steps for all."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import seqio
import tensorflow_datasets as tfds

from spot_jax.text import metrics, postprocessors
from spot_jax.text.data_folder import DataFolder, find_data
from spot_jax.text.preprocessors import classify
from spot_jax.text.vocabulary import VOCABULARY

FEATURES = {
    # A language model may have no inputs.
    "inputs": seqio.Feature(VOCABULARY, add_eos=True, required=False),
    "targets": seqio.Feature(VOCABULARY, add_eos=True),
}


class Info(Protocol):
    """What registration needs of a line of the catalog."""

    name: str
    tfds: str
    splits: Mapping[str, str]
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    train_examples: int


class PreparedSource(seqio.TfdsDataSource):
    """Prepared TFDS data, which is read and never downloaded unasked.

    Its splits are those that are there: a folder made from one's own rows need not have
    all that TFDS has. Where there is no data at all they are those of the catalog.
    """

    def __init__(self, info: Info):
        super().__init__(info.tfds, splits=dict(info.splits), read_only=True)
        self.info = info

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the task's splits."""
        there = self.data().sizes
        names = self.info.splits
        return tuple(name for name in names if not there or names[name] in there)

    def data(self) -> DataFolder:
        """Returns where the data is, as SeqIO looks for it."""
        # TFDS reads TFDS_DATA_DIR when it is imported.
        data_dir = self.tfds_dataset.data_dir or tfds.core.constants.DATA_DIR
        return find_data(self.info.name, self.info.tfds, str(data_dir))

    def train_rows(self) -> int:
        """Returns how many training rows are there."""
        return self.data().sizes.get(self.tfds_split("train"), 0)

    def tfds_split(self, split: str) -> str:
        """Returns what TFDS calls a split: validation -> validation_matched."""
        return self.info.splits[split]


def use_data_dir(data_dir: str | None) -> None:
    """Makes all registered tasks read their data from here, instead of TFDS_DATA_DIR.

    SeqIO's own `set_tfds_data_dir_override` works once for each task, which then keeps
    the folder it has seen; this one works at any time. None ends it.
    """
    seqio.set_tfds_data_dir_override(data_dir)
    for name in seqio.TaskRegistry.names():
        source = seqio.TaskRegistry.get(name).source
        if isinstance(source, seqio.TfdsDataSource):
            source.tfds_dataset.override_data_dir(data_dir)


def add_task(
    info: Info,
    preprocessors: Sequence[Callable],
    metric_fns: Sequence[Callable],
    *,
    postprocess: Callable = postprocessors.plain,
    source: seqio.DataSource | None = None,
) -> None:
    """Registers a task.

    Args:
        info: name, data set and splits, from the catalog.
        preprocessors: from a tf.data set of rows to one of examples with `inputs` and
            `targets` as text; applied one after the other.
        metric_fns: what evaluation reports.
        postprocess: from a decoded text to what the metrics compare.
        source: where rows come from, when not simply from TFDS.
    """
    seqio.TaskRegistry.add(
        info.name,
        source=source or PreparedSource(info),
        preprocessors=[
            *preprocessors,
            seqio.preprocessors.tokenize,
            seqio.CacheDatasetPlaceholder(),
            # Cuts before it adds the end token, which is therefore never cut away.
            seqio.preprocessors.append_eos_after_trim,
        ],
        output_features=FEATURES,
        postprocess_fn=postprocess,
        metric_fns=list(metric_fns),
    )


def each_row(preprocess: Callable, **settings: object) -> Callable:
    """Returns `preprocess`, with these settings, mapped over a tf.data set."""
    return seqio.map_over_dataset(functools.partial(preprocess, **settings))


def add_classification(
    info: Info,
    prefix: str,
    columns: Sequence[str],
    *,
    kept: Sequence[str] = (),
    before: Sequence[Callable] = (),
    metric_fns: Sequence[Callable] = (metrics.accuracy,),
) -> None:
    """Registers a task that names one of the catalog's labels.

    Args:
        info: the task's line of the catalog.
        prefix: the first word of the input.
        columns: the columns that go in, in this order.
        kept: bookkeeping columns that go through to evaluation.
        before: preprocessors that come first.
        metric_fns: what evaluation reports.
    """
    name_label = each_row(
        classify,
        prefix=prefix,
        columns=tuple(columns),
        labels=info.labels,
        kept=tuple(kept),
    )
    add_task(
        info,
        [*before, name_label],
        metric_fns,
        postprocess=functools.partial(postprocessors.label_index, labels=info.labels),
    )
