"""What was measured, as Markdown: a table for each question, and what was to reach."""

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from goals import GOALS

_GIB = 2**30
Line = Mapping[str, Any]


def page(found: Mapping[str, Any]) -> str:
    """Returns docs/benchmarks.md."""
    versions = ", ".join(f"{name} {of}" for name, of in found["versions"].items())
    rates = found["matrix_gflops"].items()
    matrices = ", ".join(f"{library} {rate:.0f}" for library, rate in rates)
    top = [
        "# Benchmarks",
        "",
        "`make bench` writes this page and benchmarks.json beside it. Both sides of a "
        "comparison are processes that step in turns in one run; seconds are the "
        "median of the turns, `apart` is how far the slowest is from the fastest. "
        "Weights are random, examples have random tokens and the lengths of real rows "
        "(tests/benchmarks/lengths.json); laying them out counts. `of use` are "
        "positions, slots of the prompt counted, and operations; `of matrices` is the "
        "share of what products of float32 matrices reach on the machine. Memory is "
        "the most that a process had, its libraries counted.",
        "",
        f"{found['machine']}, Python {found['python']}, {versions}; products of "
        f"matrices, GFLOP/s: {matrices}; load at the start {found['load']:.1f}. "
        f"T5 1.1 {found['shape']}, float32, prompts of 100 vectors, Adafactor, dropout "
        "0.1.",
        "",
        goals(found),
    ]
    tables = [of_question(name, found) for name in found["questions"]]
    return "\n".join([*top, *tables])


def of_question(name: str, found: Mapping[str, Any]) -> str:
    """Returns the table of a question, under what it asks."""
    lines = found["questions"][name]
    columns = _COLUMNS.get(name, _STEPS)
    rows = [[cell(line) for cell in columns.values()] for line in lines]
    used = [i for i in range(len(columns)) if any(row[i] for row in rows)]
    heads = list(columns)
    asks, _, more = importlib.import_module(name).__doc__.strip().partition("\n")
    table = [
        "| " + " | ".join(heads[i] for i in used) + " |",
        "|" + "".join("---|" if i < 2 else "--:|" for i in used),
        *("| " + " | ".join(row[i] for i in used) + " |" for row in rows),
    ]
    about = [more.strip(), ""] if more.strip() else []
    return "\n".join([f"## {asks}", "", *about, *table, ""])


def goals(found: Mapping[str, Any]) -> str:
    """Returns the table of what was to reach."""
    table = ["| to reach | at | found |", "|---|--:|--:|"]
    for goal in GOALS:
        value = goal.found(found["questions"])
        if value is not None:
            sign = "at least" if goal.is_least else "at most"
            is_reached = value >= goal.bound if goal.is_least else value <= goal.bound
            shown = f"{value:.2f}" if is_reached else f"**{value:.2f}**"
            table.append(f"| {goal.name} | {sign} {goal.bound:g} | {shown} |")
    return "\n".join([*table, ""])


def _number(name: str, form: str, scale: float = 1.0) -> Callable:
    def cell(line: Line) -> str:
        value = line.get(name)
        return "" if value is None else format(value / scale, form)

    return cell


def _who(line: Line) -> str:
    return line["side"]


def _what(line: Line) -> str:
    return line["name"] + (f" (failed: {line['error']})" if "error" in line else "")


def _rows(line: Line) -> str:
    return " + ".join("x".join(map(str, shape)) for shape in line.get("rows", ()))


def _apart(line: Line) -> str:
    if "least" not in line:
        return ""
    return f"{(line['most'] - line['least']) / line['seconds']:.0%}"


def _times(line: Line) -> str:
    """Compares with PEFT's line of the group: that of the same name, or its only."""
    theirs = {n: ratio for n, ratio in _others(line) if n.startswith("PEFT")}
    same = theirs.get(f"PEFT: {line['name']}")
    if same is None and len(theirs) == 1 and line["side"] != "PEFT":
        (same,) = theirs.values()
    return f"{same:.2f}" if same and line["side"] != "PEFT" else ""


def _others(line: Line) -> Iterator[tuple[str, float]]:
    yield from line.get("times", {}).items()


def _flops(line: Line) -> str:
    if "needed" not in line:
        return ""
    return f"{line['needed'] / line['executed']:.0%}"


def _share(line: Line) -> str:
    if "executed_tflops" not in line:
        return ""
    return f"{line['executed_tflops'] * 1e3 / line['matrix_gflops']:.0%}"


def _percent(name: str) -> Callable:
    return lambda line: f"{line[name]:.0%}" if name in line else ""


_WHO = {"side": _who, "work": _what}
_STEPS = {
    **_WHO,
    "rows": _rows,
    "s": _number("seconds", ".3f"),
    "apart": _apart,
    "examples/s": _number("per_second", ".1f"),
    "times PEFT's": _times,
    "GiB": _number("memory", ".2f", _GIB),
    "positions of use": _percent("useful"),
    "operations of use": _flops,
    "GFLOP needed": _number("needed", ".0f", 1e9),
    "executed": _number("executed", ".0f", 1e9),
    "of matrices": _share,
}
_COLUMNS = {
    "saving": {
        **_WHO,
        "bytes": _number("bytes", ",.0f"),
        "of arrays": _number("array_bytes", ",.0f"),
        "s a step": _number("alone", ".3f"),
        "while it is written": _number("seconds", ".3f"),
        "s in which nothing else goes on": _number("blocked", ".3f"),
        "s until it is there": _number("waited", ".3f"),
    },
    "start": {
        **_WHO,
        "s to the first step": _number("seconds", ".1f"),
        "s to the end": _number("whole", ".1f"),
        "nothing compiled yet": _number("cold", ".1f"),
    },
}
