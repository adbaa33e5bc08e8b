"""Opening a registered task: name, vocabulary and data, checked in this order."""

from collections.abc import Sequence

import seqio

from spot_jax.text import checks
from spot_jax.text.registration import use_data_dir
from spot_jax.text.vocabulary import open_vocabulary


def open_provider(
    name: str,
    splits: Sequence[str] = ("train", "validation"),
    *,
    data_dir: str | None = None,
    vocabulary_path: str | None = None,
    extra_ids: int = 0,
) -> seqio.Task | seqio.Mixture:
    """Returns a registered task or mixture that can be read.

    The tasks must be registered: `spot_jax.tasks.register_all()`.

    Args:
        name: its name.
        splits: the splits that must be there.
        data_dir: where the data is, instead of TFDS_DATA_DIR.
        vocabulary_path: a SentencePiece model that all tasks are to read from now on;
            None leaves them the one that they read.
        extra_ids: how many sentinels to add to it.

    Raises:
        InputError: the name, the vocabulary or the data cannot be right.
    """
    if data_dir:
        use_data_dir(data_dir)
    # A mistyped name is said before a vocabulary is fetched from afar.
    checks.member_tasks(name)
    if vocabulary_path:
        open_vocabulary(vocabulary_path, extra_ids)
    checks.check_data(name, splits)
    return seqio.get_mixture_or_task(name)
