"""What a configuration binds to a function, without calling it."""

from collections.abc import Callable
from typing import Any

import gin

from spot_jax.config import types


def bound_to(function: Callable) -> dict[str, Any]:
    """Returns {parameter: value} of a function that the configuration names.

    What values are made of (`@settings.Model()`) is made.

    Raises:
        InputError: when a value is not of the type of the parameter it is bound to.
    """
    types.check(function)
    name = f"{function.__module__}.{function.__qualname__}"
    known = {selector for _, selector in gin.config._CONFIG}
    return gin.get_bindings(name) if name in known else {}
