"""The eleven mixtures of SPoT (Appendix B), in proportion to examples.

Each member is drawn at the rate min(its training rows, K), K = 2^19 (SPoT §3.1.3). The
sizes are the catalog's: SeqIO's own would change when a task is cached (a cached ReCoRD
counts answers, not queries) and would need the data of every member.
"""

import seqio

# Registers the members.
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
        ValueError: it is not positive.
    """
    global _limit
    if maximum < 1:
        raise ValueError(
            f"MIXING_LIMIT is {maximum}; SPoT's is {catalog.MIXING_LIMIT}."
        )
    _limit = maximum


def proportional_rate(task: seqio.Task) -> float:
    """Returns how often a member is drawn, relative to others.

    sst2 -> 67349.0; mnli -> 392702.0; c4_prefix_lm -> 524288.0.
    """
    return float(min(catalog.get(task.name).train_examples, _limit))


for _mixture in catalog.MIXTURES.values():
    seqio.MixtureRegistry.add(
        _mixture.name, list(_mixture.members), default_rate=proportional_rate
    )
