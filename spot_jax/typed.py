"""Whether values are of the types that code declares; gin takes any value for any."""

import dataclasses
import inspect
import math
import re
import typing
from collections.abc import Callable
from typing import Any

import msgspec

from spot_jax.errors import InputError


def mismatch(value: Any, hint: Any) -> str | None:
    """Returns why a value is not of a type, in a few words; None if it is.

    A bool is no int here, a whole number is a float, a text is no list of texts, and a
    number that is not finite is none.

    Args:
        value: of Python's literals: texts, numbers, lists, dicts.
        hint: `int`, `str | Sequence[str]`, `dict[str, float] | None`; what has other
            things in it, like functions, takes any value.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return f"it takes {_written(hint)}, and finite numbers"
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        found, _, place = str(error).partition(" - at ")
        within = f": {found} at {place}" if place else ""
        return f"it takes {_written(hint)}{within.replace('`', '')}"
    except TypeError:
        pass
    return None


def _written(hint: Any) -> str:
    told = inspect.formatannotation(hint).replace("collections.abc.", "")
    return re.sub(r"spot_jax(\.\w+)*\.(\w+)", r"\2", told)


def hints_of(function: Callable) -> dict[str, Any]:
    """Returns the types that a function or a class declares for its parameters."""
    is_plain = inspect.isclass(function) and not dataclasses.is_dataclass(function)
    try:
        return typing.get_type_hints(function.__init__ if is_plain else function)
    except (NameError, TypeError):
        # Names that only type checkers import.
        return {}


def check(settings: Any) -> None:
    """Refuses a dataclass of which a field is not of its declared type.

    Raises:
        InputError: naming the field, its value and what it takes.
    """
    hints = hints_of(type(settings))
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        wrong = mismatch(value, hints.get(field.name, Any))
        if wrong:
            raise InputError(
                f"{field.name} of {type(settings).__name__} is {value!r}; {wrong}. See "
                "the gin file that binds it for its macro."
            )
