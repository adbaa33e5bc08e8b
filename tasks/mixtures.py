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


def proportional_rate(task: seqio.Task, maximum: int = catalog.MIXING_LIMIT) -> float:
    """Returns how often a member is drawn, relative to others.

    sst2 -> 67349.0; mnli -> 392702.0; c4_prefix_lm -> 524288.0.
    """
    return float(min(catalog.get(task.name).train_examples, maximum))


def current_rate(task: seqio.Task) -> float:
    """Calls `proportional_rate` as this module has it when a data set is made.

    Mixtures are registered before the configuration is read; it may replace
    `proportional_rate` by one with another `maximum`.
    """
    return proportional_rate(task)


for _mixture in catalog.MIXTURES.values():
    seqio.MixtureRegistry.add(
        _mixture.name, list(_mixture.members), default_rate=current_rate
    )
