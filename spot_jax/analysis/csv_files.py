"""CSV files read strictly: what is wrong is said with its line and its cure."""

import csv
import dataclasses
import io
import math
import pathlib
from collections.abc import Mapping, Sequence

import pandas as pd

from spot_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Text:
    """A column of names."""

    optional: bool = False


@dataclasses.dataclass(frozen=True)
class Number:
    """A column of numbers between low and high."""

    low: float
    high: float
    whole: bool = False
    optional: bool = False


# Correlations (CoLA, STS-B) may be negative.
SCORE = Number(-100, 100)
STEP = Number(0, math.inf, whole=True)
COUNT = Number(1, math.inf, whole=True, optional=True)
# Rounding may take a cosine a little past 1.
COSINE = Number(-1.00001, 1.00001)


def read(
    path: pathlib.Path, columns: Mapping[str, Text | Number], key: Sequence[str]
) -> pd.DataFrame:
    """Returns the named columns of a CSV file; the index is the line number.

    Args:
        path: the file.
        columns: what each column has to be; others in the file are left out. Empty
            cells of optional columns are "" and <NA>.
        key: the columns that no two lines have in common.

    Raises:
        InputError: the file cannot be read, a column is missing, a cell is not what it
            has to be, or a line is there twice.
    """
    cells, lines = _cells(path, list(columns))
    frame = pd.DataFrame(cells, columns=list(columns), index=lines, dtype=object)
    for name, kind in columns.items():
        values = [
            _value(cell, kind, f"{path}, line {line}: {name}")
            for line, cell in zip(lines, frame[name], strict=True)
        ]
        frame[name] = pd.Series(values, index=lines, dtype=_dtype(kind))
    _refuse_doubled(path, frame, key)
    return frame


def _cells(path: pathlib.Path, names: list[str]) -> tuple[list[list[str]], list[int]]:
    """Returns the cells of the columns, and the number of each line."""
    cells, lines = [], []
    try:
        # Spreadsheets put a byte order mark in front of UTF-8.
        text = path.read_bytes().decode("utf-8-sig")
        with io.StringIO(text, newline="") as file:
            reader = csv.reader(file, strict=True)
            heads = next(reader, [])
            places = _places(path, heads, names)
            for row in reader:
                if not row:
                    continue
                if len(row) != len(heads):
                    raise InputError(
                        f"{path}, line {reader.line_num}: {len(row)} cells, but the "
                        f"first line names {len(heads)} columns; mend or remove it."
                    )
                cells.append([row[place].strip() for place in places])
                lines.append(reader.line_num)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path} cannot be read as CSV ({error}); give a text file in UTF-8 with "
            f"the columns {', '.join(names)}."
        ) from error
    return cells, lines


def _places(path: pathlib.Path, heads: list[str], names: list[str]) -> list[int]:
    heads = [head.strip() for head in heads]
    missing = [name for name in names if name not in heads]
    if missing:
        raise InputError(
            f"{path} has no column {', '.join(missing)}; its first line has to name "
            f"{', '.join(names)}, and names {', '.join(heads) or 'nothing'}."
        )
    return [heads.index(name) for name in names]


def _value(cell: str, kind: Text | Number, where: str):
    if not cell:
        if kind.optional:
            return "" if isinstance(kind, Text) else pd.NA
        raise InputError(f"{where} is empty; write a value or remove the line.")
    if isinstance(kind, Text):
        return cell
    try:
        # Python reads 1_0 as 10.
        value = math.nan if "_" in cell else float(cell)
    except ValueError:
        # Is outside of any bounds, as is the text "nan".
        value = math.nan
    within = kind.low <= value <= kind.high and math.isfinite(value)
    # Beyond 2**53 a float is no longer every whole number.
    if not within or (kind.whole and (value % 1 or value > 2**53)):
        raise InputError(f"{where} is {cell!r}; expected {_expected(kind)}.")
    return int(value) if kind.whole else value


def _expected(kind: Number) -> str:
    name = "a whole number" if kind.whole else "a number"
    if kind is COSINE:
        return f"{name} from -1 to 1"
    high = f" to {kind.high:g}" if math.isfinite(kind.high) else " up"
    cure = " (scores are percentages)" if kind is SCORE else ""
    return f"{name} from {kind.low:g}{high}{cure}"


def _dtype(kind: Text | Number) -> str:
    if isinstance(kind, Text):
        return "object"
    if kind.whole:
        # Only the dtypes with a capital hold <NA> beside numbers.
        return "Int64" if kind.optional else "int64"
    return "Float64" if kind.optional else "float64"


def _refuse_doubled(path: pathlib.Path, frame: pd.DataFrame, key: Sequence[str]):
    doubled = frame.duplicated(list(key))
    if not doubled.any():
        return
    second = doubled.idxmax()
    same = (
        # As text, for <NA> equals nothing, not even <NA>.
        frame[list(key)].astype(str) == frame.loc[second, list(key)].astype(str)
    ).all(axis=1)
    told = ", ".join(f"{name} {frame.loc[second, name]}" for name in key)
    raise InputError(
        f"{path}: lines {same.idxmax()} and {second} are of the same run ({told}); "
        f"remove one of them ({doubled.sum()} doubled in all)."
    )
