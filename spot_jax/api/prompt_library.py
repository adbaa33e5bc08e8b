"""A library of prompts as Python programs ask it."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from spot_jax.api.prompt import AnyPrompt, Prompt, as_prompt
from spot_jax.errors import InputError
from spot_jax.prompts import algebra
from spot_jax.prompts.entry import LibraryEntry, headers
from spot_jax.prompts.incoming import from_saved
from spot_jax.prompts.library import Library, from_run
from spot_jax.retrieval import candidates
from spot_jax.retrieval.candidates import Target
from spot_jax.retrieval.similarity import MEASURES, USUAL_MEASURE


class Similar(NamedTuple):
    """A prompt of a library, and how like the asked one it is.

    Attributes:
        name: in the library.
        similarity: from -1 to 1.
        prompt: itself.
    """

    name: str
    similarity: float
    prompt: Prompt


def library(folder: str | os.PathLike) -> "PromptLibrary":
    """Opens a library of prompts of one frozen model; its first prompt makes it.

    Args:
        folder: what `spot_jax library` calls DIR.
    """
    return PromptLibrary(folder)


class PromptLibrary:
    """A folder of prompts of one frozen model."""

    def __init__(self, folder: str | os.PathLike):
        self._kept = Library(folder)

    def add(self, prompt: AnyPrompt, name: str | None = None) -> str:
        """Adds a prompt with its early prompt, or finds that it is there already.

        Args:
            prompt: itself, or its file.
            name: in the library; None: its own.

        Returns:
            The name.

        Raises:
            InputError: when it does not say its model, is of another model than the
                library's, or another prompt has its name.
        """
        found = as_prompt(prompt)
        early = found.early and found.early.saved
        given = {"name": name or found.name}
        entry = from_saved(found.saved, early, given)
        self._kept.add(entry)
        return entry.name

    def add_run(self, model_dir: str | os.PathLike) -> list[str]:
        """Adds all prompts of a finished run of `spot_jax train`.

        Raises:
            InputError: when it is not finished, or see `add`.
        """
        entries = from_run(model_dir)
        for entry in entries:
            self._kept.add(entry)
        return [entry.name for entry in entries]

    def most_similar(
        self,
        prompt: AnyPrompt,
        k: int | None = None,
        *,
        measure: str = USUAL_MEASURE,
        include_own: bool = False,
    ) -> list[Similar]:
        """Ranks the library by how like its tasks are to a prompt's (SPoT §3.2).

        Tasks are compared by early prompts, where they were kept.

        Args:
            prompt: of the task that is to be helped, itself or its file.
            k: how many; None: all.
            measure: "per_token" or "average_tokens"; see retrieval/similarity.py.
            include_own: whether prompts of its own task count, which SPoT leaves out.

        Returns:
            The most similar first.

        Raises:
            InputError: when it is of another model or size, or k is no number of
                prompts.
        """
        if measure not in MEASURES:
            raise InputError(
                f"There is no measure {measure!r}; choose {' or '.join(MEASURES)}."
            )
        if k is not None and k < 1:
            raise InputError(f"k is {k}; give how many prompts, from 1 on, or None.")
        entries = candidates.read_entries(str(self._kept.folder))
        target = _target(as_prompt(prompt))
        candidates.check_belong_together(entries, [target])
        ranking = candidates.rank_entries(
            entries, target, measure, task=target.task, include_own=include_own
        )
        return [
            Similar(one.entry.name, float(one.similarity), _prompt(one.entry))
            for one in ranking.sources[:k]
        ]

    def names(self) -> list[str]:
        """Returns the names of all prompts, sorted."""
        return self._kept.names()

    def __getitem__(self, name: str) -> Prompt:
        return _prompt(self._kept.read(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())

    def __repr__(self) -> str:
        return f"<library {self._kept.folder}: {len(self)} prompts>"


def _prompt(entry: LibraryEntry) -> Prompt:
    story, of_early = headers(entry)
    early = None if entry.embedding is None else Prompt(entry.embedding, of_early)
    return Prompt(entry.prompt, story, early)


def _target(prompt: Prompt) -> Target:
    early = prompt.early or prompt
    if algebra.has_zeros(early.bundle):
        raise InputError(
            f"{prompt.name} has a vector of zeros, which no training gives and which "
            "has no direction to compare. Train it again."
        )
    return Target(
        name=prompt.name,
        path=prompt.path or prompt.name,
        task=prompt.story.get("task"),
        seed=prompt.story.get("seed") or 0,
        step=early.story.get("step"),
        embedding=early.bundle,
        model=prompt.story.get("model") or {},
        configuration=prompt.story.get("configuration") or "",
    )
