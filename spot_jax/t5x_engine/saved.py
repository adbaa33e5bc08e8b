"""What the file of a saved prompt says of the run that uses it."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from spot_jax.errors import InputError
from spot_jax.model_dir import names
from spot_jax.pretrained import Description
from spot_jax.prompts import files, peft
from spot_jax.prompts.base import length_of
from spot_jax.reading import path_of
from spot_jax.settings import Data
from spot_jax.spot_tiny import BYTES, vocabulary_path
from spot_jax.text.lengths import FEATURES


def prompt_length(checkpoint: str, length: int | None = None) -> int:
    """Returns how many vectors the prompt has that is used.

    Args:
        checkpoint: CHECKPOINT_PATH.
        length: PROMPT_LENGTH; None: that of the prompt's file.

    Raises:
        InputError: when there is no such file.
    """
    if length is not None:
        return length
    file = _file_of(checkpoint)
    if file is None:
        raise InputError(
            f"CHECKPOINT_PATH is {checkpoint}: that is no file of a prompt, and there "
            f"is no {names.PROMPTS}/NAME beside it that would tell how long its prompt "
            "is. Give the file of a prompt, or a checkpoint in its run's MODEL_DIR and "
            "--gin.PROMPT_LENGTH; to use a T5 alone, --gin.PROMPTS=None."
        )
    return length_of(files.read(file).bundle)


def lengths(given: Mapping[str, int] | None = None) -> Mapping[str, int]:
    """Returns TASK_FEATURE_LENGTHS; None is any, for T5X's evaluation finds them."""
    return dict.fromkeys(FEATURES, np.iinfo(np.int32).max) if given is None else given


def story(checkpoint: str) -> dict[str, Any]:
    """Returns what is known of the prompt that CHECKPOINT_PATH names; {}: nothing."""
    file = _file_of(checkpoint)
    return {} if file is None else files.read(file).story


def with_vocabulary(
    data: Data, told: Mapping[str, Any], description: Description
) -> Data:
    """Returns the data with the prompt's vocabulary, where nothing else names one.

    Args:
        data: of which VOCABULARY may be None.
        told: the story of the prompt.
        description: of the model, whose own vocabulary comes first.
    """
    of_prompt = told.get("vocabulary") or {}
    path = of_prompt.get("path")
    if data.vocabulary is not None or description.vocabulary is not None or not path:
        return data
    # What lies on this machine may have lain on another one.
    if not (path == BYTES or "://" in path or os.path.exists(vocabulary_path(path))):
        return data
    extra_ids = of_prompt.get("extra_ids") if data.extra_ids is None else data.extra_ids
    return dataclasses.replace(data, vocabulary=path, extra_ids=extra_ids)


def is_prompt(path: str | os.PathLike) -> bool:
    """Whether a path is that of a prompt: a file, or the folder of a PEFT adapter."""
    path = path_of(path)
    return path.is_file() or (path / peft.CONFIG_FILE).is_file()


def _file_of(checkpoint: str) -> pathlib.Path | None:
    """Returns the file of a prompt: itself, or the one that a checkpoint of T5X has."""
    path = path_of(checkpoint)
    if is_prompt(path):
        return path
    for folder in (path, path.parent):
        for place in names.prompt_folders(folder):
            if names.in_folder(place, names.LAST).is_file():
                return names.in_folder(place, names.LAST)
    return None
