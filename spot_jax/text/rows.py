"""A user's rows, fitted to the columns of a data set."""

from collections.abc import Iterator, Mapping
from typing import Protocol

import numpy as np
import tensorflow_datasets as tfds

from spot_jax.errors import InputError
from spot_jax.text.row_checks import row_fault
from spot_jax.text.row_values import check_value


class Info(Protocol):
    """What fitting needs of a line of the catalog."""

    name: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]


def fit_rows(
    lines: Iterator[tuple[str, dict]],
    info: Info,
    features: tfds.features.FeaturesDict,
    *,
    is_hidden: bool,
    left_out: set[str],
) -> Iterator[dict]:
    """Yields rows with exactly the columns of the data set.

    Labels may be given as text or as index. Columns that no task reads (`idx`, `id`,
    `title` and their like) are filled with the row's number where they are missing.

    Args:
        lines: (where, row), from `json_lines.read_lines`.
        info: the task's line of the catalog.
        features: the data set's columns.
        is_hidden: whether labels may be -1, as in a test split.
        left_out: takes the names of given columns that the data set does not have.

    Raises:
        InputError: a column that the task reads is missing, or its value cannot be
            right; the message begins with file and line.
    """
    groups = _Groups()
    for number, (where, given) in enumerate(lines):
        left_out.update(set(given) - set(features))
        missing = [column for column in info.columns if column not in given]
        if missing:
            raise InputError(
                f"{where}: column {', '.join(missing)} is missing; {info.name} reads "
                f"{', '.join(info.columns)}"
            )
        fitted = {
            column: _fit(given[column], feature, info, f"{where}: {column}", is_hidden)
            for column, feature in features.items()
            if column in given
        }
        fault = row_fault(info.name, fitted, is_hidden)
        if fault:
            raise InputError(f"{where}: {fault}")
        # In the order of the data set, what is missing filled in.
        yield {
            column: fitted[column]
            if column in fitted
            else groups.number(info, given, feature, number)
            for column, feature in features.items()
        }


class _Groups:
    """Numbers rows, and the groups of rows that an `idx` of several numbers names.

    MultiRC scores the answers of one question together: their `idx/question` must be
    equal, which a plain row number would not be.
    """

    def __init__(self) -> None:
        self._seen: dict[str, dict[tuple, int]] = {}

    def number(self, info: Info, row: Mapping, feature, number: int) -> object:
        if not isinstance(feature, tfds.features.FeaturesDict):
            return _filler(feature, number)
        columns = [column for column in info.columns if column in feature]
        if len(columns) != len(feature):
            return _filler(feature, number)
        return {
            column: self._group(
                column, tuple(row[name] for name in columns[: level + 1])
            )
            for level, column in enumerate(columns)
        }

    def _group(self, column: str, values: tuple) -> int:
        seen = self._seen.setdefault(column, {})
        return seen.setdefault(values, len(seen))


def _filler(feature, number: int) -> object:
    """Returns a bookkeeping value: the row's number, as a number or as text."""
    if isinstance(feature, tfds.features.FeaturesDict):
        return {name: _filler(part, number) for name, part in feature.items()}
    if isinstance(feature, tfds.features.Sequence):
        is_of_objects = isinstance(feature.feature, tfds.features.FeaturesDict)
        return dict.fromkeys(feature.feature, []) if is_of_objects else []
    kind = np.dtype(feature.np_dtype).kind
    if kind == "b":
        return False
    return number if kind in "iuf" else str(number)


def _fit(value, feature, info: Info, where: str, is_hidden: bool) -> object:
    if isinstance(feature, tfds.features.ClassLabel):
        return _class_index(value, feature, info, where, is_hidden)
    if isinstance(feature, tfds.features.Sequence):
        value = _with_bookkeeping(value, feature.feature)
    check_value(value, feature, where)
    return value


def _with_bookkeeping(value, parts) -> object:
    """Fills in the lists that stand beside a list of texts: where answers start."""
    is_of_texts = isinstance(parts, tfds.features.FeaturesDict) and "text" in parts
    if not is_of_texts or not isinstance(value, dict):
        return value
    texts = value.get("text")
    if not isinstance(texts, list):
        return value
    missing = {name: part for name, part in parts.items() if name not in value}
    return value | {n: [_filler(part, 0)] * len(texts) for n, part in missing.items()}


def _class_index(
    value, feature: tfds.features.ClassLabel, info: Info, where: str, is_hidden: bool
) -> int:
    """Returns a label's index: `"positive"`, `"1"`, `1` and `true` can all be 1."""
    for names in (feature.names, list(info.labels)):
        if isinstance(value, str) and value in names:
            return names.index(value)
    lowest = -1 if is_hidden else 0
    is_index = isinstance(value, bool) or str(value).removeprefix("-").isdecimal()
    if is_index and lowest <= int(value) < feature.num_classes:
        return int(value)
    raise InputError(
        f"{where} is {value!r:.80}; expected one of "
        f"{', '.join(info.labels or feature.names)}, or its index from {lowest} to "
        f"{feature.num_classes - 1}"
    )
