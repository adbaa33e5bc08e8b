"""Writing rows as prepared TFDS data, which the registered tasks read offline."""

import itertools
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core.example_serializer import ExampleSerializer

from spot_jax.errors import InputError
from spot_jax.model_dir import storage
from spot_jax.reading import path_of
from spot_jax.text.row_values import check_value

_TEXT = tfds.features.Text
# Sets for which TFDS has no builder; `spot_jax convert` writes them in this form.
_OWN_FEATURES: dict[str, Callable[[], dict]] = {
    "cxc_sts": lambda: {
        "sentence1": _TEXT(),
        "sentence2": _TEXT(),
        "label": tfds.features.Scalar(np.float32),
    },
    "customer_reviews": lambda: {
        "text": _TEXT(),
        "label": tfds.features.ClassLabel(names=["negative", "positive"]),
    },
    "alpha_nli": lambda: {
        **{column: _TEXT() for column in ("obs1", "obs2", "hyp1", "hyp2")},
        "label": tfds.features.ClassLabel(names=["1", "2"]),
    },
    "social_i_qa": lambda: {
        **{column: _TEXT() for column in ("context", "question")},
        **{column: _TEXT() for column in ("answerA", "answerB", "answerC")},
        "label": tfds.features.ClassLabel(names=["1", "2", "3"]),
    },
    "xsum_topics": lambda: {
        column: _TEXT() for column in ("document", "summary", "topic")
    },
}
_ROWS_PER_FILE = 20_000
_ROWS_PER_CALL = 2_000


def write_prepared(
    tfds_name: str,
    splits: Mapping[str, Iterable[dict]],
    data_dir: str | pathlib.Path,
    features: tfds.features.FeaturesDict | None = None,
) -> pathlib.Path:
    """Writes rows so that `TFDS_DATA_DIR=data_dir` makes the tasks read them.

    The rows keep their order. The folder appears when all splits are written.

    Args:
        tfds_name: builder, configuration and version: "glue/sst2:2.0.0".
        splits: the rows of each split, under its TFDS name; each row a mapping with
            exactly the columns of the data set, `idx` and its like included.
        data_dir: the folder that TFDS_DATA_DIR will name.
        features: the columns, for a set that neither TFDS nor this package knows.

    Returns:
        The folder written: data_dir/glue/sst2/2.0.0.

    Raises:
        InputError: the set is unknown or already there; a split is empty; a row has
            other columns, or a value that its column cannot hold; the folder cannot be
            written.
    """
    folder = _new_folder(tfds_name, path_of(data_dir))
    columns = dataset_features(tfds_name, features)
    try:
        with storage.new_folder(folder) as unfinished:
            info = _dataset_info(tfds_name, unfinished, columns)
            _write_splits(info, tfds_name, splits)
    except (OSError, tf.errors.OpError) as error:
        raise InputError(
            f"{folder} cannot be written ({getattr(error, 'strerror', 0) or error}). "
            "Make room, or name another folder: --data_dir DIR"
        ) from error
    return folder


class _InOrder(ExampleSerializer):
    """Writes the same row as the same bytes.

    The columns of tf.train.Example are a map, whose order is another in each process.
    """

    def serialize_example(self, example: dict) -> bytes:
        return self.get_tf_example(example).SerializeToString(deterministic=True)


def _write_splits(
    info: tfds.core.DatasetInfo, tfds_name: str, splits: Mapping[str, Iterable[dict]]
) -> None:
    writer = tfds.core.SequentialWriter(info, max_examples_per_shard=_ROWS_PER_FILE)
    writer._serializer = _InOrder(info.features.get_serialized_info())
    writer.initialize_splits(list(splits))
    for split, rows in splits.items():
        where = f"{tfds_name}, split {split}"
        checked = _checked(rows, info.features, where)
        # In batches: the writer updates its files on disk once for each call.
        while batch := list(itertools.islice(checked, _ROWS_PER_CALL)):
            _write(writer, split, batch, where)
    writer.close_all()


def dataset_features(
    tfds_name: str, features: tfds.features.FeaturesDict | None = None
) -> tfds.features.FeaturesDict:
    """Returns the columns of a data set: those given, our own, or those of TFDS.

    Raises:
        InputError: neither this package nor TFDS knows the set.
    """
    name = tfds_name.partition(":")[0].partition("/")[0]
    if features is not None:
        return features
    if name in _OWN_FEATURES:
        return tfds.features.FeaturesDict(_OWN_FEATURES[name]())
    try:
        # A folder without data: the columns must come from the builder's code.
        return tfds.builder(tfds_name, data_dir="/nowhere").info.features
    except (tfds.core.DatasetNotFoundError, AssertionError, ValueError) as error:
        raise InputError(
            f"TFDS {tfds.__version__} has no data set {tfds_name}; check its name and "
            "version, or pass its features"
        ) from error


def _write(
    writer: tfds.core.SequentialWriter, split: str, rows: list[dict], where: str
) -> None:
    try:
        writer.add_examples({split: rows})
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: {error}") from error


def _new_folder(tfds_name: str, data_dir: pathlib.Path) -> pathlib.Path:
    name, _, version = tfds_name.partition(":")
    if not version:
        raise InputError(f"{tfds_name} needs a version, such as glue/sst2:2.0.0")
    folder = data_dir.absolute() / name / version
    if folder.exists():
        raise InputError(f"{folder} is already there; move or remove it first")
    return folder


def _dataset_info(
    tfds_name: str, folder: pathlib.Path, features: tfds.features.FeaturesDict
) -> tfds.core.DatasetInfo:
    name, _, version = tfds_name.partition(":")
    builder, _, config = name.partition("/")
    identity = tfds.core.dataset_info.DatasetIdentity(
        name=builder,
        config_name=config,
        version=tfds.core.Version(version),
        data_dir=str(folder),
        module_name=__name__,
    )
    return tfds.core.DatasetInfo(builder=identity, features=features)


def _checked(
    rows: Iterable[dict], features: tfds.features.FeaturesDict, where: str
) -> Iterator[dict]:
    """Yields the rows, each found to have the columns and values it should have."""
    number = -1
    for number, row in enumerate(rows):
        if set(row) != set(features):
            raise InputError(
                f"{where}, row {number}: columns {sorted(row)}; {sorted(features)} "
                "are expected"
            )
        for column, feature in features.items():
            check_value(row[column], feature, f"{where}, row {number}: {column}")
        yield row
    if number < 0:
        raise InputError(f"{where} has no rows")
