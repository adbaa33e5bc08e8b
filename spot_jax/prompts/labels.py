r"""Labels and texts as the pieces of a vocabulary, which cannot write everything.

T5's own has no { } < ~ \ and nothing beyond Latin: each becomes the piece <unk>.
"""

import functools
import logging
from collections.abc import Callable, Sequence

from spot_jax.errors import InputError

# Where all published vocabularies of T5 have it, mT5's included.
UNKNOWN_ID = 2
# A bank of prompts on one task would say the same of each.
_warn_once = functools.cache(logging.getLogger(__name__).warning)


def pieces_of_labels(
    labels: Sequence[str],
    encode: Callable[[str], Sequence[int]],
    cure: str,
    unknown_id: int = UNKNOWN_ID,
) -> list[list[int]]:
    """Returns the ids of each label, and warns of those that cannot be written.

    Args:
        labels: texts.
        encode: text -> ids, without EOS.
        cure: what to do about labels that cannot be told apart, a sentence.
        unknown_id: the id of <unk>.

    Raises:
        InputError: two labels have the same pieces. They would begin as one vector,
            and an answer that is ranked would always be the first.
    """
    pieces = [list(encode(label)) for label in labels]
    for place, ids in enumerate(pieces):
        if ids in pieces[:place]:
            other, label = labels[pieces.index(ids)], labels[place]
            reason = ", which cannot write them (<unk>)" if unknown_id in ids else ""
            raise InputError(
                f"The labels {other!r} and {label!r} have the same pieces {ids} in "
                f"this vocabulary{reason}. {cure}"
            )
    unknown = [
        label for label, ids in zip(labels, pieces, strict=True) if unknown_id in ids
    ]
    if unknown:
        _warn_once(
            "%d of %d labels have pieces that the vocabulary does not know (<unk>): %s",
            len(unknown),
            len(labels),
            ", ".join(map(repr, unknown[:5])),
        )
    return pieces


def warn_of_unknown(
    what: str, ids: Sequence[int], unknown_id: int = UNKNOWN_ID
) -> None:
    """Says how many pieces of a text are unknown, if any are.

    Args:
        what: the text's name.
        ids: [length] its pieces.
        unknown_id: the id of <unk>.
    """
    count = list(ids).count(unknown_id)
    if count:
        _warn_once(
            "%d of %d pieces of %s are <unk>: the vocabulary cannot write all of it.",
            count,
            len(ids),
            what,
        )
