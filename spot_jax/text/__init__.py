"""The SeqIO pieces that tasks are made of, and the check that their data is there.

Nothing heavy is imported here: `spot_jax.text.metrics` and
`spot_jax.text.postprocessors` also work where TensorFlow is not installed.
"""

from collections.abc import Sequence


def check_data(name: str, splits: Sequence[str] = ("train", "validation")) -> None:
    """Raises ValueError unless the data of a registered task or mixture can be read.

    See `spot_jax.text.checks.check_data`, which this calls.
    """
    # Imported here because it brings TensorFlow in.
    from spot_jax.text import checks

    checks.check_data(name, splits)
