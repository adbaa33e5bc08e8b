"""The SeqIO pieces that tasks are made of, and the check that their data is there.

Nothing heavy is imported here: `spot_jax.text.metrics` and
`spot_jax.text.postprocessors` also work where TensorFlow is not installed.
"""

import os
import sys
import tempfile
from collections.abc import Sequence


def check_data(name: str, splits: Sequence[str] = ("train", "validation")) -> None:
    """Raises InputError unless the data of a registered task or mixture can be read.

    See `spot_jax.text.checks.check_data`, which this calls.
    """
    # Imported here because it brings TensorFlow in.
    from spot_jax.text import checks

    checks.check_data(name, splits)


def import_tensorflow() -> None:
    """Imports TensorFlow without its greetings about CUDA and oneDNN.

    They are written by its C++ libraries before any setting can silence them, to the
    file descriptor itself. If the import fails, what it said is shown.
    """
    if "tensorflow" in sys.modules:
        return
    with tempfile.TemporaryFile() as said:
        stderr = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            import tensorflow  # noqa: F401
        except BaseException:
            said.seek(0)
            os.write(stderr, said.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
