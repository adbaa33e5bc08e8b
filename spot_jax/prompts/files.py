"""The file of a prompt: one .safetensors whose header tells the prompt's story.

Also read: what T5X and prompt-tuning write (numpy, usually without a suffix) and what
PEFT writes (adapter_model.safetensors beside adapter_config.json).
"""

import dataclasses
import io
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy

from spot_jax.model_dir.storage import replace_file
from spot_jax.prompts import peft

FORMAT = "spot_jax prompt 1"
# As in pretrained/arrays.py, whose package would bring JAX along: two seconds.
_DTYPES = {
    np.dtype(kind) for kind in (np.float64, np.float32, np.float16, ml_dtypes.bfloat16)
}
_NUMPY_MAGIC = b"\x93NUMPY"


@dataclasses.dataclass(frozen=True)
class SavedPrompt:
    """One prompt as read from a file.

    Attributes:
        enc_input: [prompt, d_model] float32.
        story: what the file says of itself: model, task, step, seed, scores,
            configuration; empty for numpy and PEFT files, which say nothing.
        path: where it was read.
    """

    enc_input: np.ndarray
    story: dict[str, Any]
    path: str


def write(path: str | os.PathLike, enc_input: np.ndarray, story: Mapping) -> None:
    """Writes a prompt; whoever reads sees the old file or the new one, never half.

    Args:
        path: the file, ending in .safetensors; its folder is made.
        enc_input: [prompt, d_model].
        story: what the header says; values are kept as JSON.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"format": FORMAT} | {k: json.dumps(v) for k, v in story.items()}
    data = safetensors.numpy.save(
        {"enc_input": np.ascontiguousarray(enc_input, np.float32)}, header
    )
    replace_file(path, data)


def write_numpy(path: str | os.PathLike, enc_input: np.ndarray) -> None:
    """Writes a prompt as T5X's prompt-tuning reads it: one float32 array, no story.

    Args:
        path: the file, under exactly this name; its folder is made.
        enc_input: [prompt, d_model].
    """
    path, data = pathlib.Path(path), io.BytesIO()
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(data, np.ascontiguousarray(enc_input, np.float32))
    replace_file(path, data.getvalue())


def read(path: str | os.PathLike) -> SavedPrompt:
    """Reads a prompt of spot_jax, T5X / prompt-tuning or PEFT.

    Args:
        path: the file, or the folder PEFT wrote.

    Raises:
        ValueError: when there is no such file, or it holds no usable prompt.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        path = path / peft.MODEL_FILE
        if path.with_name(peft.CONFIG_FILE).is_file() and not path.is_file():
            raise ValueError(
                f"{path.parent} is a PEFT adapter without {path.name}; older versions "
                "of PEFT wrote adapter_model.bin. Load it with PEFT and save it again: "
                "save_pretrained(folder, safe_serialization=True)."
            )
    if not path.is_file():
        raise ValueError(
            f"There is no prompt file {path}. Give a .safetensors file of spot_jax, a "
            "numpy file of T5X's prompt-tuning, or the folder of a PEFT adapter."
        )
    with open(path, "rb") as file:
        is_numpy = file.read(len(_NUMPY_MAGIC)) == _NUMPY_MAGIC
    enc_input, story = _read_numpy(path) if is_numpy else _read_safetensors(path)
    _check(path, enc_input)
    return SavedPrompt(enc_input.astype(np.float32), story, str(path))


def _damaged(path: pathlib.Path, error: Exception) -> ValueError:
    return ValueError(
        f"{path} is neither a numpy nor a safetensors file, or it is damaged "
        f"({error}). Copy it again from where it was written."
    )


def _read_numpy(path: pathlib.Path) -> tuple[np.ndarray, dict]:
    try:
        return np.load(path, allow_pickle=False), {}
    except (ValueError, OSError, EOFError) as error:
        raise _damaged(path, error) from error


def _read_safetensors(path: pathlib.Path) -> tuple[np.ndarray, dict]:
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            header, arrays = dict(file.metadata() or {}), set(file.keys())
            if "enc_input" in arrays:
                header.pop("format", None)
                story = {key: json.loads(value) for key, value in header.items()}
                return file.get_tensor("enc_input"), story
            if peft.ARRAY in arrays:
                return peft.select_prompt(path, file.get_tensor(peft.ARRAY)), {}
    except (safetensors.SafetensorError, OSError, json.JSONDecodeError) as error:
        raise _damaged(path, error) from error
    raise ValueError(
        f"{path} holds {', '.join(sorted(arrays)) or 'nothing'}; a prompt of spot_jax "
        f"has 'enc_input', one of PEFT '{peft.ARRAY}'."
    )


def _check(path: pathlib.Path, enc_input: np.ndarray) -> None:
    if enc_input.ndim != 2 or not enc_input.size or enc_input.dtype not in _DTYPES:
        raise ValueError(
            f"{path} holds an array of shape {enc_input.shape} and type "
            f"{enc_input.dtype}; a prompt is [prompt, d_model], at least one "
            "vector of floating point numbers."
        )
    if not np.isfinite(enc_input.astype(np.float32)).all():
        raise ValueError(
            f"{path} holds values that are not finite: its training diverged. Take an "
            "earlier prompt of that run, or train it again with a smaller rate."
        )
