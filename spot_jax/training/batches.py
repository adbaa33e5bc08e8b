"""The batches of a run: the next examples of every prompt, laid out in rows."""

import collections
import dataclasses
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh

from spot_jax.data import packing, row_shapes
from spot_jax.data.dividing import Shape, Size
from spot_jax.data.orders import Examples, Position, next_examples
from spot_jax.data.packing import Batch, Example
from spot_jax.data.prefetch import prefetch
from spot_jax.data.row_shapes import Kept, Plan, Room
from spot_jax.model import sharding
from spot_jax.prompts.heads import BESIDE
from spot_jax.settings import Training

logger = logging.getLogger(__name__)

# Row lengths are multiples of what a device computes at once.
_MULTIPLES = {"cpu": 8, "gpu": 64, "tpu": 128}


class Stands(NamedTuple):
    """Where the data of a run stands.

    Attributes:
        positions: of every prompt.
        rows: those of the next steps; None: they are planned.
        gone: prompts, by number, that have no examples in them.
    """

    positions: list[Position]
    rows: Kept | None = None
    gone: Sequence[int] = ()


def stands_of(told: Mapping[str, Any]) -> Stands:
    """Returns where the data stands, as `Laid.stands` and checkpoints tell it."""
    positions = [Position(**position) for position in told["positions"]]
    return Stands(positions, told.get("rows"), told.get("gone", ()))


class Laid(NamedTuple):
    """The batch of a step.

    Attributes:
        rows: on the mesh, of each shape that there is.
        stands: where the data stands behind it, `Stands` as JSON.
        useful: which share of what is computed is of use: of `positions`, and of
            `flops` and what else a row costs. A prompt that has left its bank has
            examples until it is gone, which are counted.
    """

    rows: list[dict[str, jax.Array]]
    stands: dict[str, Any]
    useful: dict[str, float]


class Nothing:
    """The examples of a prompt that has left: none, from where it stood."""

    def __init__(self, position: Position):
        self.position = position

    def take(self, count: int) -> list:
        """Returns no example, however many are asked for."""
        del count
        return []


