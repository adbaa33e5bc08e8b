"""A run's vocabulary and tasks made ready, before anything of them is read.

TensorFlow is imported with SeqIO here, and only where a task is SeqIO's.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import spot_jax.tasks
from spot_jax.data import own_rows
from spot_jax.data.tokenized_runs import vocabulary_of
from spot_jax.data.vocabularies import check_task, identity_of
from spot_jax.errors import InputError
from spot_jax.reading import is_installed
from spot_jax.settings import Data


def set_up_tasks(data: Data, rows: int | None = None) -> Any:
    """Makes all tasks use the run's vocabulary, and mixtures their limit.

    Mixtures of the run's own are registered.

    Args:
        data: the vocabulary, the mixtures and their limit.
        rows: of the model's embedding; None where no model reads the tasks.

    Returns:
        The vocabulary, which encodes and decodes: SeqIO's, or, for tokenized data
        and rows of one's own, SentencePiece's own processor, which needs no TensorFlow.

    Raises:
        InputError: when the vocabulary cannot be read or is larger than the model's,
            the run's tasks are of another one, the limit is not positive, or a mixture
            cannot be made.
    """
    own_rows.set_up(data)
    if is_lean(data):
        processor, _ = vocabulary_of(data)
        _check_size(data.vocabulary, processor.vocab_size(), rows)
        return processor
    if not is_installed("seqio"):
        raise InputError(
            f"{', '.join(data.names) or 'No name'} is no task of rows, and tasks of "
            "SeqIO need SeqIO and TensorFlow, which are not installed: pip install . "
            "without --no-deps, or give rows of your own, --rows train=my.csv."
        )
    # TensorFlow comes in here.
    spot_jax.tasks.register_all()
    spot_jax.tasks.use_modules(data.modules)
    from spot_jax.data import seqio_rows
    from spot_jax.tasks import mixtures
    from spot_jax.text import vocabulary

    vocabulary.open_vocabulary(data.vocabulary, data.extra_ids or 0)
    _check_size(data.vocabulary, vocabulary.VOCABULARY.vocab_size, rows)
    mixtures.use_mixing_limit(data.mixing_limit)
    for name in data.rows:
        seqio_rows.register(own_rows.task_of(name, data))
    for name, members in data.mixtures.items():
        mixtures.add_mixture(name, members)
    _check_vocabularies(data.names)
    return vocabulary.VOCABULARY


def is_lean(data: Data) -> bool:
    """Whether a run reads nothing that needs SeqIO, and with it TensorFlow."""
    return bool(data.tokenized) or own_rows.are_all(data)


def vocabulary_story(data: Data) -> dict[str, Any]:
    """Returns what files say of the run's vocabulary; `set_up_tasks` has opened it."""
    if is_lean(data):
        identity = vocabulary_of(data)[1]
    else:
        from spot_jax.text.vocabulary import VOCABULARY

        identity = identity_of(VOCABULARY)
    told = dataclasses.asdict(identity)
    story = {key: told[key] for key in ("fingerprint", "path", "extra_ids")}
    return story | ({"sentinel": True} if data.sentinel else {})


def _check_vocabularies(names: Sequence[str]) -> None:
    import seqio

    from spot_jax.text.checks import member_tasks

    known = {*seqio.TaskRegistry.names(), *seqio.MixtureRegistry.names()}
    # A name of no task is another mistake, or names labels only.
    for name in known.intersection(names):
        for task in member_tasks(name):
            check_task(task)


def _check_size(path: str, pieces: int, rows: int | None) -> None:
    if rows is not None and pieces > rows:
        raise InputError(
            f"The vocabulary {path} has {pieces} pieces, and the model's embedding "
            f"only {rows} rows: they do not belong together. Give the model's own with "
            "--gin.VOCABULARY=FILE, or the gin file of another model."
        )
