"""Tokenized examples on disk, read without TensorFlow.

A folder holds `header.json` and, for inputs and targets each, two arrays: all tokens in
a row, and where each example begins:

    inputs.npy          uint16 or int32 [tokens]
    inputs_offsets.npy  int64 [examples + 1]

Example i is `inputs[offsets[i] : offsets[i + 1]]`. `spot_jax tokenize` writes it. The
header has the SHA-256 of every array. It is compared when a folder is opened, once a
run, which reads these arrays many times: 0.7 seconds a GB, measured on a processor with
instructions for it.
"""

import hashlib
import logging
import pathlib
from collections.abc import Iterator
from typing import Annotated, Literal, NotRequired, TypedDict

import msgspec
import numpy as np

from spot_jax.data.vocabularies import Identity
from spot_jax.errors import InputError
from spot_jax.model_dir import at_hand
from spot_jax.reading import path_of, read_json
from spot_jax.text.lengths import FEATURES

logger = logging.getLogger(__name__)

FORMAT = "spot_jax tokenized 2"
# Without checksums; it is read all the same.
_FORMAT_1 = "spot_jax tokenized 1"
HEADER = "header.json"
ARRAYS = tuple(
    name
    for feature in FEATURES
    for name in (f"{feature}.npy", f"{feature}_offsets.npy")
)
_CURE = "Write the folder anew with `spot_jax tokenize`."
# Tokens looked at in one go: what compares them stays in the processor's cache.
_CHUNK = 2**18


class PerFeature(TypedDict):
    """A number for the inputs, and one for the targets."""

    inputs: int
    targets: int


class Header(TypedDict):
    """What a folder says of itself.

    A run compares task, split, lengths and vocabulary with its own.
    """

    format: str
    examples: Annotated[int, msgspec.Meta(ge=1)]
    tokens: PerFeature
    dtype: Literal["uint16", "int32"]
    checksums: NotRequired[dict[str, str]]
    task: NotRequired[str]
    split: NotRequired[str]
    seed: NotRequired[int]
    lengths: NotRequired[PerFeature]
    cut: NotRequired[PerFeature]
    vocabulary: NotRequired[Identity]


class _Format(TypedDict):
    format: str


class TokenizedExamples:
    """The examples of a folder, each read from disk when it is asked for.

    Attributes:
        folder: where they are.
        header: what the folder says of itself.
        largest_id: the largest of all tokens.
    """

    def __init__(self, folder: str | pathlib.Path):
        """Opens a folder and reads it once, to see that it is what was written.

        Raises:
            InputError: it is not there, unfinished, of another format, or changed; its
                arrays do not belong together, or do not hold ids.
        """
        self.folder = path_of(folder)
        self.header = _read_header(self.folder)
        here = _here(self.folder)
        if self.header["format"] == FORMAT:
            _compare_checksums(self.folder, here, self.header)
        else:
            logger.warning(
                "%s was written by an earlier version, without checksums: an id that "
                "changed since would not be seen. `spot_jax tokenize` writes them now.",
                self.folder,
            )
        self._tokens: dict[str, np.ndarray] = {}
        self._offsets: dict[str, np.ndarray] = {}
        for name in FEATURES:
            self._tokens[name] = _open(here / f"{name}.npy")
            self._offsets[name] = _open(here / f"{name}_offsets.npy")
            self._check_arrays(name)
        self.largest_id = max(self._check_ids(name) for name in FEATURES)

    def _check_arrays(self, name: str) -> None:
        """Raises InputError where a feature's arrays do not belong together."""
        tokens, offsets = self._tokens[name], self._offsets[name]
        found = [(array.dtype, array.shape) for array in (tokens, offsets)]
        expected = [
            (np.dtype(self.header["dtype"]), (self.header["tokens"][name],)),
            (np.dtype(np.int64), (self.header["examples"] + 1,)),
        ]
        if found != expected:
            told = [
                ", ".join(f"{dtype.str} {list(shape)}" for dtype, shape in arrays)
                for arrays in (found, expected)
            ]
            raise InputError(
                f"{self.folder}: {name} and their offsets are {told[0]}, the header "
                f"says {told[1]}. {_CURE}"
            )
        is_rising = bool(np.all(offsets[:-1] <= offsets[1:]))
        if not is_rising or offsets[0] != 0 or offsets[-1] != len(tokens):
            raise InputError(
                f"{self.folder}: the offsets of the {name} do not rise from 0 to "
                f"{len(tokens)}, the number of tokens. {_CURE}"
            )
        if name == "targets" and not self.lengths(name).min():
            raise InputError(f"{self.folder} has an example without targets. {_CURE}")

    def _check_ids(self, name: str) -> int:
        """Returns the largest id; raises InputError where one is negative."""
        ends = [(c.min(), c.max()) for c in _chunks(self._tokens[name])]
        if any(smallest < 0 for smallest, _ in ends):
            raise InputError(f"{self.folder}: {name} has negative ids. {_CURE}")
        return max((int(largest) for _, largest in ends), default=0)

    def __len__(self) -> int:
        return self.header["examples"]

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Returns `{"inputs": int32 [length], "targets": int32 [length]}`."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"example {index} of {len(self)}")
        index %= len(self)
        return {
            name: np.array(self._tokens[name][start:stop], np.int32)
            for name in FEATURES
            for start, stop in [self._offsets[name][index : index + 2]]
        }

    def lengths(self, name: str) -> np.ndarray:
        """Returns int64 [examples], the tokens of each example's inputs or targets."""
        return np.diff(self._offsets[name])

    def count(self, name: str, token: int) -> int:
        """Returns how often an id occurs in the inputs or targets."""
        chunks = _chunks(self._tokens[name])
        return sum(int(np.count_nonzero(chunk == token)) for chunk in chunks)


def _chunks(tokens: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(tokens), _CHUNK):
        yield tokens[start : start + _CHUNK]


def _read_header(folder: pathlib.Path) -> Header:
    path = folder / HEADER
    # Before all else, which another format may have otherwise.
    found = read_json(path, _Format, _CURE)["format"]
    if found not in (FORMAT, _FORMAT_1):
        raise InputError(
            f"{folder} has the format {found!r}, expected is {FORMAT!r}. {_CURE}"
        )
    return read_json(path, Header, _CURE)


def _here(folder: pathlib.Path) -> pathlib.Path:
    """Returns where the arrays are on a disk, as numpy opens them."""
    try:
        return at_hand.several(folder, ARRAYS)
    except OSError as error:
        raise InputError(
            f"{error.filename} cannot be read ({error.strerror}). {_CURE}"
        ) from error


def _compare_checksums(
    folder: pathlib.Path, here: pathlib.Path, header: Header
) -> None:
    expected = header.get("checksums", {})
    for name in ARRAYS:
        if checksum(here / name) != expected.get(name):
            raise InputError(
                f"{folder / name} is not what was written: its checksum is not the "
                f"header's. Copy it again from where it was written. {_CURE}"
            )


def checksum(path: pathlib.Path) -> str:
    """Returns a file's SHA-256, which `sha256sum` gives as well."""
    try:
        with at_hand.one(path) as here, open(here, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}). {_CURE}"
        ) from error


def _open(path: pathlib.Path) -> np.ndarray:
    """Returns an array that stays on disk."""
    try:
        array = np.load(path, mmap_mode="r")
    # numpy's own parser of a damaged header lets errors of Python's tokenizer out.
    except Exception as error:
        raise InputError(f"{path} cannot be read ({error}). {_CURE}") from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path} is an archive of arrays, not one. {_CURE}")
    return array
