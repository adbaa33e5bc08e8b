"""Program: memory and seconds of a training step, by the size of the T5.

    spot_jax time_steps t5_1_1_small t5_1_1_base --dtype bfloat16

The step is the one that `spot_jax train` compiles, with random weights and examples of
one length, which leave nothing to pad: what it costs depends on shapes alone.
"""

import argparse
import dataclasses
import statistics
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from spot_jax import config, optim, tables
from spot_jax.data import packing
from spot_jax.data.packing import Batch, Example
from spot_jax.errors import InputError
from spot_jax.model import sharding, weights
from spot_jax.model.binding import prompt_tuning
from spot_jax.model.weights import LoadedModel
from spot_jax.prompts.soft import SoftPrompt
from spot_jax.reading import as_json
from spot_jax.settings import Loss, Model
from spot_jax.t5 import T5Config
from spot_jax.training import step

_GIB = 2**30
# LM-adapted T5 1.1's, from which the clock of Adafactor goes on.
_BASE_STEP = 1_100_000


class Work(NamedTuple):
    """What a step does.

    Attributes:
        inputs: tokens of an example's input, EOS included.
        targets: the same of its target.
        batch: examples of each prompt in a step.
        length: vectors of a prompt.
        bank: prompts.
        microbatches: parts a batch is computed in.
    """

    inputs: int = 512
    targets: int = 8
    batch: int = 32
    length: int = 100
    bank: int = 1
    microbatches: int = 1


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a step costs.

    Attributes:
        model: its name.
        parameters: of the T5.
        weights: bytes of its weights on a device.
        memory: the most bytes in use on a device, as the device says, or else as the
            compiler plans.
        seconds: of a step, the median.
        flops: of a step, by the compiler's count.
        compiling: seconds.
    """

    model: str
    parameters: int
    weights: int
    memory: int
    seconds: float
    flops: float
    compiling: float


def cost_of(name: str, dtype: str, work: Work, steps: int) -> Cost:
    """Compiles and times the step of a model.

    Args:
        name: of a file of gin/models.
        dtype: of weights and activations.
        work: what a step does.
        steps: how many are timed, after one that is not.

    Raises:
        InputError: when there is no such model.
    """
    shape = dataclasses.replace(_shape(name), dtype=dtype)
    model = _in_dtype(weights.draw(Model(shape, None), 0), dtype)
    source = SoftPrompt(length=work.length, model=shape)
    binding = prompt_tuning(source, work.bank)
    optimizer = optim.adafactor(0.3, base_step=_BASE_STEP)
    rng = np.random.default_rng(0)
    start = rng.uniform(-0.5, 0.5, (work.bank, work.length, shape.d_model))
    with sharding.on_mesh(model.mesh):
        trained = {"enc_input": jnp.asarray(start, jnp.float32)}
        state = step.initial_state(trained, optimizer, binding)
        state = jax.device_put(state, sharding.replicated(model.mesh))
        batch = sharding.shard_rows(_batch(rng, shape, work), model.mesh)
        key = jax.device_put(step.dropout_key(0), sharding.replicated(model.mesh))
        train_step = step.make_train_step(
            shape,
            binding,
            optimizer,
            Loss(),
            target_length=work.targets,
            microbatches=work.microbatches,
        )
        began = time.perf_counter()
        lowered = train_step.lower(state, model.params, [batch], key)
        compiled = lowered.compile()
        compiling = time.perf_counter() - began
        seconds = []
        for _ in range(steps + 1):
            began = time.perf_counter()
            state, _ = jax.block_until_ready(
                compiled(state, model.params, [batch], key)
            )
            seconds.append(time.perf_counter() - began)
    leaves = jax.tree.leaves(model.params)
    return Cost(
        model=name,
        parameters=sum(leaf.size for leaf in leaves),
        weights=sum(leaf.addressable_shards[0].data.nbytes for leaf in leaves),
        memory=_memory(compiled),
        seconds=statistics.median(seconds[1:]),
        # Before it is compiled: products that a library computes are not counted.
        flops=float(lowered.cost_analysis()["flops"]),
        compiling=compiling,
    )


def _shape(name: str) -> T5Config:
    config.parse([f"gin/models/{name}.gin"])
    return config.configured(T5Config)()


def _in_dtype(model: LoadedModel, dtype: str) -> LoadedModel:
    cast = jax.jit(
        lambda params: jax.tree.map(lambda leaf: leaf.astype(dtype), params),
        donate_argnums=0,
    )
    return dataclasses.replace(model, params=cast(model.params))


def _batch(rng: np.random.Generator, shape: T5Config, work: Work) -> Batch:
    """Returns examples of random tokens, one a row."""

    def tokens(count: int) -> np.ndarray:
        return rng.integers(3, shape.vocab_size, count).astype(np.int32)

    examples = [
        Example(tokens(work.inputs), tokens(work.targets), prompt)
        for _ in range(work.batch)
        for prompt in range(work.bank)
    ]
    return packing.one_per_row(
        examples,
        prompt_length=work.length,
        row_length=work.length + work.inputs,
        target_length=work.targets,
        rows_multiple=jax.device_count() * work.microbatches,
    )


def _memory(compiled: Any) -> int:
    """Returns the most bytes in use on a device."""
    told = jax.local_devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in told:
        return told["peak_bytes_in_use"]
    plan = compiled.memory_analysis()
    arguments = plan.argument_size_in_bytes - plan.alias_size_in_bytes
    return arguments + plan.output_size_in_bytes + plan.temp_size_in_bytes


def main(argv: Sequence[str]) -> None:
    """Prints a table; a model that does not fit is a line too."""
    options = _parse(argv)
    fields = Work._fields
    work = Work(**{field: getattr(options, field) for field in fields})
    device = jax.devices()[0]
    print(f"{jax.device_count()} x {device.device_kind}, jax {jax.__version__}, {work}")
    heads = ["model", "parameters", "weights GiB", "memory GiB", "seconds a step"]
    rows = [[*heads, "examples/s", "TFLOP/s", "compiled in s"]]
    costs = []
    for name in options.models:
        # The largest first would hide in what the device says of the smaller ones.
        try:
            cost = cost_of(name, options.dtype, work, options.steps)
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            rows.append([name, *["out of memory"], *[""] * 6])
            continue
        costs.append(dataclasses.asdict(cost))
        per_second = work.batch * work.bank / cost.seconds
        rows.append(
            [
                *(name, f"{cost.parameters:,}", f"{cost.weights / _GIB:.2f}"),
                *(f"{cost.memory / _GIB:.2f}", f"{cost.seconds:.3f}"),
                *(f"{per_second:.1f}", f"{cost.flops / cost.seconds / 1e12:.2f}"),
                f"{cost.compiling:.0f}",
            ]
        )
    print(tables.as_text(rows), end="")
    if options.json:
        print(as_json(costs))


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="spot_jax time_steps",
        description="Times the training step of a prompt in front of random T5s.",
    )
    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help="of gin/models, the smallest first"
    )
    for field, default in Work._field_defaults.items():
        parser.add_argument(f"--{field}", type=_count, default=default, metavar="N")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--steps", type=_count, default=10, metavar="N")
    parser.add_argument("--json", action="store_true", help="all numbers, as JSON too")
    return parser.parse_args(argv)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"{text} is no number from 1 on.")
    return int(text)
