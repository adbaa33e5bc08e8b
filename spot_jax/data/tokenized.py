"""Tokenized examples on disk, read without TensorFlow.

A folder holds `header.json` and, for inputs and targets each, two arrays: all tokens in
a row, and where each example begins:

    inputs.npy          uint16 or int32 [tokens]
    inputs_offsets.npy  int64 [examples + 1]

Example i is `inputs[offsets[i] : offsets[i + 1]]`. `spot_jax tokenize` writes it.
"""

import contextlib
import io
import json
import pathlib
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from spot_jax.errors import InputError
from spot_jax.model_dir import storage
from spot_jax.text.lengths import FEATURES

FORMAT = "spot_jax tokenized 1"
_HEADER = "header.json"


class TokenizedExamples:
    """The examples of a folder, each read from disk when it is asked for.

    Attributes:
        header: what the folder says of itself: format, task, split, vocabulary (path,
            extra_ids, size, fingerprint), lengths, examples, tokens, cut.
    """

    def __init__(self, folder: str | pathlib.Path):
        """Opens a folder.

        Raises:
            InputError: it is not there, unfinished, of another format, or its arrays do
                not belong together.
        """
        folder = pathlib.Path(folder)
        self.header = _read_header(folder)
        self._tokens: dict[str, np.ndarray] = {}
        self._offsets: dict[str, np.ndarray] = {}
        for name in FEATURES:
            self._tokens[name] = _open(folder / f"{name}.npy")
            self._offsets[name] = _open(folder / f"{name}_offsets.npy")
            expected = (self.header["examples"] + 1, self.header["tokens"][name])
            found = (len(self._offsets[name]), len(self._tokens[name]))
            if found != expected or self._offsets[name][-1] != found[1]:
                raise InputError(
                    f"{folder}: {name} has {found[1]} tokens of {found[0] - 1} "
                    f"examples, the header says {expected[1]} of {expected[0] - 1}; "
                    "write the folder again"
                )

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


def write_tokenized(
    folder: str | pathlib.Path,
    examples: Iterable[Mapping[str, np.ndarray]],
    header: Mapping[str, object],
    *,
    vocabulary_size: int,
) -> dict[str, object]:
    """Writes examples; the folder appears when all of them are there.

    Args:
        folder: where to write; must not exist.
        examples: each with `inputs` and `targets`, [length] ids.
        header: what to say in `header.json`, beside the counts that are added here.
        vocabulary_size: decides between uint16 and int32.

    Returns:
        The whole header.

    Raises:
        InputError: the folder exists, or there are no examples.
    """
    folder = pathlib.Path(folder)
    if folder.exists():
        raise InputError(f"{folder} is already there; move or remove it first")
    with storage.new_folder(folder) as unfinished:
        dtype = np.uint16 if vocabulary_size <= 2**16 else np.int32
        counts = _write_arrays(unfinished, examples, np.dtype(dtype))
        whole = {"format": FORMAT, **header, **counts}
        text = json.dumps(whole, indent=2) + "\n"
        storage.replace_text(unfinished / _HEADER, text)
    return whole


def _write_arrays(
    folder: pathlib.Path, examples: Iterable[Mapping[str, np.ndarray]], dtype: np.dtype
) -> dict[str, object]:
    offsets: dict[str, list[int]] = {name: [0] for name in FEATURES}
    with contextlib.ExitStack() as stack:
        writers = {
            name: stack.enter_context(_growing_array(folder / f"{name}.npy", dtype))
            for name in FEATURES
        }
        for example in examples:
            for name in FEATURES:
                tokens = np.asarray(example[name])
                writers[name](tokens)
                offsets[name].append(offsets[name][-1] + len(tokens))
    count = len(offsets["inputs"]) - 1
    if not count:
        raise InputError("there are no examples to write")
    for name in FEATURES:
        array = io.BytesIO()
        np.save(array, np.array(offsets[name], np.int64))
        storage.replace_file(folder / f"{name}_offsets.npy", array.getvalue())
    tokens = {name: offsets[name][-1] for name in FEATURES}
    return {"examples": count, "tokens": tokens, "dtype": dtype.name}


@contextlib.contextmanager
def _growing_array(path: pathlib.Path, dtype: np.dtype) -> Iterator:
    """Yields a function that appends ids to a .npy file, whose size is written last."""
    length = 0

    def append(tokens: np.ndarray) -> None:
        nonlocal length
        length += len(tokens)
        file.write(tokens.astype(dtype).tobytes())

    with storage.open_to_fill(path) as file:
        _write_npy_header(file, dtype, 0)
        start = file.tell()
        yield append
        file.seek(0)
        _write_npy_header(file, dtype, length)
        # numpy leaves room for the digits of a growing first axis.
        assert file.tell() == start


def _write_npy_header(file, dtype: np.dtype, length: int) -> None:
    form = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": (length,),
    }
    np.lib.format.write_array_header_1_0(file, form)


def _read_header(folder: pathlib.Path) -> dict:
    try:
        header = json.loads((folder / _HEADER).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"{folder} has no tokenized examples; `spot_jax tokenize` writes them"
        ) from error
    except json.JSONDecodeError as error:
        message = f"{folder}/{_HEADER} is no JSON; write the folder again"
        raise InputError(message) from error
    if header.get("format") != FORMAT:
        raise InputError(
            f"{folder} has the format {header.get('format')!r}; expected {FORMAT!r}"
        )
    return header


def _open(path: pathlib.Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        message = f"{path} cannot be read ({error}); write the folder again"
        raise InputError(message) from error
