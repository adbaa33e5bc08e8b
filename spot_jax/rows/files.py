"""Rows from a file: csv, tsv, jsonl, parquet, arrow, each also gzipped."""

import csv
import gzip
import importlib
import io
import pathlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypedDict

from spot_jax import reading
from spot_jax.errors import InputError

KINDS = ".csv, .tsv, .jsonl, .parquet, .arrow, each also .gz, or a folder that the "
KINDS += "datasets library saved"

# A cell may be a whole document; Python's own limit is 128 KiB.
_LONGEST_CELL = 2**30


class Row(NamedTuple):
    """A row of a file.

    Attributes:
        where: "FILE:LINE" (of a table without lines, "FILE, row N"), for messages.
        cells: {column: value}; every value of a csv or tsv file is text.
    """

    where: str
    cells: dict[str, Any]


def read(path: str) -> list[Row]:
    """Reads all rows of a file or folder.

    Args:
        path: what its name ends in tells its kind; see KINDS.

    Returns:
        The rows, at least one; all have the columns of the first.

    Raises:
        InputError: when there is no such file, it is of another kind than its name
            says or damaged, or has no rows; file and line are named.
    """
    place = reading.path_of(path)
    kind, is_zipped = _kind(place)
    if place.is_dir():
        rows = _saved_by_datasets(place)
    elif kind in _READERS:
        rows = _READERS[kind](place, _contents(place, is_zipped))
    else:
        raise InputError(
            f"{path} is of no kind that rows are read from; give {KINDS}. A text file "
            "of another kind is often a .csv or .jsonl by another name: rename it."
        )
    limit = csv.field_size_limit(_LONGEST_CELL)
    try:
        found = list(rows)
    finally:
        csv.field_size_limit(limit)
    if not found:
        raise InputError(f"{path} has no rows. Give a file that has some.")
    return found


def is_table(path: str) -> bool:
    """Returns whether a file or folder has rows with columns, as its name tells.

    Of a folder its contents tell: whether the datasets library saved it.
    """
    place = reading.path_of(path)
    if place.is_dir():
        return any(any(place.glob(f"{at}state.json")) for at in ("", "*/"))
    return _kind(place)[0] in _READERS


def _kind(path: pathlib.Path) -> tuple[str, bool]:
    """Returns the suffix that tells a file's kind, and whether it is gzipped."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    is_zipped = suffixes[-1:] == [".gz"]
    return "".join(suffixes[-2:-1] if is_zipped else suffixes[-1:]), is_zipped


def _contents(path: pathlib.Path, is_zipped: bool) -> bytes:
    data = reading.read_bytes(path, f"Rows are read from {KINDS}.")
    if not is_zipped:
        return data
    try:
        return gzip.decompress(data)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(
            f"{path} is no gzip file, or it is damaged ({error}). Compress it again, "
            "or take .gz off its name."
        ) from error


def _separated(separator: str, path: pathlib.Path, data: bytes) -> Iterator[Row]:
    cure = "Rows have the columns of the first line, and text with separators or line "
    cure += 'breaks stands in quotes ("), as every spreadsheet and pandas write it.'
    text = reading.decode(data, str(path), cure)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    columns: list[str] = []
    begins = 1
    try:
        for cells in reader:
            where, begins = f"{path}:{begins}", reader.line_num + 1
            if not cells:
                continue
            if not columns:
                columns = _header(cells, where, separator)
            elif len(cells) != len(columns):
                raise InputError(
                    f"{where} has {len(cells)} cells, the first line names "
                    f"{len(columns)} columns ({', '.join(columns)}). {cure}"
                )
            else:
                yield Row(where, dict(zip(columns, cells, strict=True)))
    except csv.Error as error:
        raise InputError(f"{path}:{begins} or after it: {error}. {cure}") from error


def _header(cells: list[str], where: str, separator: str) -> list[str]:
    twice = sorted({cell for cell in cells if cells.count(cell) > 1})
    if twice or not all(cells):
        raise InputError(
            f"{where} is the line of the columns' names, and "
            f"{f'{twice[0]!r} stands there twice' if twice else 'one has none'}. Give "
            "every column a name of its own."
        )
    others = {",": "\t;", "\t": ",;"}[separator]
    if len(cells) == 1 and set(others) & {*cells[0]}:
        raise InputError(
            f"{where} has one column, {cells[0]!r}: its cells are separated otherwise. "
            "Name the file .tsv if by tabs, .csv if by commas; semicolons have to "
            "become one of the two."
        )
    return cells


def _json_file(path: pathlib.Path, data: bytes) -> Iterator[Row]:
    cure = "Each line is one JSON object, with the columns as its keys."
    text = reading.decode(data, str(path), cure)
    return json_rows(reading.lines_of(text), str(path), cure)


def json_rows(lines: Iterable[str], where: str, cure: str) -> Iterator[Row]:
    """Yields the rows of lines that are a JSON object each; blank ones are passed over.

    Args:
        lines: of a file, say.
        where: from where they are, for messages.
        cure: what a line should be, a sentence.

    Raises:
        InputError: when one is no object, or lacks a key of the first.
    """
    columns: dict[str, Any] = {}
    for number, line in enumerate(lines, start=1):
        if line.strip():
            here = f"{where}:{number}"
            cells = reading.parse_json(line, dict[str, Any], here, cure)
            columns = columns or cells
            if missing := [name for name in columns if name not in cells]:
                raise InputError(
                    f"{here} has no {missing[0]!r}, which the first row has. Give it "
                    "to every row, null where it is unknown."
                )
            yield Row(here, cells)


def _parquet(path: pathlib.Path, data: bytes) -> Iterator[Row]:
    parquet = _library("pyarrow.parquet")
    return _of_table(path, lambda: parquet.read_table(io.BytesIO(data)))


def _arrow(path: pathlib.Path, data: bytes) -> Iterator[Row]:
    return _of_table(path, lambda: _arrow_table(data))


def _arrow_table(data: bytes) -> Any:
    ipc = _library("pyarrow").ipc
    is_file = data.startswith(b"ARROW1")
    return (ipc.open_file if is_file else ipc.open_stream)(data).read_all()


def _library(name: str) -> Any:
    """Returns pyarrow, or a part of it: large, and not everywhere there."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            "Parquet and arrow files are read by pyarrow, which is not here: pip "
            "install pyarrow, or give a .csv or .jsonl file."
        ) from error


