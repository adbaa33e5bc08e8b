"""The adapter of PEFT: how the two files of its folder hold a soft prompt.

adapter_config.json says what kind of adapter it is and how many vectors it has;
adapter_model.safetensors holds prompt_embeddings [rows, d_model].
"""

import pathlib
from typing import TypedDict

import numpy as np
import safetensors.numpy

from spot_jax.errors import InputError
from spot_jax.reading import as_json, printable, read_json

MODEL_FILE = "adapter_model.safetensors"
CONFIG_FILE = "adapter_config.json"
ARRAY = "prompt_embeddings"
# P-Tuning saves what its encoder gave, which enters the T5 as a soft prompt does. Of
# the others, PREFIX_TUNING puts keys and values under the same name.
_SOFT = ("PROMPT_TUNING", "P_TUNING")
_PREFIX = "PREFIX_TUNING"

_CURE = "Copy the adapter's whole folder."


class _Kind(TypedDict):
    """Of every adapter."""

    peft_type: str | None


class _Config(TypedDict):
    """Of a soft prompt."""

    num_virtual_tokens: int


def check_kind(path: pathlib.Path) -> None:
    """Refuses an adapter that is no soft prompt: a LoRA, a prefix.

    Args:
        path: what may be an adapter's MODEL_FILE; its CONFIG_FILE is looked for beside
            it.

    Raises:
        InputError: when it is, and of another kind.
    """
    config = path.with_name(CONFIG_FILE)
    if not config.is_file():
        return
    kind = read_json(config, _Kind, _CURE)["peft_type"]
    if kind not in _SOFT:
        # Of T5's it reaches the decoder alone, and half of its numbers nothing at all.
        holds = "It holds keys and values, and n" if kind == _PREFIX else "N"
        raise InputError(
            f"{path} is an adapter of the kind {printable(str(kind), 60)}, not a soft "
            f"prompt ({', '.join(_SOFT)}). {holds}othing here reads it: train a prompt "
            "instead."
        )


def select_prompt(path: pathlib.Path, rows: np.ndarray) -> np.ndarray:
    """Returns the prompt among the rows of an adapter.

    PEFT stores as many rows again for the decoder, which nothing reads.

    Args:
        path: the adapter's MODEL_FILE, which is a soft prompt by `check_kind`; its
            CONFIG_FILE is looked for beside it.
        rows: [rows, d_model] what it holds under ARRAY.

    Returns:
        [prompt, d_model].

    Raises:
        InputError: when the configuration is missing or that of another adapter.
    """
    config = path.with_name(CONFIG_FILE)
    if not config.is_file():
        raise InputError(
            f"{path} is a PEFT adapter, but {config.name} is not beside it; it says "
            f"how many of the rows are the prompt. {_CURE}"
        )
    length = read_json(config, _Config, _CURE)["num_virtual_tokens"]
    if rows.ndim != 2 or not 1 <= length <= len(rows):
        raise InputError(
            f"{path} holds {ARRAY} of shape {list(rows.shape)}, and num_virtual_tokens "
            f"is {length} in {config.name}: they do not belong together. {_CURE}"
        )
    return rows[:length]


def contents(enc_input: np.ndarray, base_model: str | None = None) -> dict[str, bytes]:
    """Returns the files of an adapter that holds this prompt.

    `PeftModel.from_pretrained(T5, folder)` reads them, and where the base model is
    named `AutoPeftModelForSeq2SeqLM.from_pretrained(folder)`.

    Args:
        enc_input: [prompt, d_model].
        base_model: under which name or in which folder transformers has the weights;
            None where nobody says.

    Returns:
        {file name: contents}.
    """
    length, d_model = enc_input.shape
    config = {
        "peft_type": "PROMPT_TUNING",
        "task_type": "SEQ_2_SEQ_LM",
        "num_virtual_tokens": length,
        "token_dim": d_model,
        # PEFT's own default for this task is 2: rows for a decoder that has no prompt.
        "num_transformer_submodules": 1,
        "base_model_name_or_path": base_model,
        "prompt_tuning_init": "RANDOM",
        "inference_mode": True,
    }
    arrays = {ARRAY: np.ascontiguousarray(enc_input, np.float32)}
    return {
        MODEL_FILE: safetensors.numpy.save(arrays, {"format": "pt"}),
        CONFIG_FILE: (as_json(config, 2) + "\n").encode("utf-8"),
    }
