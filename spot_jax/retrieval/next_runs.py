"""What to type after a transfer: the `spot_jax train` that goes on from it.

A prompt's file keeps the whole configuration of its run, so the next run is the same
but for where it starts. What no file says stands in capitals in the command.
"""

import ast
import pathlib
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from spot_jax.model_dir import names
from spot_jax.model_dir.described import as_gin
from spot_jax.prompts.base import length_of
from spot_jax.retrieval.candidates import Source, Target
from spot_jax.retrieval.operators import multi_task_mixture
from spot_jax.tasks import catalog

_CONTINUED = "# The configuration of the run that made {of}, as it was.\n"


def target_run(
    target: Target | None,
    *,
    task: str | None,
    starts: Sequence[str],
    length: int,
    folder: str,
    model: Mapping[str, str],
) -> str:
    """Returns the command that tunes a target from prompts, as one bank.

    Args:
        target: None where no run of the target is known.
        task: the target's, where it is known.
        starts: files of the prompts to start from.
        length: of these prompts.
        folder: DIR of the transfer.
        model: of the library; says where its weights are.
    """
    values = {
        "MIXTURE_OR_TASK_NAME": task or "TARGET_TASK",
        "RANDOM_SEED": target.seed if target else 0,
        "PROMPT_LENGTH": length,
        "PROMPT_FILE": starts[0],
        **_bank_of_starts(starts),
        "MODEL_DIR": f"{folder}/tuned",
    }
    gin = ["gin/prompts/from_file.gin"]
    if target and as_gin(target.configuration):
        if _macro(target.configuration, "BANK"):
            # The target was trained beside others; now it is trained alone.
            values["BANK"] = None
        return _command([f"{folder}/target.gin", *gin], values)
    base = ["gin/models/MODEL.gin", "gin/runs/target_prompt.gin"]
    return _command([*base, *gin], _unknown(model) | values)


def target_files(target: Target | None) -> dict[str, str]:
    """Returns {file name: text} that the command of `target_run` includes."""
    if not target or not as_gin(target.configuration):
        return {}
    return {"target.gin": _CONTINUED.format(of=target.name) + target.configuration}


def mixture_name(task: str, k: int) -> str:
    """Returns the name of a target's top-k mixture: `("rte", 3)` -> "rte_top3"."""
    return f"{re.sub(r'[^A-Za-z0-9_]', '_', task)}_top{k}"


def mixture_members(chosen: Sequence[Source], task: str) -> list[str]:
    """Lists the data sets of the chosen prompts, mixtures resolved, and the target's.

    Raises:
        InputError: when an entry does not say its task.
    """
    members = []
    for source in chosen:
        entry = source.entry
        known = catalog.MIXTURES.get(entry.task)
        # A mixture of a run's own is known to its configuration alone.
        own = _macro(entry.configuration, "MIXTURES") or {}
        members += known.members if known else own.get(entry.task, [entry.task])
    return multi_task_mixture(members, task)


def mixture_files(
    chosen: Sequence[Source], target: Target, members: Sequence[str], folder: str
) -> dict[str, str]:
    """Returns {file name: text} of the gin files that train a top-k mixture's prompt.

    Args:
        chosen: the top k, the most similar first.
        target: the target.
        members: the mixture's tasks.
        folder: DIR of the transfer.
    """
    recipe = chosen[0].entry
    name = mixture_name(target.task, len(chosen))
    lines = [
        f"# A source prompt on the data of the {len(chosen)} source prompts most like",
        f"# {target.name}, and on its own, in proportion to examples (SPoT §3.3).",
        "include 'gin/runs/source_prompt.gin'",
    ]
    texts = {}
    if as_gin(recipe.configuration):
        texts["source.gin"] = _CONTINUED.format(of=recipe.name) + recipe.configuration
        lines += [
            "# Trained as the most similar of them was.",
            f"include {folder + '/source.gin'!r}",
            # That run may have trained a bank; the mixture's prompt is alone.
            "BANK = None",
        ]
    lines += ["", f"MIXTURES = {{{name!r}: {list(members)!r}}}"]
    lines += [f"MIXTURE_OR_TASK_NAME = {name!r}"]
    lengths = _longest(chosen, target)
    if lengths:
        lines += [
            "# The longest of the chosen prompts' runs and the target's.",
            f"TASK_FEATURE_LENGTHS = {lengths!r}",
        ]
    return texts | {"mixture.gin": "\n".join(lines) + "\n"}


