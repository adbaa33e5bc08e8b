"""One pass over examples that TensorFlow reads, and marks from which it goes on.

A mark is the state of TensorFlow's own iterator: the files that are open and the places
in them, what its buffers hold, its seeds. It is right for all preprocessors alike, also
for those that leave rows out, make several examples of one, or draw at random. It
cannot be made where rows come from a Python generator, whose place nobody knows.
"""

import base64
import hashlib
import itertools
import logging
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from spot_jax.data.length_check import LengthCheck
from spot_jax.data.orders import Mark, Position
from spot_jax.text.lengths import FEATURES

logger = logging.getLogger(__name__)

# Examples from one mark to the next. As many are read again by a run that goes on, in
# three seconds on two cores; a mark takes them a tenth of a second, and has 2 MB where
# texts have 500 tokens.
MARK_EVERY = 8192
# Examples that TensorFlow hands over at a time.
_HANDED_OVER = 64

Pair = tuple[np.ndarray, np.ndarray]


class TaskPass:
    """The examples of one pass over a set, (inputs, targets) of int32 [length].

    Args:
        dataset: of tf.data, in an order that is always the same.
        check: cuts or refuses what is too long, or leaves it out.
        made_of: what a mark is compared by, see `made_of`; "": no marks are made.
        mark: where to begin; it is of this very data.

    Attributes:
        offset: examples given so far, those before the mark included.
        mark: where a run may go on; None where no mark was made yet.

    Raises:
        InputError: a file of the data is damaged, or a row is of no use.
        Unusable: nothing can be read from the mark on.
    """

    def __init__(
        self,
        dataset: Any,
        check: LengthCheck,
        made_of: str = "",
        mark: Mark | None = None,
    ):
        check.check_names(dataset.element_spec)
        # Handing over one example costs TensorFlow more than making it.
        features = dataset.map(lambda example: tuple(example[f] for f in FEATURES))
        self._chunks = iter(features.ragged_batch(_HANDED_OVER).prefetch(1))
        self._check, self._made_of = check, made_of
        self.mark, self.offset = mark, mark["offset"] if mark else 0
        self._chunk: Iterator[Pair] = iter(self._from(mark) if mark else ())

    def __iter__(self) -> "TaskPass":
        return self

    def __next__(self) -> Pair:
        while True:
            for pair in self._chunk:
                fitted = self._check.fit_or_leave_out(
                    dict(zip(FEATURES, pair, strict=True))
                )
                if fitted is not None:
                    self.offset += 1
                    return fitted["inputs"], fitted["targets"]
            self._chunk = iter(self._next_chunk())

    def can_be_marked(self) -> bool:
        """Whether TensorFlow can tell the state of its iterator."""
        import tensorflow as tf

        from spot_jax.text import without_a_word

        with without_a_word():
            try:
                serialized(self._chunks)
            except tf.errors.OpError:
                return False
        return True

    def _next_chunk(self) -> list[Pair]:
        # TensorFlow comes in here.
        from spot_jax.text.damage import named_damage

        since = self.offset - (self.mark["offset"] if self.mark else 0)
        is_due = self._made_of and since >= MARK_EVERY
        state = serialized(self._chunks) if is_due else ""
        with named_damage(self._check.name, "train"):
            pairs = _pairs(next(self._chunks))
        if state:
            self.mark = Mark(
                offset=self.offset,
                state=state,
                begins=_digest(pairs),
                made_of=self._made_of,
            )
        return pairs

    def _from(self, mark: Mark) -> list[Pair]:
        """Returns the first examples behind a mark."""
        import tensorflow as tf

        try:
            restore(self._chunks, mark["state"])
            pairs = _pairs(next(self._chunks))
        # Whatever it is that TensorFlow does not like in a state.
        except (tf.errors.OpError, ValueError, zlib.error, StopIteration) as error:
            raise Unusable(str(error).partition("\n")[0][:200]) from error
        if _digest(pairs) != mark["begins"]:
            raise Unusable("other examples follow there")
        return pairs


class Unusable(Exception):
    """Why a mark cannot be gone on from."""


def open_pass(
    open_dataset: Callable[[], Any],
    check: LengthCheck,
    made_of: str,
    position: Position,
) -> TaskPass:
    """Opens a pass at the last mark before a position, or else at its beginning.

    Args:
        open_dataset: makes the set in the order of this pass.
        check: see `TaskPass`.
        made_of: see `TaskPass`.
        position: where the run stands; what is between the pass and it is read again.
    """
    mark, why = position.reader, "the checkpoint does not say where its reader stood"
    if not made_of:
        why = "its rows come from a Python generator, whose place cannot be saved"
    elif mark and not _is_of(mark, made_of, position):
        why = "its files, its lengths or TensorFlow's version are others now"
    elif mark:
        try:
            return TaskPass(open_dataset(), check, made_of, mark)
        except Unusable as error:
            why = f"its reader cannot go on where it stood ({error})"
    if position.offset > MARK_EVERY:
        about = "%s: %s examples are read again before the run goes on: %s."
        logger.info(about, check.name, f"{position.offset:,}", why)
    return TaskPass(open_dataset(), check, made_of)


def _is_of(mark: Mark, made_of: str, position: Position) -> bool:
    is_whole = set(mark) == {"offset", "state", "begins", "made_of"}
    is_before = is_whole and 0 <= mark["offset"] <= position.offset
    return is_before and mark["made_of"] == made_of


def with_features_alone(task: Any) -> Any:
    """Returns a task that gives the same examples, without the texts beside them.

    They would be in every mark, for its buffers hold a thousand examples.
    """
    import seqio

    def features_alone(dataset: Any) -> Any:
        return dataset.map(lambda row: {f: row[f] for f in FEATURES if f in row})

    if type(task) is not seqio.Task:
        return task
    return task.replace(preprocessors=[*task.preprocessors, features_alone])


def made_of(task: Any, lengths: Mapping[str, int] | None) -> str:
    """Returns a digest of what has to be the same where a mark is gone on from."""
    import tensorflow as tf

    facts = [
        *(tf.__version__, task.num_input_examples("train")),
        *(list(task.source.list_shards("train")), sorted((lengths or {}).items())),
    ]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def serialized(iterator: Any) -> str:
    """Returns the state of an iterator of tf.data as text."""
    import tensorflow as tf

    # What tf.train.Checkpoint calls, which takes its way over files.
    (state,) = iterator._serialize_to_tensors().values()
    packed = zlib.compress(tf.io.serialize_tensor(state).numpy(), level=1)
    return base64.b64encode(packed).decode()


def restore(iterator: Any, state: str) -> None:
    """Has an iterator of tf.data go on where the one of a state stood."""
    import tensorflow as tf

    (name,) = iterator._serialize_to_tensors()
    packed = zlib.decompress(base64.b64decode(state, validate=True))
    tensor = tf.io.parse_tensor(packed, tf.variant)
    iterator._restore_from_tensors({name: tensor})


def _pairs(chunk: tuple[Any, Any]) -> list[Pair]:
    return list(zip(*map(_rows, chunk), strict=True))


def _rows(batch: Any) -> Sequence[np.ndarray]:
    # TensorFlow stacks examples that it knows to be of one length.
    if not hasattr(batch, "row_splits"):
        return batch.numpy()
    return np.split(batch.flat_values.numpy(), batch.row_splits.numpy()[1:-1])


def _digest(pairs: Sequence[Pair]) -> str:
    digest = hashlib.sha256()
    for array in itertools.chain.from_iterable(pairs):
        digest.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    return digest.hexdigest()[:16]
