"""The report as Markdown, with its pictures beside it."""

from collections.abc import Iterator

from spot_jax.analysis.contents import Cell, Figure, Report, Section, Table


def render(report: Report) -> str:
    """Returns the report as Markdown; pictures are in figures/NAME.png."""
    lines = [f"# {report.title}", ""]
    for paragraph in report.abstract:
        lines += [paragraph, ""]
    for section in report.sections:
        lines += [*_section(section)]
    return "\n".join(lines).rstrip() + "\n"


def _section(section: Section) -> Iterator[str]:
    yield from (f"## {section.title}", "")
    for paragraph in section.paragraphs:
        yield from (paragraph, "")
    for block in section.blocks:
        yield from _table(block) if isinstance(block, Table) else _figure(block)
    for what, names in section.lists:
        yield f"- {what}: {'; '.join(names)}"
    for name, text in section.facts.items():
        yield f"- {name}: {text}"
    if section.lists or section.facts:
        yield ""
    if section.code:
        yield from ("```", *section.code, "```", "")


def _table(table: Table) -> Iterator[str]:
    yield from (f"**{table.label}.** {table.caption}", "")
    yield _row([Cell(head) for head in table.heads])
    # What is sorted by a number is one, and stands to the right.
    numbers = table.rows[0] if table.rows else ()
    yield _row([Cell("---" if cell.sort is None else "--:") for cell in numbers])
    for row in table.rows:
        yield _row(row)
    yield ""


def _row(cells) -> str:
    return f"| {' | '.join(_text(cell) for cell in cells)} |"


def _text(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.strong else cell.text
    return f"{text} {cell.interval}".strip().replace("|", "\\|")


def _figure(figure: Figure) -> Iterator[str]:
    label = f"**{figure.label}.** " if figure.label else ""
    yield from (f"![{figure.alt}](figures/{figure.name}.png)", "")
    yield from (f"{label}{figure.caption}", "")
