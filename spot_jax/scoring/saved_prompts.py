"""Saved prompts made ready to use: read, checked against the model, put in a bank."""

import pathlib
from collections.abc import Sequence

import jax
import numpy as np

from spot_jax.errors import InputError
from spot_jax.model import binding, sharding
from spot_jax.model.binding import Binding
from spot_jax.model.weights import LoadedModel
from spot_jax.model_dir.made_for import check_made_for
from spot_jax.prompts import algebra, files
from spot_jax.prompts.base import PromptBundle, empty, misfit


def read_bank(
    paths: Sequence[str], model: LoadedModel
) -> tuple[list[str], PromptBundle, Binding]:
    """Reads prompts, of one kind and any lengths, into one bank.

    Args:
        paths: prompt files; see prompts/files.py. None at all: the model alone.
        model: the model they are used with.

    Returns:
        Their names; the bank, with its mask, on the mesh; and what binds it.

    Raises:
        InputError: when one cannot be read or was trained for another model, or they
            are of different kinds.
    """
    if not paths:
        return ["model"], empty(), binding.model_alone()
    saved = [files.read(path) for path in paths]
    for prompt in saved:
        _check(prompt, model)
    bank = algebra.stack([prompt.bundle for prompt in saved])
    # Whole on every device: a device has any rows, and so any of the prompts.
    bank = jax.device_put(bank, sharding.replicated(model.mesh))
    return _names(saved), bank, binding.saved_prompts(len(saved))


def vectors(names: Sequence[str], prompts: PromptBundle) -> dict[str, np.ndarray]:
    """Takes the vectors in front of the input out of a bank of `read_bank`.

    Args:
        names: of the prompts.
        prompts: the bank.

    Returns:
        {name: [prompt, d_model]}, each as long as it was.

    Raises:
        InputError: when the prompts are keys and values, say, which are no vectors like
            those of the vocabulary.
    """
    taken = [algebra.take(prompts, index) for index in range(len(names))]
    found = [files.only_input(bundle, "nearest pieces") for bundle in taken]
    return dict(zip(names, found, strict=True))


def _check(prompt: files.SavedPrompt, model: LoadedModel) -> None:
    wrong = misfit(prompt.bundle, model.config)
    if wrong:
        raise InputError(
            f"{prompt.path} does not fit: {wrong}. It is a prompt of another size of "
            "T5."
        )
    cure = "Set INITIAL_CHECKPOINT_PATH to the model that it was trained for."
    made_for = prompt.story.get("model") or {}
    check_made_for(prompt.path, made_for, model.story(), cure)


def _names(saved: Sequence[files.SavedPrompt]) -> list[str]:
    """Returns each prompt's own name, or its file's; numbered where they repeat."""
    names: list[str] = []
    for prompt in saved:
        stem = pathlib.Path(prompt.path).stem
        name = prompt.story.get("name", stem)
        # Results go by name; copies of a prompt, in two folders, have the same.
        while name in names:
            name += f"-{len(names)}"
        names.append(name)
    return names
