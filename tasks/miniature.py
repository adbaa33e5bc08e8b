"""The plain text of the miniature world, for pre-training: generated while it is read.

Names of the training split occur in "train" alone. "validation" has those of the *test*
split: what a model is chosen by knows nothing of the rows that its results come from.
"""

import itertools
from collections.abc import Callable, Iterable

import seqio
import tensorflow as tf

from spot_jax.miniature import plain
from spot_jax.miniature.games import ROUNDS_OF_YEARS
from spot_jax.tasks import catalog
from spot_jax.tasks.catalog_miniature import TRAIN_EXAMPLES
from spot_jax.text.registration import FEATURES
from spot_jax.text.span_corruption import span_corruption

_SIZES = {"train": TRAIN_EXAMPLES, "validation": 512}
_NAMES = {"train": "train", "validation": "test"}
# Every step out of Python costs a document's worth of time.
_AT_A_TIME = 64
_TEXTS = tf.TensorSpec([None], tf.string)


def _add(
    name: str,
    generate: Callable[[str, int], Iterable[tuple[str, ...]]],
    columns: tuple[str, ...],
    *last: Callable,
) -> None:
    def dataset(split: str, shuffle_files: bool, seed: int | None = None):
        del shuffle_files

        def some_at_a_time():
            documents = generate(split, seed or 0)
            while some := list(itertools.islice(documents, _AT_A_TIME)):
                yield dict(zip(columns, zip(*some, strict=True), strict=True))

        return tf.data.Dataset.from_generator(
            some_at_a_time, output_signature={column: _TEXTS for column in columns}
        ).unbatch()

    seqio.TaskRegistry.add(
        name,
        source=seqio.FunctionDataSource(
            dataset, splits=tuple(_SIZES), num_input_examples=_SIZES
        ),
        preprocessors=[
            seqio.preprocessors.tokenize,
            *last,
            seqio.preprocessors.append_eos,
        ],
        output_features=FEATURES,
        metric_fns=[],
    )


def _documents(split: str, seed: int):
    documents = plain.plain_text(
        seed, _SIZES[split], catalog.STUDY_LABELS, split=_NAMES[split]
    )
    for document in documents:
        yield (document,)


def _halves(split: str, seed: int):
    years = ROUNDS_OF_YEARS if split == "train" else ()
    labels = catalog.STUDY_LABELS
    return plain.halves(seed, _SIZES[split], labels, split=_NAMES[split], years=years)


def _revision(split: str, seed: int):
    return plain.revision(
        seed, _SIZES[split], catalog.STUDY_LABELS, split=_NAMES[split]
    )


_add(
    "miniature_span_corruption",
    _documents,
    ("targets",),
    span_corruption,
)
_add(
    "miniature_prefix_lm",
    _halves,
    ("inputs", "targets"),
)
_add(
    "miniature_revision",
    _revision,
    ("inputs", "targets"),
)
