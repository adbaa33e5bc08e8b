"""The report as one HTML page that needs nothing but itself."""

import pathlib
import re
from collections.abc import Mapping

import jinja2
import markupsafe

from spot_jax.analysis.contents import Figure, Report

_HERE = pathlib.Path(__file__).parent


def render(report: Report, drawings: Mapping[str, str]) -> str:
    """Returns the page: text, tables, drawings, style and script in one file.

    Args:
        report: what it shows.
        drawings: a figure's name -> its SVG.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        # A name that the template misspells is an error and not a blank.
        undefined=jinja2.StrictUndefined,
    )
    inline = {
        block.name: markupsafe.Markup(inline_svg(block, drawings[block.name]))
        for section in report.sections
        for block in section.blocks
        if isinstance(block, Figure) and block.in_page
    }
    return environment.get_template("page.html").render(
        report=report,
        drawings=inline,
        style=markupsafe.Markup((_HERE / "page.css").read_text(encoding="utf-8")),
        script=markupsafe.Markup((_HERE / "page.js").read_text(encoding="utf-8")),
    )


def inline_svg(figure: Figure, drawing: str) -> str:
    """Returns an SVG file as an <svg> that can stand in a page beside others."""
    # An XML declaration may only begin a file.
    extra = r"\A.*?(?=<svg)|<metadata>.*?</metadata>"
    svg = re.sub(extra, "", drawing, flags=re.DOTALL)
    # Names are of one page, not of one drawing.
    svg = re.sub(r'\bid="', f'id="{figure.name}-', svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{figure.name}-", svg)
    # An inch is 6rem where letters of 10 points are as large as the captions.
    width = 6 * figure.drawing.get_figwidth()
    # Below this a narrow window scrolls it.
    least = 0.7 * width if width > 48 else 22
    size = f"width:{width:.1f}rem;min-width:{least:.1f}rem"
    return svg.replace("<svg ", f'<svg style="{size}" ', 1)
