"""Rows as Python programs have them, made tasks: files, dicts, tables of libraries."""

import hashlib
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spot_jax.errors import InputError
from spot_jax.model_dir import storage
from spot_jax.reading import as_json, path_of
from spot_jax.rows import files as files_of_rows
from spot_jax.rows import flags

# A file, or the rows themselves: dicts, a pandas.DataFrame, a datasets.Dataset.
Table = str | os.PathLike | Iterable[Mapping[str, Any]]
# One of them, or one for each split: {"train": ..., "validation": ...}.
Rows = Table | Mapping[str, Table]


def is_list(value: Any) -> bool:
    """Whether a value makes a bank, of a setting that may be one or several."""
    return isinstance(value, list | tuple)


def is_bank(rows: Any) -> bool:
    """Whether rows are several tasks: not one list of rows."""
    return is_list(rows) and not (rows and _is_row(rows[0]))


def _is_row(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    # A column may be called so as well.
    rows = value.get("train")
    is_file = isinstance(rows, str | os.PathLike) and path_of(rows).exists()
    return not is_file and (rows is None or isinstance(rows, str | int | float))


def tasks_of(
    folder: pathlib.Path,
    rows: Any,
    input: str | Sequence[str],
    target: str | Sequence[str],
    labels: Sequence[str] | None,
    metric: str | None,
    name: str | Sequence[str] | None,
) -> dict[str, dict[str, Any]]:
    """Returns {name: files and recipe} as Data.rows takes it.

    Args:
        folder: where rows that are in memory are written.
        rows: of one task, or a list of several.
        input: what the model reads; see `tune`.
        target: what it shall answer.
        labels: all of them, of every task.
        metric: of every task.
        name: of the task, or of each.

    Raises:
        InputError: when these do not belong together, or rows are no dicts.
    """
    tables = list(rows) if is_bank(rows) else [rows]
    if not tables:
        raise InputError("rows is an empty list; give a file, or rows.")
    inputs = _each("input", input, len(tables))
    targets = _each("target", target, len(tables))
    called = _each("name", name, len(tables)) if name else [None] * len(tables)
    found: dict[str, dict[str, Any]] = {}
    for place, table in enumerate(tables):
        splits = table if isinstance(table, Mapping) else {"train": table}
        own = called[place] or _name(splits, place if len(tables) > 1 else None)
        if own in found:
            raise InputError(
                f"Two tasks would be called {own}. Give each a name: name=['a', 'b']."
            )
        recipe = {"input": inputs[place], "target": targets[place]}
        recipe |= {"labels": labels, "metric": metric}
        files = {
            split: _file(folder, f"{own}-{split}", one) for split, one in splits.items()
        }
        told = {key: value for key, value in recipe.items() if value is not None}
        found[own] = {"files": files} | told
    return found


def _each(what: str, value: str | Sequence[str], count: int) -> list[str]:
    """Returns one value for each task; one alone is that of all."""
    values = [value] * count if isinstance(value, str) else list(value)
    if len(values) != count:
        raise InputError(
            f"{what} is {value!r}, and there are {count} tasks: give one, or one for "
            "each."
        )
    return values


def _name(splits: Mapping[str, Table], place: int | None) -> str:
    """Returns what a task is called that nobody has named."""
    first = splits.get("train", next(iter(splits.values()), None))
    if isinstance(first, str | os.PathLike):
        return flags.name_of({"train": os.fspath(first)})
    return "rows" if place is None else f"rows{place}"


def _file(folder: pathlib.Path, name: str, table: Table) -> str:
    """Returns the file of a table; one that is in memory is written."""
    if isinstance(table, str | os.PathLike):
        return str(path_of(table).absolute())
    text = "".join(as_json(row, None) + "\n" for row in _rows_of(name, table))
    # Other rows are another file, and so another run.
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]
    path = folder / "rows" / f"{name}-{digest}.jsonl"
    storage.replace_text(path, text)
    return str(path.absolute())


def _rows_of(name: str, table: Any) -> list[dict[str, Any]]:
    if hasattr(table, "to_dict") and hasattr(table, "columns"):
        table = table.to_dict("records")
    # The datasets library keeps classes as numbers.
    classes = {
        column: feature.names
        for column, feature in (getattr(table, "features", None) or {}).items()
        if hasattr(feature, "names")
    }
    if not isinstance(table, Iterable):
        table = [table]
    found = []
    for number, row in enumerate(table):
        if not isinstance(row, Mapping):
            raise InputError(
                f"Row {number} of {name} is {row!r}; rows are dicts, {{column: value}}."
            )
        found.append({key: _cell(v, classes.get(key)) for key, v in row.items()})
    return found


def _cell(value: Any, classes: Sequence[str] | None) -> Any:
    if getattr(value, "size", 1) == 1 and hasattr(value, "item"):
        value = value.item()
    elif hasattr(value, "tolist"):
        value = value.tolist()
    if classes and isinstance(value, int):
        return files_of_rows.class_of(value, classes, "label of a row")
    # What no template names may be anything; JSON has no dates.
    plain = isinstance(value, str | int | float | bool | list | dict | None)
    return value if plain else str(value)
