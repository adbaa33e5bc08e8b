"""The plain text of the miniature world, generated while it is read (miniature.py)."""

from spot_jax.tasks.catalog_entry import TaskInfo

# More than any run reads; nothing of it is made before it is read.
TRAIN_EXAMPLES = 10_000_000
_GENERATED = dict(family="miniature", tfds="generated", train_examples=TRAIN_EXAMPLES)

MINIATURE = (
    TaskInfo(
        "miniature_span_corruption", note="pre-training of spot_tiny", **_GENERATED
    ),
    TaskInfo("miniature_prefix_lm", note="LM adaptation of spot_tiny", **_GENERATED),
    TaskInfo(
        "miniature_revision",
        note="the last part of the LM adaptation of spot_tiny",
        **_GENERATED,
    ),
)
