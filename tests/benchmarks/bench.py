"""Program: asks all questions, and writes docs/benchmarks.md and docs/benchmarks.json.

    make bench                         # half an hour, on two cores for it alone
    make bench QUICK=1                 # two minutes, of a T5 that is tiny
    python tests/benchmarks/bench.py --only padded banks --shape base

PEFT stands beside it where it is installed (`make bench` does that). Answers of before
to questions that are not asked stay, if they are of the same machine and T5.
"""

import argparse
import importlib
import importlib.util
import json
import pathlib
import subprocess
import sys
import time
from typing import Any

import bench_table
from asked import Asked
from work import ROOT

# In turn, each a file beside this one.
QUESTIONS = (
    *("padded", "real_lengths", "evaluation", "kinds", "banks", "saving", "start"),
)
# Logs, and programs that were compiled.
_FOLDER = ROOT / "runs/benchmarks"
# What answers that stand in one page have in common.
_SAME = ("shape", "machine", "python", "versions")
_QUICK = {"shape": "tiny", "turns": 2, "quick": True}


def main(argv: list[str] | None = None) -> None:
    """Asks, and writes what there is after every question."""
    options = _parse(argv)
    folder = pathlib.Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    logs = _FOLDER / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    chosen = {"shape": options.shape, "turns": options.turns}
    told = _QUICK if options.quick else chosen
    asked = Asked(logs, **told)
    if importlib.util.find_spec("peft") is None:
        print("PEFT is not installed, so it is left out: `make bench` installs it.")
    here = {"shape": asked.shape, **_machine(512 if options.quick else 2048)}
    found = _earlier(folder / "benchmarks.json", here) | here
    for name in options.only:
        began = time.perf_counter()
        lines = importlib.import_module(name).ask(asked)
        # The machine may do other things when another question is asked.
        rate = {"matrix_gflops": here["matrix_gflops"]["jax"]}
        found["questions"][name] = [each | rate for each in lines]
        _write(found, folder)
        print(bench_table.of_question(name, found), flush=True)
        print(f"({time.perf_counter() - began:.0f} s)\n", flush=True)
    print(bench_table.goals(found))
    print(f"{folder}/benchmarks.md, {folder}/benchmarks.json")


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=QUESTIONS, default=QUESTIONS)
    parser.add_argument("--shape", default="small", help="a T5 1.1 of gin/models")
    parser.add_argument("--turns", type=int, default=4, help="that count")
    parser.add_argument("--quick", action="store_true", help="few cases of a tiny T5")
    parser.add_argument("--out", help="default: docs, or a folder of runs/ if --quick")
    options = parser.parse_args(argv)
    quick, whole = _FOLDER / "quick", ROOT / "docs"
    options.out = options.out or (quick if options.quick else whole)
    return options


def _machine(size: int) -> dict[str, Any]:
    # A process of its own: libraries would keep memory and threads in this one.
    program = [sys.executable, str(ROOT / "tests/benchmarks/machine.py"), str(size)]
    return json.loads(subprocess.run(program, capture_output=True, check=True).stdout)


def _earlier(path: pathlib.Path, here: dict[str, Any]) -> dict[str, Any]:
    """Returns what was found before, if it was found of the same and by the same."""
    nothing: dict[str, Any] = {"questions": {}}
    if not path.exists():
        return nothing
    told = json.loads(path.read_text(encoding="utf-8"))
    changed = [name for name in _SAME if told.get(name) != here[name]]
    if changed:
        print(f"{path} is of another {', '.join(changed)}: it is written anew.")
    return nothing if changed else told


def _write(found: dict[str, Any], folder: pathlib.Path) -> None:
    text = json.dumps(found, indent=1) + "\n"
    (folder / "benchmarks.json").write_text(text, encoding="utf-8")
    (folder / "benchmarks.md").write_text(bench_table.page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
