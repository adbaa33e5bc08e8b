"""The door to the data: tasks of SeqIO, or what `spot_jax tokenize` wrote.

TensorFlow is imported with SeqIO when the first task is looked up, not before; runs on
tokenized data never do.
"""

import functools
import itertools
import logging
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import sentencepiece

import spot_jax.tasks
from spot_jax.data.length_check import LengthCheck
from spot_jax.data.orders import MemoryExamples, MixedExamples, Reader, StreamedExamples
from spot_jax.data.tokenized import TokenizedExamples
from spot_jax.errors import InputError
from spot_jax.settings import Data
from spot_jax.spot_tiny import vocabulary_path
from spot_jax.text.lengths import FEATURES

logger = logging.getLogger(__name__)

# Above this a set is streamed. 2**17 examples of 600 tokens are about 300 MB.
MAX_EXAMPLES_IN_MEMORY = 2**17
# How much of a stream is read ahead to see whether examples are too long.
STREAM_SAMPLE = 2000
# Examples that TensorFlow hands over at a time.
_HANDED_OVER = 64


def set_up_tasks(data: Data, rows: int | None = None) -> Any:
    """Makes all tasks use the run's vocabulary, and mixtures their limit.

    Mixtures of the run's own are registered.

    Args:
        data: the vocabulary, the mixtures and their limit.
        rows: of the model's embedding; None where no model reads the tasks.

    Returns:
        The vocabulary, which encodes and decodes: SeqIO's, or, for tokenized data,
        SentencePiece's own processor, which needs no TensorFlow.

    Raises:
        InputError: when the vocabulary cannot be read or is larger than the model's,
            the limit is not positive, or a mixture cannot be made.
    """
    if data.tokenized:
        processor = open_sentencepiece(data.vocabulary)
        _check_size(data.vocabulary, processor.vocab_size(), rows)
        return processor
    # TensorFlow comes in here.
    spot_jax.tasks.register_all()
    from spot_jax.tasks import mixtures
    from spot_jax.text import vocabulary

    vocabulary.open_vocabulary(data.vocabulary, data.extra_ids)
    _check_size(data.vocabulary, vocabulary.VOCABULARY.vocab_size, rows)
    mixtures.use_mixing_limit(data.mixing_limit)
    for name, members in data.mixtures.items():
        mixtures.add_mixture(name, members)
    return vocabulary.VOCABULARY


def _check_size(path: str, pieces: int, rows: int | None) -> None:
    if rows is not None and pieces > rows:
        raise InputError(
            f"The vocabulary {path} has {pieces} pieces, and the model's embedding "
            f"only {rows} rows: they do not belong together. Give the model's own with "
            "--gin.VOCABULARY=FILE, or the gin file of another model."
        )


def open_sentencepiece(path: str) -> sentencepiece.SentencePieceProcessor:
    """Opens a vocabulary without TensorFlow.

    Raises:
        InputError: when it cannot be read.
    """
    processor = sentencepiece.SentencePieceProcessor()
    try:
        processor.Load(vocabulary_path(path))
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"The vocabulary {path} cannot be read without TensorFlow ({error}). Copy "
            "the file here and give its path: --gin.VOCABULARY=..."
        ) from error
    return processor


def task_names(name: str, data: Data) -> tuple[str, ...]:
    """Returns the tasks of a mixture, or the task itself."""
    if data.tokenized:
        return (name,)
    import seqio

    from spot_jax.text.opening import open_provider

    return tuple(task.name for task in seqio.get_subtasks(open_provider(name)))


def labels_of(name: str) -> tuple[str, ...]:
    """Returns the class labels of a task as text; () where it has none."""
    from spot_jax.tasks import catalog

    info = catalog.TASKS.get(name)
    return info.labels if info else ()


def sequence_lengths(task: Any, data: Data) -> dict[str, int] | None:
    """Returns the lengths SeqIO has to know, which is so for a prefix LM only.

    Where it knows them it cuts; what it does not cut is counted by `LengthCheck`.
    """
    from spot_jax.text.prefix_lm import needs_lengths

    return dict(data.lengths) if needs_lengths(task) else None


