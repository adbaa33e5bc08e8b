"""The library: a folder of prompts of one model, which can be compared and averaged.

    DIR/library.json    what all of them share: the model, the kind, the shape
    DIR/NAME/           one prompt; see entry.py

Processes on many machines may add at once without talking to each other: the first to
come makes library.json, and every entry appears in one step, complete.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from spot_jax.model_dir import storage
from spot_jax.prompts import entry as entry_folder
from spot_jax.prompts.entry import LibraryEntry
from spot_jax.prompts.incoming import from_files, is_same_model

FORMAT = "spot_jax library 1"
# Of the methods of the family the T5 has a door for this one; see prompts/base.py.
_KIND = "soft"
_SHARED = "library.json"
_NAME = re.compile(r"\w[\w.:+=,@-]*", re.ASCII)


class Library:
    """The prompts in a folder.

    Args:
        folder: DIR; the first `add` makes it.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = pathlib.Path(folder)

    def names(self) -> list[str]:
        """Returns the names of all entries, sorted; none where there is no folder."""
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
            ValueError: when there is none, or one of them is damaged.
        """
        names = self.names()
        if not names:
            raise ValueError(
                f"{self.folder} holds no prompts. Add those of a run: `spot_jax "
                f"library add {self.folder} MODEL_DIR`."
            )
        return [self.read(name) for name in names]

    def read(self, name: str) -> LibraryEntry:
        """Returns an entry whose files are those that were written, and finite.

        Raises:
            ValueError: when there is none of this name, or it is damaged.
        """
        if name not in self.names():
            raise ValueError(
                f"{self.folder} holds no prompt {name!r}; it holds "
                f"{', '.join(self.names()) or 'nothing'}."
            )
        library = self._shared()
        entry = entry_folder.read(self.folder / name)
        if entry.name != name:
            raise ValueError(
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
            ValueError: when the entry is unusable, another one has its name, it is of
                another model or shape than the library, or the disk is full.
        """
        _check_name(entry.name)
        entry_folder.check(entry)
        try:
            with storage.new_folder(self.folder / entry.name) as folder:
                entry_folder.write(folder, entry)
                self._join(entry)
        except FileExistsError:
            self._expect_same(entry)
        except OSError as error:
            raise ValueError(
                f"{entry.name} could not be added to {self.folder} "
                f"({error.strerror or error}). What the library held is untouched; "
                "make room or mend the folder, and add it again."
            ) from error

    def verify(self) -> list[str]:
        """Returns what is wrong, a sentence each: damage, leftovers, no prompts.

        Raises:
            ValueError: when there is no such folder.
        """
        if not self.folder.is_dir():
            raise ValueError(f"There is no folder {self.folder}.")
        problems = [
            f"{path} was left by an add that was killed, unless one is running now. "
            "Delete it."
            for path in sorted(self.folder.glob(".*.tmp"))
        ]
        if not self.names():
            problems.append(f"{self.folder} holds no prompts.")
        for name in self.names():
            try:
                self.read(name)
            except ValueError as error:
                problems.append(str(error))
        return problems

    def _join(self, entry: LibraryEntry) -> None:
        """Makes library.json where there is none yet; then compares."""
        path = self.folder / _SHARED
        # The names first: no entry appears before library.json does.
        if not self.names() and not path.exists():
            temporary = storage.beside(path)
            storage.replace_file(temporary, _as_json(_shared_by(entry)))
            try:
                # A link, not a rename: of two processes one alone may succeed.
                with contextlib.suppress(FileExistsError):
                    os.link(temporary, path)
            finally:
                temporary.unlink()
        self._compare(entry, self._shared())

    def _shared(self) -> dict[str, Any]:
        path = self.folder / _SHARED
        try:
            library = json.loads(path.read_text(encoding="utf-8"))
            if library["format"] == FORMAT:
                return {
                    key: library[key] for key in ("format", "model", "kind", "shape")
                }
            problem = f"its format is {library['format']}, not {FORMAT}"
        except (OSError, ValueError, KeyError, TypeError) as error:
            problem = str(error)
        raise ValueError(
            f"{path} cannot be read ({problem}). Copy it again from another copy of "
            "the library, or make a new library and add the prompts again."
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
        raise ValueError(
            f"{entry.name} does not belong in {self.folder}: {'; '.join(differences)}. "
            "A library's prompts are of one model, kind and shape, so that they can be "
            f"compared and averaged. {cure}"
        )

    def _expect_same(self, entry: LibraryEntry) -> None:
        there = self.read(entry.name)
        if not entry.is_same(there):
            raise ValueError(
                f"{self.folder} holds another prompt of the name {entry.name} (task "
                f"{there.task}, seed {there.seed}, step {there.prompt_step}, score "
                f"{there.score}). Give this one another name (--name), or delete "
                f"{self.folder / entry.name} first."
            )


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name == _SHARED:
        raise ValueError(
            f"{name!r} cannot be the name of a prompt, which is that of a folder: "
            "letters, digits and .:+=,@-_ not beginning with a dot. Give another "
            "(--name)."
        )


def _shared_by(entry: LibraryEntry) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "model": entry.model,
        "kind": _KIND,
        "shape": list(entry.prompt.shape),
    }


def _differences(entry: Mapping[str, Any], library: Mapping[str, Any]) -> list[str]:
    found = [
        f"its {key} is {entry[key]}, the library's {library[key]}"
        for key in ("kind", "shape")
        if entry[key] != library[key]
    ]
    one, other = entry["model"], library["model"]
    if not is_same_model(one, other):
        found.append(f"its model is {_named(one)}, the library's {_named(other)}")
        if ("fingerprint" in one) != ("fingerprint" in other):
            found[-1] += " (if they are one, name both by the fingerprint: --model)"
    return found


def _named(model: Mapping[str, str]) -> str:
    return " of ".join(model[key] for key in ("fingerprint", "source") if key in model)


def _as_json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode("utf-8")


def from_run(model_dir: str | os.PathLike) -> list[LibraryEntry]:
    """Returns the prompts of a finished run of `spot_jax train`.

    Raises:
        ValueError: when MODEL_DIR holds none, or is not finished.
    """
    model_dir = pathlib.Path(model_dir)
    folders = sorted(path for path in model_dir.glob("prompts/*") if path.is_dir())
    if not folders:
        raise ValueError(
            f"{model_dir} holds no prompts/NAME. Give the MODEL_DIR of a run of "
            "`spot_jax train` that trains prompts; model tuning leaves none."
        )
    unfinished = [p.name for p in folders if not (p / "last.safetensors").exists()]
    if unfinished:
        raise ValueError(
            f"The run of {model_dir} is not finished: {', '.join(unfinished)} has no "
            "last.safetensors. Give the command that started it again; it goes on."
        )
    described, run = model_dir / "run.json", {}
    if described.exists():
        try:
            run = json.loads(described.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(
                f"{described} is damaged ({error}). Delete it: the prompts lose what "
                "it says of versions and devices, nothing else."
            ) from error
    return [_from_folder(folder, run) for folder in folders]


def _from_folder(folder: pathlib.Path, run: Mapping[str, Any]) -> LibraryEntry:
    early = folder / "embedding.safetensors"
    entry = from_files(
        folder / "best.safetensors", early if early.exists() else None, {}
    )
    return dataclasses.replace(entry, provenance=entry.provenance | {"run": run})