def _of_table(path: pathlib.Path, load: Any) -> Iterator[Row]:
    errors = _library("pyarrow").ArrowException
    try:
        rows = load().to_pylist()
    except InputError:
        raise
    except (errors, OSError, ValueError) as error:
        raise InputError(
            f"{path} is not what its name says, or it is damaged ({error}). Write it "
            "again, or give it the name of its kind."
        ) from error
    for number, cells in enumerate(rows, start=1):
        yield Row(f"{path}, row {number}", cells)


_READERS = {
    ".csv": lambda path, data: _separated(",", path, data),
    ".tsv": lambda path, data: _separated("\t", path, data),
    ".jsonl": _json_file,
    ".ndjson": _json_file,
    ".parquet": _parquet,
    ".arrow": _arrow,
}


class _Part(TypedDict):
    filename: str


class _State(TypedDict):
    """What is read of state.json, which tells the parts of a saved data set."""

    _data_files: list[_Part]


def _saved_by_datasets(folder: pathlib.Path) -> Iterator[Row]:
    """Yields the rows of a folder that Dataset.save_to_disk wrote.

    Classes that it keeps as numbers become their names again.
    """
    cure = "Give the folder that Dataset.save_to_disk wrote, or a file of rows."
    splits = sorted(p.parent.name for p in folder.glob("*/state.json"))
    if splits:
        raise InputError(
            f"{folder} has several data sets, {', '.join(splits)}. Give each split its "
            f"own: --rows {splits[0]}={folder / splits[0]}."
        )
    state = reading.read_json(folder / "state.json", _State, cure)
    for part in state["_data_files"]:
        path = folder / part["filename"]
        if path.parent != folder:
            raise InputError(f"{folder} names {path}, outside of it. {cure}")
        data = reading.read_bytes(path, cure)
        yield from _of_table(path, lambda data=data: _with_names(_arrow_table(data)))


def _with_names(table: Any) -> Any:
    """Returns a table whose classes are text.

    The datasets library keeps what its columns mean in the schema's metadata.
    """
    metadata = (table.schema.metadata or {}).get(b"huggingface")
    if metadata is None:
        return table
    cure = "Save the data set again."
    told = reading.parse_json(metadata, _Meaning, "Its schema", cure)
    for column, feature in told.get("info", {}).get("features", {}).items():
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel":
            names = feature["names"]
            cells = [
                None if c is None else class_of(c, names, f"row {row} of {column}")
                for row, c in enumerate(table[column].to_pylist(), start=1)
            ]
            place = table.schema.get_field_index(column)
            table = table.set_column(place, column, [cells])
    return table


def class_of(number: int, names: Sequence[str], where: str) -> str:
    """Returns the name of a class that the datasets library keeps as a number.

    Raises:
        InputError: when it is none of them: -1 stands for a label that is hidden.
    """
    if not 0 <= number < len(names):
        raise InputError(
            f"The {where} is the class {number}, and there are {len(names)}, "
            f"{', '.join(map(repr, names))}: its label is hidden, or wrong. Leave such "
            "rows out."
        )
    return names[number]


class _Info(TypedDict, total=False):
    features: dict[str, Any]


class _Meaning(TypedDict, total=False):
    info: _Info
