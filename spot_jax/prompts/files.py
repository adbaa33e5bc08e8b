"""The file of a prompt: one .safetensors whose header tells the prompt's story.

It holds one array for each site, under the site's name (see `base.PromptBundle`), and
the header says how they enter where there are several ways. Also read: what T5X and
prompt-tuning write (numpy, usually without a suffix) and what PEFT writes
(adapter_model.safetensors beside adapter_config.json).
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

from spot_jax.errors import InputError
from spot_jax.model_dir.storage import replace_file
from spot_jax.prompts import peft
from spot_jax.prompts.base import (
    SITES,
    PromptBundle,
    check_single,
    described,
    modes,
    sites,
)

FORMAT = "spot_jax prompt 1"
_MODES = {
    "hidden_mode": ("replace", "add"),
    "bias_mode": ("zero", "contiguous"),
}
# As in pretrained/arrays.py.
_DTYPES = {
    np.dtype(kind) for kind in (np.float64, np.float32, np.float16, ml_dtypes.bfloat16)
}
_NUMPY_MAGIC = b"\x93NUMPY"


@dataclasses.dataclass(frozen=True)
class SavedPrompt:
    """One prompt as read from a file.

    Attributes:
        bundle: its arrays, numpy, float32, without a bank axis.
        story: what the file says of itself: model, task, step, seed, scores,
            configuration; empty for numpy and PEFT files, which say nothing.
        path: where it was read.
    """

    bundle: PromptBundle
    story: dict[str, Any]
    path: str


def write(path: str | os.PathLike, bundle: PromptBundle, story: Mapping) -> None:
    """Writes a prompt; whoever reads sees the old file or the new one, never half.

    Args:
        path: the file, ending in .safetensors; its folder is made.
        bundle: one prompt, without a bank axis.
        story: what the header says; values are kept as JSON.
    """
    arrays = {
        site: np.ascontiguousarray(array, np.float32)
        for site, array in sites(bundle).items()
    }
    check_single(bundle)
    said = dict(story) | modes(bundle)
    header = {"format": FORMAT} | {k: json.dumps(v) for k, v in said.items()}
    replace_file(pathlib.Path(path), safetensors.numpy.save(arrays, header))


def write_numpy(path: str | os.PathLike, bundle: PromptBundle) -> None:
    """Writes a prompt as T5X's prompt-tuning reads it: one float32 array, no story.

    Args:
        path: the file, under exactly this name; its folder is made.
        bundle: enc_input [prompt, d_model], and nothing else.

    Raises:
        InputError: when the prompt enters elsewhere, which such a file cannot hold.
    """
    data = io.BytesIO()
    np.save(data, np.ascontiguousarray(only_input(bundle, "a numpy file"), np.float32))
    replace_file(pathlib.Path(path), data.getvalue())


def only_input(bundle: PromptBundle, wanted_for: str) -> np.ndarray:
    """Returns enc_input [prompt, d_model] of a prompt that is nothing else.

    Args:
        bundle: one prompt.
        wanted_for: what cannot do with other sites, for the message.

    Raises:
        InputError: when it has other sites.
    """
    if set(sites(bundle)) != {"enc_input"}:
        raise InputError(
            f"This prompt is {described(bundle)}, and {wanted_for} can do with vectors "
            "in front of the input alone (enc_input)."
        )
    return np.asarray(bundle.enc_input)


def read(path: str | os.PathLike) -> SavedPrompt:
    """Reads a prompt of spot_jax, T5X / prompt-tuning or PEFT.

    Args:
        path: the file, or the folder PEFT wrote.

    Raises:
        InputError: when there is no such file, or it holds no usable prompt.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        path = path / peft.MODEL_FILE
        if path.with_name(peft.CONFIG_FILE).is_file() and not path.is_file():
            raise InputError(
                f"{path.parent} is a PEFT adapter without {path.name}; older versions "
                "of PEFT wrote adapter_model.bin. Load it with PEFT and save it again: "
                "save_pretrained(folder, safe_serialization=True)."
            )
    if not path.is_file():
        raise InputError(
            f"There is no prompt file {path}. Give a .safetensors file of spot_jax, a "
            "numpy file of T5X's prompt-tuning, or the folder of a PEFT adapter."
        )
    with open(path, "rb") as file:
        is_numpy = file.read(len(_NUMPY_MAGIC)) == _NUMPY_MAGIC
    arrays, story = _read_numpy(path) if is_numpy else _read_safetensors(path)
    for site, array in arrays.items():
        _check(path, site, array)
    found = {site: array.astype(np.float32) for site, array in arrays.items()}
    entered = {mode: story.pop(mode) for mode in _MODES if mode in story}
    _check_said(path, story, entered)
    return SavedPrompt(PromptBundle(**found, **entered), story, str(path))


