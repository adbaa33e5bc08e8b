"""What was found out about a run, as a table and as numbers for other programs."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax

from spot_jax import tables
from spot_jax.campaign.plan import Study
from spot_jax.hardware.chips import Chip
from spot_jax.model import automatic
from spot_jax.proof import hours
from spot_jax.proof.hours import Hours, Pace
from spot_jax.proof.programs import Cost
from spot_jax.proof.run import Run

_GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Proof:
    """A run on a machine, and whether it fits.

    Attributes:
        run: its settings.
        where: what the machine is called.
        chip: one of its chips.
        chips: how many.
        costs: of training and of evaluation.
        study: whose hours are counted.
    """

    run: Run
    where: str
    chip: Chip
    chips: int
    costs: Sequence[Cost]
    study: Study

    @property
    def spare(self) -> int | None:
        """Bytes left on a chip, or missing, with both programs on it."""
        needs = [cost.memory for cost in self.costs]
        if None in needs:
            return None
        return self.chip.memory - max(needs) - sum(cost.code for cost in self.costs)

    @property
    def fits(self) -> bool:
        """Whether both programs can be on a chip."""
        compiled = all(cost.compiles for cost in self.costs)
        return compiled and self.spare is not None and self.spare >= 0

    def hours(self) -> dict[str, Hours]:
        """Returns the hours of a source run and of the study; {} if nothing tells."""
        estimates = [cost.estimate(self.chip) for cost in self.costs]
        if None in estimates or not self.run.prompts or not self.fits:
            return {}
        (_, step), (_, batch) = estimates
        rows = self.costs[1].rows.rows
        pace = Pace(len(self.run.bank()), step, batch, rows)
        return {
            "source": hours.of_source(self.study, pace),
            "study": hours.of_study(self.study, pace),
        }


def as_text(proof: Proof) -> str:
    """Returns a table of what each chip needs, and sentences about it."""
    return f"{_what(proof)}\n\n{tables.as_text(_rows(proof))}\n{_verdict(proof)}\n"


def as_numbers(proof: Proof) -> dict[str, Any]:
    """Returns all that is known of a run, of seconds, bytes and numbers."""
    run, chip = proof.run, proof.chip
    return {
        "where": proof.where,
        "chips": proof.chips,
        "chip": dataclasses.asdict(chip),
        "parameters": _parameters(run),
        "settings": {
            "NUM_PARTITIONS": run.model.num_partitions,
            "MICROBATCHES": run.training.microbatches,
            "EVAL_BATCH_SIZE": run.evaluation.rows,
            "BATCH_SIZE": run.training.batch_size,
            "SCAN_LAYERS": run.config.scan_layers,
            "REMAT_POLICY": run.config.remat_policy,
            "PARAMETER_PARTITIONING_DIMS": run.model.parameter_partitioning_dims,
            "WEIGHTS_DTYPE": run.model.weights_dtype,
            "ACTIVATION_DTYPE": run.config.dtype,
            "prompts": len(run.bank()) if run.prompts else 0,
        },
        "fits": proof.fits,
        "spare": proof.spare,
        "programs": [_program(cost, chip) for cost in proof.costs],
        "hours": {
            name: each._asdict() | {"chip_hours": each.all * proof.chips}
            for name, each in proof.hours().items()
        },
        "jax": jax.__version__,
    }


def _program(cost: Cost, chip: Chip) -> dict[str, Any]:
    estimate = cost.estimate(chip) if cost.compiles else None
    return dataclasses.asdict(cost) | {
        "rows": cost.rows._asdict(),
        "seconds": cost.seconds(chip) if cost.compiles else None,
        "binds": estimate and estimate[0],
        "estimate": estimate and estimate[1],
    }


def _what(proof: Proof) -> str:
    run, partitions = proof.run, proof.run.model.num_partitions
    count, training = len(run.bank()), run.training
    if run.prompts:
        lengths = " and ".join(map(str, run.prompts.lengths))
        what = f"{count} prompt{'s' * (count > 1)} of {lengths} for"
    else:
        tuned = run.training.tuned
        what = "All weights of" if tuned is None else f"TUNED_LAYERS {tuned!r} of"
    return (
        f"{what} a T5 of {_parameters(run):,} parameters "
        f"({run.model.weights_dtype} weights, {run.config.dtype} activations)\n"
        f"on {proof.where}, {proof.chips // partitions} (data) x {partitions} (model); "
        f"{training.batch_size} examples of each a step in {training.microbatches} "
        f"part{'s' * (training.microbatches > 1)}; layers "
        f"{'scanned' if run.config.scan_layers else 'unrolled'}, "
        f"REMAT_POLICY {run.config.remat_policy}"
    )


def _rows(proof: Proof) -> list[list]:
    costs, chip = proof.costs, proof.chip
    seconds = [cost.seconds(chip) for cost in costs]
    kinds = sorted({kind for cost in costs for kind in cost.collectives})
    rows = [
        ["each chip", *(cost.name for cost in costs)],
        ["rows x inputs x targets", *(" x ".join(map(str, c.rows)) for c in costs)],
        ["weights, GiB", *(_gib(cost.weights) for cost in costs)],
        ["peak memory, GiB", *(_gib(cost.memory) for cost in costs)],
        ["program, GiB", *(_gib(cost.code) for cost in costs)],
        ["memory there is, GiB", *(_gib(chip.memory) for _ in costs)],
        ["TFLOP", *(_number(cost.flops / 1e12, cost) for cost in costs)],
        ["memory traffic, GiB", *(_number(c.traffic / _GIB, c) for c in costs)],
    ]
    for kind in kinds:
        found = [cost.collectives.get(kind) for cost in costs]
        told = [f"{f.count} of {f.bytes / _GIB:.3g} GiB" if f else "0" for f in found]
        rows.append([kind, *told])
    for name in ("compute", "memory", "interconnect"):
        times = [
            _seconds(each[name], c) for each, c in zip(seconds, costs, strict=True)
        ]
        rows.append([f"{name}, seconds", *times])
    rows.append(["a step, seconds", *(_estimate(cost, chip) for cost in costs)])
    rows.append(["compiled in, seconds", *(f"{cost.compiling:.0f}" for cost in costs)])
    return rows


def _verdict(proof: Proof) -> str:
    if not proof.fits:
        # A compiler keeps a little for itself, and gives up before the last byte.
        is_known = proof.spare is not None and proof.spare < 0
        missing = f" by {-proof.spare / _GIB:.2f} GiB" if is_known else ""
        return f"It does not fit{missing}."
    lines = [
        f"It fits: {proof.spare / _GIB:.2f} GiB of each chip are left with both "
        "programs on it."
    ]
    found = proof.hours()
    if not found:
        return lines[0]
    count = len(proof.run.bank())
    names = {
        "source": f"{proof.study.source_steps:,} steps of "
        + (f"{count} source prompts" if count > 1 else "a source prompt"),
        "study": "all of SPoT's study",
    }
    for name, what in names.items():
        each = found[name]
        lines.append(
            f"{what[0].upper()}{what[1:]}: {each.all:,.1f} hours ({each.training:,.1f} "
            f"of training, {each.evaluation:,.1f} of evaluation), "
            f"{each.all * proof.chips:,.0f} chip-hours."
        )
    lines.append(
        "That is at the published rates, which no program reaches: a lower bound. "
        "`spot_jax study --dry_run` assumes 35 % of the peak."
    )
    return "\n".join(lines)


def _parameters(run: Run) -> int:
    return automatic.parameters_of(run.config)


def _gib(number: int | None) -> str:
    return "more" if number is None else f"{number / _GIB:.3g}"


def _number(number: float, cost: Cost) -> str:
    return f"{number:.3g}" if cost.compiles else "-"


def _seconds(number: float | None, cost: Cost) -> str:
    return "-" if number is None or not cost.compiles else f"{number:.3g}"


def _estimate(cost: Cost, chip: Chip) -> str:
    estimate = cost.estimate(chip) if cost.compiles else None
    return f"{estimate[1]:.3g} ({estimate[0]})" if estimate else "-"
