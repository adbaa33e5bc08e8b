"""Texts and JSON from outside, read strictly: what cannot be right is one message."""

import importlib.util
import json
import math
import os
import pathlib
from typing import Any

import msgspec

from spot_jax import buckets
from spot_jax.errors import InputError

_BOM = b"\xef\xbb\xbf"


def path_of(text: str | os.PathLike) -> pathlib.Path:
    """Returns a path that a user gave: on this machine, or in a bucket.

    Args:
        text: a path, whose ~ is expanded; gs://BUCKET/... is one that does the same in
            a bucket (`buckets.path.BucketPath`).

    Raises:
        InputError: when it is the home of nobody, ~nobody/file, or of a bucket that
            cannot be read.
    """
    if buckets.is_inside(text):
        return buckets.path_of(os.fspath(text))
    if os.fspath(text).startswith("gs:"):
        raise InputError(f"{text} is no path: a bucket is written gs://BUCKET/FOLDER.")
    try:
        return pathlib.Path(text).expanduser()
    except RuntimeError as error:
        raise InputError(f"{text}: there is no such home. Give its path.") from error


def as_path(path: str | os.PathLike) -> pathlib.Path:
    """Returns a path, or the text of one that `path_of` has seen."""
    if not isinstance(path, os.PathLike) and buckets.is_inside(path):
        return buckets.path_of(path)
    return path if isinstance(path, pathlib.PurePath) else pathlib.Path(path)


def is_file(path: str) -> bool:
    """Whether there is such a file, on this machine or in a bucket."""
    return as_path(path).is_file() if buckets.is_inside(path) else os.path.isfile(path)


def in_full(path: str | os.PathLike) -> str:
    """Returns a path from the root on, or with the bucket it is in."""
    return os.fspath(path) if buckets.is_inside(path) else os.path.abspath(path)


def read_text(path: str | os.PathLike, cure: str) -> str:
    """Returns a text file's contents; a byte-order mark at its start is no text.

    Args:
        path: the file, UTF-8.
        cure: what to do if it cannot be read, a sentence.

    Raises:
        InputError: when there is no such file, or it is not UTF-8.
    """
    return decode(read_bytes(path, cure), str(path), cure)


def decode(data: bytes, where: str, cure: str) -> str:
    """Returns bytes as text: UTF-8, without a byte-order mark.

    Args:
        data: what was read.
        where: from where, for the message.
        cure: what to do if it is no text, a sentence.

    Raises:
        InputError: when it is not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        utf_16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        found = "UTF-16" if utf_16 else f"not UTF-8 (byte {error.start})"
        raise InputError(f"{where} is {found}; save it as UTF-8. {cure}") from error


def lines_of(text: str) -> list[str]:
    r"""Returns a text's lines, which end in \n or \r\n and nothing else.

    str.splitlines also ends lines at form feeds, U+0085 and U+2028, which people have
    in their texts.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def read_json(path: str | os.PathLike, kind: Any, cure: str) -> Any:
    """Reads a JSON file; see `parse_json`.

    Raises:
        InputError: also when there is no such file.
    """
    return parse_json(read_bytes(path, cure), kind, str(path), cure)


def parse_json(data: bytes | str, kind: Any, where: str, cure: str) -> Any:
    """Returns JSON as the type that it has to be of.

    Args:
        data: the JSON.
        kind: the type: `dict[str, float]`, a TypedDict, a dataclass; keys that a
            dataclass does not have are passed over, as a later version may write more.
        where: from where it is, for the message.
        cure: what to do if it is of another type, a sentence.

    Raises:
        InputError: when it is no JSON (NaN is none, half a pair of surrogates is none),
            nests too deep, or is of another type.
    """
    whole = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    try:
        return msgspec.json.decode(whole.removeprefix(_BOM), type=kind)
    except msgspec.ValidationError as error:
        raise InputError(
            f"{where} is not what it should be: {error}. {cure}"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{where} is no JSON: {error}. {cure}") from error
    except RecursionError as error:
        raise InputError(f"{where} is nested too deep. {cure}") from error


def as_json(value: Any, indent: int | None = 1) -> str:
    """Returns a value as JSON that every reader takes: NaN and infinity become null.

    Args:
        value: of dicts, lists, strings, numbers.
        indent: None puts it in one line.
    """
    kept = _writable(value)
    return json.dumps(kept, indent=indent, ensure_ascii=False, allow_nan=False)


def _writable(value: Any) -> Any:
    if isinstance(value, dict):
        return {_writable(key): _writable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_writable(item) for item in value]
    if isinstance(value, str):
        # A command line may hold bytes that are no text.
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    is_number = isinstance(value, float)
    return None if is_number and not math.isfinite(value) else value


def read_bytes(path: str | os.PathLike, cure: str) -> bytes:
    """Returns what is in a file.

    Raises:
        InputError: when it cannot be read.
    """
    try:
        return as_path(path).read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{path} cannot be read ({reason}). {cure}") from error


def printable(text: str, longest: int | None = None) -> str:
    r"""Returns text that a terminal shows and does not obey: "\x1b[2J" as it is here.

    Args:
        text: of one line or several.
        longest: how much of it is shown.
    """
    cut = text if longest is None or len(text) <= longest else f"{text[:longest]}…"
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in cut)


def is_installed(module: str) -> bool:
    """Whether a library is there, of those that not every environment has."""
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:
        # Its import is blocked.
        return False
