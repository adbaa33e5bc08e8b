"""Turns of steps, and what they come to."""

import statistics
import time
from typing import Any

# Steps that follow each other without a stop, at least; a turn has one clock.
_TURN_SECONDS = 0.2
TURNS = 10


def turns_of(trained: Any, until: float, turns: int = TURNS) -> list[dict[str, Any]]:
    """Takes turns of some steps each.

    Args:
        trained: of either side.
        until: when to stop, by time.time(), three turns being taken in any case.
        turns: how many.
    """
    trained.turn()
    seconds = trained.turn(2)["seconds"]
    steps = max(1, min(20, round(_TURN_SECONDS / seconds)))
    taken = []
    while len(taken) < turns and (len(taken) < 3 or time.time() < until):
        taken.append(trained.turn(steps))
    return taken


def summary(turns: list[dict[str, Any]], *, with_host: bool = False) -> dict[str, Any]:
    """Returns the median of turns, and how far they are apart.

    Args:
        turns: of one side.
        with_host: whether laying out batches counts, as where the host does all.
    """
    seconds = [turn["seconds"] + with_host * turn["host"] for turn in turns]
    each, last = statistics.median(seconds), turns[-1]
    kept = ("rows", "useful", "loss", "needed", "executed")
    said = {name: last[name] for name in kept if last.get(name) is not None}
    said |= {
        "examples": last["examples"],
        "seconds": each,
        "each": seconds,
        "least": min(seconds),
        "most": max(seconds),
        "turns": len(seconds),
        "host": statistics.median(turn["host"] for turn in turns),
        "per_second": last["examples"] / each,
    }
    for name in ("alone", "blocked", "waited"):
        if name in last:
            said[name] = statistics.median(turn[name] for turn in turns)
    # Rows differ from step to step; what is useful of them is told in the mean.
    for name in ("useful", "needed", "executed"):
        if name in said:
            said[name] = statistics.mean(turn[name] for turn in turns)
    for name in ("needed", "executed"):
        if name in said:
            said[f"{name}_tflops"] = said[name] / each / 1e12
    return said
