"""An entry of a library: what is kept of a prompt, and the folder that keeps it.

    entry.json               task, seed, steps, scores, configuration, provenance
    prompt.safetensors       what is transferred
    embedding.safetensors    the embedding of the task, where there is one

entry.json has the checksums of all three.
"""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any, TypedDict

import numpy as np

from spot_jax.errors import InputError
from spot_jax.model_dir import names, storage
from spot_jax.prompts import files, header
from spot_jax.prompts.algebra import has_zeros
from spot_jax.prompts.base import (
    BANK_AXES,
    PromptBundle,
    described,
    modes,
    shapes_of,
    sites,
)
from spot_jax.prompts.header import ModelStory
from spot_jax.reading import as_json, read_text

STORY = "entry.json"
PROMPT = "prompt.safetensors"
EMBEDDING = "embedding.safetensors"
_ARRAYS = ("prompt", "embedding")
_CURE = "Copy it again from another copy, or delete the folder and add it again."


@dataclasses.dataclass(frozen=True, eq=False)
class LibraryEntry:
    """One prompt of a library and what is known of it.

    Attributes:
        name: its folder in the library.
        task: the task or mixture it was trained on.
        seed: of its training; None where its file did not say.
        prompt: what is transferred, the best on validation: one prompt, float32.
        embedding: the embedding of its task, which is the prompt at an early step
            (SPoT §3.2); None: none was kept, and `compared` has the prompt stand in.
        prompt_step: steps of training; None where its file did not say.
        embedding_step: the same of the embedding.
        results: {task: {metric: value}} of the prompt on validation.
        score: the mean over its tasks of the mean of their metrics, or minus the loss;
            None where it was not evaluated.
        model: the frozen model, {"fingerprint": ..., "source": ...}; without the
            fingerprint where only its name is known.
        configuration: what trained it, as gin text.
        provenance: where it came from.
    """

    name: str
    task: str
    seed: int | None
    prompt: PromptBundle
    embedding: PromptBundle | None
    prompt_step: int | None
    embedding_step: int | None
    results: dict[str, dict[str, float | int]]
    score: float | int | None
    model: dict[str, str | None]
    configuration: str
    provenance: dict[str, Any]

    @property
    def compared(self) -> PromptBundle:
        """By what its task is compared: its embedding, or else the prompt itself."""
        return self.prompt if self.embedding is None else self.embedding

    def story(self) -> dict[str, Any]:
        """Returns everything but the arrays, as JSON holds it."""
        every = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        told = {name: value for name, value in every.items() if name not in _ARRAYS}
        return json.loads(as_json(told))

    def is_same(self, other: "LibraryEntry") -> bool:
        """Whether both are one prompt, wherever their files came from."""
        return _content(self) == _content(other)


def _content(entry: LibraryEntry) -> tuple:
    story = entry.story() | {"provenance": None}
    return _digest(story), _bytes(entry.prompt), _bytes(entry.embedding)


def _bytes(bundle: PromptBundle | None) -> list | None:
    if bundle is None:
        return None
    arrays = [(site, array.tobytes()) for site, array in sites(bundle).items()]
    head = bundle.head
    of_head = head and (
        head.kind,
        head.names,
        head.kernel.tobytes(),
        head.bias.tobytes(),
    )
    return [*arrays, *modes(bundle).items(), of_head]


def _digest(story: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(story, sort_keys=True).encode("utf-8")).hexdigest()


def check(entry: LibraryEntry) -> None:
    """Refuses an entry whose arrays are no prompts, or whose model is unknown.

    Raises:
        InputError: naming what is wrong.
    """
    if not (entry.model.get("fingerprint") or entry.model.get("source")):
        raise InputError(
            f"{entry.name} does not say of which model it is. Give the model's "
            "fingerprint, which the prompts of its runs name, or its name."
        )
    for what in _ARRAYS:
        bundle = getattr(entry, what)
        if bundle is None and what == "embedding":
            continue
        shapes, prompt = shapes_of(bundle), entry.prompt
        is_one = all(len(s) == 2 + BANK_AXES[site] for site, s in shapes.items())
        is_alike = shapes == shapes_of(prompt) and modes(bundle) == modes(prompt)
        if not shapes or not is_one or not is_alike:
            raise InputError(
                f"The {what} of {entry.name} is {described(bundle)}, its prompt "
                f"{described(prompt)}; each is one prompt (enc_input is "
                "[prompt, d_model]), and both have the same sites, shapes and modes."
            )
        for array in sites(bundle).values():
            if array.dtype != np.float32 or not np.isfinite(array).all():
                raise InputError(
                    f"The {what} of {entry.name} ({array.dtype}) is not float32, or "
                    "has values that are not finite. Take an earlier prompt of its run."
                )
    nothing = not any(array.any() for array in sites(entry.prompt).values())
    if nothing or has_zeros(entry.compared):
        alone = nothing or entry.embedding is None
        raise InputError(
            f"The {'prompt' if alone else 'embedding'} of {entry.name} has a vector of "
            "zeros, which no training gives. Look at how it was written, or take "
            "another prompt of its run."
        )


