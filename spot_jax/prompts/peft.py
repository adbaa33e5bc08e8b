"""The adapter of PEFT: how the two files of its folder hold a soft prompt.

adapter_config.json says what kind of adapter it is and how many vectors it has;
adapter_model.safetensors holds prompt_embeddings [rows, d_model].
"""

import json
import pathlib

import numpy as np
import safetensors.numpy

from spot_jax.errors import InputError

MODEL_FILE = "adapter_model.safetensors"
CONFIG_FILE = "adapter_config.json"
ARRAY = "prompt_embeddings"
# P-Tuning saves what its encoder gave, which enters the T5 as a soft prompt does. Of
# the others, PREFIX_TUNING puts keys and values under the same name.
_SOFT = ("PROMPT_TUNING", "P_TUNING")


def select_prompt(path: pathlib.Path, rows: np.ndarray) -> np.ndarray:
    """Returns the prompt among the rows of an adapter.

    PEFT stores as many rows again for the decoder, which nothing reads.

    Args:
        path: the adapter's MODEL_FILE; its CONFIG_FILE is looked for beside it.
        rows: [rows, d_model] what it holds under ARRAY.

    Returns:
        [prompt, d_model].

    Raises:
        InputError: when the configuration is missing or that of another adapter, or the
            adapter is not a soft prompt.
    """
    config = path.with_name(CONFIG_FILE)
    if not config.is_file():
        raise InputError(
            f"{path} is a PEFT adapter, but {config.name} is not beside it; it says "
            "how many of the rows are the prompt. Copy the adapter's whole folder."
        )
    try:
        said = json.loads(config.read_text(encoding="utf-8"))
        length, kind = said["num_virtual_tokens"], said["peft_type"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{config} is not the configuration of a soft prompt ({error!r}). Copy the "
            "adapter's whole folder."
        ) from error
    if type(length) is not int or not 1 <= length <= len(rows):
        raise InputError(
            f"{path} has {len(rows)} rows, and num_virtual_tokens is {length} in "
            f"{config.name}: they do not belong together. Copy the adapter's whole "
            "folder."
        )
    if kind not in _SOFT:
        raise InputError(
            f"{path} is an adapter of the kind {kind}, not a soft prompt "
            f"({', '.join(_SOFT)}). Nothing here reads it: train a prompt instead."
        )
    return rows[:length]


def contents(enc_input: np.ndarray) -> dict[str, bytes]:
    """Returns the files of an adapter that holds this prompt.

    `PeftModel.from_pretrained(T5, folder)` reads them.

    Args:
        enc_input: [prompt, d_model].

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
        # Under which name transformers has the weights, only its user knows.
        "base_model_name_or_path": None,
        "prompt_tuning_init": "RANDOM",
        "inference_mode": True,
    }
    arrays = {ARRAY: np.ascontiguousarray(enc_input, np.float32)}
    return {
        MODEL_FILE: safetensors.numpy.save(arrays, {"format": "pt"}),
        CONFIG_FILE: (json.dumps(config, indent=2) + "\n").encode("utf-8"),
    }
