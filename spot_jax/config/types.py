"""Whether values that gin binds are of the types of their parameters."""

import collections
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import gin

from spot_jax import typed
from spot_jax.config import macros
from spot_jax.errors import InputError


def keep_texts(bindings: Sequence[str]) -> None:
    """Takes numbers of the command line as text where text is wanted.

    --gin.MODEL_DIR=20241126 is a folder's name.
    """
    pairs = (binding.partition("=") for binding in bindings)
    given = {name.strip(): text.strip() for name, _, text in pairs}
    for bound in list(_bound()):
        is_number = isinstance(bound.value, int | float)
        if is_number and bound.name in given and bound.wrong:
            text = given[bound.name]
            if not typed.mismatch(text, bound.hint):
                gin.parse_config(f"{bound.name} = {text!r}")


def check(function: Callable) -> None:
    """Refuses values that are not of the types of the parameters they are bound to.

    Args:
        function: what is to be called; what no call of it needs may be of any type.

    Raises:
        InputError: naming the macro or the parameter, and what it takes.
    """
    needed = _needed(function)
    for bound in _bound():
        if bound.function in needed and bound.wrong:
            raise InputError(f"{bound.name} is {bound.value!r}; {bound.wrong}.")


class _Bound(NamedTuple):
    """A parameter of a function, and what it is bound to."""

    function: str
    name: str
    value: Any
    hint: Any

    @property
    def wrong(self) -> str | None:
        return typed.mismatch(self.value, self.hint)


def _bound() -> Iterator[_Bound]:
    """Yields all parameters whose values are known, under their macros' names."""
    for (_, function), parameters in gin.config._CONFIG.items():
        hints = typed.hints_of(macros.function_of(function))
        for parameter, bound in parameters.items():
            value = macros.resolved(bound)
            if value is not macros.NO_DEFAULT:
                name = macros.macro_of(bound) or f"{function}.{parameter}"
                yield _Bound(function, name, value, hints.get(parameter, Any))


def _needed(function: Callable) -> set[str]:
    """Returns the names of a function and of what its parameters lead to."""
    all_of = collections.defaultdict(list)
    for (scope, name), parameters in gin.config._CONFIG.items():
        # Macros are told apart by their scopes, of others any scope may be meant.
        node = f"%{scope}" if name == "gin.macro" else name
        all_of[node].append(parameters)
    found: set[str] = set()
    waiting = [n for _, n in gin.config._CONFIG if macros.function_of(n) is function]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            for reference in gin.config.iterate_references(all_of[name]):
                is_macro = reference.selector == "gin.macro"
                scope = "/".join(reference.scopes)
                full = reference.configurable.selector
                waiting.append(f"%{scope}" if is_macro else full)
    return found
