"""What is known of a task or mixture without reading any of its data."""

import dataclasses
from collections.abc import Mapping

TRAIN_VALIDATION = {"train": "train", "validation": "validation"}
WITH_TEST = TRAIN_VALIDATION | {"test": "test"}


@dataclasses.dataclass(frozen=True, eq=False)
class TaskInfo:
    """One line of the catalog; importing it needs no TensorFlow.

    Attributes:
        name: the name under which SeqIO registers the task or mixture.
        family: the paper's type of task (SPoT Table 2); the mixture's own name.
        kind: "task" or "mixture".
        role: "source" or "target" of the transfer study, else "none".
        tfds: builder, configuration and version, as TFDS spells them.
        train_examples: rows of the TFDS training split. One row can give several
            examples (an example for each answer of a ReCoRD query, for each question of
            a RACE article) or none (WSC); SPoT Table 2 counts rows as well.
        metrics: the names of the figures that evaluation reports.
        labels: every target text the task can have, in the order of its classes; what
            rank classification compares and what a prompt may start from. Empty where
            answers are free.
        columns: the columns that a row must bring; others are bookkeeping.
        splits: the task's splits and what TFDS calls them.
        members: the tasks of a mixture.
        publisher: where the files come from, for sets that TFDS cannot download.
        note: what a reader of the sizes should know.
    """

    name: str
    family: str
    kind: str = "task"
    role: str = "none"
    tfds: str = ""
    train_examples: int = 0
    metrics: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    splits: Mapping[str, str] = dataclasses.field(
        default_factory=lambda: TRAIN_VALIDATION
    )
    members: tuple[str, ...] = ()
    publisher: str = ""
    note: str = ""
