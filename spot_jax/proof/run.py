"""A training run as `spot_jax train` would have it, of which nothing is read."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spot_jax.data import head_targets, row_shapes
from spot_jax.data.dividing import Shape, Size
from spot_jax.data.loading import labels_of
from spot_jax.errors import InputError
from spot_jax.model import architecture, automatic
from spot_jax.model.automatic import Place
from spot_jax.optim import Optimizer
from spot_jax.prompts.heads import BESIDE
from spot_jax.settings import Data, Evaluation, Loss, Model, Prompts, Training
from spot_jax.t5 import T5Config, flops
from spot_jax.training import prepare
from spot_jax.training.bank import Entry
from spot_jax.training.batches import room_of

# What a run is called that names no task: only how long its examples are counts.
_TASK = "task"
# Labels of a task whose labels nothing tells: how many there are counts.
_LABELS = ("0", "1")


@dataclasses.dataclass(frozen=True)
class Run:
    """The settings of a run.

    Attributes:
        model: the T5, whose shape is known.
        data: the lengths, and names of tasks, of which nothing is read.
        training: how much at once.
        optimizer: makes the optimizer, given `base_step`.
        evaluation: how answers are found.
        loss: what is minimised.
        prompts: what is trained; None tunes the model.
        expected: how long a usual example is, {"inputs", "targets"}: decides how many
            share a row.
        seed: of dropout.
    """

    model: Model
    data: Data
    training: Training
    optimizer: Callable[..., Optimizer]
    evaluation: Evaluation
    loss: Loss
    prompts: Prompts | None
    expected: Mapping[str, int]
    seed: int | Sequence[int] = 0

    @property
    def config(self) -> T5Config:
        """The T5's shape."""
        return self.model.config

    @property
    def head(self) -> str | None:
        """What answers, where it is not the language model."""
        return self.prompts.head if self.prompts else None

    def bank(self) -> list[Entry]:
        """Lists the prompts, or the model as its one entry."""
        rates = self.optimizer(base_step=0).rates
        bank = prepare.bank_of(self.data, self.prompts, self.seed, rates)
        if self.head is None:
            return bank
        of_each = [
            head_targets.classes_of(self.head, self.labels(e.task), e.task)
            for e in bank
        ]
        return [
            dataclasses.replace(entry, classes=classes)
            for entry, classes in zip(bank, of_each, strict=True)
        ]

    def labels(self, task: str) -> Sequence[str]:
        """Returns the labels of a task; some, where nothing that is read tells them."""
        return labels_of(task) or self.evaluation.labels or _LABELS

    def on(self, place: Place) -> "Run":
        """Returns the run as it would be on some devices, with nothing left open."""
        model = automatic.settled(self.model, place, is_tuned=not self.prompts)
        return dataclasses.replace(self, model=model)

    def with_remat(self, policy: str) -> "Run":
        """Returns the run with another REMAT_POLICY."""
        model = dataclasses.replace(self.model, remat_policy=policy)
        return dataclasses.replace(self, model=model)

    def with_partitions(self, number: int) -> "Run":
        """Returns the run with other NUM_PARTITIONS."""
        model = dataclasses.replace(self.model, num_partitions=number)
        return dataclasses.replace(self, model=model)

    def with_microbatches(self, number: int) -> "Run":
        """Returns the run with other MICROBATCHES."""
        training = dataclasses.replace(self.training, microbatches=number)
        return dataclasses.replace(self, training=training)

    def rows(
        self, slots: int, multiple: int, platform: str, mixes: bool = True
    ) -> Shape:
        """Returns the usual rows of a step, as the run would plan them.

        Args:
            slots: positions that a prompt takes up in front of every input.
            multiple: what their number is rounded up to.
            platform: "cpu", "gpu" or "tpu".
            mixes: whether a row may hold examples of several prompts.
        """
        row_length = slots + self.data.lengths["inputs"]
        targets = self.data.lengths["targets"]
        prompts = len(self.bank())
        examples = self.training.batch_size * prompts
        if not self.training.pack:
            targets = row_length if self.head in BESIDE else targets
            return Shape(-(-examples // multiple) * multiple, row_length, targets)
        inside = {name: [0] * length for name, length in self.expected.items()}
        if self.head is not None:
            # A mark beside each piece, or one number.
            inside["targets"] = inside["inputs"] if self.head in BESIDE else [0]
        size = Size(slots + len(inside["inputs"]), len(inside["targets"]))
        sizes = [size._replace(prompt=n % prompts) for n in range(examples)]
        room = room_of(self.data.lengths, slots, platform, multiple, mixes, self.head)
        cost = flops.step_cost(self.config, platform, head=self.head)
        return row_shapes.plan([sizes], room, cost).usual


def of(
    arguments: Mapping[str, Any], bank: int | None, expected: Mapping[str, int] | None
) -> Run:
    """Makes a run of what `train` would be called with.

    Args:
        arguments: of `train`.
        bank: how many prompts; None: as many as the settings have.
        expected: how long a usual example is; None: as long as any may be.

    Raises:
        InputError: when something is missing, or does not fit together.
    """
    model, data, prompts = (arguments.get(key) for key in ("model", "data", "prompts"))
    if data.lengths is None:
        raise InputError(
            "How long examples are decides what a step needs, and no data is read: set "
            "--gin.TASK_FEATURE_LENGTHS=\"{'inputs': 512, 'targets': 16}\"."
        )
    if bank is not None and not prompts:
        raise InputError("--bank is a number of prompts, and this run tunes the model.")
    if bank is not None:
        prompts = dataclasses.replace(prompts, seeds=range(bank), bank=None)
        data = dataclasses.replace(data, names=data.names[:1])
    if not data.names:
        data = dataclasses.replace(data, names=_TASK)
    if model.weights_dtype == "int8":
        raise InputError(
            "WEIGHTS_DTYPE is 'int8', which is not counted here: matrices are read as "
            "they are computed in, and made small then. Leave it out for what loading "
            "needs."
        )
    if model.config is None:
        model = architecture.resolved(model)
    given = dict(arguments) | {"model": model, "data": data, "prompts": prompts}
    expected = dict(expected or data.lengths)
    for name, limit in data.lengths.items():
        if not 1 <= expected[name] <= limit:
            raise InputError(
                f"--lengths has {expected[name]} {name}, and "
                f"TASK_FEATURE_LENGTHS {limit}. Give from 1 to {limit}."
            )
    kept = {field.name for field in dataclasses.fields(Run)} - {"expected"}
    run = Run(
        **{name: value for name, value in given.items() if name in kept},
        expected={name: expected[name] for name in ("inputs", "targets")},
    )
    count = len(run.bank())
    if bank not in (None, count):
        raise InputError(
            f"--bank {bank} stands for so many RANDOM_SEEDs, and with the lists of the "
            f"other settings that makes {count} prompts. Leave one of the two out."
        )
    return run
