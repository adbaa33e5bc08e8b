"""A side of a benchmark is a process of its own, which does something when it is told.

    python tests/benchmarks/sides.py spot_jax '{"name": "...", ...}'

Only one of those that are compared does anything at a time, in turns, so that all meet
what else the machine does meanwhile.
"""

import contextlib
import dataclasses
import importlib.util
import json
import os
import pathlib
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1])]

from measured import summary  # noqa: E402
from work import Work  # noqa: E402

OURS, PEFT = "spot_jax", "PEFT"
# Turns that do not count: the first finds memory, the second finds it warm.
_WARM = 2


class Failed(Exception):
    """A side that ended; its last words are the message."""


class Side:
    """The process of a side.

    Args:
        side: OURS or PEFT.
        work: what it does.
        folder: where its log goes, and what it compiled.
    """

    def __init__(self, side: str, work: Work, folder: pathlib.Path):
        name = "".join(c if c.isalnum() else "_" for c in f"{side}_{work.name}")
        self._log = folder / f"{name}.log"
        told = json.dumps(dataclasses.asdict(work))
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, __file__, side, told],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={
                    "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
                    "JAX_PLATFORMS": "cpu",
                    "TF_CPP_MIN_LOG_LEVEL": "2",
                    **os.environ,
                },
            )

    def wait(self) -> None:
        """Waits until it is ready."""
        self._read()

    def turn(self, steps: int = 1) -> dict[str, Any]:
        """Has it do some steps."""
        try:
            self._process.stdin.write(f"{steps}\n")
            self._process.stdin.flush()
        except OSError:
            self._fail()
        return self._read()

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        return json.loads(line) if line else self._fail()

    def _fail(self) -> Any:
        self._process.wait()
        lines = self._log.read_text(errors="replace").strip().splitlines()
        raise Failed(lines[-1] if lines else "It ended without a word.")

    def end(self) -> dict[str, Any]:
        """Lets it end, and returns what it says of all it did."""
        self._process.stdin.close()
        line = self._process.stdout.readline()
        self._process.wait()
        return json.loads(line) if line else {}

    def stop(self) -> None:
        """Ends it whatever it does."""
        self._process.kill()
        self._process.wait()


def in_turns(
    asked: Sequence[tuple[str, Work]], turns: int, folder: pathlib.Path
) -> list[dict[str, Any]]:
    """Has sides do their works in turns, and returns what each took.

    Args:
        asked: of each its side and work.
        turns: that count.
        folder: for logs.

    Returns:
        A line of each. `times` says how many times the examples a second of each of
        the others it did, the median over the turns.
    """
    if importlib.util.find_spec("peft") is None:
        asked = [each for each in asked if each[0] != PEFT]
    lines = [_head(side, work) for side, work in asked]
    with contextlib.ExitStack() as stack:
        sides: list[Side | None] = []
        for line, (side, work) in zip(lines, asked, strict=True):
            with _told_in(line):
                sides.append(None)
                sides[-1] = Side(side, work, folder)
                stack.callback(sides[-1].stop)
        for line, side in zip(lines, sides, strict=True):
            # All get ready at once, which nobody times.
            if side is not None:
                with _told_in(line):
                    side.wait()
        taken: list[list[dict]] = [[] for _ in sides]
        for _ in range(_WARM + turns):
            for line, side, own in zip(lines, sides, taken, strict=True):
                if side is not None and "error" not in line:
                    with _told_in(line):
                        own.append(side.turn())
        for line, side, own in zip(lines, sides, taken, strict=True):
            if side is not None and "error" not in line:
                line |= summary(own[_WARM:], with_host=True) | side.end()
    for line in lines:
        line["times"] = {
            called(other): _times(line, other)
            for other in lines
            if other is not line and "each" in line and "each" in other
        }
    return lines


@contextlib.contextmanager
def _told_in(line: dict[str, Any]) -> Iterator[None]:
    """Puts into a line why its side ended, and lets the others go on."""
    try:
        yield
    except Failed as error:
        line["error"] = str(error)


def called(line: Mapping[str, Any]) -> str:
    """Returns what tells a line from others of its group."""
    return f"{line['side']}: {line['name']}"


def _times(line: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    examples = line["examples"] / other["examples"]
    pairs = zip(line["each"], other["each"], strict=True)
    return examples * statistics.median(theirs / own for own, theirs in pairs)


def _head(side: str, work: Work) -> dict[str, Any]:
    return {"side": side, "name": work.name, "work": dataclasses.asdict(work)}


def main(side: str, told: str) -> None:
    """Is a side: gets ready, and then does what it is told line by line."""
    # What libraries print goes to the log.
    answers, sys.stdout = sys.stdout, sys.stderr
    work = Work(**json.loads(told))
    opened = _opened(side, work)
    opened.prepare()
    print("{}", file=answers, flush=True)
    for line in sys.stdin:
        turn = opened.turn(int(line))
        print(json.dumps(turn, default=float), file=answers, flush=True)
    said = opened.told() | {"memory": _most_memory()}
    print(json.dumps(said, default=float), file=answers, flush=True)


def _opened(side: str, work: Work) -> Any:
    if side == PEFT:
        import peft_side

        return peft_side.opened(work)
    from spot_jax import host_memory

    host_memory.keep_freed_memory()
    if work.doing == "train":
        import ours

        return ours.Trained(work)
    if work.doing == "save":
        import ours_saved

        return ours_saved.Saved(work)
    import ours_answers

    return ours_answers.Answered(work)


def _most_memory() -> int:
    """Returns the most bytes that this process had in memory."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    main(*sys.argv[1:])
