"""The library: a folder of prompts of one model, which can be compared and averaged.

    DIR/library.json    what all of them share: the model, the sites and their shapes
    DIR/NAME/           one prompt; see entry.py

Processes on many machines may add at once without talking to each other: the first to
come makes library.json, and every entry appears in one step, complete.
"""

import dataclasses
import logging
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any, TypedDict

from spot_jax import buckets
from spot_jax.errors import InputError
from spot_jax.model_dir import names, storage
from spot_jax.model_dir.made_for import is_same_model, named
from spot_jax.prompts import entry as entry_folder
from spot_jax.prompts import files, header
from spot_jax.prompts.base import modes, shapes_of
from spot_jax.prompts.entry import LibraryEntry
from spot_jax.prompts.header import ModelStory, is_file_name
from spot_jax.prompts.incoming import from_files
from spot_jax.reading import as_json, path_of, printable, read_json

logger = logging.getLogger(__name__)

FORMAT = "spot_jax library 2"
# Of soft prompts alone, whose shape it has in place of the sites.
_FORMAT_1 = "spot_jax library 1"
_SHARED = "library.json"
_NAME = re.compile(r"\w[\w.:+=,@-]*", re.ASCII)
_CURE = (
    "Copy it again from another copy of the library, or make a new library and add the "
    "prompts again."
)


class _Format(TypedDict):
    format: str


class _Shared(TypedDict):
    """What all prompts share, as library.json says it."""

    model: ModelStory
    sites: dict[str, list[int]]
    modes: dict[str, str]


class _SharedByFormat1(TypedDict):
    model: ModelStory
    shape: list[int]


