"""What a report consists of, whether it becomes HTML, Markdown, CSV or pictures."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Drawing


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: what it says.
        interval: its 95% interval, or the sources it is of, in small type.
        sort: what it is sorted by; the text where nothing is given.
        shade: -1 (much worse) to 1 (much better), or None for no colour.
        hover: what it says when pointed at.
        strong: whether it stands out.
    """

    text: str
    interval: str = ""
    sort: float | str | None = None
    shade: float | None = None
    hover: str = ""
    strong: bool = False

    @property
    def key(self) -> float | str:
        """What the page sorts by; a number that is not known comes last."""
        if isinstance(self.sort, float) and math.isnan(self.sort):
            return ""
        return self.text if self.sort is None else self.sort


@dataclasses.dataclass(frozen=True)
class Table:
    """A table; `data` is what its CSV file holds, in full precision."""

    name: str
    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    data: pd.DataFrame
    label: str = ""


@dataclasses.dataclass(frozen=True)
class Figure:
    """A picture.

    Attributes:
        name: of its files.
        caption: what it shows.
        alt: what one who cannot see it should know.
        drawing: matplotlib's figure.
        marks: where on the picture which value is: {"grids": [{"box": [left, top,
            right, bottom], "rows", "columns", "values"}], "points": [[x, y, text]]},
            in parts of the width and height from the top left.
        in_page: False where the page has a table in its place.
        data: what its CSV file holds; None where a table has it.
    """

    name: str
    caption: str
    alt: str
    drawing: Drawing
    marks: dict[str, Any]
    in_page: bool = True
    data: pd.DataFrame | None = None
    label: str = ""


@dataclasses.dataclass(frozen=True)
class Section:
    """A title and what is below it, in this order.

    Attributes:
        title: what it is about.
        paragraphs: of text.
        blocks: tables and figures.
        lists: (what they are, names), which may be long.
        facts: name -> text.
        code: command lines.
    """

    title: str
    paragraphs: Sequence[str] = ()
    blocks: Sequence[Table | Figure] = ()
    lists: Sequence[tuple[str, Sequence[str]]] = ()
    facts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    code: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Report:
    """A title, an abstract and sections."""

    title: str
    abstract: Sequence[str]
    sections: Sequence[Section]


def numbered(report: Report) -> Report:
    """Returns the report with "Table 1", "Figure 1", ... as labels."""
    counts = {"Table": 0, "Figure": 0}

    def label(block):
        kind = type(block).__name__
        # A number that the page does not show would look like a gap.
        if kind == "Figure" and not block.in_page:
            return block
        counts[kind] += 1
        return dataclasses.replace(block, label=f"{kind} {counts[kind]}")

    sections = [
        dataclasses.replace(part, blocks=[label(block) for block in part.blocks])
        for part in report.sections
    ]
    return dataclasses.replace(report, sections=sections)


def number(value: float, digits: int = 1, *, sign: bool = False) -> str:
    """Returns "−1.2" for -1.234, "–" for nan; with `sign`, "+1.2" for 1.234."""
    if pd.isna(value):
        return "–"
    text = f"{value:{'+' if sign else ''}.{digits}f}"
    # "-0.0" is what rounding makes of a little less than nothing.
    if float(text) == 0:
        text = f"{0:.{digits}f}"
    # A minus is as wide as a plus: signed numbers stand below each other.
    return text.replace("-", "−")


def with_std(mean: float, std: float, digits: int = 1, *, sign: bool = False) -> str:
    """Returns "76.2 (0.1)", without the brackets where there is no std."""
    text = number(mean, digits, sign=sign)
    return text if pd.isna(std) else f"{text} ({number(std, digits)})"


def ends(low: float, high: float, digits: int = 1) -> str:
    """Returns "[75.9, 76.4]", or "" where there is no interval."""
    if pd.isna(low) or pd.isna(high):
        return ""
    return f"[{number(low, digits)}, {number(high, digits)}]"


def mean_cell(mean, low, high, *, std=math.nan, digits=1, sign=False, **more) -> Cell:
    """Returns a mean with its std and interval."""
    text = with_std(mean, std, digits, sign=sign)
    return Cell(text, ends(low, high, digits), float(mean), **more)
