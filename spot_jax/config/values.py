"""What a configuration gives: configured functions, values, its text."""

import inspect
from collections.abc import Callable
from typing import Any

import gin

from spot_jax.config import macros, types


def configured(function: Callable) -> Callable:
    """Returns the function with what the configuration sets bound to it.

    Raises:
        InputError: when a value is not of the type of the parameter it is bound to.
    """
    types.check(function)
    return gin.get_configurable(function)


def value(macro: str) -> Any:
    """Returns what a macro of the configuration is set to."""
    return gin.query_parameter(f"{macro}/gin.macro.value")


def text() -> str:
    """Returns the configuration as gin text, with what it leaves to the code."""
    rest = ["# Defaults, where a program says no other:", *_left_to_the_code()]
    return "\n".join([gin.config_str(), *rest, ""])


def _left_to_the_code() -> list[str]:
    """Returns comments: the defaults of parameters that nothing binds."""
    references = gin.config.iterate_references(gin.config._CONFIG)
    names = {name for _, name in gin.config._CONFIG}
    lines = []
    for name in names | {reference.configurable.selector for reference in references}:
        function = macros.function_of(name)
        where = f"{function.__module__}.{function.__qualname__}"
        bound = gin.config._CONFIG.get(("", name), {})
        for parameter in inspect.signature(function).parameters:
            default = macros.default_of(function, parameter)
            if parameter not in bound and default is not macros.NO_DEFAULT:
                setting = macros.setting(f"# {where}.{parameter}", default) or ""
                lines += setting.splitlines()[-1:]
    return sorted(lines)
