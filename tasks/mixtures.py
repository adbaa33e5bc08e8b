"""The eleven mixtures of SPoT (Appendix B) and yours, in proportion to examples.

Each member is drawn at the rate min(its training rows, K), K = 2^19 (SPoT §2.1.3). The
sizes are the catalog's: SeqIO's own would change when a task is cached (a cached ReCoRD
counts answers, not queries) and would need the data of every member.
"""

import re
from collections.abc import Sequence

import seqio

# Registers the members.
from spot_jax.errors import InputError
from spot_jax.tasks import (  # noqa: F401
    c4,
    catalog,
    commonsense,
    gem,
    glue,
    nli,
    reading,
    sentiment,
    similarity,
    summarization,
    super_glue,
    translation,
)

_limit = catalog.MIXING_LIMIT


def use_mixing_limit(maximum: int) -> None:
    """Sets K, from now on; mixtures are registered before a configuration is read.

    Raises:
        InputError: it is not positive.
    """
    global _limit
    if maximum < 1:
        raise InputError(
            f"MIXING_LIMIT is {maximum}; SPoT's is {catalog.MIXING_LIMIT}."
        )
    _limit = maximum


def proportional_rate(task: seqio.Task) -> float:
    """Returns how often a member is drawn, relative to others.

    sst2 -> 67349.0; mnli -> 392702.0; c4_prefix_lm -> 524288.0.
    """
    return float(min(catalog.get(task.name).train_examples, _limit))


def add_mixture(name: str, members: Sequence[str]) -> None:
    """Registers a mixture; the same one again is no mistake.

    Args:
        name: its name.
        members: tasks of the catalog.

    Raises:
        InputError: the name is taken or cannot be used, or a member is unknown, a
            mixture, or named twice.
    """
    if not re.fullmatch(r"[\w.:]+", name):
        raise InputError(
            f"a mixture cannot be named {name!r}: SeqIO takes letters, digits and _ . :"
        )
    if isinstance(members, str) or not members or len(set(members)) < len(members):
        raise InputError(
            f"the mixture {name} has the members {members!r}; list its tasks, each once"
        )
    for member in members:
        if member not in catalog.TASKS:
            raise InputError(
                f"the mixture {name}: {catalog.unknown_name(member, catalog.TASKS)}"
            )
    if name in seqio.MixtureRegistry.names():
        there = {task.name for task in seqio.MixtureRegistry.get(name).tasks}
        if there == set(members):
            return
        raise InputError(
            f"there is already a mixture {name} of {', '.join(sorted(there))}; give "
            "yours another name"
        )
    if name in seqio.TaskRegistry.names():
        raise InputError(f"{name} is a task; give the mixture another name")
    seqio.MixtureRegistry.add(name, list(members), default_rate=proportional_rate)


for _mixture in catalog.MIXTURES.values():
    add_mixture(_mixture.name, _mixture.members)
