"""The door to the data: tasks of SeqIO, or what `spot_jax tokenize` wrote.

TensorFlow is imported with SeqIO when the first task is looked up, not before; runs on
tokenized data never do.
"""

import functools
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from spot_jax.data import head_targets, own_rows, sentinel, set_up
from spot_jax.data.ids import warn_of_unknown
from spot_jax.data.length_check import LengthCheck
from spot_jax.data.orders import (
    MemoryExamples,
    MixedExamples,
    Position,
    Reader,
    StreamedExamples,
)
from spot_jax.data.passes import TaskPass, made_of, open_pass, with_features_alone
from spot_jax.data.sharing import shared
from spot_jax.data.tokenized_runs import open_tokenized, vocabulary_of
from spot_jax.errors import InputError
from spot_jax.prompts import heads
from spot_jax.settings import Data
from spot_jax.text.postprocessors import HIDDEN

logger = logging.getLogger(__name__)

# From the pieces of a target to the number of its class, [1].
Number = Callable[[np.ndarray], np.ndarray]
# Above this a set is streamed. 2**17 examples of 600 tokens are about 300 MB.
MAX_EXAMPLES_IN_MEMORY = 2**17
# How much of a stream is read ahead to see whether examples are too long.
STREAM_SAMPLE = 2000


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

    lengths = sentinel.lengths_before(data.lengths, data)
    return lengths if needs_lengths(task) else None


def training_loader(
    data: Data,
    streams: dict[str, LengthCheck] | None = None,
    head: str | None = None,
    numbers: Mapping[str, Number] | None = None,
) -> Callable[[str], Reader]:
    """Returns what prepares training splits, and reads what mixtures share once.

    Args:
        data: lengths, and where tokenized data is.
        streams: where every task that is streamed puts what counts its examples.
        head: "token" or "span": targets are marks beside the inputs, as
            data/head_targets.py has it.
        numbers: of tasks that are classified, what makes a number of a target.

    Returns:
        From the name of a SeqIO task or mixture, or of a folder of tokenized data, to
        `(seed, position) -> Examples`; several prompts share what was read, and those
        of one seed what is read.

    Raises:
        InputError: what is returned does, when the name is unknown, its data is missing
            or empty, or examples are too long and may not be cut.
    """

    @functools.cache
    def load(name: str) -> Reader:
        if head in heads.BESIDE and set_up.is_lean(data):
            head_targets.check_task(head, name, ())
        number = (numbers or {}).get(name)
        if set_up.is_lean(data):
            pairs = _numbered(_pairs(name, data), number)
            return lambda seed, position: MemoryExamples(pairs, seed, position)
        import seqio

        from spot_jax.text.opening import open_provider

        task = open_provider(name)
        if head in heads.BESIDE and not isinstance(task, seqio.Mixture):
            return _load_marked(task, data, head)
        if not isinstance(task, seqio.Mixture):
            return _load_task(task, data, {} if streams is None else streams, number)
        members = [member for member in task.tasks if "train" in member.splits]
        rates = [task.get_rate(member) for member in members]
        readers = [load(member.name) for member in members]
        names = [member.name for member in members]
        mixed = functools.partial(MixedExamples, readers, rates)
        return lambda seed, position: mixed(seed, position, names)

    return functools.cache(lambda name: shared(load(name)))


def _pairs(name: str, data: Data) -> Sequence[tuple[np.ndarray, np.ndarray]]:
    """Returns the training examples of tokenized data, or of rows, as ids."""
    if data.tokenized:
        return open_tokenized(name, "train", data)
    vocabulary, _ = vocabulary_of(data)
    task = own_rows.task_of(name, data)
    examples = own_rows.examples_of(task, "train", data, vocabulary)
    logger.info("%s: %d training examples in memory.", name, len(examples))
    return [(example["inputs"], example["targets"]) for example in examples]


def _numbered(pairs: Sequence[tuple], number: Number | None) -> Sequence[tuple]:
    """Returns examples whose targets are numbers of classes, where there are such."""
    if number is None:
        return pairs
    return [(inputs, number(targets)) for inputs, targets in pairs]


def _load_task(
    task: Any, data: Data, streams: dict[str, LengthCheck], number: Number | None
) -> Reader:
    if _is_streamed(task, data):
        stream = _stream(task, data, streams)
        return stream if number is None else head_targets.numbered(stream, number)
    check = _length_check(task, data)
    dataset = task.get_dataset(None, "train", shuffle=False)
    examples = list(TaskPass(_begun(dataset, task, data), check))
    if not examples:
        raise InputError(
            f"{task.name} has no training examples: its split 'train' is empty. "
            "Prepare the data again (spot_jax convert), or choose another task."
        )
    check.report()
    _check_targets(task, examples, data)
    examples = _numbered(examples, number)
    logger.info("%s: %d training examples in memory.", task.name, len(examples))
    return lambda seed, position: MemoryExamples(examples, seed, position)


