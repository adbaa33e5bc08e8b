"""Prompts for other programs."""

import os

from spot_jax.errors import InputError
from spot_jax.model_dir import storage
from spot_jax.prompts import files, peft
from spot_jax.prompts.base import PromptBundle
from spot_jax.reading import path_of

FORMATS = ("npy", "peft")


def write(
    path: str | os.PathLike,
    bundle: PromptBundle,
    format: str,
    base_model: str | None = None,
) -> None:
    """Writes a prompt of vectors in front of the input for another program.

    Args:
        path: the file or folder to make.
        bundle: one prompt.
        format: "npy", a file of T5X's prompt-tuning, or "peft", an adapter's folder.
        base_model: of a PEFT adapter, what the frozen model is called there.

    Raises:
        InputError: when there is something already, it cannot be written, or the
            format has no place for such a prompt.
    """
    out = path_of(path)
    if format not in FORMATS:
        raise InputError(
            f"Prompts are not written as {format!r}; choose {' or '.join(FORMATS)}."
        )
    if out.exists():
        raise InputError(f"{out} is there already. Choose another name, or delete it.")
    try:
        if format == "npy":
            files.write_numpy(out, bundle)
        else:
            vectors = files.only_input(bundle, "a PEFT adapter")
            with storage.new_folder(out, last=peft.CONFIG_FILE) as folder:
                for name, data in peft.contents(vectors, base_model).items():
                    storage.replace_file(folder / name, data)
    except OSError as error:
        raise InputError(
            f"{out} cannot be written ({error.strerror or error}). Make room, or give "
            "a place of yours."
        ) from error
