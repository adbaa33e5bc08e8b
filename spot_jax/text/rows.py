"""A user's JSON lines, fitted to the columns of a data set."""

import gzip
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Protocol

import numpy as np
import tensorflow_datasets as tfds

from spot_jax.errors import InputError


def _is_score(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value <= 5


# Labels that a data set keeps as plain numbers: column, test, what is right.
_NUMBERS = {
    "hellaswag": ("label", (0, 1, 2, 3).__contains__, "0, 1, 2 or 3"),
    "sentiment140": ("polarity", (0, 2, 4).__contains__, "0, 2 or 4"),
    "stsb": ("label", _is_score, "a number from 0 to 5"),
    "cxc": ("label", _is_score, "a number from 0 to 5"),
}


class Info(Protocol):
    """What fitting needs of a line of the catalog."""

    name: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]


def read_lines(path: pathlib.Path) -> Iterator[tuple[str, dict]]:
    """Yields ("FILE:LINE", row) for each line of a .jsonl or .jsonl.gz file.

    Raises:
        InputError: there is no such file; it has no rows; it is no text, or no gzip
            although its name says so; a line is no JSON object. File and line are
            named.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    opened = gzip.open if path.suffix == ".gz" else open
    where, is_empty = f"{path}:1", True
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                where = f"{path}:{number}"
                if line.strip():
                    is_empty = False
                    yield where, _parse(line, where)
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
        # Found out while reading ahead: the fault is here or behind.
        raise InputError(f"{where} or after it: {error}") from error
    if is_empty:
        raise InputError(f"{path} has no rows")


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
        lines: (where, row), from `read_lines`.
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
        _check_number(info, given, where, is_hidden)
        yield {
            column: _fit(given[column], feature, info, f"{where}: {column}", is_hidden)
            if column in given
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
        return []
    kind = np.dtype(feature.np_dtype).kind
    if kind == "b":
        return False
    return number if kind in "if" else str(number)


def _fit(value, feature, info: Info, where: str, is_hidden: bool) -> object:
    if isinstance(feature, tfds.features.ClassLabel):
        return _class_index(value, feature, info, where, is_hidden)
    if isinstance(feature, tfds.features.Sequence):
        return _fit_sequence(value, feature, where)
    if isinstance(feature, tfds.features.Text) and not isinstance(value, str):
        raise InputError(f"{where} is {value!r}; text is expected")
    return value


def _fit_sequence(value, feature, where: str) -> object:
    """Checks a list; a mapping of lists may leave bookkeeping lists out."""
    parts = feature.feature
    if not isinstance(parts, tfds.features.FeaturesDict):
        if not isinstance(value, list):
            raise InputError(f"{where} is {value!r}; a list is expected")
        return value
    if not isinstance(value, dict) or not isinstance(value.get("text"), list):
        raise InputError(f'{where} is {value!r}; {{"text": [...]}} is expected')
    length = len(value["text"])
    return {
        name: value.get(name, [_filler(part, 0)] * length)
        for name, part in parts.items()
    }


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
        f"{where} is {value!r}; expected one of "
        f"{', '.join(info.labels or feature.names)}, or its index from {lowest} to "
        f"{feature.num_classes - 1}"
    )


def _check_number(info: Info, row: Mapping, where: str, is_hidden: bool) -> None:
    """Checks labels that the data set keeps as plain numbers."""
    if info.name not in _NUMBERS:
        return
    column, is_right, expected = _NUMBERS[info.name]
    if not is_right(row[column]) and not (is_hidden and row[column] == -1):
        raise InputError(f"{where}: {column} is {row[column]!r}; expected {expected}")


def _parse(line: str, where: str) -> dict:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: no JSON ({error})") from error
    if not isinstance(row, dict):
        raise InputError(f"{where}: a JSON object is expected, this is {row!r:.60}")
    return row
