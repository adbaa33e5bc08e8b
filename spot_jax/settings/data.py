"""The data of a run."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

from spot_jax import typed
from spot_jax.errors import InputError
from spot_jax.tasks.catalog import MIXING_LIMIT


class OwnRows(TypedDict):
    """A task made of rows; rows/task.py has what the words mean."""

    files: Mapping[str, str]
    # Left out only where a prompt's header says it.
    input: NotRequired[str]
    target: NotRequired[str | None]
    labels: NotRequired[Sequence[str] | None]
    metric: NotRequired[str | None]


@dataclasses.dataclass(frozen=True)
class Data:
    """Which examples, and how they become tokens.

    Attributes:
        names: MIXTURE_OR_TASK_NAME, one or a list; in a list each has its own prompts;
            none where a program reads no task: infer, of lines of text.
        lengths: TASK_FEATURE_LENGTHS, the longest inputs and targets, EOS included;
            None, where all tasks are made of rows, are those that the rows need.
        vocabulary: VOCABULARY, path of a SentencePiece model; None: the model's own,
            which data/model_vocabulary.py finds.
        extra_ids: sentinels to add to it (100 for a plain file of 32,000 pieces that
            is used for span corruption); None: as many as the model's own has.
        truncate: whether longer examples are cut instead of refused. A set too large
            for memory is streamed: its first examples are looked at before step 1, and
            one further on that may not be cut is left out and counted.
        tokenized: TOKENIZED_DATA_DIR, a folder with NAME/train and NAME/validation that
            `spot_jax tokenize` wrote; None reads SeqIO's tasks. Runs on tokenized data
            need no TensorFlow, and are evaluated by their loss.
        mixing_limit: MIXING_LIMIT, K: members of a mixture count as no larger (SPoT
            §2.1.3: 2^19).
        mixtures: MIXTURES, {name: tasks} of mixtures of your own, which `names` may
            name.
        modules: MIXTURE_OR_TASK_MODULE, one or several Python modules, which register
            tasks of your own; they are programs, and are run.
        sentinel: SENTINEL, whether <extra_id_0> stands before every target, for models
            that were pre-trained on span corruption alone (Lester et al. 2021, §3.2);
            it counts in the length of the targets.
        rows: ROWS, {name: {"files": {split: path}, "input", "target", "labels",
            "metric"}} of tasks made of your own rows, which `names` may name, or all
            of them where it names nothing; see rows/task.py.
    """

    names: str | Sequence[str] = ()
    lengths: Mapping[str, int] | None = None
    vocabulary: str | None = None
    extra_ids: int | None = None
    truncate: bool = False
    tokenized: str | None = None
    mixing_limit: int = MIXING_LIMIT
    mixtures: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    modules: str | Sequence[str] | None = None
    sentinel: bool = False
    rows: Mapping[str, OwnRows] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        names = [self.names] if isinstance(self.names, str) else list(self.names)
        modules = self.modules or ()
        modules = [modules] if isinstance(modules, str) else list(modules)
        object.__setattr__(self, "modules", tuple(modules))
        object.__setattr__(self, "names", tuple(names) or tuple(self.rows))
        typed.check(self)
        self._check_lengths()
        if self.extra_ids is not None and self.extra_ids < 0:
            raise InputError(
                f"EXTRA_IDS is {self.extra_ids}; it is a number of sentinels, 0 for "
                "none."
            )
        if self.mixtures and self.tokenized:
            raise InputError(
                "MIXTURES are drawn by SeqIO, and TOKENIZED_DATA_DIR is read without "
                "it. Leave one of the two out."
            )

    def check_named(self) -> None:
        """Raises InputError where no task is named, for what cannot do without."""
        if not self.names:
            raise InputError(
                "MIXTURE_OR_TASK_NAME names no task. Name one of `spot_jax "
                "inspect_tasks`, or give rows of your own: --rows train=my.csv."
            )

    def _check_lengths(self) -> None:
        lengths = self.lengths
        if lengths is None and set(self.names) <= set(self.rows):
            return
        missing = {"inputs", "targets"} - set(lengths or {})
        if missing or any(length < 1 for length in lengths.values()):
            raise InputError(
                f"TASK_FEATURE_LENGTHS is {lengths and dict(lengths)}; it needs a "
                "positive length for inputs and one for targets, e.g. "
                "{'inputs': 512, 'targets': 16}."
            )
