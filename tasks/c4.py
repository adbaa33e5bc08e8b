"""C4 (Raffel et al. 2020) as a prefix language model."""

import functools

import seqio

from spot_jax.tasks import catalog
from spot_jax.text.prefix_lm import prefix_lm
from spot_jax.text.registration import FEATURES, PreparedSource

seqio.TaskRegistry.add(
    "c4_prefix_lm",
    source=PreparedSource(catalog.get("c4_prefix_lm")),
    preprocessors=[
        functools.partial(
            seqio.preprocessors.rekey, key_map={"inputs": None, "targets": "text"}
        ),
        seqio.preprocessors.tokenize,
        # What comes after is random, and made anew in each epoch.
        seqio.CacheDatasetPlaceholder(),
        prefix_lm,
        seqio.preprocessors.append_eos_after_trim,
    ],
    output_features=FEATURES,
    metric_fns=[],
)
