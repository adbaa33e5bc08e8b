"""Whether a column of a data set can hold a value exactly as it is given."""

import numbers
from collections.abc import Mapping

import numpy as np
import tensorflow_datasets as tfds

from spot_jax.errors import InputError


def check_value(value: object, feature, where: str) -> None:
    """Finds out whether a column can hold a value, so that nothing is changed or cut.

    TFDS makes 1 of 1.5 and of "1", and has no message for 2**70.

    Args:
        value: of Python's own types, as JSON has them, or numpy's scalars.
        feature: the column's, of TFDS.
        where: file, line and column, for the message.

    Raises:
        InputError: it cannot.
    """
    if isinstance(feature, tfds.features.FeaturesDict):
        _check_parts(value, feature, where)
    elif isinstance(feature, tfds.features.Sequence):
        _check_list(value, feature.feature, where)
    # What is no single value, such as an image, is left to TFDS.
    elif feature.shape == () and not _fits(value, feature):
        raise InputError(f"{where} is {value!r:.80}; {_expected(feature)} is expected")


def _check_parts(value: object, parts: Mapping, where: str) -> None:
    if not isinstance(value, Mapping) or set(value) != set(parts):
        raise InputError(
            f"{where} is {value!r:.80}; an object of {', '.join(sorted(parts))} is "
            "expected"
        )
    for name, part in parts.items():
        check_value(value[name], part, f"{where}.{name}")


def _check_list(value: object, feature, where: str) -> None:
    """Checks a list; of objects it is an object of lists, as TFDS has it."""
    if isinstance(feature, tfds.features.FeaturesDict):
        lists = {name: tfds.features.Sequence(part) for name, part in feature.items()}
        _check_parts(value, lists, where)
        lengths = {name: len(items) for name, items in value.items()}
        if len(set(lengths.values())) > 1:
            raise InputError(f"{where} has lists of different lengths: {lengths}")
        return
    if not isinstance(value, list | tuple | np.ndarray):
        raise InputError(f"{where} is {value!r:.80}; a list is expected")
    for place, item in enumerate(value):
        check_value(item, feature, f"{where}[{place}]")


def _fits(value: object, feature) -> bool:
    if isinstance(feature, tfds.features.ClassLabel) and isinstance(value, str):
        return value in feature.names
    kind = _kind_of(feature)
    if kind == "O":
        return isinstance(value, bytes) or _is_text(value)
    if kind == "b":
        return isinstance(value, bool | np.bool_) or value in (0, 1)
    is_float = kind == "f" and isinstance(value, float | np.floating)
    if not is_float and not _is_whole(value):
        return False
    least, greatest = _limits_of(feature)
    return bool(least <= value <= greatest)


def _kind_of(feature) -> str:
    return np.dtype(feature.np_dtype).kind


def _limits_of(feature) -> tuple[float, float]:
    """Returns the least and the greatest number that a column can hold."""
    if isinstance(feature, tfds.features.ClassLabel):
        # -1 is a label that is hidden.
        return -1, feature.num_classes - 1
    if _kind_of(feature) in "iu":
        return np.iinfo(feature.np_dtype).min, np.iinfo(feature.np_dtype).max
    greatest = float(np.finfo(feature.np_dtype).max)
    return -greatest, greatest


def _is_whole(value: object) -> bool:
    # To Python, True is an integer.
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        # Half a pair of surrogates is a str, and no text.
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _expected(feature) -> str:
    if isinstance(feature, tfds.features.ClassLabel):
        return f"one of {', '.join(feature.names)}, or its index,"
    kind = _kind_of(feature)
    if kind in "iu":
        least, greatest = _limits_of(feature)
        return f"a whole number from {least:,} to {greatest:,}"
    return {"O": "text", "b": "true or false", "f": "a number"}[kind]
