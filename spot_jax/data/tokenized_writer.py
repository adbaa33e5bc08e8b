"""Writing tokenized examples, as `tokenized.py` reads them."""

import contextlib
import io
import pathlib
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from spot_jax import buckets
from spot_jax.data.ids import as_ids
from spot_jax.data.tokenized import ARRAYS, FORMAT, HEADER, Header, checksum
from spot_jax.errors import InputError
from spot_jax.model_dir import storage
from spot_jax.reading import as_json, path_of
from spot_jax.text.lengths import FEATURES


def write_tokenized(
    folder: str | pathlib.Path,
    examples: Iterable[Mapping[str, np.ndarray]],
    header: Mapping[str, object],
    *,
    vocabulary_size: int,
) -> Header:
    """Writes examples; the folder appears when all of them are there.

    Args:
        folder: where to write; must not exist.
        examples: each with `inputs` and `targets`, [length] ids.
        header: what to say in `header.json`, beside the counts and checksums that are
            added here: task, split, seed, lengths, cut and vocabulary.
        vocabulary_size: ids are below it; decides between uint16 and int32.

    Returns:
        The whole header.

    Raises:
        InputError: the folder exists or cannot be written, there are no examples, or
            one has other ids or no targets. Nothing is left of it then.
    """
    folder = path_of(folder)
    check_free(folder)
    dtype = np.dtype(np.uint16 if vocabulary_size <= 2**16 else np.int32)
    try:
        with storage.new_folder(folder, last=HEADER) as unfinished:
            checked = (_ids(example, vocabulary_size) for example in examples)
            counts = _write_arrays(unfinished, checked, dtype)
            checksums = {name: checksum(unfinished / name) for name in ARRAYS}
            whole = {"format": FORMAT, **header, **counts, "checksums": checksums}
            storage.replace_text(unfinished / HEADER, as_json(whole, 2) + "\n")
    except FileExistsError as error:
        raise InputError(f"{error}; move or remove it first") from error
    return whole


def check_free(folder: pathlib.Path) -> None:
    """Makes sure that nothing is where a folder is to be written.

    In a bucket arrays without their header may be: a process that was killed left them,
    and they are written anew.

    Raises:
        InputError: when something is there.
    """
    if buckets.is_inside(folder) and folder.is_dir():
        is_free = {path.name for path in folder.iterdir()} <= set(ARRAYS)
    else:
        is_free = not folder.exists()
    if not is_free:
        raise InputError(f"{folder} is already there; move or remove it first")


def _ids(example: Mapping[str, np.ndarray], pieces: int) -> dict[str, np.ndarray]:
    """Returns int32 [length] of each feature."""
    ids = {name: as_ids(example[name], name, pieces) for name in FEATURES}
    if not len(ids["targets"]):
        raise InputError("there is an example without targets, which cannot be learnt")
    return ids


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
                writers[name](example[name])
                offsets[name].append(offsets[name][-1] + len(example[name]))
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
