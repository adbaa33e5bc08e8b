"""Entries made of prompt files: those of a run, of T5X, of PEFT."""

import operator
import os
from collections.abc import Mapping
from typing import Any

from spot_jax.errors import InputError
from spot_jax.model_dir.made_for import is_same_model
from spot_jax.model_dir.score import overall_score
from spot_jax.prompts import files
from spot_jax.prompts.entry import LibraryEntry

_NEEDED = ("name", "task", "seed", "model")
# What a prompt's header says besides; the rest is kept as its provenance.
_KNOWN = {*_NEEDED, "kind", "step", "score", "results", "configuration"}


def from_files(
    prompt: str | os.PathLike,
    embedding: str | os.PathLike | None,
    given: Mapping[str, Any],
) -> LibraryEntry:
    """Returns the entry of a prompt's file, of any kind that files.read reads.

    Args:
        prompt: the file, or the folder of a PEFT adapter.
        embedding: the same of its task's embedding.
        given: what the files do not say: task, seed, model (as in LibraryEntry), step,
            embedding_step, score; and name, which may differ from the file's own.

    Raises:
        InputError: when a file cannot be read, something needed is neither said nor
            given, or what is given contradicts a file.
    """
    saved = files.read(prompt)
    results = saved.story.get("results") or {}
    # Files of earlier versions have results without their score.
    computed = {"score": overall_score(results)} if results else {}
    told = _merge(saved.path, computed | saved.story, given)
    missing = [key for key in _NEEDED if key not in told]
    if missing:
        raise InputError(
            f"{saved.path} does not say its {', '.join(missing)}. Give "
            f"{', '.join(f'--{key}' for key in missing)}."
        )
    early = None if embedding is None else files.read(embedding)
    return LibraryEntry(
        **{key: told[key] for key in _NEEDED},
        prompt=saved.bundle,
        embedding=None if early is None else early.bundle,
        prompt_step=told.get("step"),
        embedding_step=None if early is None else _step(early, told, given),
        results=results,
        score=told.get("score"),
        configuration=saved.story.get("configuration", ""),
        provenance={
            "prompt": os.path.abspath(saved.path),
            "embedding": None if early is None else os.path.abspath(early.path),
            "said": {k: v for k, v in saved.story.items() if k not in _KNOWN},
        },
    )


def _step(
    embedding: files.SavedPrompt, told: Mapping[str, Any], given: Mapping[str, Any]
) -> int | None:
    """Returns the step of an embedding that belongs to the prompt."""
    known = {key: told[key] for key in ("task", "seed", "model")}
    known["step"] = given.get("embedding_step")
    return _merge(embedding.path, embedding.story, known).get("step")


def _merge(path: str, story: Mapping[str, Any], given: Mapping[str, Any]) -> dict:
    """Joins what a file says and what is given, which may not contradict it."""
    given = {key: value for key, value in given.items() if value is not None}
    said = {key: value for key, value in story.items() if value is not None}
    if "name" in given:
        # The one thing that is not the file's to say.
        said["name"] = given["name"]
    for key in (key for key in given if key in said):
        compare = is_same_model if key == "model" else operator.eq
        if compare(said[key], given[key]) is not True:
            raise InputError(
                f"{path} says that its {key} is {said[key]}, not {given[key]}. Leave "
                "that out, or take the file that belongs to it."
            )
    return given | said
