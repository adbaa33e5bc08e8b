"""A small world in which all 26 tasks of the transfer study can be played offline.

`MORE` has tasks of other kinds: tagging, and text from tables.

`spot_jax make_miniature DIR` writes its data sets; `plain_text` is its running text.
Nothing here needs TensorFlow.
"""

from spot_jax.miniature.datasets import (
    DATASETS,
    MORE,
    VALIDATION_ROWS,
    all_splits,
    rows,
)
from spot_jax.miniature.plain import plain_text
from spot_jax.miniature.world import held_out

__all__ = [
    "DATASETS",
    "MORE",
    "VALIDATION_ROWS",
    "all_splits",
    "held_out",
    "plain_text",
    "rows",
]
