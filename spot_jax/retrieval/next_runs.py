"""What to type after a transfer: the `spot_jax train` that goes on from it.

A prompt's file keeps the whole configuration of its run, so the next run is the same
but for where it starts (`recipes.py` tells how much of it is believed). What no file
says stands in capitals in the command.
"""

import ast
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from spot_jax.model_dir import names
from spot_jax.prompts.base import PromptBundle, length_of, sites
from spot_jax.reading import as_path
from spot_jax.retrieval import recipes
from spot_jax.retrieval.candidates import Source, Target
from spot_jax.retrieval.operators import multi_task_mixture
from spot_jax.tasks import catalog

# What a command says in place of a file with the user's own code.
CODE = "YOUR_CODE.gin"
_LENGTHS = "TASK_FEATURE_LENGTHS"
_CONTINUED = "# The configuration of the run that made {of}: its values.\n"

T = TypeVar("T")


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
        **_further_starts(starts),
        "MODEL_DIR": f"{folder}/tuned",
    }
    gin, start = ["gin/prompts/from_file.gin"], _bank_of_starts(len(starts))
    recipe = recipes.read(target.configuration if target else "")
    if not recipe.text:
        base = ["gin/models/MODEL.gin", "gin/runs/target_prompt.gin"]
        return _command([*base, *gin], _unknown(model) | values, start)
    if target:
        values |= _own_rate(recipe, target.name)
    if recipe.values.get("BANK"):
        # The target was trained beside others; now it is trained alone.
        values["BANK"] = None
    code = [CODE] if recipe.left_out else []
    return _command([f"{folder}/target.gin", *code, *gin], values, start)


def _own_rate(recipe: recipes.Recipe, name: str) -> dict[str, float]:
    """Returns the learning rate of a prompt that was one of a sweep's; {} of others."""
    rates = recipe.values.get("LEARNING_RATE")
    if not isinstance(rates, list):
        return {}
    own = [rate for rate in rates if name.endswith(f"-rate{rate}")]
    return {"LEARNING_RATE": (own or rates)[0]}


def target_files(target: Target | None) -> dict[str, str]:
    """Returns {file name: text} that the command of `target_run` includes."""
    recipe = recipes.read(target.configuration if target else "")
    if not recipe.text:
        return {}
    return {"target.gin": _CONTINUED.format(of=target.name) + recipe.text}


def remarks(target: Target | None, chosen: Sequence[Source]) -> tuple[str, ...]:
    """Tells what of the configurations that go on was left out, in sentences.

    Args:
        target: whose run goes on.
        chosen: the source whose run goes on as the mixture's, first; may be empty.
    """
    made = [(target.name, target.configuration)] if target else []
    made += [(s.entry.name, s.entry.configuration) for s in chosen[:1]]
    told = (recipes.remark(name, recipes.read(text), CODE) for name, text in made)
    return tuple(filter(None, told))


def has_gaps(configuration: str) -> bool:
    """Whether a command that goes on with a run has words in capitals for the user."""
    recipe = recipes.read(configuration)
    return not recipe.text or bool(recipe.left_out)


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
        recipe = recipes.read(entry.configuration)
        own = _value(recipe, "MIXTURES", dict[str, list[str]]) or {}
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
    first = chosen[0].entry
    recipe = recipes.read(first.configuration)
    name = mixture_name(target.task, len(chosen))
    lines = [
        f"# A source prompt on the data of the {len(chosen)} source prompts most like",
        f"# {target.name}, and on its own, in proportion to examples (SPoT §3.3).",
        "include 'gin/runs/source_prompt.gin'",
    ]
    texts = {}
    if recipe.text:
        texts["source.gin"] = _CONTINUED.format(of=first.name) + recipe.text
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
    first = chosen[0].entry
    recipe = recipes.read(first.configuration)
    values = {
        "RANDOM_SEED": target.seed,
        "PROMPT_LENGTH": length_of(first.prompt),
        "MODEL_DIR": f"{folder}/mixture",
        **_own_rate(recipe, first.name),
    }
    # SPoT §2.1.4: source prompts begin as sampled vocabulary; other kinds than soft
    # prompts begin as their paper has it.
    start = "sampled_vocabulary" if _is_soft(first.prompt, recipe) else "drawn"
    code = [CODE] if recipe.text and recipe.left_out else []
    gin = [f"{folder}/mixture.gin", *code, f"gin/prompts/{start}.gin"]
    if not recipe.text:
        gin.insert(0, "gin/models/MODEL.gin")
        unknown = _unknown(first.model)
        # mixture.gin says them, and a command's own would win.
        if _longest(chosen, target):
            del unknown["TASK_FEATURE_LENGTHS"]
        values = unknown | values
    return _command(gin, values, {})


