"""Macros: what they are set to, and the defaults of those that nobody sets."""

import ast
import dataclasses
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import gin

from spot_jax.errors import InputError

NO_DEFAULT = inspect.Parameter.empty


def fill_in() -> None:
    """Sets macros that nobody has set to the defaults of what they are bound to.

    A macro stays unset where the parameters it is bound to have no default, or two.
    """
    macro = gin.get_configurable(gin.config.macro)
    references = gin.config.iterate_references(gin.config._CONFIG, to=macro)
    for name in sorted({"/".join(reference.scopes) for reference in references}):
        if (name, "gin.macro") not in gin.config._CONFIG:
            defaults = [default_of(*parameter) for parameter in _bound_to(name)]
            texts = {setting(name, x) for x in defaults if x is not NO_DEFAULT}
            if len(texts) > 1:
                # None is the word of one that leaves it to another.
                texts.discard(setting(name, None))
            if len(texts) == 1 and None not in texts:
                gin.parse_config(texts.pop())


def _bound_to(macro: str) -> Iterator[tuple[Callable, str]]:
    """Yields the functions and parameters that take a macro's value."""
    for (scope, name), bindings in gin.config._CONFIG.items():
        for parameter, value in bindings.items():
            # Text of these characters would have quotes.
            if repr(value) == f"%{macro}":
                if name == "gin.macro":
                    yield from _bound_to(scope)
                else:
                    yield function_of(name), parameter


def default_of(function: Callable, parameter: str) -> Any:
    """Returns a parameter's default, NO_DEFAULT where it has none."""
    if dataclasses.is_dataclass(function):
        for field in dataclasses.fields(function):
            if field.name == parameter and callable(field.default_factory):
                return field.default_factory()
    found = inspect.signature(function).parameters.get(parameter)
    return found.default if found else NO_DEFAULT


def setting(name: str, value: Any) -> str | None:
    """Returns gin text that sets a name; None for a value that gin cannot write."""
    function = getattr(value, "__qualname__", "")
    if function.isidentifier():
        package, _, module = value.__module__.rpartition(".")
        return (
            "from __gin__ import dynamic_registration\n"
            f"from {package} import {module}\n{name} = @{module}.{function}\n"
        )
    try:
        ast.literal_eval(repr(value))
    except (SyntaxError, ValueError):
        return None
    return f"{name} = {value!r}\n"


def check_circles() -> None:
    """Refuses macros that are set to each other in a circle.

    Raises:
        InputError: naming the circle.
    """
    for name, parameter in list(gin.config._CONFIG):
        if parameter == "gin.macro":
            resolved(gin.config._CONFIG[name, parameter]["value"], (name,))


def resolved(value: Any, circle: tuple[str, ...] = ()) -> Any:
    """Returns a value with its macros replaced by theirs; NO_DEFAULT if that is open.

    It is where a macro has no value, or something configured is part of it.
    """
    if isinstance(value, list | tuple):
        items = [resolved(item, circle) for item in value]
        return NO_DEFAULT if NO_DEFAULT in items else type(value)(items)
    if isinstance(value, dict):
        items = resolved(list(value.values()), circle)
        return items if items is NO_DEFAULT else dict(zip(value, items, strict=True))
    if not isinstance(value, gin.config.ConfigurableReference):
        return value
    name = "/".join(value.scopes)
    if value.selector != "gin.macro" or (name, "gin.macro") not in gin.config._CONFIG:
        return NO_DEFAULT
    if name in circle:
        around = " = %".join([*circle[circle.index(name) :], name])
        raise InputError(
            f"The macros {around} are set to each other. Give one of them a value."
        )
    return resolved(gin.config._CONFIG[name, "gin.macro"]["value"], (*circle, name))


def macro_of(bound: Any) -> str | None:
    """Returns the name of the macro that a parameter is bound to, the last of a row."""
    found = None
    while isinstance(bound, gin.config.ConfigurableReference):
        found = "/".join(bound.scopes)
        bound = gin.config._CONFIG[found, "gin.macro"]["value"]
    return found


def function_of(name: str) -> Callable:
    """Returns the function or class of a name in the configuration."""
    return gin.config._REGISTRY[name].wrapped
