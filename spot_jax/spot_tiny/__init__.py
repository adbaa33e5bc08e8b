"""The embedded model: a small T5 1.1, pre-trained on the miniature's plain text.

`INITIAL_CHECKPOINT_PATH = "spot_tiny"` and `VOCABULARY = "spot_tiny"` stand for the two
files beside this one; `card.json` tells how they were made. `spot_jax make_spot_tiny`
makes them anew.
"""

import hashlib
import pathlib

from spot_jax.reading import path_of

NAME = "spot_tiny"
# The VOCABULARY of ByT5, which has no file.
BYTES = "bytes"
FOLDER = pathlib.Path(__file__).parent


def checksum() -> str:
    """Returns what tells these weights from any other."""
    return hashlib.sha256((FOLDER / "checkpoint").read_bytes()).hexdigest()


def vocabulary_path(path: str) -> str:
    """Returns the file that a VOCABULARY stands for, with ~ expanded.

    "bytes" stands for none, and stays as it is.
    """
    if path == NAME:
        return str(FOLDER / "vocabulary.model")
    # A url keeps its slashes.
    return path if path == BYTES or "://" in path else str(path_of(path))
