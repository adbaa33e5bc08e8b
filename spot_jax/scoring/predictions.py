"""The file of predictions: JSON lines, or a table."""

import csv
import io
import os
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from spot_jax.errors import InputError
from spot_jax.model_dir import claim
from spot_jax.model_dir.storage import replace_file
from spot_jax.reading import as_json, path_of

# The standard output, and input.
STDIO = "-"
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_NOT_WRITTEN = (".gz", ".parquet", ".arrow")


def writable(output: str, source: str | None) -> pathlib.Path | None:
    """Returns the path of INFER_OUTPUT, when a file can be written there.

    Args:
        output: INFER_OUTPUT.
        source: the file that is answered; None where there is none.

    Returns:
        The path; None is the standard output.

    Raises:
        InputError: when it cannot be written, would be of another kind than its name
            says, or is the source.
    """
    if output == STDIO:
        return None
    # Not pathlib's parent: a url keeps its slashes.
    claim.writable(os.path.dirname(output) or ".", "--gin.INFER_OUTPUT")
    path = path_of(output)
    if path.is_dir():
        raise InputError(
            f"INFER_OUTPUT {output} is a folder. Give the file to write: "
            "--gin.INFER_OUTPUT=predictions.jsonl."
        )
    if path.suffix.lower() in _NOT_WRITTEN:
        raise InputError(
            f"INFER_OUTPUT {output} would be no {path.suffix} file: predictions are "
            "written as .jsonl, .csv or .tsv."
        )
    if source not in (None, STDIO) and path.exists():
        there = path_of(source)
        if there.exists() and there.samefile(path):
            raise InputError(
                f"INFER_OUTPUT {output} is INFER_INPUT, whose lines would be lost. "
                "Give another file to write."
            )
    return path


def write(path: pathlib.Path | None, lines: Sequence[Mapping[str, Any]]) -> None:
    """Writes predictions, whole: a table where the name ends in .csv or .tsv.

    Args:
        path: the file; None is the standard output.
        lines: at least one; all have the same keys.
    """
    separator = _SEPARATORS.get(path.suffix.lower()) if path else None
    if separator is None:
        text = "".join(as_json(line, indent=None) + "\n" for line in lines)
    else:
        table = io.StringIO()
        # All text in quotes: csv leaves a lone \r without, which readers end a row at.
        quoted = {"quoting": csv.QUOTE_NONNUMERIC, "lineterminator": "\n"}
        writer = csv.writer(table, delimiter=separator, **quoted)
        writer.writerows([list(lines[0]), *(line.values() for line in lines)])
        text = table.getvalue()
    if path is None:
        rest = memoryview(text.encode("utf-8"))
        # Without a buffer (PYTHONUNBUFFERED=1) one call may write a part alone.
        while rest:
            rest = rest[sys.stdout.buffer.write(rest) :]
    else:
        replace_file(path, text.encode("utf-8"))
