"""The batches of a run: the next examples of every prompt, laid out in rows."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence

import jax
from jax.sharding import Mesh

from spot_jax.data import packing
from spot_jax.data.orders import Examples, Position, next_examples
from spot_jax.model import sharding
from spot_jax.settings import Training

# Batches looked at to decide how many rows a step has. The largest of 20 is met or
# exceeded by one batch in 21 of those that follow, which then takes a second program;
# looking at more costs a start more reading than it saves.
_PLANNED = 20


class Rows:
    """Lays out the examples of a run's steps.

    Args:
        openers: of every prompt, from a position to its own order of examples.
        lengths: TASK_FEATURE_LENGTHS.
        training: how many examples, packed or not, in how many parts.
        slots: positions that a prompt takes up in front of every input.
        mesh: over whose data axis rows are split.
        mixes: whether a row may hold examples of several prompts.
        head: what answers, where it is not the language model.
    """

    def __init__(
        self,
        openers: Sequence[Callable[[Position], Examples]],
        lengths: Mapping[str, int],
        training: Training,
        slots: int,
        mesh: Mesh,
        mixes: bool = True,
        head: str | None = None,
    ):
        self._openers, self._lengths, self._training = openers, lengths, training
        self._slots, self._mesh, self._mixes = slots, mesh, mixes
        self._head = head

    def batches(
        self, positions: Sequence[Position], done: int
    ) -> Iterator[tuple[dict[str, jax.Array], list[dict]]]:
        """Yields the batch of every step, on the mesh, and where the data stands then.

        Args:
            positions: of every prompt, where its data stands.
            done: how many steps were done.
        """
        lay_out = self._plan()
        examples = self._open(positions)
        for _ in range(done, self._training.steps):
            batch = lay_out(next_examples(examples, self._training.batch_size))
            stands = [dataclasses.asdict(each.position) for each in examples]
            yield sharding.shard_rows(batch, self._mesh), stands

    def _open(self, positions: Sequence[Position]) -> list[Examples]:
        pairs = zip(self._openers, positions, strict=True)
        return [open_at(position) for open_at, position in pairs]

    def _plan(self) -> Callable[[Sequence[packing.Example]], packing.Batch]:
        """Decides on one shape of rows, by the first batches of the run."""
        row_length = self._slots + self._lengths["inputs"]
        rows_multiple = self._mesh.shape["data"] * self._training.microbatches
        if not self._training.pack:
            return functools.partial(
                packing.one_per_row,
                prompt_length=self._slots,
                row_length=row_length,
                target_length=self._lengths["targets"],
                rows_multiple=rows_multiple,
                head=self._head,
            )
        # The very first, also where a run goes on: it plans the same rows.
        first = self._open([Position()] * len(self._openers))
        size = self._training.batch_size
        shape = packing.plan(
            [next_examples(first, size) for _ in range(_PLANNED)],
            prompt_length=self._slots,
            row_length=row_length,
            # Half of an encoder's row: short inputs with long targets would pile up in
            # one row, and every other row would be padded to its length.
            target_limit=max(self._lengths["targets"], row_length // 2),
            rows_multiple=rows_multiple,
            mixes=self._mixes,
            head=self._head,
        )
        of_rows = {"mixes": self._mixes, "head": self._head}
        return functools.partial(
            packing.pack, prompt_length=self._slots, shape=shape, **of_rows
        )