def headers(entry: LibraryEntry) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns what the files of the prompt and of its embedding say of themselves.

    With the vocabulary it was trained with, and how rows became examples, it can be
    used where it lies.
    """
    said = entry.provenance.get("said") or {}
    shared = {
        **{key: getattr(entry, key) for key in ("name", "task", "seed", "model")},
        "configuration": entry.configuration,
        **{key: said[key] for key in ("rows", "vocabulary") if said.get(key)},
    }
    best = {
        "kind": names.BEST,
        "step": entry.prompt_step,
        "results": entry.results,
        "score": entry.score,
    }
    early = {"kind": names.EMBEDDING, "step": entry.embedding_step, "results": {}}
    return shared | best, shared | early


def write(folder: pathlib.Path, entry: LibraryEntry) -> None:
    """Writes an entry's files into a new folder."""
    of_prompt, of_embedding = headers(entry)
    files.write(folder / PROMPT, entry.prompt, of_prompt)
    if entry.embedding is not None:
        files.write(folder / EMBEDDING, entry.embedding, of_embedding)
    checksums = {path.name: _checksum(path) for path in sorted(folder.iterdir())}
    story = entry.story()
    checksums[STORY] = _digest(story)
    storage.replace_text(folder / STORY, as_json(story | {"checksums": checksums}))


def _checksum(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class _Story(TypedDict):
    """What entry.json says, but for the arrays; later versions may say more."""

    name: str
    task: str
    seed: int | None
    prompt_step: int | None
    embedding_step: int | None
    results: dict[str, dict[str, float | None]]
    score: float | None
    model: ModelStory
    configuration: str
    provenance: dict[str, Any]


class _Checked(TypedDict):
    checksums: dict[str, str]


def read(folder: pathlib.Path) -> LibraryEntry:
    """Reads an entry whose files are those that were written, and finite.

    Raises:
        InputError: when a file is missing or changed, or a value is not finite.
    """
    where = str(folder / STORY)
    text = read_text(folder / STORY, _CURE)
    checksums = header.parse(text, _Checked, where, _CURE)["checksums"]
    _compare(folder, text, checksums)
    header.parse(text, _Story, where, _CURE)
    story = header.parse(text, dict[str, Any], where, _CURE)
    header.check(story, where)
    arrays = {
        what: files.read(folder / name).bundle if name in checksums else None
        for what, name in zip(_ARRAYS, (PROMPT, EMBEDDING), strict=True)
    }
    return LibraryEntry(**{key: story[key] for key in _Story.__annotations__}, **arrays)


def _compare(folder: pathlib.Path, text: str, checksums: Mapping[str, str]) -> None:
    """Refuses an entry of which a file is not what was written."""
    # Not strictly: what was written with NaN has its checksum with NaN.
    story = json.loads(text)
    del story["checksums"]
    found: dict[str, str | None] = {STORY: _digest(story)}
    try:
        for name in {PROMPT, *checksums} - {STORY}:
            # Nothing outside of the folder is looked at.
            is_here = header.is_file_name(name)
            found[name] = _checksum(folder / name) if is_here else None
    except OSError as error:
        raise InputError(
            f"{folder} is no entry of a library: {error.filename} is missing or cannot "
            f"be read ({error.strerror or error}). {_CURE}"
        ) from error
    changed = sorted(name for name in found if found[name] != checksums.get(name))
    if changed:
        shown = ", ".join(header.printable(name, 60) for name in changed)
        raise InputError(
            f"{folder}: {shown} is not what was written, by its checksum. {_CURE}"
        )
