"""Opening a registered task: name, vocabulary and data, checked in this order."""

from collections.abc import Sequence

import seqio

from spot_jax.text import checks, vocabulary
from spot_jax.text.registration import use_data_dir


def open_provider(
    name: str,
    splits: Sequence[str],
    *,
    data_dir: str | None = None,
    vocabulary_path: str | None = None,
    extra_ids: int = 0,
) -> seqio.Task | seqio.Mixture:
    """Returns a registered task or mixture that can be read.

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
        use_data_dir(data_dir)
    checks.member_tasks(name)
    path = vocabulary_path or vocabulary.PUBLISHED_VOCABULARY
    vocabulary.check_vocabulary(path)
    vocabulary.use_vocabulary(path, extra_ids)
    checks.check_data(name, splits)
    return seqio.get_mixture_or_task(name)
