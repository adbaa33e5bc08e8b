"""What a transfer chooses among: a library's entries, ranked for each target.

Everything is checked here, before anything is written: that all prompts are of one
model and width, and that what is ranked has an embedding.
"""

import dataclasses
import enum
import pathlib
from collections.abc import Sequence

from spot_jax.errors import InputError
from spot_jax.model_dir import names
from spot_jax.model_dir.made_for import check_made_for, is_same_model
from spot_jax.prompts import files, header, peft
from spot_jax.prompts.algebra import has_zeros
from spot_jax.prompts.base import PromptBundle, described, sites
from spot_jax.prompts.entry import LibraryEntry
from spot_jax.prompts.library import Library
from spot_jax.reading import path_of, printable
from spot_jax.retrieval import operators
from spot_jax.retrieval.of_run import entries_of_run
from spot_jax.retrieval.similarity import MEASURES


class Reason(enum.Enum):
    """Why an entry of a library is not among those that may be chosen."""

    OWN_TASK = "is of the target's own task"
    NO_EMBEDDING = "has no embedding, and a vector of zeros in the prompt itself"


@dataclasses.dataclass(frozen=True)
class Target:
    """One prompt whose task is to be helped, by its embedding.

    Attributes:
        name: of its run's prompt, e.g. "rte-seed0"; the file's where it has none.
        path: the file.
        task: the SeqIO task; None where nobody says.
        seed: of the run; 0 where nobody says.
        step: at which the embedding was taken, or None.
        embedding: the prompt at that step.
        model: fingerprint and source of the frozen model; {} where nobody says.
        configuration: of the run, as gin text; "" where nobody says.
    """

    name: str
    path: str
    task: str | None
    seed: int
    step: int | None
    embedding: PromptBundle
    model: dict
    configuration: str


@dataclasses.dataclass(frozen=True)
class Source:
    """An entry of the library, with its place in the ranking for a target, if any."""

    entry: LibraryEntry
    rank: int | None = None
    similarity: float | None = None


@dataclasses.dataclass(frozen=True)
class Ranking:
    """A library as one target sees it.

    Attributes:
        target: None where prompts are chosen without a target's embedding.
        task: the target's, where it is known.
        measure: of similarity.
        sources: the ranked entries, most similar first.
        left_out: {name: why it is not ranked}.
        notes: what the reader should know, in sentences.
    """

    target: Target | None
    task: str | None
    measure: str
    sources: tuple[Source, ...]
    left_out: dict[str, Reason]
    notes: tuple[str, ...]


def read_entries(folder: str) -> dict[str, LibraryEntry]:
    """Reads a library, all of it, so that damage anywhere is found before the choice.

    Args:
        folder: of the library, or MODEL_DIR of a finished run, whose prompts are one.

    Raises:
        InputError: when it is empty or damaged, or mixes prompts of several models.
    """
    is_run = bool(names.prompt_folders(path_of(folder)))
    read = entries_of_run(folder) if is_run else Library(folder).entries()
    entries = {entry.name: entry for entry in read}
    for entry in entries.values():
        if entry.embedding is not None and has_zeros(entry.embedding):
            raise InputError(
                f"The embedding of {entry.name} has a vector of zeros, which no "
                "training gives. Take the entry out and add it again from its run."
            )
    return entries


def read_targets(paths: Sequence[str], task: str | None) -> list[Target]:
    """Reads the embeddings of target tasks.

    Args:
        paths: prompt files, the folders of prompts that a run wrote, or a MODEL_DIR,
            which stands for all of its prompts.
        task: overrides the task that the files name.

    Raises:
        InputError: when one has no embedding, or two have one name.
    """
    every = [path for given in map(path_of, paths) for path in _prompts_of(given)]
    targets = [_read_target(path, task) for path in every]
    called = [target.name for target in targets]
    twice = {name for name in called if called.count(name) > 1}
    if twice:
        raise InputError(
            f"Several targets are called {', '.join(sorted(twice))}, and what is "
            "written for them would be mixed up. Give each once, or use one `spot_jax "
            "transfer` for each."
        )
    return targets


def _prompts_of(given: pathlib.Path) -> list[pathlib.Path]:
    return names.prompt_folders(given) or [given]


def _read_target(given: pathlib.Path, task: str | None) -> Target:
    path = given
    if path.is_dir() and not (path / peft.CONFIG_FILE).is_file():
        path = names.in_folder(path, names.EMBEDDING)
        if not path.is_file():
            raise InputError(
                f"The target {given} has no embedding: there is no {path}. It is the "
                "run's prompt at EMBEDDING_STEP; train the target that far (a shorter "
                "run sets --gin.EMBEDDING_STEP)."
            )
    saved = files.read(path)
    story = saved.story
    if story.get("kind", names.EMBEDDING) != names.EMBEDDING:
        raise InputError(
            f"{path} is the {story['kind']} prompt of its run, and a task is embedded "
            "by its prompt at EMBEDDING_STEP (SPoT §3.2). Give the run's "
            f"{names.in_folder(path.parent, names.EMBEDDING)}."
        )
    if has_zeros(saved.bundle):
        raise InputError(
            f"{path} has a vector of zeros, which no training gives. Copy it again, or "
            "train the target again."
        )
    name = story.get("name", path.stem)
    if not header.is_file_name(name):
        raise InputError(
            f"The target {printable(str(path))} has a name that cannot name a "
            "folder. Give its file another."
        )
    return Target(
        name=name,
        path=str(path),
        task=task or story.get("task"),
        seed=story.get("seed", 0),
        step=story.get("step"),
        embedding=saved.bundle,
        model=story.get("model", {}),
        configuration=story.get("configuration", ""),
    )