class Library:
    """The prompts in a folder.

    Args:
        folder: DIR; the first `add` makes it.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = path_of(folder)

    def names(self) -> list[str]:
        """Returns the names of all entries, sorted; none where there is no folder."""
        if buckets.is_inside(self.folder):
            # What is told last is there when all of it is.
            found = self.folder.glob(f"*/{entry_folder.STORY}")
            named = (path.parent.name for path in found)
            return sorted(name for name in named if not name.startswith("."))
        if not self.folder.is_dir():
            return []
        return sorted(
            path.name
            for path in self.folder.iterdir()
            if path.is_dir() and not path.name.startswith(".")
        )

    def entries(self) -> list[LibraryEntry]:
        """Returns all entries by name.

        Raises:
            InputError: when there is none, or one of them is damaged.
        """
        there = self.names()
        if not there:
            raise InputError(
                f"{self.folder} holds no prompts. Add those of a run: `spot_jax "
                f"library add {self.folder} MODEL_DIR`."
            )
        return [self.read(name) for name in there]

    def read(self, name: str) -> LibraryEntry:
        """Returns an entry whose files are those that were written, and finite.

        Raises:
            InputError: when there is none of this name, or it is damaged.
        """
        if name not in self.names():
            raise InputError(
                f"{self.folder} holds no prompt {name!r}; it holds "
                f"{', '.join(self.names()) or 'nothing'}."
            )
        library = self._shared()
        entry = entry_folder.read(self.folder / name)
        if entry.name != name:
            raise InputError(
                f"{self.folder / name} was written as {entry.name}. Rename the folder "
                "back, or delete it and add the prompt again with --name."
            )
        self._compare(entry, library)
        return entry

    def add(self, entry: LibraryEntry) -> None:
        """Adds a prompt, or does nothing where this very prompt is there already.

        Killed at any moment it leaves a complete entry or none, and perhaps a hidden
        folder that nobody reads and that `verify` names.

        Raises:
            InputError: when the entry is unusable, another one has its name, it is of
                another model or shape than the library, or the disk is full.
        """
        _check_name(entry.name)
        entry_folder.check(entry)
        try:
            place, last = self.folder / entry.name, entry_folder.STORY
            with storage.new_folder(place, last) as folder:
                if buckets.is_inside(folder):
                    # Where it is seen as soon as it is written.
                    self._join(entry)
                    entry_folder.write(folder, entry)
                else:
                    entry_folder.write(folder, entry)
                    self._join(entry)
        except FileExistsError:
            self._expect_same(entry)
        except OSError as error:
            raise InputError(
                f"{entry.name} could not be added to {self.folder} "
                f"({error.strerror or error}). What the library held is untouched; "
                "make room or mend the folder, and add it again."
            ) from error

    def verify(self) -> list[str]:
        """Returns what is wrong, a sentence each: damage, leftovers, no prompts.

        Raises:
            InputError: when there is no such folder.
        """
        if not self.folder.is_dir():
            raise InputError(f"There is no folder {self.folder}.")
        problems = [
            f"{path} was left by an add that was killed, unless one is running now. "
            "Delete it."
            for path in self._unfinished()
        ]
        if not self.names():
            problems.append(f"{self.folder} holds no prompts.")
        for name in self.names():
            try:
                self.read(name)
            except ValueError as error:
                problems.append(str(error))
        return problems

    def _unfinished(self) -> list[pathlib.Path]:
        if not buckets.is_inside(self.folder):
            return storage.leftovers(self.folder)
        whole = {*self.names()}
        others = (path for path in self.folder.iterdir() if path.name not in whole)
        return sorted(path for path in others if path.is_dir())

    def _join(self, entry: LibraryEntry) -> None:
        """Makes library.json where there is none yet; then compares."""
        path = self.folder / _SHARED
        # The names first: no entry appears before library.json does.
        if not self.names() and not path.exists():
            shared = as_json(_shared_by(entry)) + "\n"
            storage.create_file(path, shared.encode("utf-8"))
        self._compare(entry, self._shared())

    def _shared(self) -> dict[str, Any]:
        path = self.folder / _SHARED
        kept = read_json(path, _Format, _CURE)["format"]
        if kept == _FORMAT_1:
            library = read_json(path, _SharedByFormat1, _CURE)
            sites = {"enc_input": library["shape"]}
            return {"model": library["model"], "sites": sites, "modes": {}}
        if kept == FORMAT:
            shared = dict(read_json(path, _Shared, _CURE))
            header.check(shared, str(path))
            return shared
        raise InputError(
            f"{path} has the format {printable(kept, 60)!r}, this version reads "
            f"{FORMAT!r}. {_CURE}"
        )

    def _compare(self, entry: LibraryEntry, library: Mapping[str, Any]) -> None:
        differences = _differences(_shared_by(entry), library)
        if not differences:
            return
        cure = "Add it to another folder."
        if not self.names():
            cure += (
                " This one has no prompts yet: unless an add is running, deleting its "
                f"{_SHARED} frees it."
            )
        raise InputError(
            f"{entry.name} does not belong in {self.folder}: {'; '.join(differences)}. "
            "A library's prompts are of one model, and of one shape at each site, so "
            f"that they can be compared and averaged. {cure}"
        )

    def _expect_same(self, entry: LibraryEntry) -> None:
        there = self.read(entry.name)
        if not entry.is_same(there):
            raise InputError(
                f"{self.folder} holds another prompt of the name {entry.name} (task "
                f"{there.task}, seed {there.seed}, step {there.prompt_step}, score "
                f"{there.score}). Give this one another name (--name), or delete "
                f"{self.folder / entry.name} first."
            )


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name == _SHARED or not is_file_name(name):
        raise InputError(
            f"{printable(name, 60)!r} cannot be the name of a prompt, which is that of "
            "a folder: letters, digits and .:+=,@-_ not beginning with a dot. Give "
            "another (--name)."
        )


def _shared_by(entry: LibraryEntry) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "model": entry.model,
        "sites": shapes_of(entry.prompt),
        "modes": modes(entry.prompt),
    }


def _differences(entry: Mapping[str, Any], library: Mapping[str, Any]) -> list[str]:
    found = [
        f"its {key} are {entry[key]}, the library's {library[key]}"
        for key in ("sites", "modes")
        if entry[key] != library[key]
    ]
    one, other = entry["model"], library["model"]
    if is_same_model(one, other) is not True:
        found.append(f"its model is {named(one)}, the library's {named(other)}")
        if ("fingerprint" in one) != ("fingerprint" in other):
            found[-1] += " (if they are one, name both by the fingerprint: --model)"
    return found


def from_run(model_dir: str | os.PathLike) -> list[LibraryEntry]:
    """Returns the prompts of a finished run of `spot_jax train`.

    Raises:
        InputError: when MODEL_DIR holds none, or is not finished.
    """
    model_dir = path_of(model_dir)
    folders = names.prompt_folders(model_dir)
    if not folders:
        raise InputError(
            f"{model_dir} holds no prompts/NAME. Give the MODEL_DIR of a run of "
            "`spot_jax train` that trains prompts; model tuning leaves none."
        )
    unfinished = [
        p.name for p in folders if not names.in_folder(p, names.LAST).exists()
    ]
    if unfinished:
        raise InputError(
            f"The run of {model_dir} is not finished: {', '.join(unfinished)} has no "
            "last.safetensors. Give the command that started it again; it goes on."
        )
    for folder in folders:
        last = files.read(names.in_folder(folder, names.LAST))
        if step := last.story.get("diverged"):
            about = "%s diverged at step %s; its best prompt of before is taken."
            logger.warning(about, folder.name, step)
    described, run = model_dir / names.RUN, {}
    if described.exists():
        cure = "Delete it: the prompts lose what it says of versions and devices."
        run = read_json(described, dict[str, Any], cure)
    entries = [from_prompt_folder(folder) for folder in folders]
    return [
        dataclasses.replace(entry, provenance=entry.provenance | {"run": run})
        for entry in entries
    ]


def from_prompt_folder(folder: pathlib.Path) -> LibraryEntry:
    """Returns one prompt of a run: MODEL_DIR/prompts/NAME, its best and its embedding.

    Raises:
        InputError: when its best prompt is missing or damaged.
    """
    early = names.in_folder(folder, names.EMBEDDING)
    best = names.in_folder(folder, names.BEST)
    return from_files(best, early if early.exists() else None, {})
