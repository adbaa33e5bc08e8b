"""Writes a report: page, Markdown, a CSV file a table, PNG and SVG a figure."""

import io
import pathlib

from matplotlib import pyplot

from spot_jax.analysis import figures, markdown, page
from spot_jax.analysis.contents import Figure, Report
from spot_jax.analysis.transfers import Transfers

# Dots an inch of the PNG files.
_RESOLUTION = 200


def prepare(folder: pathlib.Path) -> None:
    """Makes the report's folder, before anything is computed.

    Raises:
        ValueError: it cannot be made or written.
    """
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        (folder / "report.html").touch()
    except OSError as error:
        raise ValueError(
            f"{folder} cannot be written ({error}); name another folder with --out."
        ) from error


def write(folder: pathlib.Path, report: Report) -> None:
    """Writes report.html, report.md, NAME.csv and figures/NAME.{png,svg}."""
    drawings = {}
    for block in (block for section in report.sections for block in section.blocks):
        if block.data is not None:
            block.data.to_csv(folder / f"{block.name}.csv", index=False)
        if isinstance(block, Figure):
            drawings[block.name] = draw(folder / "figures", block)
    (folder / "report.md").write_text(markdown.render(report), encoding="utf-8")
    html = page.render(report, drawings)
    (folder / "report.html").write_text(html, encoding="utf-8")


def write_reductions(folder: pathlib.Path, found: Transfers) -> None:
    """Writes relative_error_reduction.csv: source, target, percent."""
    columns = ["source", "target", "percent"]
    path = folder / "relative_error_reduction.csv"
    found.cells[columns].to_csv(path, index=False, float_format="%.6f")


def draw(folder: pathlib.Path, figure: Figure) -> str:
    """Writes NAME.png and NAME.svg, and returns the latter."""
    path, svg = folder / figure.name, io.StringIO()
    with figures.style():
        figure.drawing.savefig(path.with_suffix(".png"), dpi=_RESOLUTION)
        # The same study makes the same file, whenever.
        figure.drawing.savefig(svg, format="svg", metadata={"Date": None})
    pyplot.close(figure.drawing)
    path.with_suffix(".svg").write_text(svg.getvalue(), encoding="utf-8")
    return svg.getvalue()
