"""The batches of a run: the next examples of every prompt, laid out in rows."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence

from spot_jax.data import packing
from spot_jax.data.orders import Examples, Position, next_examples
from spot_jax.model import sharding
from spot_jax.settings import Training
from spot_jax.training.prepare import Run

# Batches looked at to decide how many rows a step has.
_PLANNED = 20


def layout(run: Run, training: Training) -> Callable[[Sequence], dict]:
    """Returns what lays a step's examples out in rows on the mesh."""
    options = {"prompt_length": run.prompt_length}
    row_length = run.prompt_length + run.lengths["inputs"]
    multiple = run.model.mesh.shape["data"] * training.microbatches
    if training.pack:
        first = open_examples(run, [Position()] * len(run.bank))
        batches = [next_examples(first, training.batch_size) for _ in range(_PLANNED)]
        shape = packing.plan(
            batches,
            row_length=row_length,
            target_limit=max(run.lengths["targets"], row_length // 2),
            rows_multiple=multiple,
            **options,
        )
        lay_out = functools.partial(packing.pack, shape=shape, **options)
    else:
        lay_out = functools.partial(
            packing.one_per_row,
            row_length=row_length,
            target_length=run.lengths["targets"],
            rows_multiple=multiple,
            **options,
        )
    return lambda examples: sharding.shard_rows(lay_out(examples), run.model.mesh)


def open_examples(run: Run, positions: Sequence[Position]) -> list[Examples]:
    """Opens each prompt's own order of examples, where it stands."""
    return [
        reader(entry.seed, position)
        for reader, entry, position in zip(
            run.open_examples, run.bank, positions, strict=True
        )
    ]


def batches_of(
    examples: Sequence[Examples],
    lay_out: Callable[[Sequence], dict],
    training: Training,
    done: int,
) -> Iterator[tuple[dict, list[dict]]]:
    """Yields the batch of every step, and where the data stands after it."""
    for _ in range(done, training.steps):
        batch = lay_out(next_examples(examples, training.batch_size))
        yield batch, [dataclasses.asdict(each.position) for each in examples]
