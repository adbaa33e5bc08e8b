"""Where a run does not fit: the settings nearest to its own that do."""

import dataclasses
import logging
from collections.abc import Iterator, Sequence

import jax

from spot_jax.hardware.chips import Chip
from spot_jax.model import sharding
from spot_jax.model.automatic import partitions_that_divide
from spot_jax.proof import mesh as meshes
from spot_jax.proof import programs
from spot_jax.proof.programs import Cost
from spot_jax.proof.run import Run

logger = logging.getLogger(__name__)


def cheapest(
    run: Run, devices: Sequence[jax.Device], chip: Chip, costs: Sequence[Cost]
) -> tuple[Run, list[Cost]] | None:
    """Compiles other settings until both programs fit.

    First more MICROBATCHES, and a smaller EVAL_BATCH_SIZE, which cost no talk between
    chips; then REMAT_POLICY "full", which computes layers twice; where these do not do,
    more NUM_PARTITIONS. Settings that cannot fit, going
    by what was compiled before, are passed over.

    Args:
        run: what does not fit.
        devices: the chips.
        chip: one of them.
        costs: of the run's programs.

    Returns:
        The run with the settings that fit, and what its programs cost; None if there
        are none.
    """
    known = {cost.name: (run, cost) for cost in costs}
    for partitions in partitions_that_divide(run.config, len(devices)):
        if partitions < run.model.num_partitions:
            continue
        here = run.with_partitions(partitions)
        for name in programs.NAMES:
            here = here and _fitting(name, here, devices, chip, known)
        if here:
            return here, [known[name][1] for name in programs.NAMES]
    return None


def _fitting(
    name: str,
    run: Run,
    devices: Sequence[jax.Device],
    chip: Chip,
    known: dict[str, tuple[Run, Cost]],
) -> Run | None:
    """Returns a run of which a program fits, with as much at once as it can.

    Args:
        name: of the program.
        run: its NUM_PARTITIONS stay.
        devices: the chips.
        chip: one of them.
        known: {name: what was compiled last, what it costs}, which is kept up.
    """
    before, cost = known[name]
    partitions = run.model.num_partitions
    if before.model.num_partitions == partitions and cost.fits(chip):
        return run
    mesh = sharding.make_mesh(partitions, devices)
    for smaller in _smaller(name, run, len(devices)):
        if _need(smaller, len(devices), before, cost) > chip.memory:
            continue
        _say(name, smaller)
        (cost,) = programs.compiled(smaller, mesh, [name])
        known[name] = before, cost = smaller, cost
        if cost.fits(chip):
            return smaller
    return None


def _smaller(name: str, run: Run, chips: int) -> Iterator[Run]:
    """Yields the run as it is, and with less and less at once."""
    data = chips // run.model.num_partitions
    if name == "training":
        for policy in dict.fromkeys((run.config.remat_policy, "full")):
            for number in meshes.microbatches_of(run, data):
                yield run.with_remat(policy).with_microbatches(number)
        return
    rows = run.evaluation.rows
    while True:
        evaluation = dataclasses.replace(run.evaluation, rows=rows)
        yield dataclasses.replace(run, evaluation=evaluation)
        if rows <= data:
            return
        rows //= 2


def _need(run: Run, chips: int, before: Run, cost: Cost) -> float:
    """Returns the bytes that a run would need about, going by one that was compiled.

    What is no weight goes with the rows that all chips compute at once: over more
    partitions a chip has more rows of it, and less of each.
    """
    weights = meshes.weights_on_a_chip(run, chips)
    if run == before:
        # It was compiled, and did not fit.
        return float("inf")
    if cost.memory is None:
        return weights
    if run.config.remat_policy != before.config.remat_policy:
        # How much less nobody knows before it is compiled.
        return weights
    rest = cost.memory + cost.code - cost.weights
    return weights + rest * _at_once(cost.name, run) / _at_once(cost.name, before)


def _at_once(name: str, run: Run) -> float:
    if name == "training":
        return 1 / run.training.microbatches
    return run.evaluation.rows


def _say(name: str, run: Run) -> None:
    logger.info(
        "It does not fit. Compiling the step of %s with NUM_PARTITIONS %d, "
        "REMAT_POLICY %s, MICROBATCHES %d and EVAL_BATCH_SIZE %d.",
        *(name, run.model.num_partitions, run.config.remat_policy),
        *(run.training.microbatches, run.evaluation.rows),
    )
