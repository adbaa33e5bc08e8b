"""The configuration of a run that was begun from Python, as text."""

import dataclasses
import functools

from spot_jax.errors import InputError

_NO_GIN = "# Begun from Python: these are its settings, and no gin.\n"


def as_gin(configuration: str) -> str:
    """Returns a configuration if gin can parse it, and else ""."""
    return "" if configuration.startswith(_NO_GIN) else configuration


def described(*settings: object, **others: object) -> str:
    """Returns settings as text, a line each: "Training.steps = 100".

    It tells a run that was begun from Python from any other, and is kept where a run
    that was configured by gin keeps its gin text.

    Args:
        settings: dataclasses, or None.
        others: {name: value}.

    Raises:
        InputError: when a function among them has no name: a lambda or a closure.
    """
    lines = []
    for name, value in others.items():
        is_one = dataclasses.is_dataclass(value) and not isinstance(value, type)
        lines += _lines(value) if is_one else [f"{name} = {_told(value)}"]
    for each in settings:
        if dataclasses.is_dataclass(each):
            lines += _lines(each)
    return _NO_GIN + "\n".join(sorted(lines)) + "\n"


def _lines(settings: object) -> list[str]:
    lines = []
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            lines += _lines(value)
        else:
            lines.append(f"{type(settings).__name__}.{field.name} = {_told(value)}")
    return lines


def _told(value: object) -> str:
    """Returns a value as text that is the same in every process."""
    if isinstance(value, functools.partial):
        given = [*map(_told, value.args)]
        given += [f"{name}={_told(v)}" for name, v in value.keywords.items()]
        return f"{_told(value.func)}({', '.join(given)})"
    if callable(value):
        name = getattr(value, "__qualname__", "<")
        # What a closure holds has no text, so another one would be the same run.
        if "<" in name:
            raise InputError(
                f"{value!r} has no name by which a run could be told from another. "
                "Give a function of a module, or functools.partial of one, or say what "
                "runs yourself: train(configuration=...)."
            )
        return f"{value.__module__}.{name}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_told, value))}]"
    return repr(value)