def check_belong_together(
    entries: dict[str, LibraryEntry], targets: Sequence[Target]
) -> None:
    """Refuses targets of another model or width than the library's.

    Raises:
        InputError: naming the target, the models and the cure.
    """
    first = next(iter(entries.values()))
    for target in targets:
        check_made_for(
            f"The target {target.path}",
            target.model,
            first.model,
            "That is the library's. Train the target for the library's model.",
        )
        # Lengths may differ, of prompts that are compared and not averaged.
        own, theirs = _widths(target.embedding), _widths(first.prompt)
        if own != theirs:
            raise InputError(
                f"The target {target.path} is {described(target.embedding)}, the "
                f"library's prompts are {described(first.prompt)}: they are of "
                "different sizes of T5, or of different kinds. Use a library of the "
                "target's model and kind."
            )


def _widths(bundle: PromptBundle) -> dict[str, tuple[int, ...]]:
    """Returns the shape of each site without the length of the prompt."""
    return {
        site: (*array.shape[:-2], array.shape[-1])
        for site, array in sites(bundle).items()
    }


def told(why: Reason, task: str | None) -> str:
    """Returns a reason as the end of a sentence: "is of the target's own task, rte"."""
    return f"{why.value}, {task}" if why is Reason.OWN_TASK else why.value


def rank_entries(
    entries: dict[str, LibraryEntry],
    target: Target | None,
    measure: str,
    *,
    task: str | None,
    include_own: bool,
) -> Ranking:
    """Ranks the entries that can be compared with a target.

    Args:
        entries: of the library.
        target: None ranks nothing, and keeps all that may be chosen by name or score.
        measure: one of similarity.MEASURES.
        task: the target's, where it is known.
        include_own: whether entries of the target's own task may be chosen.
    """
    left_out = {}
    for entry in entries.values():
        if task and entry.task == task and not include_own:
            left_out[entry.name] = Reason.OWN_TASK
        elif target and entry.embedding is None and has_zeros(entry.prompt):
            left_out[entry.name] = Reason.NO_EMBEDDING
    kept = {name: entry for name, entry in entries.items() if name not in left_out}
    notes = _notes(kept, left_out, target, task)
    if target is None or not kept:
        sources = tuple(map(Source, kept.values() if target is None else ()))
        return Ranking(target, task, measure, sources, left_out, notes)
    embeddings = [entry.compared for entry in kept.values()]
    similarities = MEASURES[measure](embeddings, [target.embedding])[:, 0]
    ranked = operators.rank(similarities, list(kept))
    sources = tuple(Source(kept[r.name], r.rank, r.similarity) for r in ranked)
    return Ranking(target, task, measure, sources, left_out, notes)


def _notes(
    kept: dict[str, LibraryEntry],
    left_out: dict[str, Reason],
    target: Target | None,
    task: str | None,
) -> tuple[str, ...]:
    """Tells what was left out, and what makes the comparison doubtful."""
    notes = []
    for why in dict.fromkeys(left_out.values()):
        these = ", ".join(name for name in left_out if left_out[name] is why)
        cure = " (--include_target keeps them)" if why is Reason.OWN_TASK else ""
        notes.append(f"Left out, because it {told(why, task)}: {these}{cure}.")
    if not task:
        notes.append(
            "Nothing says which task the target is, so entries of its own task could "
            "not be left out; --target_task names it."
        )
    finals = [n for n, entry in kept.items() if target and entry.embedding is None]
    if finals:
        notes.append(
            f"No early prompt was kept of {', '.join(finals)}: the final prompt stands "
            "in as the embedding, where SPoT takes one of an early step (§3.2)."
        )
    doubtful = target and any(
        is_same_model(target.model, entry.model) is None for entry in kept.values()
    )
    if doubtful:
        notes.append(
            "The target or the library does not know its frozen model by fingerprint; "
            "only the widths were compared."
        )
    steps = {
        f"{entry.embedding_step:,}"
        for entry in kept.values()
        if target and target.step and entry.embedding_step not in (None, target.step)
    }
    if steps:
        notes.append(
            f"The target was embedded at step {target.step:,}, others at "
            f"{', '.join(sorted(steps))}: SPoT compares prompts of one step (fn. 13)."
        )
    if len(kept) == 1:
        notes.append(f"There is only {next(iter(kept))} to choose.")
    return tuple(notes)
