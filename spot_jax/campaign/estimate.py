"""What a study would do and cost, without doing any of it."""

import dataclasses
import math
from collections.abc import Sequence

from spot_jax import tables
from spot_jax.campaign import cost
from spot_jax.campaign.plan import Run
from spot_jax.campaign.runs import FinishedRuns
from spot_jax.prompts.base import described, slots_of

_HEADER = ("run", "prompts", "steps", "TFLOP", "hours", "")


def describe(
    runs: Sequence[Run], done: FinishedRuns, sizes: cost.Sizes, machine: str
) -> str:
    """Lists runs with their operations and hours.

    Args:
        runs: the runs.
        done: which of them are finished.
        sizes: of the model and its batches.
        machine: a name in cost.MACHINES.
    """
    hardware = cost.MACHINES[machine]
    rows, operations, left = [], 0.0, 0.0
    for run in runs:
        its_own = _operations(run, sizes)
        finished = done.has(run)
        operations += its_own
        left += 0.0 if finished else its_own
        rows.append(
            (run.name, len(run.tunings), run.steps, its_own / 1e12)
            + (cost.hours(its_own, hardware), "finished" if finished else "")
        )
    prompts = sum(len(run.tunings) for run in runs)
    time = cost.hours(operations, hardware)
    rows.append(("all", prompts, "", operations / 1e12, time, ""))
    rows.append(("left", "", "", left / 1e12, cost.hours(left, hardware), ""))
    return tables.as_text([_HEADER, *rows]) + _assumptions(sizes, machine)


def _operations(run: Run, sizes: cost.Sizes) -> float:
    # The last step is evaluated as well, whatever the period.
    evaluations = math.ceil(run.steps / run.eval_period)
    sizes = dataclasses.replace(sizes, examples=run.examples or sizes.examples)
    return len(run.tunings) * cost.tuning(sizes, run.steps, evaluations)


def _assumptions(sizes: cost.Sizes, machine: str) -> str:
    hardware = cost.MACHINES[machine]
    examples = "EVALUATOR_NUM_EXAMPLES" if sizes.examples else "assumed"
    return (
        f"\nOn {machine}: {hardware.peak / 1e12:g} TFLOP/s at "
        f"{100 * hardware.utilisation:g} % ({hardware.says}).\n"
        f"Examples of {sizes.lengths['inputs']} input and {sizes.lengths['targets']} "
        f"target tokens (EXPECTED_LENGTHS), {sizes.evaluated} in an evaluation of a "
        f"target ({examples}).\n"
        f"A prompt is {described(sizes.prompt)}, and takes {slots_of(sizes.prompt)} "
        "positions in front of an input.\n"
        "Compiling, reading data and writing files come on top. Mixtures of the same "
        "tasks are tuned once, so there may be fewer.\n"
    )