def _damaged(path: pathlib.Path, error: Exception) -> InputError:
    return InputError(
        f"{path} is neither a numpy nor a safetensors file, or it is damaged "
        f"({error}). Copy it again from where it was written."
    )


def _read_numpy(path: pathlib.Path) -> tuple[dict[str, np.ndarray], dict]:
    try:
        return {"enc_input": np.load(path, allow_pickle=False)}, {}
    except (ValueError, OSError, EOFError) as error:
        raise _damaged(path, error) from error


def _read_safetensors(path: pathlib.Path) -> tuple[dict[str, np.ndarray], dict]:
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            header, names = dict(file.metadata() or {}), set(file.keys())
            if names and names <= set(SITES):
                kept = header.pop("format", FORMAT)
                story = {key: json.loads(value) for key, value in header.items()}
                # "pt" and the like are other programs' words for safetensors itself.
                is_ours = kept.startswith("spot_jax")
                story |= {"format": kept} if is_ours and kept != FORMAT else {}
                return {site: file.get_tensor(site) for site in sorted(names)}, story
            if peft.ARRAY in names:
                rows = file.get_tensor(peft.ARRAY)
                return {"enc_input": peft.select_prompt(path, rows)}, {}
    except (safetensors.SafetensorError, OSError, json.JSONDecodeError) as error:
        raise _damaged(path, error) from error
    raise InputError(
        f"{path} holds {', '.join(sorted(names)) or 'nothing'}; a prompt of spot_jax "
        f"has 'enc_input' or other sites, one of PEFT '{peft.ARRAY}'."
    )


def _check_said(path: pathlib.Path, story: dict, entered: dict[str, str]) -> None:
    """Refuses a header of another version, or one that says what cannot be."""
    if "format" in story:
        raise InputError(
            f"{path} has the format {story['format']!r}, this version reads "
            f"{FORMAT!r}. Read it with the version of spot_jax that wrote it."
        )
    for mode, value in entered.items():
        if value not in _MODES[mode]:
            raise InputError(
                f"{path} has the {mode} {value!r}; there are "
                f"{' and '.join(_MODES[mode])}. Copy it again from where it was "
                "written."
            )


# Of each site: its axes, of which "prompt" and the last are never empty.
_AXES = {
    "enc_input": "prompt, d_model",
    "enc_hidden": "layers, prompt, d_model",
    **dict.fromkeys(("enc_self", "dec_self", "cross"), "layers, 2, prompt, width"),
}


def _check(path: pathlib.Path, site: str, array: np.ndarray) -> None:
    axes = _AXES[site]
    if (
        array.ndim != axes.count(",") + 1
        or not array.size
        or (array.ndim == 4 and array.shape[1] != 2)
        or array.dtype not in _DTYPES
    ):
        raise InputError(
            f"{path} holds an array of shape {array.shape} and type "
            f"{array.dtype}; a prompt's {site} is [{axes}], at least one "
            "vector of floating point numbers."
        )
    if not np.isfinite(array.astype(np.float32)).all():
        raise InputError(
            f"{path} holds values that are not finite: its training diverged. Take an "
            "earlier prompt of that run, or train it again with a smaller rate."
        )
