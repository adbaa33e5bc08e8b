"""Opening a task by name: registration, vocabulary and data, checked in this order."""

from collections.abc import Sequence

import seqio

import spot_jax.tasks
from spot_jax.text import checks, vocabulary


def open_provider(
    name: str,
    splits: Sequence[str],
    *,
    data_dir: str | None = None,
    vocabulary_path: str | None = None,
    extra_ids: int = 0,
) -> seqio.Task | seqio.Mixture:
    """Returns a task or mixture that can be read.

    Args:
        name: its name.
        splits: the splits that must be there.
        data_dir: where the data is, instead of TFDS_DATA_DIR.
        vocabulary_path: a SentencePiece model, instead of the published one.
        extra_ids: how many sentinels to add to it.

    Raises:
        ValueError: the name, the vocabulary or the data cannot be right.
    """
    if data_dir:
        seqio.set_tfds_data_dir_override(data_dir)
    spot_jax.tasks.register_all()
    checks.member_tasks(name)
    path = vocabulary_path or vocabulary.PUBLISHED_VOCABULARY
    vocabulary.check_vocabulary(path)
    vocabulary.use_vocabulary(path, extra_ids)
    checks.check_data(name, splits)
    return seqio.get_mixture_or_task(name)
