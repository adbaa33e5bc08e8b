"""The SeqIO pieces that tasks are made of, and the check that their data is there.

Nothing heavy is imported here: `spot_jax.text.metrics` and
`spot_jax.text.postprocessors` also work where TensorFlow is not installed.
"""

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence


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
    with _overheard(lambda line: False):
        import tensorflow  # noqa: F401


def without_chatter() -> contextlib.AbstractContextManager[None]:
    """Keeps what C++ libraries say by the way off stderr, and shows all else they say.

    SentencePiece's does in TensorFlow, whenever it makes a tokenizer.
    """
    return _overheard(lambda line: b" LOG(INFO) " not in line)


def without_a_word() -> contextlib.AbstractContextManager[None]:
    """Keeps all that C++ libraries say off stderr; inside, errors are expected."""
    return _overheard(lambda line: False)


# Two threads that both put stderr aside would put it back in the wrong order.
_stderr = threading.RLock()


@contextlib.contextmanager
def _overheard(is_shown: Callable[[bytes], bool]) -> Iterator[None]:
    """Shows those lines that are written to stderr meanwhile; all if it fails."""
    with _stderr, tempfile.TemporaryFile() as said:
        stderr = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            yield
        except BaseException:
            is_shown = bool
            raise
        finally:
            os.dup2(stderr, 2)
            said.seek(0)
            os.write(stderr, b"".join(filter(is_shown, said)))
            os.close(stderr)
