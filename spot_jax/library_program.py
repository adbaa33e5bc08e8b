"""`spot_jax library`: prompts of one model, kept so that they can be transferred.

    spot_jax library add DIR MODEL_DIR
    spot_jax library add DIR sst2.npy rte.npy --model NAME
    spot_jax library list DIR
    spot_jax library show DIR sst2-seed0
    spot_jax library verify DIR
    spot_jax library export DIR sst2-seed0 OUT --format peft

`prompts/library.py` tells what DIR holds.
"""

import argparse
import math
import pathlib
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from spot_jax import tables
from spot_jax.errors import InputError
from spot_jax.model_dir.made_for import named
from spot_jax.pretrained.transformers_name import transformers_name
from spot_jax.prompts import entry as entry_folder
from spot_jax.prompts import export, files, peft
from spot_jax.prompts.base import described
from spot_jax.prompts.entry import LibraryEntry
from spot_jax.prompts.files import SavedPrompt
from spot_jax.prompts.incoming import from_saved, says_something
from spot_jax.prompts.library import Library, from_run
from spot_jax.reading import as_json, path_of, printable

# What a prompt's file may leave unsaid, and a run never does.
_UNSAID = ("task", "seed", "step", "score", "embedding", "embedding_step", "model")
_FINGERPRINT = re.compile("[0-9a-f]{16}")


def main(argv: Sequence[str]) -> None:
    """Adds to a library, shows what is in it, checks it, or takes a prompt out.

    Raises:
        InputError: a file, a name or an option is wrong, or an entry is damaged.
        SystemExit: with 1 when `verify` finds something wrong.
    """
    options = _parse(argv)
    library = Library(options.dir)
    run = {"add": _add, "list": _list, "show": _show, "verify": _verify}
    (run | {"export": _export})[options.command](library, options)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="spot_jax library", description="Keeps prompts of one model in a folder."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, purpose: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=purpose, description=purpose.capitalize())
        made.add_argument("dir", metavar="DIR", help="the library")
        return made

    _add_options(command("add", "add the prompts of runs, or files of prompts"))
    listing = command("list", "list all prompts")
    listing.add_argument("--json", action="store_true", help="print a list of objects")
    show = command("show", "show all that is known of a prompt")
    show.add_argument("name", metavar="NAME")
    command("verify", "look for damage; exit code 1 when there is any")
    taking = command("export", "write a prompt for another library")
    taking.add_argument("name", metavar="NAME")
    taking.add_argument("out", metavar="OUT", help="the file or folder to write")
    taking.add_argument(
        "--format",
        required=True,
        choices=export.FORMATS,
        help="npy: a file of T5X's prompt-tuning; peft: the folder of a PEFT adapter",
    )
    taking.add_argument(
        "--base_model",
        metavar="NAME_OR_FOLDER",
        help="of a PEFT adapter: what transformers calls the frozen model (the folder "
        "or published model that the prompt was trained on)",
    )
    return parser.parse_args(argv)


def _add_options(add: argparse.ArgumentParser) -> None:
    add.add_argument(
        "sources",
        metavar="SOURCE",
        nargs="+",
        help="MODEL_DIR of a finished run, a .safetensors file of spot_jax, a .npy "
        "file of T5X's prompt-tuning, a .npz of several, or the folder of a PEFT "
        "adapter",
    )
    add.add_argument(
        "--name",
        action="append",
        help="of a run or a .npz, a prompt to add, once or more (all); of another "
        "file, its name here (its own, or the file's)",
    )
    unsaid = add.add_argument_group("what the files of prompts do not say themselves")
    unsaid.add_argument(
        "--task", help="the task or mixture it was trained on (the prompt's name)"
    )
    unsaid.add_argument("--seed", type=int, metavar="N", help="of training (unknown)")
    unsaid.add_argument("--step", type=int, metavar="N", help="steps of training")
    unsaid.add_argument("--score", type=_score, metavar="X", help="on validation")
    unsaid.add_argument(
        "--embedding",
        metavar="FILE",
        help="the prompt at an early step, if kept (the prompt stands in)",
    )
    unsaid.add_argument("--embedding_step", type=int, metavar="N", help="that step")
    unsaid.add_argument(
        "--model",
        metavar="NAME_OR_FINGERPRINT",
        help="the frozen model; 16 hexadecimal digits are a fingerprint",
    )


def _score(text: str) -> float:
    score = float(text)
    if not math.isfinite(score):
        raise InputError(f"{text} is not finite")
    return score


def _add(library: Library, options: argparse.Namespace) -> None:
    if len(options.sources) > 1:
        for key in ("name", "score", "embedding"):
            if getattr(options, key) is not None:
                raise InputError(
                    f"--{key} is of one prompt, and there are {len(options.sources)} "
                    f"sources. Give one source with --{key}."
                )
    read = [pair for text in options.sources for pair in _read(text, options)]
    entries = [entry for entry, _ in read]
    called = [entry.name for entry in entries]
    if twice := sorted({name for name in called if called.count(name) > 1}):
        shown = ", ".join(twice)
        raise InputError(f"Several are called {shown}. Add these alone, with --name.")
    # All of them before the first is written.
    for entry in entries:
        entry_folder.check(entry)
    for entry in entries:
        is_new = entry.name not in library.names()
        library.add(entry)
        print(f"{entry.name}: {'added' if is_new else 'is there already'}")
    _remark(
        "Of no known task (--task), so the task is taken to be called",
        [entry.task for entry, is_guess in read if is_guess],
    )
    _remark(
        "Without a prompt of an early step (--embedding), by which SPoT embeds a task, "
        "the final one stands in when tasks are compared",
        [entry.name for entry in entries if entry.embedding is None],
    )


