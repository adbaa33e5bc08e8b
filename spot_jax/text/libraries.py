"""Libraries that compute some metrics, imported by those alone that need them."""

import importlib
from typing import Any

from spot_jax.errors import InputError


def need(module: str, package: str, what: str) -> Any:
    """Imports a library, which takes its time and is not everywhere.

    Args:
        module: what Python imports: "sklearn.metrics".
        package: what pip installs: "scikit-learn".
        what: what it computes, the beginning of a sentence: "BLEU is".

    Raises:
        InputError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"{what} computed by {package}, which is not here: pip install {package}, "
            "or choose another metric."
        ) from error
