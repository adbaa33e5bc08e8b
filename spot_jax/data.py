"""The door to the data: tasks of SeqIO, or what `spot_jax tokenize` wrote.

TensorFlow is imported with SeqIO when the first task is looked up, not before; runs on
tokenized data never do.
"""

import dataclasses
import itertools
import logging
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import sentencepiece

from spot_jax.examples import Examples, MemoryExamples, Position, StreamedExamples
from spot_jax.settings import Data
from spot_jax.tokenized import TokenizedExamples

logger = logging.getLogger(__name__)

# Above this a set is streamed. 2**17 examples of 600 tokens are about 300 MB.
MAX_EXAMPLES_IN_MEMORY = 2**17
# How much of a stream is read ahead to see whether examples are too long.
STREAM_SAMPLE = 2000


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


def set_up_tasks(settings: Data) -> Any:
    """Makes all tasks use the settings' vocabulary and mixing limit.

    Returns:
        The vocabulary, which encodes and decodes: SeqIO's, or, for tokenized data,
        SentencePiece's own processor, which needs no TensorFlow.

    Raises:
        ValueError: when the vocabulary cannot be read, or the limit is not positive.
    """
    if settings.tokenized:
        return _open_sentencepiece(settings.vocabulary)
    from spot_jax import text

    text.import_tensorflow()
    from spot_jax.text import vocabulary

    vocabulary.check_vocabulary(settings.vocabulary)
    vocabulary.use_vocabulary(settings.vocabulary, settings.extra_ids)
    from spot_jax.tasks import mixtures

    mixtures.use_mixing_limit(settings.mixing_limit)
    return vocabulary.VOCABULARY


def _open_sentencepiece(path: str) -> sentencepiece.SentencePieceProcessor:
    processor = sentencepiece.SentencePieceProcessor()
    try:
        processor.Load(path)
    except OSError as error:
        raise ValueError(
            f"The vocabulary {path} cannot be read without TensorFlow ({error}). Copy "
            "the file here and give its path: --gin.VOCABULARY=..."
        ) from error
    return processor


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


def task_names(name: str, settings: Data) -> tuple[str, ...]:
    """Returns the tasks of a mixture, or the task itself."""
    if settings.tokenized:
        return (name,)
    import seqio

    return tuple(task.name for task in seqio.get_subtasks(provider(name)))


def labels_of(name: str) -> tuple[str, ...]:
    """Returns the class labels of a task as text; () where it has none."""
    from spot_jax.tasks import catalog

    info = catalog.TASKS.get(name)
    return info.labels if info else ()


def sequence_lengths(task: Any, settings: Data) -> dict[str, int] | None:
    """Returns the lengths SeqIO has to know, which is so for a prefix LM only.

    Where it knows them it cuts; what it does not cut is counted by `LengthCheck`.
    """
    from spot_jax.text.prefix_lm import needs_lengths

    return dict(settings.lengths) if needs_lengths(task) else None


def load_training(name: str, settings: Data) -> Callable[[int, Position], Examples]:
    """Prepares a task's or mixture's training split.

    Args:
        name: of a SeqIO task or mixture, or of a folder of tokenized data.
        settings: lengths, and where tokenized data is.

    Returns:
        `(seed, position) -> Examples`; several prompts share what was read.

    Raises:
        ValueError: when the name is unknown, its data is missing or empty, or examples
            are too long and may not be cut.
    """
    check = LengthCheck(name, settings.lengths, settings.truncate)
    if settings.tokenized:
        pairs = open_tokenized(name, "train", settings)
        return lambda seed, position: MemoryExamples(pairs, seed, position)
    task = provider(name)
    if _is_streamed(task, settings):
        return _stream(task, settings, check)
    examples = list(_tokens(task.get_dataset(None, "train", shuffle=False), check))
    if not examples:
        raise ValueError(
            f"{name} has no training examples: its split 'train' is empty. Prepare the "
            "data again (spot_jax convert), or choose another task."
        )
    check.report()
    logger.info("%s: %d training examples in memory.", name, len(examples))
    return lambda seed, position: MemoryExamples(examples, seed, position)


def _is_streamed(task: Any, settings: Data) -> bool:
    """A mixture is, a large set is, and so is one that is drawn anew in every pass."""
    import seqio

    if isinstance(task, seqio.Mixture) or sequence_lengths(task, settings):
        return True
    size = task.num_input_examples("train")
    return size is None or size > MAX_EXAMPLES_IN_MEMORY


def _stream(task: Any, settings: Data, check: LengthCheck):
    import seqio

    is_mixture = isinstance(task, seqio.Mixture)

    def read_pass(seed: int) -> Iterator:
        # A mixture repeats its members without end, so that its proportions hold; its
        # pass is as long as its (capped) members together.
        dataset = task.get_dataset(
            sequence_lengths(task, settings),
            "train",
            shuffle=True,
            seed=seed,
            num_epochs=None if is_mixture else 1,
        )
        if is_mixture:
            dataset = dataset.take(_mixture_size(task))
        return _checked_tokens(dataset, check)

    sample = list(itertools.islice(read_pass(0), STREAM_SAMPLE))
    if not sample:
        raise ValueError(f"{task.name} has no training examples: 'train' is empty.")
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


def _checked_tokens(dataset: Any, check: LengthCheck) -> Iterator:
    """Yields tokens; a stream cannot be read ahead, so it stops where one is too long.

    Where they may be cut, what was cut is logged at the end of every pass.
    """
    for example in _tokens(dataset, check):
        if not check.truncate:
            check.report()
        yield example
    check.report()


class TokenizedPairs:
    """Tokenized examples as (inputs, targets), read from disk one by one."""

    def __init__(self, examples: TokenizedExamples):
        self._examples = examples

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        example = self._examples[index]
        return example["inputs"], example["targets"]


def open_tokenized(name: str, split: str, settings: Data) -> TokenizedPairs:
    """Opens TOKENIZED_DATA_DIR/NAME/SPLIT, which `spot_jax tokenize` wrote.

    Raises:
        ValueError: when it is not there, or longer than TASK_FEATURE_LENGTHS.
    """
    folder = pathlib.Path(settings.tokenized) / name / split
    examples = TokenizedExamples(folder)
    for feature, limit in settings.lengths.items():
        longest = int(examples.lengths(feature).max())
        if longest > limit:
            raise ValueError(
                f"{folder} has {feature} of {longest} tokens, TASK_FEATURE_LENGTHS "
                f"allows {limit}. Raise it, or tokenize with --lengths again."
            )
    logger.info("%s: %d tokenized examples (%s).", name, len(examples), split)
    return TokenizedPairs(examples)