def _remark(what: str, of: Sequence[str]) -> None:
    if of:
        print(f"{what}: {', '.join(of)}.")


def _read(text: str, options: argparse.Namespace) -> list[tuple[LibraryEntry, bool]]:
    """Returns the entries of one source, and of each whether its task is a guess."""
    source = path_of(text)
    adapter = (source / name for name in (peft.MODEL_FILE, peft.CONFIG_FILE))
    if source.is_dir() and not any(path.exists() for path in adapter):
        return [(entry, False) for entry in _of_run(source, options)]
    found = files.read_all(source)
    names = {saved.array: saved for saved in found if saved.array}
    if names:
        found = _chosen(names, options.name, source)
    elif len(options.name or ()) > 1:
        raise InputError(f"{source} is one prompt: give --name once.")
    is_unsaid = options.task is None
    return [
        (_of_file(saved, options), is_unsaid and not says_something(saved))
        for saved in found
    ]


def _of_run(model_dir: pathlib.Path, options: argparse.Namespace) -> list[LibraryEntry]:
    given = [f"--{key}" for key in _UNSAID if getattr(options, key) is not None]
    if given:
        raise InputError(
            f"{model_dir} is a run, whose files say what {', '.join(given)} would. "
            "Leave that out, or give the file of one prompt."
        )
    found = {entry.name: entry for entry in from_run(model_dir)}
    return _chosen(found, options.name, model_dir)


def _chosen(
    found: Mapping[str, Any], wanted: Sequence[str] | None, where: pathlib.Path
) -> list:
    """Returns those of several prompts that --name asks for, or all."""
    if unknown := [name for name in wanted or () if name not in found]:
        raise InputError(
            f"{where} has no prompt {', '.join(unknown)}; it has {', '.join(found)}."
        )
    return [found[name] for name in wanted or found]


def _of_file(saved: SavedPrompt, options: argparse.Namespace) -> LibraryEntry:
    given: dict[str, Any] = {key: getattr(options, key) for key in _UNSAID}
    # Of several prompts in a file, --name chooses.
    given["name"] = None if saved.array else (options.name or [None])[0]
    early = given.pop("embedding")
    if saved.array and (early or options.score is not None):
        raise InputError(
            f"{saved.path} is one of several prompts, and --embedding and --score are "
            "of one. Save it as a file of its own: numpy.save('prompt.npy', prompt)."
        )
    if options.model is not None:
        given["model"] = {"source": options.model}
        if _FINGERPRINT.fullmatch(options.model):
            given["model"]["fingerprint"] = options.model
    return from_saved(saved, None if early is None else files.read(early), given)


def _list(library: Library, options: argparse.Namespace) -> None:
    entries = library.entries()
    if options.json:
        keys = ("name", "task", "seed", "prompt_step", "embedding_step")
        keys += ("score", "results", "model")
        objects = [
            {key: getattr(entry, key) for key in keys}
            | {"has_embedding": entry.embedding is not None}
            for entry in entries
        ]
        print(as_json(objects, 2))
        return
    heads = ("name", "task", "seed", "steps", "score", "embedding")
    rows = [
        (
            *(entry.name, entry.task, _known(entry.seed), _known(entry.prompt_step)),
            *(_known(entry.score), _embedding(entry)),
        )
        for entry in entries
    ]
    print(tables.as_text([heads, *rows]), end="")


def _known(value: float | None) -> float | str:
    return "?" if value is None else value


def _embedding(entry: LibraryEntry) -> str:
    if entry.embedding is None:
        return "none (the prompt)"
    return f"step {_known(entry.embedding_step)}"


def _show(library: Library, options: argparse.Namespace) -> None:
    entry = library.read(options.name)
    prompt = f"{described(entry.prompt)}, step {_known(entry.prompt_step)}"
    lines = [
        *(("name", entry.name), ("task", entry.task), ("seed", _known(entry.seed))),
        *(("prompt", prompt), ("embedding", _embedding(entry))),
        ("score", _known(entry.score)),
        *(
            (f"{task} {metric}", value)
            for task, values in entry.results.items()
            for metric, value in values.items()
        ),
        *((f"model's {key}", value) for key, value in entry.model.items()),
        ("folder", library.folder / entry.name),
    ]
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        print(f"{name.ljust(width)}  {printable(str(value))}")
    print(f"\nprovenance\n{printable(as_json(entry.provenance, 2))}")
    print(f"\nconfiguration\n{printable(entry.configuration) or 'not known'}")


def _verify(library: Library, options: argparse.Namespace) -> None:
    if problems := library.verify():
        print("\n".join(problems))
        sys.exit(1)
    print(f"{options.dir}: {len(library.names())} prompts, nothing wrong")


def _export(library: Library, options: argparse.Namespace) -> None:
    entry, is_adapter = library.read(options.name), options.format == "peft"
    if options.base_model and not is_adapter:
        raise InputError("--base_model is of a PEFT adapter: --format peft.")
    base_model = options.base_model or transformers_name(entry.model.get("source"))
    export.write(options.out, entry.prompt, options.format, base_model)
    print(f"{options.out}: {entry.name} as {options.format}")
    said = f"Its base model is {base_model} (--base_model)."
    if not base_model:
        said = (
            f"What transformers calls {named(entry.model)} is not known here; for "
            "AutoPeftModelForSeq2SeqLM name it: --base_model."
        )
    if is_adapter:
        print(said)