def _is_soft(prompt: PromptBundle, recipe: recipes.Recipe) -> bool:
    """Whether a prompt was trained as a soft prompt, as far as its recipe says."""
    kind = re.search(r"^PROMPT = @([\w.]+)", recipe.text, re.MULTILINE)
    is_named = not kind or kind.group(1) == "soft.SoftPrompt"
    return is_named and set(sites(prompt)) == {"enc_input"}


def mixture_prompt(target: Target, k: int, folder: str) -> str:
    """Returns where the mixture's final prompt will be: the target's start."""
    name = f"{mixture_name(target.task, k)}-seed{target.seed}"
    return str(names.prompt_file(as_path(folder) / "mixture", name, names.LAST))


def _longest(chosen: Sequence[Source], target: Target) -> dict[str, int]:
    """Returns the longest lengths that the members were trained with; {}: unknown."""
    texts = [source.entry.configuration for source in chosen] + [target.configuration]
    read = (_value(recipes.read(text), _LENGTHS, dict[str, int]) for text in texts)
    known = [lengths or {} for lengths in read]
    features = {feature: None for lengths in known for feature in lengths}
    return {
        feature: max(lengths.get(feature, 0) for lengths in known)
        for feature in features
    }


def _value(recipe: recipes.Recipe, macro: str, kind: type[T]) -> T | None:
    """Returns a macro's value, None where it is not there or of another type."""
    try:
        return msgspec.convert(recipe.values.get(macro), kind)
    except msgspec.ValidationError:
        return None


def _unknown(model: Mapping[str, str]) -> dict[str, str]:
    return {
        "INITIAL_CHECKPOINT_PATH": model.get("source") or "CHECKPOINT",
        "TASK_FEATURE_LENGTHS": "LENGTHS",
    }


def _bank_of_starts(count: int) -> dict[str, str]:
    """Returns the binding that makes several starting values one run."""
    if count == 1:
        return {}
    # gin binds one path to one function: each further start is a scope of it, and the
    # first is what from_file.gin binds to PROMPT_FILE.
    scoped = (f"@{_scope(number)}/init.from_file" for number in range(2, count + 1))
    return {"PROMPT_START": f"[{', '.join(['@init.from_file', *scoped])}]"}


def _further_starts(starts: Sequence[str]) -> dict[str, str]:
    """Returns the paths of all starts but the first."""
    numbered = enumerate(starts[1:], 2)
    return {f"{_scope(n)}/init.from_file.path": path for n, path in numbered}


def _scope(number: int) -> str:
    return f"start_{number}"


def _command(
    gin: Sequence[str], values: Mapping[str, Any], references: Mapping[str, str]
) -> str:
    """Returns a command for a shell, one option a line.

    Args:
        gin: its gin files.
        values: its macros, as values: what a header says is never more.
        references: macros that are gin's references, which are made here.
    """
    options = [f"--gin_file={path}" for path in gin]
    texts = references | {name: _literal(value) for name, value in values.items()}
    options += [f"--gin.{name}={text}" for name, text in texts.items()]
    return " \\\n  ".join(["spot_jax train", *map(shlex.quote, options)])


def _literal(value: Any) -> str:
    """Returns a value as a command line gives it, which takes plain words as text."""
    is_plain = isinstance(value, str) and re.fullmatch(r"[\w./~:][\w./~:+=, -]*", value)
    try:
        ast.literal_eval(str(value))
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return value if is_plain else repr(value)
    # "None" or "7", which are no text; and None and 7 themselves.
    return repr(value)
