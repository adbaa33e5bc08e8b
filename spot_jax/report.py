"""`spot_jax report`: what a study found, as a page, Markdown, CSV and pictures.

    spot_jax report STUDY_DIR
    spot_jax report STUDY_DIR --out DIR
    spot_jax report --scores FILE.csv --out DIR

The table of scores has the columns source, target, mean, std; a line without a source
is the target's baseline. A study need not be complete: what is missing is named. What
counts is told first: is the most similar source above one at random?
"""

import argparse
import importlib.metadata
import platform
import shlex

from spot_jax.errors import InputError
from spot_jax.reading import is_installed, path_of

_LIBRARIES = ("numpy", "scipy", "pandas", "matplotlib", "seaborn", "jinja2")


def main(argv: list[str]) -> None:
    """Writes the report and says where.

    Raises:
        InputError: an option or a file is wrong, or the folder cannot be written.
    """
    options = _parse(argv)
    missing = [name for name in _LIBRARIES if not is_installed(name)]
    if missing:
        raise InputError(
            f"A report is made with {', '.join(missing)}, not installed here: pip "
            f"install {' '.join(missing)}."
        )
    # pandas, seaborn and matplotlib, which --help does not wait for.
    from spot_jax.analysis import output, sections, study, transfers

    folder = options.out or options.run_dir / "report"
    made_by = _made_by(argv)
    if options.scores:
        found = transfers.read_table(options.scores)
        output.prepare(folder)
        report = sections.of_table(found, made_by)
    else:
        read = study.read(options.run_dir)
        output.prepare(folder)
        found = transfers.of_study(read)
        report = sections.of_study(read, made_by)
    output.write(folder, report)
    output.write_reductions(folder, found)
    for paragraph in report.abstract:
        print(paragraph)
    print(f"written: {folder}/report.html, report.md, CSV tables, figures/")


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="spot_jax report",
        description="Analyses a study, or a table of scores, and writes a report.",
    )
    parser.add_argument(
        "run_dir",
        metavar="STUDY_DIR",
        nargs="?",
        help="the folder of a `spot_jax study`, finished or not",
    )
    parser.add_argument(
        "--scores",
        metavar="FILE.csv",
        help="a table: source, target, mean, std; no source is the baseline",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="where the report goes (STUDY_DIR/report)",
    )
    options = parser.parse_args(argv)
    # Not argparse's types, which leave the reason unsaid.
    for name in ("run_dir", "scores", "out"):
        if text := getattr(options, name):
            setattr(options, name, path_of(text))
    if (options.run_dir is None) == (options.scores is None):
        raise InputError("Give either STUDY_DIR or --scores FILE.csv.")
    if options.scores and not options.out:
        raise InputError("--scores needs --out DIR, the folder of the report.")
    return options


def _made_by(argv: list[str]) -> dict[str, str]:
    versions = [f"{name} {importlib.metadata.version(name)}" for name in _LIBRARIES]
    try:
        versions.insert(0, f"spot_jax {importlib.metadata.version('spot_jax')}")
    except importlib.metadata.PackageNotFoundError:
        # A checkout that is not installed has no version.
        pass
    return {
        "report by": shlex.join(["spot_jax", "report", *argv]),
        "report's versions": f"Python {platform.python_version()}, "
        + ", ".join(versions),
    }
