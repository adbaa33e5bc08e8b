"""A prompt as Python programs hold it."""

import dataclasses
import logging
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from spot_jax.errors import InputError
from spot_jax.model_dir import names, storage
from spot_jax.model_dir.score import measured
from spot_jax.pretrained.transformers_name import transformers_name
from spot_jax.prompts import export, files
from spot_jax.prompts.algebra import token_matrices
from spot_jax.prompts.base import PromptBundle, length_of
from spot_jax.prompts.files import SavedPrompt
from spot_jax.prompts.incoming import name_of
from spot_jax.reading import path_of

logger = logging.getLogger(__name__)

__all__ = ["InputError", "Prompt", "embed"]


@dataclasses.dataclass(frozen=True, eq=False)
class Prompt:
    """A prompt and its story.

    Attributes:
        bundle: its arrays, float32; of a soft prompt `bundle.enc_input`
            [prompt, d_model].
        story: task, seed, step, score, the frozen model and vocabulary that it is of,
            and how rows became examples; see `prompts.header.Story`.
        early: the same prompt at an early step, by which its task is compared with
            others (SPoT §3.2); None where none was kept.
        path: where it was read; "" of one that was not.
    """

    bundle: PromptBundle
    story: Mapping[str, Any]
    early: "Prompt | None" = None
    path: str = ""

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Prompt":
        """Reads a prompt of spot_jax, of T5X's prompt-tuning or of PEFT.

        Args:
            path: the file, a PEFT adapter's folder, or a prompt's own folder in a
                MODEL_DIR, of which the best is read. What `save` and a run keep beside
                it, its early prompt, comes with it.

        Raises:
            InputError: when there is no such file, or it holds no usable prompt.
        """
        place = path_of(path)
        if names.in_folder(place, names.BEST).is_file():
            place = names.in_folder(place, names.BEST)
        saved, beside = files.read(place), _beside(place)
        early = files.read(beside) if beside.is_file() else None
        if early and not _belong_together(saved, early):
            raise InputError(
                f"{beside} is no early prompt of {place}: they tell other tasks, seeds "
                "or settings. Move it elsewhere, or take the one that belongs to it."
            )
        kept = early and cls(early.bundle, early.story, None, early.path)
        return cls(saved.bundle, saved.story, kept, saved.path)

    def save(self, path: str | os.PathLike) -> None:
        """Writes the prompt, its story, and beside it its early prompt.

        Args:
            path: the file, ending in .safetensors; the early prompt's ends in
                .embedding.safetensors.

        Raises:
            InputError: when it ends otherwise, or cannot be written.
        """
        place = path_of(path)
        if place.suffix != ".safetensors":
            raise InputError(
                f"{path} is no name of a prompt's file, which ends in .safetensors. "
                "For another program: prompt.export(path, 'npy') or 'peft'."
            )
        # Of another prompt that was there: it would be taken for this one's.
        storage.remove_file(_beside(place))
        if self.early is not None:
            files.write(_beside(place), self.early.bundle, self.early.story)
        files.write(place, self.bundle, self.story)

    def export(
        self,
        path: str | os.PathLike,
        format: str = "peft",
        base_model: str | None = None,
    ) -> None:
        """Writes the prompt for another program.

        Args:
            path: the file or folder to make.
            format: "peft", the folder of a PEFT adapter, or "npy", a file of T5X's
                prompt-tuning.
            base_model: of a PEFT adapter, the frozen model's name or folder there;
                None: the folder or published model that it was trained on, if known.

        Raises:
            InputError: when there is something already, or the format has no place for
                such a prompt.
        """
        of_model = self.story.get("model") or {}
        base_model = base_model or transformers_name(of_model.get("source"))
        if format == "peft" and base_model is None:
            logger.warning(
                "%s: nothing tells which model of Hugging Face %s is of. Give it, "
                "base_model=..., and PEFT loads the adapter by itself.",
                *(path, self.name),
            )
        export.write(path, self.bundle, format, base_model)

    @property
    def saved(self) -> SavedPrompt:
        """The prompt as the rooms below know it."""
        return SavedPrompt(self.bundle, dict(self.story), self.path or self.name)

    @property
    def name(self) -> str:
        """Its own name, or its file's."""
        told = self.story.get("name")
        return told or name_of(SavedPrompt(self.bundle, {}, self.path or "prompt"))

    @property
    def score(self) -> float | None:
        """On its validation rows, higher is better: 0 to 100, or minus a loss.

        None where it was never measured.
        """
        return self.story.get("score")

    def __len__(self) -> int:
        return length_of(self.bundle)

    def __repr__(self) -> str:
        said = f"{len(self)} vectors"
        if results := self.story.get("results"):
            what, value = measured(results)
            said += f", {what} {value:.2f}"
        return f"<Prompt {self.name}: {said}>"


# A prompt, or the path of its file.
AnyPrompt = Prompt | str | os.PathLike


def embed(prompt: AnyPrompt) -> np.ndarray:
    """Returns a task's embedding as one vector: the mean of its prompt's (SPoT §3.2).

    Args:
        prompt: of the task; its early prompt is taken where there is one.

    Returns:
        [d_model] float32; of prompts with several sites and layers their means, one
        after the other. Cosines of such vectors are the paper's "average tokens".
    """
    found = as_prompt(prompt)
    bundle = (found.early or found).bundle
    means = [matrix.mean(axis=0) for matrix in token_matrices(bundle)]
    return np.concatenate(means).astype(np.float32)


def as_prompt(prompt: AnyPrompt) -> Prompt:
    """Returns a prompt, which may be named by its file.

    Raises:
        InputError: when it is neither.
    """
    if isinstance(prompt, str | os.PathLike):
        return Prompt.load(prompt)
    if not isinstance(prompt, Prompt):
        raise InputError(
            f"{prompt!r} is no prompt. Give what spot_jax.tune or Prompt.load "
            "returned, or the path of a prompt's file."
        )
    return prompt


def _beside(path: pathlib.Path) -> pathlib.Path:
    """Returns where the early prompt of a file is."""
    if path.name == names.in_folder(path, names.BEST).name:
        return names.in_folder(path.parent, names.EMBEDDING)
    return path.with_name(f"{path.stem}.embedding.safetensors")


def _belong_together(one: SavedPrompt, other: SavedPrompt) -> bool:
    keys = ("task", "seed", "configuration")
    return all(one.story.get(key) == other.story.get(key) for key in keys)
