"""Tables for people, as aligned text, and for other programs, as CSV.

A table is a list of rows, the first of which holds the names of the columns.
"""

import csv
import io
from collections.abc import Sequence


def as_csv(rows: Sequence[Sequence]) -> bytes:
    """Returns a table as CSV in UTF-8; numbers keep all of their digits."""
    lines = []
    for row in rows:
        text = io.StringIO()
        # What may end a line is quoted only where it does: both characters of this.
        csv.writer(text, lineterminator="\r\n").writerow(row)
        lines.append(text.getvalue().removesuffix("\r\n") + "\n")
    return "".join(lines).encode("utf-8")


def as_text(rows: Sequence[Sequence]) -> str:
    """Returns a table as text: words to the left, numbers to the right, 2 decimals."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for values, row in zip(rows, cells, strict=True):
        aligned = [
            cell.ljust(width) if isinstance(value, str) else cell.rjust(width)
            for value, cell, width in zip(values, row, widths, strict=True)
        ]
        lines.append("  ".join(aligned).rstrip() + "\n")
    return "".join(lines)


def _cell(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