def _load_marked(task: Any, data: Data, head: str) -> Reader:
    """Reads inputs with marks beside them, which are always in memory.

    Targets as text are not looked at, however long they are.
    """
    check = _length_check(task, data)
    vocabulary = task.output_features["inputs"].vocabulary
    dataset = task.get_dataset(None, "train", shuffle=False)
    head_targets.check_task(head, task.name, dataset.element_spec)
    limit, examples = data.lengths["inputs"], []
    for example in undamaged(task.name, "train", dataset.as_numpy_iterator()):
        check.seen += 1
        check("inputs", example["inputs"])
        found = head_targets.marked(head, example, vocabulary, limit)
        examples.append((found.inputs, found.marks))
    check.report()
    learned = sum(marks.any() for _, marks in examples)
    logger.info(
        "%s: %d training examples in memory, of which %d have something to learn.",
        *(task.name, len(examples), learned),
    )
    if not learned:
        raise InputError(
            f"{task.name} has no training example with anything to learn for HEAD="
            f"{head!r}. Raise TASK_FEATURE_LENGTHS['inputs'], or prepare the data "
            "again (spot_jax convert)."
        )
    return lambda seed, position: MemoryExamples(examples, seed, position)


def _length_check(task: Any, data: Data, streamed: bool = False) -> LengthCheck:
    size = task.output_features["targets"].vocabulary.vocab_size
    return LengthCheck(task.name, data.lengths, data.truncate, size, streamed)


def _is_streamed(task: Any, data: Data) -> bool:
    """A large set is, and one that is drawn anew in every pass."""
    if sequence_lengths(task, data):
        return True
    size = task.num_input_examples("train")
    return size is None or size > MAX_EXAMPLES_IN_MEMORY


def _stream(task: Any, data: Data, streams: dict[str, LengthCheck]) -> Reader:
    lengths = sequence_lengths(task, data)
    narrow = with_features_alone(task)

    def dataset(seed: int) -> Any:
        # Each pass is a set of its own: to keep its rows would only take memory.
        made = narrow.get_dataset(
            lengths, "train", seed=seed, num_epochs=1, try_in_mem_cache=False
        )
        return _begun(made, task, data)

    # Most mistakes in the lengths are found here, before a run begins.
    first = TaskPass(dataset(0), check := _length_check(task, data))
    sample = list(itertools.islice(first, STREAM_SAMPLE))
    if not sample:
        raise InputError(f"{task.name} has no training examples: 'train' is empty.")
    check.report()
    _check_targets(task, sample, data)
    mark_of = made_of(task, lengths) if first.can_be_marked() else ""
    _tell_of_stream(task, data, bool(mark_of))
    check = streams[task.name] = _length_check(task, data, streamed=True)

    def read_pass(seed: int, position: Position) -> TaskPass:
        own = mark_of and f"{mark_of} {seed}"
        return open_pass(lambda: dataset(seed), check, own, position)

    return lambda seed, position: StreamedExamples(read_pass, seed, position)


def _tell_of_stream(task: Any, data: Data, is_marked: bool) -> None:
    """Says before a run what it does with what it meets later."""
    if data.truncate:
        about = "An example that is too long is cut and counted."
    else:
        about = f"The first {STREAM_SAMPLE:,} fit; a later one that does not is left "
        about += "out and counted (--gin.TRUNCATE=True cuts it)."
    logger.info("%s: training examples are streamed. %s", task.name, about)
    if not is_marked:
        about = "%s: its rows come from a Python generator, whose place cannot be saved"
        about += ": a run that goes on reads the examples of its pass again."
        logger.info(about, task.name)


def undamaged(name: str, split: str, items: Iterable) -> Iterator:
    """Yields what TensorFlow reads.

    Raises:
        InputError: when a file of the data is damaged, or a row is of no use.
    """
    # TensorFlow comes in here.
    from spot_jax.text.damage import named_damage

    with named_damage(name, split):
        yield from items


def _begun(dataset: Any, task: Any, data: Data) -> Any:
    vocabulary = task.output_features["targets"].vocabulary
    return sentinel.begin_each(dataset, vocabulary, data)


def _check_targets(task: Any, examples: Sequence[tuple], data: Data) -> None:
    """Refuses hidden targets, and says how much of the others cannot be written.

    Raises:
        InputError: when there are hidden ones: nothing can be learned from them.
    """
    vocabulary = task.output_features["targets"].vocabulary
    encode = sentinel.answers_of(vocabulary, data).encode
    hidden_ids = [*encode(HIDDEN), vocabulary.eos_id]
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
