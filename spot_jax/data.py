"""Training examples from SeqIO: in an order that can be resumed anywhere.

A set that fits in memory is read once and permuted anew for every pass; a larger one,
or a mixture, is streamed in passes, each with a seed of its own. Either way a position
is a pass and an offset in it, so that a run that was killed finds its place again
without reading what it has seen.

TensorFlow is imported with SeqIO when the first task is looked up, not before.
"""

import dataclasses
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from spot_jax.packing import Example
from spot_jax.settings import Data

logger = logging.getLogger(__name__)

# Above this a set is streamed. 2**17 examples of 600 tokens are about 300 MB.
MAX_EXAMPLES_IN_MEMORY = 2**17
# How much of a stream is read ahead to see whether examples are too long.
STREAM_SAMPLE = 2000


@dataclasses.dataclass(frozen=True)
class Position:
    """A place in the order of examples.

    Attributes:
        passes: how often the set was gone through.
        offset: examples taken since.
    """

    passes: int = 0
    offset: int = 0


class Examples(Protocol):
    """An endless, reproducible order of tokenized examples."""

    position: Position

    def take(self, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns the next (inputs, targets), each int32 [length]."""


class MemoryExamples:
    """Examples held in memory, in a new permutation for every pass.

    Args:
        examples: the set, anything with a length and items; not empty.
        seed: decides every permutation.
        position: where to begin.
    """

    def __init__(self, examples: Sequence, seed: int, position: Position):
        self._examples, self._seed, self.position = examples, seed, position
        self._order = self._permute(position.passes)

    def _permute(self, passes: int) -> np.ndarray:
        return np.random.default_rng([self._seed, passes]).permutation(
            len(self._examples)
        )

    def take(self, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns the next examples; see `Examples`."""
        taken = []
        passes, offset = self.position.passes, self.position.offset
        while len(taken) < count:
            if offset == len(self._order):
                passes, offset = passes + 1, 0
                self._order = self._permute(passes)
            until = min(len(self._order), offset + count - len(taken))
            taken += [self._examples[int(i)] for i in self._order[offset:until]]
            offset = until
        self.position = Position(passes, offset)
        return taken


class StreamedExamples:
    """Examples read as they are needed, pass after pass.

    Args:
        read_pass: seed -> one pass of (inputs, targets), always the same for a seed.
        seed: decides the seed of every pass.
        position: where to begin; the examples before it in its pass are skipped.
    """

    def __init__(
        self, read_pass: Callable[[int], Iterator], seed: int, position: Position
    ):
        self._read_pass, self._seed, self.position = read_pass, seed, position
        self._pass = self._open(position.passes)
        for _ in range(position.offset):
            next(self._pass)

    def _open(self, passes: int) -> Iterator:
        seed = np.random.SeedSequence([self._seed, passes]).generate_state(1)[0]
        # SeqIO's seeds are signed 32-bit numbers.
        return self._read_pass(int(seed) & 0x7FFFFFFF)

    def take(self, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns the next examples; see `Examples`."""
        taken = []
        passes, offset = self.position.passes, self.position.offset
        while len(taken) < count:
            example = next(self._pass, None)
            if example is None:
                passes, offset = passes + 1, 0
                self._pass = self._open(passes)
                continue
            taken.append(example)
            offset += 1
        self.position = Position(passes, offset)
        return taken


@dataclasses.dataclass
class LengthCheck:
    """Cuts what is too long, counts it, and says so.

    Attributes:
        name: of the task, for the message.
        lengths: TASK_FEATURE_LENGTHS, EOS included.
        truncate: whether they may be cut.
        seen: examples that passed.
        cut: how many of each feature were too long.
        longest: the longest of each feature.
    """

    name: str
    lengths: Mapping[str, int]
    truncate: bool
    seen: int = 0
    cut: dict[str, int] = dataclasses.field(
        default_factory=lambda: {"inputs": 0, "targets": 0}
    )
    longest: dict[str, int] = dataclasses.field(
        default_factory=lambda: {"inputs": 0, "targets": 0}
    )

    def __call__(self, feature: str, tokens: np.ndarray) -> np.ndarray:
        """Returns tokens [length] cut to fit, the last token (EOS) kept."""
        limit = self.lengths[feature]
        self.longest[feature] = max(self.longest[feature], len(tokens))
        if len(tokens) <= limit:
            return tokens
        self.cut[feature] += 1
        return np.append(tokens[: limit - 1], tokens[-1:])

    def report(self) -> None:
        """Raises or logs what was found so far.

        Raises:
            ValueError: when something is too long and may not be cut.
        """
        too_long = {f: n for f, n in self.cut.items() if n}
        if not too_long:
            return
        found = "; ".join(
            f"{count} of {self.seen} {feature} are longer than {self.lengths[feature]} "
            f"tokens (the longest has {self.longest[feature]})"
            for feature, count in too_long.items()
        )
        if not self.truncate:
            raise ValueError(
                f"{self.name}: {found}. Raise TASK_FEATURE_LENGTHS, or cut them with "
                "--gin.TRUNCATE=True."
            )
        logger.warning("%s: %s; they are cut.", self.name, found)


def open_vocabulary(settings: Data) -> Any:
    """Makes all tasks use the settings' vocabulary, and returns it.

    Raises:
        ValueError: when it cannot be read.
    """
    from spot_jax import text

    text.import_tensorflow()
    from spot_jax.text import vocabulary

    vocabulary.check_vocabulary(settings.vocabulary)
    vocabulary.use_vocabulary(settings.vocabulary, settings.extra_ids)
    return vocabulary.VOCABULARY


def provider(name: str) -> Any:
    """Returns SeqIO's task or mixture of that name.

    Raises:
        ValueError: when there is none, or its data cannot be found.
    """
    import seqio

    import spot_jax.tasks
    from spot_jax import text

    spot_jax.tasks.register_all()
    text.check_data(name)
    return seqio.get_mixture_or_task(name)


def task_names(name: str) -> tuple[str, ...]:
    """Returns the tasks of a mixture, or the task itself."""
    import seqio

    return tuple(task.name for task in seqio.get_subtasks(provider(name)))


def labels_of(name: str) -> tuple[str, ...]:
    """Returns the class labels of a task as text; () where it has none."""
    from spot_jax.tasks import catalog

    info = catalog.TASKS.get(name)
    return info.labels if info else ()


def load_training(
    name: str, lengths: Mapping[str, int], *, truncate: bool
) -> Callable[[int, Position], Examples]:
    """Prepares a task's or mixture's training split.

    Args:
        name: of a SeqIO task or mixture.
        lengths: TASK_FEATURE_LENGTHS.
        truncate: whether examples that are too long may be cut.

    Returns:
        `(seed, position) -> Examples`; several prompts share what was read.

    Raises:
        ValueError: when the name is unknown, its data is missing or empty, or examples
            are too long and may not be cut.
    """
    import seqio

    task = provider(name)
    check = LengthCheck(name, lengths, truncate)
    size = None
    if isinstance(task, seqio.Task):
        size = task.num_input_examples("train")
    if size is None or size > MAX_EXAMPLES_IN_MEMORY:
        return _stream(task, lengths, check)
    examples = list(_tokens(task.get_dataset(None, "train", shuffle=False), check))
    if not examples:
        raise ValueError(
            f"{name} has no training examples: its split 'train' is empty. Prepare the "
            "data again (spot_jax convert), or choose another task."
        )
    check.report()
    logger.info("%s: %d training examples in memory.", name, len(examples))
    return lambda seed, position: MemoryExamples(examples, seed, position)


def _stream(task: Any, lengths: Mapping[str, int], check: LengthCheck):
    import seqio

    is_mixture = isinstance(task, seqio.Mixture)

    def read_pass(seed: int) -> Iterator:
        # The lengths are for preprocessors that split by them (prefix LM); trimming is
        # ours, which counts. A mixture repeats its members without end, so that its
        # proportions hold; its pass is as long as its (capped) members together.
        dataset = task.get_dataset(
            dict(lengths),
            "train",
            shuffle=True,
            seed=seed,
            num_epochs=None if is_mixture else 1,
            trim_output_features=False,
        )
        if is_mixture:
            dataset = dataset.take(_mixture_size(task))
        return _tokens(dataset, check)

    sample = [example for _, example in zip(range(STREAM_SAMPLE), read_pass(0))]
    if not sample:
        raise ValueError(f"{task.name} has no training examples: 'train' is empty.")
    check.report()
    logger.info("%s: training examples are streamed.", task.name)
    return lambda seed, position: StreamedExamples(read_pass, seed, position)


def _mixture_size(mixture: Any) -> int:
    members = [task for task in mixture.tasks if "train" in task.splits]
    return max(1, round(sum(mixture.get_rate(task) for task in members)))


def _tokens(dataset: Any, check: LengthCheck) -> Iterator:
    for example in dataset.as_numpy_iterator():
        check.seen += 1
        yield (
            check("inputs", example["inputs"].astype(np.int32)),
            check("targets", example["targets"].astype(np.int32)),
        )


def next_examples(bank: Sequence[Examples], batch_size: int) -> list[Example]:
    """Takes `batch_size` examples for each prompt of a bank."""
    return [
        Example(inputs, targets, prompt)
        for prompt, examples in enumerate(bank)
        for inputs, targets in examples.take(batch_size)
    ]
