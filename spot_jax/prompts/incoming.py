"""Entries made of prompt files: those of a run, of T5X, of PEFT."""

import math
import operator
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from spot_jax.errors import InputError
from spot_jax.model_dir.made_for import is_same_model
from spot_jax.model_dir.score import overall_score
from spot_jax.prompts import files, peft
from spot_jax.prompts.entry import LibraryEntry
from spot_jax.prompts.files import SavedPrompt
from spot_jax.reading import in_full, printable

_NEEDED = ("name", "task", "model")
# What a prompt's header says besides; the rest is kept as its provenance.
_KNOWN = {*_NEEDED, "seed", "kind", "step", "score", "results", "configuration"}
# Endings of files that are not part of a prompt's name.
_SUFFIXES = (".safetensors", ".npy", ".npz")


def from_files(
    prompt: str | os.PathLike,
    embedding: str | os.PathLike | None,
    given: Mapping[str, Any],
) -> LibraryEntry:
    """Returns the entry of a prompt's file, of any kind that files.read reads.

    Args:
        prompt: the file, or the folder of a PEFT adapter.
        embedding: the same of its task's embedding.
        given: what the files do not say; see `from_saved`.

    Raises:
        InputError: see `from_saved`.
    """
    early = None if embedding is None else files.read(embedding)
    return from_saved(files.read(prompt), early, given)


def from_saved(
    saved: SavedPrompt, early: SavedPrompt | None, given: Mapping[str, Any]
) -> LibraryEntry:
    """Returns the entry of a prompt that has been read.

    Args:
        saved: the prompt. Where its file says nothing, its name is the file's, and its
            task what its name says.
        early: its task's embedding.
        given: what the files do not say: task, seed, model (as in LibraryEntry), step,
            embedding_step, score; and name, which may differ from the file's own.

    Raises:
        InputError: when something needed is neither said nor given, or what is given
            contradicts a file.
    """
    given = {key: value for key, value in given.items() if value is not None}
    if not says_something(saved):
        name = given.get("name", name_of(saved))
        given = {"name": name, "task": name} | given
    results = saved.story.get("results") or {}
    told = _merge(saved.path, _scored(results) | saved.story, given)
    missing = [key for key in _NEEDED if key not in told]
    if missing:
        raise InputError(
            f"{saved.path} does not say its {', '.join(missing)}. Give "
            f"{', '.join(f'--{key}' for key in missing)}."
        )
    return LibraryEntry(
        **{key: told[key] for key in _NEEDED},
        seed=told.get("seed"),
        prompt=saved.bundle,
        embedding=None if early is None else early.bundle,
        prompt_step=told.get("step"),
        embedding_step=None if early is None else _step(early, told, given),
        results=results,
        score=told.get("score"),
        configuration=saved.story.get("configuration", ""),
        provenance={
            "prompt": in_full(saved.path),
            "embedding": None if early is None else in_full(early.path),
            "said": {k: v for k, v in saved.story.items() if k not in _KNOWN},
        },
    )


def says_something(saved: SavedPrompt) -> bool:
    """Whether a file tells a prompt's story, as ours do and those of others do not."""
    return not _KNOWN.isdisjoint(saved.story)


def name_of(saved: SavedPrompt) -> str:
    """Returns how a prompt is called whose file says nothing: "sst2" of sst2.npy."""
    path = pathlib.PurePath(saved.path)
    path = path.parent if path.name == peft.MODEL_FILE else path
    is_known = path.suffix in _SUFFIXES
    return saved.array or (path.stem if is_known else path.name)


def _scored(results: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Returns {"score"} of results; files of earlier versions have none besides."""
    if not results or not all(results.values()):
        return {}
    score = overall_score(results)
    return {"score": score} if math.isfinite(score) else {}


def _step(
    embedding: files.SavedPrompt, told: Mapping[str, Any], given: Mapping[str, Any]
) -> int | None:
    """Returns the step of an embedding that belongs to the prompt."""
    known = {key: told.get(key) for key in ("task", "seed", "model")}
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
                f"{path} says that its {key} is {printable(str(said[key]), 200)}, not "
                f"{given[key]}. Leave that out, or take the file that belongs to it."
            )
    return given | said