def mixture_run(chosen: Sequence[Source], target: Target, folder: str) -> str:
    """Returns the command that trains the mixture's prompt."""
    recipe = chosen[0].entry
    values = {
        "RANDOM_SEED": target.seed,
        "PROMPT_LENGTH": length_of(recipe.prompt),
        "MODEL_DIR": f"{folder}/mixture",
    }
    # SPoT §2.1.4: source prompts begin as sampled vocabulary.
    gin = [f"{folder}/mixture.gin", "gin/prompts/sampled_vocabulary.gin"]
    if not as_gin(recipe.configuration):
        gin.insert(0, "gin/models/MODEL.gin")
        unknown = _unknown(recipe.model)
        # mixture.gin says them, and a command's own would win.
        if _longest(chosen, target):
            del unknown["TASK_FEATURE_LENGTHS"]
        values = unknown | values
    return _command(gin, values)


def mixture_prompt(target: Target, k: int, folder: str) -> str:
    """Returns where the mixture's final prompt will be: the target's start."""
    name = f"{mixture_name(target.task, k)}-seed{target.seed}"
    return str(names.prompt_file(pathlib.Path(folder, "mixture"), name, names.LAST))


def _longest(chosen: Sequence[Source], target: Target) -> dict[str, int]:
    """Returns the longest lengths that the members were trained with; {}: unknown."""
    texts = [source.entry.configuration for source in chosen] + [target.configuration]
    known = [_macro(text, "TASK_FEATURE_LENGTHS") or {} for text in texts]
    features = {feature: None for lengths in known for feature in lengths}
    return {
        feature: max(lengths.get(feature, 0) for lengths in known)
        for feature in features
    }


def _macro(configuration: str | None, name: str) -> Any:
    """Returns a macro's value in gin text, None where it is not there or no literal."""
    # gin breaks a long value: it goes on in the lines below, indented.
    pattern = rf"^{name} = (.*(?:\n[ \t]+.*)*)"
    found = re.search(pattern, configuration or "", flags=re.MULTILINE)
    if not found:
        return None
    try:
        return ast.literal_eval(found.group(1).removeprefix("\\").strip())
    except (SyntaxError, ValueError):
        return None


def _unknown(model: Mapping[str, str]) -> dict[str, str]:
    return {
        "INITIAL_CHECKPOINT_PATH": model.get("source") or "CHECKPOINT",
        "TASK_FEATURE_LENGTHS": "LENGTHS",
    }


def _bank_of_starts(starts: Sequence[str]) -> dict[str, str]:
    """Returns the bindings that make several starting values one run."""
    if len(starts) == 1:
        return {}
    # gin binds one path to one function: each further start is a scope of it, and the
    # first is what from_file.gin binds to PROMPT_FILE.
    scopes = [f"start_{number}" for number in range(2, len(starts) + 1)]
    functions = ", ".join(
        ["@init.from_file", *(f"@{s}/init.from_file" for s in scopes)]
    )
    paths = zip(scopes, starts[1:], strict=True)
    return {"PROMPT_START": f"[{functions}]"} | {
        f"{scope}/init.from_file.path": path for scope, path in paths
    }


def _command(gin: Sequence[str], values: Mapping[str, Any]) -> str:
    """Returns a command for a shell, one option a line."""
    options = [f"--gin_file={path}" for path in gin]
    options += [f"--gin.{name}={value}" for name, value in values.items()]
    return " \\\n  ".join(["spot_jax train", *map(shlex.quote, options)])
