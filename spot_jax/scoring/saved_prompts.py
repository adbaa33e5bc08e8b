"""Saved prompts made ready to use: read, checked against the model, put in a bank."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spot_jax.errors import InputError
from spot_jax.model import binding, sharding
from spot_jax.model.binding import Binding
from spot_jax.model.weights import LoadedModel
from spot_jax.model_dir import made_for
from spot_jax.model_dir.made_for import check_made_for, is_same_model, named
from spot_jax.prompts import algebra, files
from spot_jax.prompts.base import (
    Dimensions,
    PromptBundle,
    empty,
    entered,
    misfit,
    sites,
)
from spot_jax.prompts.files import SavedPrompt


def read(paths: Sequence[str], model: Dimensions) -> list[SavedPrompt]:
    """Reads prompts, and checks what can be checked before the model is loaded.

    Args:
        paths: prompt files; see prompts/files.py.
        model: of the model that they will be used with.

    Raises:
        InputError: when one cannot be read or does not fit the model, or they do not
            belong together: of different kinds, or of different models.
    """
    saved = [files.read(path) for path in paths]
    check(saved, model)
    return saved


def check(saved: Sequence[SavedPrompt], model: Dimensions) -> None:
    """Refuses prompts that do not fit a model, or one another.

    Raises:
        InputError: see `read`.
    """
    for prompt in saved:
        wrong = misfit(prompt.bundle, model)
        if wrong:
            raise InputError(
                f"{prompt.path} does not fit: {wrong}. It is a prompt of another size "
                "of T5."
            )
        for site, array in sites(prompt.bundle).items():
            # A stack that the prompt is not in may have fewer layers.
            if site != "enc_input":
                entered(prompt.bundle, len(array))
    if saved:
        algebra.check_alike([prompt.bundle for prompt in saved])
        algebra.check_heads([prompt.bundle for prompt in saved])
        _check_of_one_model(saved)


def head_of(saved: Sequence[SavedPrompt]) -> str | None:
    """Returns the kind of head that prompts have, all of them or none."""
    head = saved[0].bundle.head if saved else None
    return head.kind if head is not None else None


def _check_of_one_model(saved: Sequence[SavedPrompt]) -> None:
    first, *others = saved
    for prompt in others:
        if is_same_model(_model_of(first), _model_of(prompt)) is False:
            raise InputError(
                f"{first.path} was trained for the frozen model "
                f"{named(_model_of(first))}, {prompt.path} was trained for the frozen "
                f"model {named(_model_of(prompt))}: no model is right for both. "
                "Evaluate them one after the other."
            )


def _model_of(prompt: SavedPrompt) -> dict:
    return prompt.story.get("model") or {}


def bank_of(
    saved: Sequence[SavedPrompt], model: LoadedModel
) -> tuple[PromptBundle, Binding]:
    """Puts prompts, of one kind and any lengths, into one bank.

    Args:
        saved: what `read` returned. None at all: the model alone.
        model: the model they are used with.

    Returns:
        The bank, with its mask, on the mesh; and what binds it.

    Raises:
        InputError: when one was trained for another model.
    """
    if not saved:
        return empty(), binding.model_alone()
    cure = "Set INITIAL_CHECKPOINT_PATH to the model that it was trained for."
    for prompt in saved:
        check_made_for(prompt.path, _model_of(prompt), model.story(), cure)
    bank = algebra.stack([prompt.bundle for prompt in saved])
    # Whole on every device: a device has any rows, and so any of the prompts.
    bank = sharding.place(bank, sharding.replicated(model.mesh))
    return bank, binding.saved_prompts(len(saved))


def check_vocabulary(
    saved: Sequence[SavedPrompt], vocabulary: Mapping[str, Any]
) -> None:
    """Refuses prompts that were trained with another vocabulary than the run reads.

    Args:
        saved: what `read` returned.
        vocabulary: of the run, {"fingerprint", "path"}, and "sentinel" where it has one
            before its targets.

    Raises:
        InputError: naming both.
    """
    for prompt in saved:
        told = prompt.story.get("vocabulary") or {}
        cure = "Name the vocabulary of the model: --gin.VOCABULARY=FILE."
        made_for.check_vocabulary(prompt.path, told, vocabulary, cure)
        learned, asked = (bool(v.get("sentinel")) for v in (told, vocabulary))
        if told and learned != asked:
            raise InputError(
                f"{prompt.path} was trained with{'' if learned else 'out'} a sentinel "
                f"before its targets. Use it so: --gin.SENTINEL={learned}."
            )


def names_of(saved: Sequence[SavedPrompt]) -> list[str]:
    """Returns each prompt's own name, or its file's; numbered where they repeat.

    Of no prompt at all it is "model".
    """
    names: list[str] = []
    for prompt in saved:
        name = prompt.story.get("name") or pathlib.Path(prompt.path).stem
        # Results go by name; copies of a prompt, in two folders, have the same.
        while name in names:
            name += f"-{len(names)}"
        names.append(name)
    return names or ["model"]


def vectors_of(saved: Sequence[SavedPrompt]) -> dict[str, np.ndarray]:
    """Returns the vectors that prompts put in front of the input.

    Returns:
        {name: [prompt, d_model]}.

    Raises:
        InputError: when the prompts are keys and values, say, which are no vectors like
            those of the vocabulary.
    """
    bundles = [prompt.bundle.replace(head=None) for prompt in saved]
    found = [files.only_input(bundle, "nearest pieces") for bundle in bundles]
    return dict(zip(names_of(saved), found, strict=True))