def training_loader(data: Data) -> Callable[[str], Reader]:
    """Returns what prepares training splits, and reads what mixtures share once.

    Args:
        data: lengths, and where tokenized data is.

    Returns:
        From the name of a SeqIO task or mixture, or of a folder of tokenized data, to
        `(seed, position) -> Examples`; several prompts share what was read.

    Raises:
        InputError: what is returned does, when the name is unknown, its data is missing
            or empty, or examples are too long and may not be cut.
    """

    @functools.cache
    def load(name: str) -> Reader:
        if data.tokenized:
            pairs = open_tokenized(name, "train", data)
            return lambda seed, position: MemoryExamples(pairs, seed, position)
        import seqio

        from spot_jax.text.opening import open_provider

        task = open_provider(name)
        if not isinstance(task, seqio.Mixture):
            return _load_task(task, data)
        members = [member for member in task.tasks if "train" in member.splits]
        rates = [task.get_rate(member) for member in members]
        readers = [load(member.name) for member in members]
        return lambda seed, position: MixedExamples(readers, rates, seed, position)

    return load


def _load_task(task: Any, data: Data) -> Reader:
    check = LengthCheck(task.name, data.lengths, data.truncate)
    if _is_streamed(task, data):
        return _stream(task, data, check)
    examples = list(_tokens(task.get_dataset(None, "train", shuffle=False), check))
    if not examples:
        raise InputError(
            f"{task.name} has no training examples: its split 'train' is empty. "
            "Prepare the data again (spot_jax convert), or choose another task."
        )
    check.report()
    logger.info("%s: %d training examples in memory.", task.name, len(examples))
    return lambda seed, position: MemoryExamples(examples, seed, position)


def _is_streamed(task: Any, data: Data) -> bool:
    """A large set is, and one that is drawn anew in every pass."""
    if sequence_lengths(task, data):
        return True
    size = task.num_input_examples("train")
    return size is None or size > MAX_EXAMPLES_IN_MEMORY


def _stream(task: Any, data: Data, check: LengthCheck) -> Reader:
    def read_pass(seed: int) -> Iterator:
        lengths = sequence_lengths(task, data)
        dataset = task.get_dataset(lengths, "train", seed=seed, num_epochs=1)
        return _checked_tokens(dataset, check)

    # Most mistakes in the lengths are found here, before a run begins.
    sample = list(itertools.islice(read_pass(0), STREAM_SAMPLE))
    if not sample:
        raise InputError(f"{task.name} has no training examples: 'train' is empty.")
    check.report()
    logger.info("%s: training examples are streamed.", task.name)
    return lambda seed, position: StreamedExamples(read_pass, seed, position)


def _tokens(dataset: Any, check: LengthCheck) -> Iterator:
    # Handing over one example costs TensorFlow more than making it.
    features = dataset.map(lambda example: (example["inputs"], example["targets"]))
    for inputs, targets in features.ragged_batch(_HANDED_OVER).prefetch(1):
        for pair in zip(_rows(inputs), _rows(targets), strict=True):
            example = check.fit(dict(zip(FEATURES, pair, strict=True)))
            yield example["inputs"], example["targets"]


def _rows(batch: Any) -> Sequence[np.ndarray]:
    # TensorFlow stacks examples that it knows to be of one length.
    if not hasattr(batch, "row_splits"):
        return batch.numpy().astype(np.int32)
    values = batch.flat_values.numpy().astype(np.int32)
    return np.split(values, batch.row_splits.numpy()[1:-1])


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


def open_tokenized(name: str, split: str, data: Data) -> TokenizedPairs:
    """Opens TOKENIZED_DATA_DIR/NAME/SPLIT, which `spot_jax tokenize` wrote.

    Raises:
        InputError: when it is not there, or longer than TASK_FEATURE_LENGTHS.
    """
    folder = pathlib.Path(data.tokenized) / name / split
    examples = TokenizedExamples(folder)
    for feature, limit in data.lengths.items():
        longest = int(examples.lengths(feature).max())
        if longest > limit:
            raise InputError(
                f"{folder} has {feature} of {longest} tokens, TASK_FEATURE_LENGTHS "
                f"allows {limit}. Raise it, or tokenize with --lengths again."
            )
    logger.info("%s: %d tokenized examples (%s).", name, len(examples), split)
    return TokenizedPairs(examples)
