"""Sources that retrieval is compared with: one at random, one that is unrelated.

What retrieval is worth is what it adds to these, not what any source adds to none.
"""

import zlib
from collections.abc import Sequence

import numpy as np

from spot_jax.tasks import catalog

# Families that ask the same of a text: WSC is WinoGrande's, COPA is of common sense.
_ALIKE = ({"paraphrase", "similarity"}, {"commonsense", "coreference", "qa"})
# What the catalog says of tasks of a user, which may be anything.
_UNKNOWN = ("own", "rows of one's own", "")


def unrelated(target: str, sources: Sequence[str]) -> str | None:
    """Returns the source that stands for those of other families, by the catalog.

    Which of them it is follows from the names alone. It is not the same one for every
    target: the one might be a source that helps nobody.

    Args:
        target: a task.
        sources: tasks.

    Returns:
        One of the sources; None where the family of the target is not known, or no
        source is known to be of another.
    """
    others = [name for name in sources if are_related(target, name) is False]
    key = {name: zlib.crc32(f"{target} {name}".encode()) for name in others}
    return min(others, key=key.__getitem__, default=None)


def are_related(first: str, second: str) -> bool | None:
    """Whether two tasks are of one family, by the catalog; None where it does not say.

    Families that ask the same count as one.
    """
    own, other = _family(first), _family(second)
    if own is None or other is None:
        return None
    return own == other or any({own, other} <= families for families in _ALIKE)


def _family(task: str) -> str | None:
    known = catalog.TASKS.get(task)
    return None if known is None or known.family in _UNKNOWN else known.family


def drawn(
    target: str, seed: int, prompts: Sequence[tuple[str, int]]
) -> tuple[str, int]:
    """Returns a source prompt at random, the same for a target and a seed every time.

    Args:
        target: a task.
        seed: of the target's run.
        prompts: (source, its seed), each as likely as the others.
    """
    rng = np.random.default_rng([seed, zlib.crc32(target.encode())])
    return prompts[int(rng.integers(len(prompts)))]
