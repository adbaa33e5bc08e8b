"""Rows of one's own, as JSON lines; TensorFlow is not needed here."""

import gzip
import pathlib
import zlib
from collections.abc import Iterator
from typing import Any

from spot_jax.errors import InputError
from spot_jax.reading import parse_json

# How files begin that are no text in UTF-8, and what they are.
_OTHERS = {
    b"\xff\xfe": "in UTF-16; save it as UTF-8",
    b"\xfe\xff": "in UTF-16; save it as UTF-8",
    b"\x1f\x8b": "compressed by gzip; let its name end in .gz",
    b"PK\x03\x04": "an Excel or zip file",
    b"PAR1": "a Parquet file",
}
# What reads a table of this ending with pandas; cells such as "NA" stay text.
_TABLES = {
    ".csv": "read_csv({}, keep_default_na=False)",
    ".tsv": "read_csv({}, keep_default_na=False, sep='\\t')",
    ".xlsx": "read_excel({}, keep_default_na=False)",
    ".parquet": "read_parquet({})",
}


def read_lines(path: pathlib.Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields ("FILE:LINE", row) for each line of a .jsonl or .jsonl.gz file.

    Raises:
        InputError: there is no such file; it has no rows; it is no text, or no gzip
            although its name says so; a line is no JSON object. File and line are
            named, and how other files become JSON lines.
    """
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "cannot be read (no such file)"
        raise InputError(f"{path} {found}. Give a file of JSON lines.")
    opened = gzip.open if path.suffix == ".gz" else open
    where, is_empty = str(path), True
    try:
        with opened(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                where = f"{path}:{number}"
                if number == 1:
                    _check_kind(path, line)
                if line.strip():
                    is_empty = False
                    yield where, parse_json(line, dict[str, Any], where, _cure(path))
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"{path} cannot be read behind {where} ({reason}). Copy it here again."
        ) from error
    if is_empty:
        raise InputError(f"{path} has no rows. {_cure(path)}")


def _check_kind(path: pathlib.Path, beginning: bytes) -> None:
    for magic, kind in _OTHERS.items():
        if beginning.startswith(magic):
            raise InputError(f"{path} is {kind}. {_cure(path)}")
    if beginning.lstrip().startswith(b"["):
        raise InputError(
            f'{path} is one JSON list. {_EXPECTED}; make them with: python -c "import '
            f"json; [print(json.dumps(row)) for row in json.load(open({str(path)!r}))]"
            '" > rows.jsonl'
        )


_EXPECTED = (
    'JSON lines are expected, each row an object in a line of its own ({"sentence": '
    '"a gem .", "label": 1})'
)


def _cure(path: pathlib.Path) -> str:
    reader = _TABLES.get(path.suffix.lower())
    if not reader:
        return f"{_EXPECTED}."
    return (
        f'{_EXPECTED}; make them with: python -c "import pandas; pandas.'
        f"{reader.format(repr(str(path)))}.to_json('rows.jsonl', orient='records', "
        'lines=True)"'
    )
