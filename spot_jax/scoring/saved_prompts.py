"""Saved prompts made ready to use: read, checked against the model, put in a bank."""

import pathlib
from collections.abc import Mapping, Sequence

import jax
import numpy as np

from spot_jax.model import sharding
from spot_jax.model.binding import Binding
from spot_jax.model.weights import LoadedModel
from spot_jax.prompts import files
from spot_jax.prompts.base import PromptBundle, empty


def read_bank(
    paths: Sequence[str], model: LoadedModel
) -> tuple[list[str], dict[str, jax.Array], Binding, int]:
    """Reads prompts, of any lengths, into one bank.

    Args:
        paths: prompt files; see prompts/files.py. None at all: the model alone.
        model: the model they are used with.

    Returns:
        Their names; {"enc_input": [bank, prompt, d_model], "mask": [bank, prompt]}
        with the shorter ones padded in front and masked; the split that binds them;
        the length of the longest.

    Raises:
        ValueError: when one cannot be read or was trained for another model.
    """
    if not paths:
        return (
            ["model"],
            {},
            Binding(lambda _, frozen: (frozen, empty()), None),
            0,
        )
    saved = [files.read(path) for path in paths]
    for prompt in saved:
        _check(prompt, model)
    length = max(len(prompt.enc_input) for prompt in saved)
    bank = np.zeros((len(saved), length, model.config.d_model), np.float32)
    mask = np.zeros((len(saved), length), np.int32)
    for index, prompt in enumerate(saved):
        # At the end of its slots: the position bias sees how far the text is away.
        bank[index, length - len(prompt.enc_input) :] = prompt.enc_input
        mask[index, length - len(prompt.enc_input) :] = 1
    arrays = jax.device_put(
        {"enc_input": bank, "mask": mask}, sharding.replicated(model.mesh)
    )

    def bind(trained, frozen):
        return frozen, PromptBundle(**trained)

    return _names(saved), arrays, Binding(bind, len(saved)), length


def vectors(
    names: Sequence[str], arrays: Mapping[str, jax.Array]
) -> dict[str, np.ndarray]:
    """Takes prompts out of the bank that `read_bank` put them in.

    Args:
        names: of the prompts.
        arrays: {"enc_input": [bank, prompt, d_model], "mask": [bank, prompt]}.

    Returns:
        {name: [prompt, d_model]}, each as long as it was.
    """
    bank, mask = jax.device_get((arrays["enc_input"], arrays["mask"]))
    return {name: bank[index][mask[index] > 0] for index, name in enumerate(names)}


def _check(prompt: files.SavedPrompt, model: LoadedModel) -> None:
    width = prompt.enc_input.shape[1]
    if width != model.config.d_model:
        raise ValueError(
            f"{prompt.path} has vectors of width {width}, the model "
            f"{model.config.d_model}: it is a prompt of another size of T5."
        )
    made_for = prompt.story.get("model", {}).get("fingerprint", model.fingerprint)
    if made_for != model.fingerprint:
        raise ValueError(
            f"{prompt.path} was trained for the frozen model {made_for}; "
            f"{model.source} is {model.fingerprint}. Set INITIAL_CHECKPOINT_PATH to "
            f"the model it was trained for ({prompt.story['model']['source']})."
        )


def _names(saved: Sequence[files.SavedPrompt]) -> list[str]:
    """Returns each prompt's own name, or its file's; numbered where they repeat."""
    names: list[str] = []
    for prompt in saved:
        stem = pathlib.Path(prompt.path).stem
        name = prompt.story.get("name", stem)
        while name in names:
            name += f"-{len(names)}"
        names.append(name)
    return names