class Rows:
    """Lays out the examples of a run's steps.

    Args:
        openers: of every prompt, from a position to its own order of examples.
        lengths: TASK_FEATURE_LENGTHS.
        training: how many examples, packed or not, in how many parts.
        slots: positions that a prompt takes up in front of every input.
        mesh: over whose data axis rows are split.
        cost: of a row, from its positions in the encoder and the decoder.
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
        cost: row_shapes.Cost,
        mixes: bool = True,
        head: str | None = None,
    ):
        self._openers, self._training, self._slots = openers, training, slots
        self._mesh, self._cost, self._head = mesh, cost, head
        platform = mesh.devices.flat[0].platform
        over = mesh.shape["data"] * training.microbatches
        self._room = room_of(lengths, slots, platform, over, mixes, head)
        self._unpacked = slots + lengths["inputs"], lengths["targets"]
        # The largest of 20 batches is met or exceeded by one in 21 of those that
        # follow, which then takes a second program; more cost more reading than they
        # save.
        self._planned = row_shapes.enough(len(openers) * training.batch_size)

    def batches(
        self, stands: Stands, done: int, left: Sequence[int] = ()
    ) -> Iterator[Laid]:
        """Yields the batch of every step.

        Args:
            stands: where the data stands.
            done: how many steps were done.
            left: prompts, by number, that have left the bank by now. Where steps may
                have other rows they are gone, and the others have the rows alone.
        """
        positions, rows, gone = stands
        recent = row_shapes.recent_of(rows) if rows else []
        plan = row_shapes.of_kept(rows, self._room) if rows else self._plan(gone)
        if self.may_change_after(done) and list(left) != list(gone):
            gone = left
            recent = [[s for s in sizes if s.prompt not in gone] for sizes in recent]
            plan = self._plan(gone, recent)
        recent = collections.deque(recent, maxlen=self._planned)
        examples = self._open(positions, gone)
        for number in range(done + 1, self._training.steps + 1):
            taken = next_examples(examples, self._training.batch_size)
            parts, shapes = self._lay_out(taken, plan)
            sizes = packing.sizes_of(taken, self._slots)
            recent.append(sizes)
            is_due = self.may_change_after(number)
            if plan and is_due and len(recent) == self._planned:
                plan = self._replaced(plan, list(recent), number)
            yield Laid(
                [sharding.shard_rows(part, self._mesh) for part in parts],
                {
                    "positions": [dataclasses.asdict(e.position) for e in examples],
                    "rows": plan and row_shapes.kept(plan, recent),
                    "gone": list(gone),
                },
                row_shapes.useful(sizes, shapes, self._cost),
            )

    def may_change_after(self, number: int) -> bool:
        """Whether the steps behind a step may have other rows than it."""
        return number % self._training.checkpoint_period == 0

    def _open(
        self, positions: Sequence[Position], gone: Sequence[int]
    ) -> list[Examples]:
        pairs = zip(self._openers, positions, strict=True)
        return [
            Nothing(position) if prompt in gone else open_at(position)
            for prompt, (open_at, position) in enumerate(pairs)
        ]

    def _plan(
        self, gone: Sequence[int], recent: Sequence[list[Size]] = ()
    ) -> Plan | None:
        """Decides on the rows; None: one example each.

        Args:
            gone: who has no examples.
            recent: sizes of the last batches. Where they are too few, the first of the
                run tell, also where it goes on: it plans the same.
        """
        if not self._training.pack:
            return None
        batches = recent
        if len(batches) < self._planned:
            first = self._open([Position()] * len(self._openers), gone)
            size = self._training.batch_size
            batches = [
                packing.sizes_of(next_examples(first, size), self._slots)
                for _ in range(self._planned)
            ]
        plan = row_shapes.plan(batches, self._room, self._cost)
        rows, length, targets = plan.usual
        logger.info(
            "A step has %d rows of %d positions, and of %d for targets.",
            *(rows, length, targets),
        )
        return plan

    def _replaced(self, plan: Plan, recent: Sequence[list[Size]], number: int) -> Plan:
        better = row_shapes.better(plan, recent, self._room, self._cost)
        if better is None:
            return plan
        logger.info(
            "From step %d on a step has %d rows of %d positions (before: %d of %d), "
            "for the examples have other lengths now.",
            *(number + 1, *better.usual[:2], *plan.usual[:2]),
        )
        return better

    def _lay_out(
        self, examples: Sequence[Example], plan: Plan | None
    ) -> tuple[list[Batch], list[Shape]]:
        """Returns the rows of each shape, and the shapes."""
        options = {"prompt_length": self._slots, "head": self._head}
        if plan is None:
            row_length, target_length = self._unpacked
            parts = [
                packing.one_per_row(
                    examples,
                    row_length=row_length,
                    target_length=target_length,
                    rows_multiple=self._room.rows_multiple,
                    **options,
                )
            ]
        else:
            divided = row_shapes.divided(examples, self._slots, plan.usual)
            parts = [
                packing.pack(own, shape=shape, mixes=self._room.mixes, **options)
                for own, shape in zip(divided, plan, strict=True)
                if own or shape is plan.usual
            ]
        return parts, [shape_of(part) for part in parts]


class Ahead:
    """The batches of a run's steps, made ahead of them, and anew where prompts leave.

    Args:
        rows: lays them out.
        stands: where the data stands.
        done: how many steps were done.
        left: prompts, by number, that have left the bank.
    """

    def __init__(self, rows: Rows, stands: Stands, done: int, left: Sequence[int]):
        self._rows, self._told = rows, {}
        self._batches = prefetch(rows.batches(stands, done, left))

    def __iter__(self) -> Iterator[Laid]:
        return self

    def __next__(self) -> Laid:
        batch = next(self._batches)
        self._told = batch.stands
        return batch

    def leave(self, number: int, left: Sequence[int]) -> None:
        """Has the next batches be those of a run that resumes after this step.

        Args:
            number: the step.
            left: prompts, by number, that have left the bank.
        """
        if self._rows.may_change_after(number) and list(left) != self._told["gone"]:
            self._batches.close()
            stands = stands_of(self._told)
            self._batches = prefetch(self._rows.batches(stands, number, left))


def shape_of(batch: Batch) -> Shape:
    """Returns the shape of rows."""
    rows, length = batch["encoder_input_tokens"].shape
    return Shape(rows, length, batch["decoder_target_tokens"].shape[1])


def room_of(
    lengths: Mapping[str, int],
    slots: int,
    platform: str,
    rows_multiple: int,
    mixes: bool = True,
    head: str | None = None,
) -> Room:
    """Returns what the rows of a run are bound to.

    Args:
        lengths: TASK_FEATURE_LENGTHS.
        slots: positions that a prompt takes up in front of every input.
        platform: "cpu", "gpu" or "tpu".
        rows_multiple: what the number of rows is a multiple of.
        mixes: whether a row may hold examples of several prompts.
        head: what answers.
    """
    multiple = _MULTIPLES.get(platform, _MULTIPLES["cpu"])
    longest = -(-(slots + lengths["inputs"]) // multiple) * multiple
    is_beside = head in BESIDE
    targets = lengths["targets"]
    return Room(longest, targets, rows_multiple, multiple, mixes, is_beside)
