"""What is asked: lines of text or rows, and which prompts answer each."""

import logging
import os
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from spot_jax import reading
from spot_jax.errors import InputError
from spot_jax.prompts.files import SavedPrompt
from spot_jax.reading import path_of
from spot_jax.rows import files
from spot_jax.rows.files import Row
from spot_jax.scoring.forms import Form
from spot_jax.scoring.predictions import STDIO
from spot_jax.scoring.saved_prompts import names_of

logger = logging.getLogger(__name__)

_CURE = "Give INFER_INPUT a text file, UTF-8, one input a line, or '-'."
_ROWS_CURE = (
    "Give rows: a .csv, .tsv, .jsonl or .parquet file, or on the standard input one "
    "JSON object a line."
)


def read(path: str, forms: Sequence[Form], column: str | None) -> list[str | Row]:
    """Reads INFER_INPUT.

    A file that has columns is read as rows, any other as lines of text. The standard
    input is read as rows, a JSON object a line, where lines would not do, or where its
    first line is an object with the columns of the templates.

    Args:
        path: the file, or "-".
        forms: how the prompts are asked.
        column: PROMPT_COLUMN.

    Raises:
        InputError: when it cannot be read, is empty, or is of lines where rows are
            needed, or the other way round.
    """
    if path != STDIO and files.is_table(path):
        return list(read_rows(path, forms))
    if path == STDIO:
        where = "The standard input"
        text = reading.decode(sys.stdin.buffer.read(), where, _CURE)
    else:
        where, text = path, reading.read_text(path_of(path), _CURE)
    # A blank line is an input too: the answers stay in step with the lines.
    lines = reading.lines_of(text)
    if not any(line.strip() for line in lines):
        raise InputError(f"INFER_INPUT {path} has no line of text. {_CURE}")
    columns = list(dict.fromkeys(name for form in forms for name in form.columns))
    several = next((form for form in forms if len(form.columns) > 1), None)
    if path == STDIO and (several or column or _is_object(lines, forms, columns)):
        _check_templates(where, forms)
        keys = ", ".join(map(repr, [*columns, *([column] if column else [])]))
        cure = f"Each line is one JSON object with the keys {keys}."
        return list(files.json_rows(lines, where, cure))
    if several:
        raise InputError(
            f"{several.template.option} {several.template.text!r} has several columns, "
            f"and {where} is lines of text, which have none. {_ROWS_CURE}"
        )
    if column:
        raise InputError(
            f"PROMPT_COLUMN names the column {column!r}, and {where} is lines of text, "
            f"which have none. {_ROWS_CURE}"
        )
    _warn_of_templates(lines, where, forms)
    return list(lines)


def read_rows(path: str, forms: Sequence[Form]) -> list[Row]:
    """Reads a file of rows, for prompts that say what they ask of a row.

    Raises:
        InputError: when it cannot be read, or a prompt has no template.
    """
    _check_templates(path, forms)
    return files.read(path)


def _check_templates(where: str, forms: Sequence[Form]) -> None:
    for form in forms:
        if form.template is None:
            raise InputError(
                f"{where} has rows with columns, and {form.name} tells no template "
                "that makes text of them. Give one, --rows test=FILE "
                '--input "mood: {text}", or a text file (.txt) with one input a line.'
            )


def _is_object(lines: Sequence[str], forms: Sequence[Form], columns: list[str]) -> bool:
    """Whether the first line is an object that has what all of the templates name."""
    first = next(line for line in lines if line.strip())
    if not all(form.template for form in forms):
        return False
    try:
        cells = reading.parse_json(first, dict[str, Any], "", "")
    except InputError:
        return False
    return all(name in cells for name in columns)


def _warn_of_templates(lines: Sequence[str], where: str, forms: Sequence[Form]) -> None:
    """Says where lines seem to be in the form that a template gives them once more."""
    for form in forms:
        beginning = form.text_of("\0").partition("\0")[0] if form.template else ""
        there = [line for line in lines if line.startswith(beginning.rstrip())]
        if beginning.strip() and there:
            logger.warning(
                "%s: %d of %d lines begin with %r, which %s puts before each: leave "
                "it out of the lines.",
                *(where, len(there), len(lines), beginning.rstrip(), form.name),
            )


def prompts_of(
    asked: Sequence[str | Row], column: str | None, saved: Sequence[SavedPrompt]
) -> list[list[int]]:
    """Returns which prompts answer each line or row.

    Args:
        asked: lines or rows.
        column: PROMPT_COLUMN, in which each row names its prompt; None: every prompt
            answers everything.
        saved: the prompts; none stands for the model alone.

    Returns:
        For each, indices of `saved`.

    Raises:
        InputError: when a row has no such column, or names no prompt, or two.
    """
    if column is None:
        return [list(range(len(saved) or 1))] * len(asked)
    if not saved:
        raise InputError(
            f"PROMPT_COLUMN is {column!r}, and there are no prompts: name their files, "
            "--gin.PROMPT_FILES=\"['a.safetensors', 'b.safetensors']\"."
        )
    known: dict[str, set[int]] = {}
    for index, (name, prompt) in enumerate(zip(names_of(saved), saved, strict=True)):
        # The name that stands in predictions, numbered where it repeats, is one, too.
        for said in {name, _name(prompt), os.path.abspath(prompt.path)}:
            known.setdefault(said, set()).add(index)
    return [[_named(row, column, known, saved)] for row in asked]


def _name(prompt: SavedPrompt) -> str:
    return prompt.story.get("name") or pathlib.Path(prompt.path).stem


def _named(
    row: Row, column: str, known: dict[str, set[int]], saved: Sequence[SavedPrompt]
) -> int:
    if column not in row.cells:
        raise InputError(
            f"PROMPT_COLUMN names the column {column!r}, and {row.where} has "
            f"{', '.join(map(repr, row.cells))}."
        )
    value = row.cells[column]
    text = str(value).strip()
    found = known.get(text) or known.get(os.path.abspath(path_of(text)), set())
    if len(found) == 1:
        return next(iter(found))
    if found:
        paths = ", ".join(saved[index].path for index in sorted(found))
        raise InputError(
            f"{row.where}: {column!r} is {value!r}, the name of {len(found)} prompts, "
            f"{paths}. Write the file instead of the name."
        )
    names = ", ".join(map(repr, names_of(saved)))
    raise InputError(
        f"{row.where}: {column!r} is {value!r}, and PROMPT_FILES has no such prompt; "
        f"it has {names}. Write one of these names, or one of the files, or add the "
        "file to PROMPT_FILES."
    )
