"""A run's two programs compiled, and what the compiler says of them, per chip."""

import concurrent.futures
import dataclasses
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from spot_jax.data.dividing import Shape
from spot_jax.hardware import counts
from spot_jax.hardware.chips import Chip
from spot_jax.hardware.counts import Collective
from spot_jax.model import sharding
from spot_jax.proof import shapes
from spot_jax.proof.run import Run
from spot_jax.scoring import answers
from spot_jax.training import step
from spot_jax.training.bank import rate_numbers

NAMES = ("training", "evaluation")


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a program needs of each chip.

    Attributes:
        name: "training" or "evaluation".
        rows: [rows, row length, target length] that it computes at once.
        weights: bytes of the T5's parameters.
        memory: the most bytes in use at once, weights included; None where the
            compiler gave up without a number.
        compiles: whether it could be compiled: what does not fit may not be.
        code: bytes of the program itself.
        flops: floating point operations of a step's products of matrices.
        traffic: bytes of memory that a step reads and writes.
        collectives: what chips send to each other, by kind.
        compiling: seconds.
    """

    name: str
    rows: Shape
    weights: int
    memory: int | None
    compiles: bool
    code: int = 0
    flops: float = 0.0
    traffic: float = 0.0
    collectives: Mapping[str, Collective] = dataclasses.field(default_factory=dict)
    compiling: float = 0.0

    def fits(self, chip: Chip) -> bool:
        """Whether it runs on a chip, with nothing beside it."""
        known = self.memory is not None
        return self.compiles and known and self.memory + self.code <= chip.memory

    def seconds(self, chip: Chip) -> dict[str, float | None]:
        """Returns how long a step takes at a chip's rates, by what is waited for."""
        sent = sum(each.sent for each in self.collectives.values())
        amounts = {
            "compute": (self.flops, chip.flops),
            "memory": (self.traffic, chip.bandwidth),
            "interconnect": (sent, chip.interconnect),
        }
        return {
            name: amount / rate if rate else None
            for name, (amount, rate) in amounts.items()
        }

    def estimate(self, chip: Chip) -> tuple[str, float] | None:
        """Returns what binds a step and its seconds; None where rates are unknown."""
        known = {k: v for k, v in self.seconds(chip).items() if v is not None}
        return max(known.items(), key=lambda item: item[1]) if known else None


def compiled(run: Run, mesh: Mesh, names: Sequence[str] = NAMES) -> list[Cost]:
    """Compiles a run's programs side by side: the steps of these names.

    Nothing is computed, so the mesh may be of devices that are not there.
    """
    optimizer = run.optimizer(base_step=0)
    parts = shapes.parts_of(run, mesh, optimizer)
    lower = {"training": _training, "evaluation": _evaluation}
    # On a mesh of nothing not even a key can be made.
    with sharding.on_mesh(mesh):
        lowered = [lower[name](run, mesh, parts, optimizer) for name in names]
    with concurrent.futures.ThreadPoolExecutor(len(lowered)) as pool:
        measure = [
            pool.submit(_measured, run, mesh, parts.weights, *each) for each in lowered
        ]
        return [each.result() for each in measure]


def _training(
    run: Run, mesh: Mesh, parts: shapes.Parts, optimizer: Any
) -> tuple[str, Shape, Any]:
    train_step = step.make_train_step(
        run.config,
        parts.binding,
        optimizer,
        run.loss,
        target_length=run.data.lengths["targets"],
        microbatches=run.training.microbatches,
        rates=rate_numbers(run.bank(), optimizer) if run.prompts else None,
        places=sharding.places(parts.state),
    )
    multiple = mesh.shape["data"] * run.training.microbatches
    platform = mesh.devices.flat[0].platform
    rows = run.rows(parts.slots, multiple, platform, parts.mixes)
    batch = [shapes.batch_of(rows, parts.slots, mesh)]
    key = shapes.made_on(mesh, lambda: step.dropout_key(run.seed))
    return "training", rows, train_step.lower(parts.state, parts.frozen, batch, key)


def _evaluation(
    run: Run, mesh: Mesh, parts: shapes.Parts, _: Any
) -> tuple[str, Shape, Any]:
    config = dataclasses.replace(run.config, dropout_rate=0.0)
    over = mesh.shape["data"]
    rows = Shape(
        -(-run.evaluation.rows // over) * over,
        parts.slots + run.data.lengths["inputs"],
        run.data.lengths["targets"],
    )
    # Answers are what is looked for: there are no targets beside the inputs.
    batch = shapes.batch_of(rows._replace(target_row_length=1), parts.slots, mesh)
    given = parts.state.trained, parts.frozen, batch
    if run.head is not None:
        read = answers.make_read(config, parts.binding)
        return "evaluation", rows, jax.jit(read).lower(*given)
    if run.evaluation.method == "rank":
        several = (len(run.labels(run.data.names[0])), rows.target_row_length)
        labels = shapes.made_on(mesh, lambda: jnp.zeros(several, jnp.int32))
        rank = answers.make_rank(config, parts.binding)
        return "evaluation", rows, jax.jit(rank).lower(*given, labels)
    write = answers.make_write(
        config,
        parts.binding,
        search=run.evaluation.search,
        max_length=rows.target_row_length,
    )
    key = shapes.made_on(mesh, lambda: jax.random.key(0))
    return "evaluation", rows, jax.jit(write).lower(*given, key)


def _measured(
    run: Run, mesh: Mesh, weights: int, name: str, rows: Shape, lowered: Any
) -> Cost:
    began = time.perf_counter()
    try:
        compiled = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        told = _told_temporaries(str(error))
        needed = None if told is None else weights + told
        passed = time.perf_counter() - began
        return Cost(name, rows, weights, needed, False, compiling=passed)
    passed = time.perf_counter() - began
    counted = counts.count(
        compiled.as_text(), trips=run.data.lengths["targets"], chips=mesh.size
    )
    plan = compiled.memory_analysis()
    return Cost(
        name=name,
        rows=rows,
        weights=weights,
        memory=_memory(plan, mesh.devices.flat[0].platform),
        compiles=True,
        code=plan.generated_code_size_in_bytes,
        flops=counted.products,
        traffic=counted.traffic,
        collectives=counted.collectives,
        compiling=passed,
    )


def _memory(plan: Any, platform: str) -> int:
    """Returns the most bytes in use, as the compiler plans."""
    if platform == "tpu":
        return plan.peak_memory_in_bytes
    # Other compilers' peak leaves out what is there for a while; this is all of it.
    kept = plan.argument_size_in_bytes - plan.alias_size_in_bytes
    return kept + plan.output_size_in_bytes + plan.temp_size_in_bytes


def _told_temporaries(message: str) -> int | None:
    """Returns the bytes that TPUs' compiler says a program needs besides weights."""
    told = re.search(r"HLO temporaries \(([\d.]+)([KMG])\)", message)
    if not told:
        return None
    return int(float(told.group(1)) * 2 ** {"K": 10, "M": 20, "G": 30}[told.group(2)])
