"""Writes a report: page, Markdown, a CSV file a table, PNG and SVG a figure."""

import io
import pathlib

from matplotlib import pyplot

from spot_jax.analysis import figures, markdown, page
from spot_jax.analysis.contents import Figure, Report
from spot_jax.analysis.transfers import Transfers
from spot_jax.errors import InputError
from spot_jax.model_dir import storage

# Dots an inch of the PNG files.
_RESOLUTION = 200


def prepare(folder: pathlib.Path) -> None:
    """Makes the report's folder, before anything is computed.

    Raises:
        InputError: it cannot be made or written.
    """
    try:
        storage.check_writable(folder / "figures")
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written ({error}); name another folder with --out."
        ) from error


def write(folder: pathlib.Path, report: Report) -> None:
    """Writes report.html, report.md, NAME.csv and figures/NAME.{png,svg}."""
    drawings = {}
    for block in (block for section in report.sections for block in section.blocks):
        if block.data is not None:
            table = block.data.to_csv(index=False)
            storage.replace_text(folder / f"{block.name}.csv", table)
        if isinstance(block, Figure):
            drawings[block.name] = draw(folder / "figures", block)
    storage.replace_text(folder / "report.md", markdown.render(report))
    storage.replace_text(folder / "report.html", page.render(report, drawings))


def write_reductions(folder: pathlib.Path, found: Transfers) -> None:
    """Writes relative_error_reduction.csv: source, target, percent."""
    columns = ["source", "target", "percent"]
    path = folder / "relative_error_reduction.csv"
    table = found.cells[columns].to_csv(index=False, float_format="%.6f")
    storage.replace_text(path, table)


def draw(folder: pathlib.Path, figure: Figure) -> str:
    """Writes NAME.png and NAME.svg, and returns the latter."""
    path, png, svg = folder / figure.name, io.BytesIO(), io.StringIO()
    with figures.style():
        figure.drawing.savefig(png, format="png", dpi=_RESOLUTION)
        # The same study makes the same file, whenever.
        figure.drawing.savefig(svg, format="svg", metadata={"Date": None})
    # seaborn makes clustermaps by pyplot, which keeps all that is not closed.
    pyplot.close(figure.drawing)
    storage.replace_file(path.with_suffix(".png"), png.getvalue())
    storage.replace_text(path.with_suffix(".svg"), svg.getvalue())
    return svg.getvalue()
