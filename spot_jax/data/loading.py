"""The door to the data: tasks of SeqIO, or what `spot_jax tokenize` wrote.

TensorFlow is imported with SeqIO when the first task is looked up, not before; runs on
tokenized data never do.
"""

import functools
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from spot_jax.data import own_rows, set_up
from spot_jax.data.ids import warn_of_unknown
from spot_jax.data.length_check import LengthCheck
from spot_jax.data.orders import MemoryExamples, MixedExamples, Reader, StreamedExamples
from spot_jax.data.tokenized_runs import open_tokenized, vocabulary_of
from spot_jax.errors import InputError
from spot_jax.settings import Data
from spot_jax.text.lengths import FEATURES
from spot_jax.text.postprocessors import HIDDEN

logger = logging.getLogger(__name__)

# Above this a set is streamed. 2**17 examples of 600 tokens are about 300 MB.
MAX_EXAMPLES_IN_MEMORY = 2**17
# How much of a stream is read ahead to see whether examples are too long.
STREAM_SAMPLE = 2000
# Examples that TensorFlow hands over at a time.
_HANDED_OVER = 64


def task_names(name: str, data: Data) -> tuple[str, ...]:
    """Returns the tasks of a mixture, or the task itself."""
    if set_up.is_lean(data):
        return (name,)
    import seqio

    from spot_jax.text.opening import open_provider

    return tuple(task.name for task in seqio.get_subtasks(open_provider(name, ())))


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
        if set_up.is_lean(data):
            pairs = _pairs(name, data)
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


def _pairs(name: str, data: Data) -> Sequence[tuple[np.ndarray, np.ndarray]]:
    """Returns the training examples of tokenized data, or of rows, as ids."""
    if data.tokenized:
        return open_tokenized(name, "train", data)
    vocabulary, _ = vocabulary_of(data)
    task = own_rows.task_of(name, data)
    examples = own_rows.examples_of(task, "train", data, vocabulary)
    logger.info("%s: %d training examples in memory.", name, len(examples))
    return [(example["inputs"], example["targets"]) for example in examples]


def _load_task(task: Any, data: Data) -> Reader:
    vocabulary = task.output_features["targets"].vocabulary
    size = vocabulary.vocab_size
    check = LengthCheck(task.name, data.lengths, data.truncate, size)
    if _is_streamed(task, data):
        return _stream(task, data, check)
    examples = list(_tokens(task.get_dataset(None, "train", shuffle=False), check))
    if not examples:
        raise InputError(
            f"{task.name} has no training examples: its split 'train' is empty. "
            "Prepare the data again (spot_jax convert), or choose another task."
        )
    check.report()
    _check_targets(task, examples)
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
    _check_targets(task, sample)
    logger.info("%s: training examples are streamed.", task.name)
    return lambda seed, position: StreamedExamples(read_pass, seed, position)


def _tokens(dataset: Any, check: LengthCheck) -> Iterator:
    check.check_names(dataset.element_spec)
    # Handing over one example costs TensorFlow more than making it.
    features = dataset.map(lambda example: (example["inputs"], example["targets"]))
    batches = features.ragged_batch(_HANDED_OVER).prefetch(1)
    for inputs, targets in undamaged(check.name, "train", batches):
        for pair in zip(_rows(inputs), _rows(targets), strict=True):
            example = check.fit(dict(zip(FEATURES, pair, strict=True)))
            if not len(example["targets"]):
                raise InputError(
                    f"{check.name}: example {check.seen} has no targets to learn. Mend "
                    "the preprocessors of the task, or leave such rows out."
                )
            yield example["inputs"], example["targets"]


def undamaged(name: str, split: str, items: Iterable) -> Iterator:
    """Yields what TensorFlow reads.

    Raises:
        InputError: when a file of the data is damaged, or a row is of no use.
    """
    # TensorFlow comes in here.
    from spot_jax.text.damage import named_damage

    with named_damage(name, split):
        yield from items


def _rows(batch: Any) -> Sequence[np.ndarray]:
    # TensorFlow stacks examples that it knows to be of one length.
    if not hasattr(batch, "row_splits"):
        return batch.numpy()
    return np.split(batch.flat_values.numpy(), batch.row_splits.numpy()[1:-1])


def _checked_tokens(dataset: Any, check: LengthCheck) -> Iterator:
    """Yields tokens; a stream cannot be read ahead, so it stops where one is too long.

    Where they may be cut, what was cut is logged at the end of every pass.
    """
    for example in _tokens(dataset, check):
        if not check.truncate:
            check.report()
        yield example
    check.report()


def _check_targets(task: Any, examples: Sequence[tuple]) -> None:
    """Refuses hidden targets, and says how much of the others cannot be written.

    Raises:
        InputError: when there are hidden ones: nothing can be learned from them.
    """
    vocabulary = task.output_features["targets"].vocabulary
    hidden_ids = [*vocabulary.encode(HIDDEN), vocabulary.eos_id]
    hidden = [i for i, (_, t) in enumerate(examples) if np.array_equal(t, hidden_ids)]
    if hidden:
        raise InputError(
            f"{len(hidden):,} of {len(examples):,} training examples of {task.name} "
            f"have a hidden label (the first is example {hidden[0] + 1}), or one that "
            "the vocabulary has no piece of: there is nothing to learn from <unk>. "
            "Convert rows that have labels, or give the model's own vocabulary."
        )
    targets = np.concatenate([targets for _, targets in examples])
    unknown = vocabulary.unk_id
    count = int(np.count_nonzero(targets == unknown))
    warn_of_unknown(task.name, count, len(targets))
