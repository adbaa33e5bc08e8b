"""The macros of gin files: what they are set to and mean, for --help and --macros.

Nothing that the files name is imported, so a list is there at once.
"""

import os
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from gin import config_parser

from spot_jax import reading
from spot_jax.config import code, files, parsing
from spot_jax.errors import InputError

_WIDTH = 79


class Macro(NamedTuple):
    """A macro.

    Attributes:
        name: of it.
        value: as gin text; None where it has to be given.
        meaning: what the code says of the parameter that takes it, in a sentence.
    """

    name: str
    value: str | None
    meaning: str


def short(macros: Sequence[Macro]) -> str:
    """Returns macros as a paragraph: which have to be given, and values."""
    told = [
        f"{macro.name}={macro.value}" for macro in macros if macro.value is not None
    ]
    lines = ["macros (--gin.NAME=VALUE; --macros tells what each means):"]
    if given := ", ".join(macro.name for macro in macros if macro.value is None):
        lines += textwrap.wrap(
            f"to be given, here or by a gin file: {given}",
            **_INDENTED | {"initial_indent": "  "},
        )
    # A value is broken only where it is longer than a line.
    kept = [t if len(t) > _WIDTH - 2 else t.replace(" ", "\0") for t in told]
    lines += textwrap.wrap("  ".join(kept), **_WRAPPED)
    return "\n".join(lines).replace("\0", " ")


def long(macros: Sequence[Macro]) -> str:
    """Returns macros one by one, with what they mean."""
    lines = []
    for name, value, meaning in macros:
        lines.append(f"{name}" if value is None else f"{name} = {value}")
        lines += textwrap.wrap(meaning, **_INDENTED)
    return "\n".join(lines)


_WRAPPED: dict[str, Any] = {
    "width": _WIDTH,
    "initial_indent": "  ",
    "subsequent_indent": "  ",
    "break_long_words": False,
    "break_on_hyphens": False,
}
_INDENTED = _WRAPPED | {"initial_indent": " " * 4, "subsequent_indent": " " * 4}


def macros_of(
    paths: Sequence[str], bindings: Sequence[str] = (), folders: Sequence[str] = ()
) -> list[Macro]:
    """Returns the macros that gin files refer to, by name.

    Args:
        paths: of the files.
        bindings: "NAME=VALUE", which win.
        folders: more places to look for files.

    Raises:
        InputError: when a file is missing or does not parse.
    """
    read = _Read({}, {})
    try:
        for path in files.in_order(paths):
            _read_file(path, [".", *folders, str(files.root())], read, ())
        for binding in bindings:
            _read_text(parsing.quoted(binding), read)
    except InputError:
        raise
    except parsing.NO_CONFIGURATION as error:
        raise InputError(parsing.explain(error)) from error
    return [_macro(name, read) for name in sorted(read.used())]


class _Reference(NamedTuple):
    """Of a macro, %NAME, or of a function, @name or @name()."""

    text: str

    def __repr__(self) -> str:
        return self.text

    @property
    def macro(self) -> str | None:
        return self.text[1:] if self.text[0] == "%" else None


class _References(config_parser.ParserDelegate):
    def configurable_reference(self, scoped_selector: str, evaluate: bool):
        return _Reference(f"@{scoped_selector}{'()' if evaluate else ''}")

    def macro(self, name: str):
        return _Reference(f"%{name}")


class _Read(NamedTuple):
    """What was read: {macro: value}, {(scope, function in full, parameter): value}."""

    macros: dict[str, Any]
    parameters: dict[tuple[str, str, str], Any]

    def used(self) -> set[str]:
        """Returns the macros that something refers to."""
        text = repr([self.macros, list(self.parameters.values())])
        return set(re.findall(r"%([A-Za-z_]\w*)(?![\w.])", text))


def _read_file(
    path: str, folders: Sequence[str], read: _Read, including: tuple[str, ...]
) -> None:
    found = [os.path.join(folder, path) for folder in folders]
    found = [candidate for candidate in found if reading.is_file(candidate)]
    if not found:
        raise InputError(f"There is no gin file {path}.")
    if path in including:
        raise RecursionError
    modules: dict[str, str] = {}
    parser = config_parser.ConfigParser(files.open_file(found[0]), _References())
    for statement in parser:
        match statement:
            case config_parser.IncludeStatement(filename=name):
                _read_file(name, folders, read, (*including, path))
            case config_parser.ImportStatement(module=module):
                modules[statement.bound_name()] = module
            case config_parser.BindingStatement():
                _bind(statement, modules, read)


def _read_text(text: str, read: _Read) -> None:
    # Functions are named by what the files import, which differs; macros are not.
    for statement in config_parser.ConfigParser(text, _References()):
        if isinstance(statement, config_parser.BindingStatement):
            _bind(statement, {}, read)


def _bind(
    statement: config_parser.BindingStatement, modules: Mapping[str, str], read: _Read
) -> None:
    scope, selector, parameter, value, _ = statement
    if not parameter:
        read.macros[selector] = value
        return
    alias, dot, rest = selector.partition(".")
    function = f"{modules.get(alias, alias)}{dot}{rest}"
    read.parameters[scope, function, parameter] = value


def _macro(name: str, read: _Read) -> Macro:
    bound = [code.parameter(*taker) for taker in _takers(name, read)]
    defaults = {told.default for told in bound} - {None}
    if len(defaults) > 1:
        # As `macros.fill_in` does.
        defaults.discard("None")
    value = defaults.pop() if len(defaults) == 1 else None
    if name in read.macros:
        value = _resolved(read.macros[name], read)
    said = [told.meaning for told in bound if told.meaning]
    said += [told.taker for told in bound]
    return Macro(name, value, _sentence(name, said[0] if said else ""))


def _takers(macro: str, read: _Read, *circle: str) -> Iterator[tuple[str, str]]:
    """Yields the functions and parameters that take a macro's value."""
    for (_, function, parameter), value in read.parameters.items():
        if repr(value) == f"%{macro}":
            yield function, parameter
    for name, value in read.macros.items():
        if repr(value) == f"%{macro}" and name not in (macro, *circle):
            yield from _takers(name, read, macro, *circle)


def _resolved(value: Any, read: _Read, *circle: str) -> str | None:
    """Returns a value as text, what another macro is set to in its place."""
    other = value.macro if isinstance(value, _Reference) else None
    if other is None or other in circle:
        return repr(value)
    if other == "gin.REQUIRED":
        return None
    if other not in read.macros:
        return _macro(other, read).value or repr(value)
    return _resolved(read.macros[other], read, *circle, other)


def _sentence(name: str, meaning: str) -> str:
    """Returns the first sentence of a docstring's words, without the macro's name."""
    said = re.sub(rf"^{name}[,:;]? ", "", meaning)
    return re.split(r"(?<=\.)\s(?=[A-Z])", said)[0].removesuffix(".")
