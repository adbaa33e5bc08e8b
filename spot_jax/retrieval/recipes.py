"""The configuration in a prompt's header, read as data and written anew.

gin runs what it parses: `import os` and `X = @os.system()` are gin. A prompt's file may
come from anybody, so of its configuration nothing is taken over but bindings whose
values are literals, macros and those functions of spot_jax that a run of `train`
consists of. What is written for the next run is made here, of these.
"""

import ast
import dataclasses
import keyword
import math
import re
from collections.abc import Sequence
from typing import Any

from spot_jax.model_dir.described import as_gin
from spot_jax.reading import lines_of, printable

_IMPORTS = """from __gin__ import dynamic_registration

from spot_jax import optim
from spot_jax import settings
from spot_jax import train
from spot_jax.model import compiled
from spot_jax.t5 import beam
from spot_jax.t5 import config as t5
from spot_jax.t5 import decode
"""
# The kinds of prompts, of which a run has one.
_KINDS = ("deep_kv", "deep_prompt", "p_tuning", "prefix_mlp", "soft")
# Functions that a value may refer to, and whose parameters may be set. None of them
# does anything but compute.
_FUNCTIONS = {
    *("settings.Model", "settings.Data", "settings.Prompts", "settings.Training"),
    *("settings.Evaluation", "settings.Loss", "t5.T5Config", "soft.SoftPrompt"),
    *("deep_kv.DeepKV", "prefix_mlp.PrefixMLP", "p_tuning.PTuning"),
    *("deep_prompt.DeepPrompt", "optim.linear_decay", "optim.exponential_decay"),
    *("optim.adafactor", "optim.adamw", "optim.constant", "optim.linear_warmup"),
    *("optim.linear_warmup_decay", "optim.linear_warmup_rsqrt"),
    *("optim.reciprocal_square_root", "decode.greedy", "decode.sample"),
    *("decode.gnmt_penalty", "beam.beam_search"),
}
# How gin/runs binds `train` itself. Otherwise bound it might write anywhere.
_OF_TRAIN = {
    "train.train.model_dir = %MODEL_DIR",
    "train.train.model = @settings.Model()",
    "train.train.data = @settings.Data()",
    "train.train.training = @settings.Training()",
    "train.train.evaluation = @settings.Evaluation()",
    "train.train.loss = @settings.Loss()",
    "train.train.optimizer = %OPTIMIZER",
    "train.train.prompts = @settings.Prompts()",
    "train.train.seed = %RANDOM_SEED",
    "compiled.keep.folder = %COMPILATION_CACHE_DIR",
}
# What the next run has of its own: where it writes and begins.
_OF_ITS_OWN = {
    *("MODEL_DIR", "PROMPT_START", "PROMPT_FILE", "COMPILATION_CACHE_DIR"),
    # Of the tasks that a source learned with.
    "SHARED_PROMPT",
}
# Modules that a run imports: code, which no header may name.
_MODULES = "MIXTURE_OR_TASK_MODULE"
_OF_MODULES = f"settings.Data.modules = %{_MODULES}"
# Modules of spot_jax that configure starts, or other programs than `train`.
_OF_OTHERS = {"init", "study", "plan", "cost"}
# As in what gin itself writes.
_BINDING = re.compile(r"([\w./]+) = (.*)", re.ASCII)
_IMPORT = re.compile(r"(?:from|import) (?:__gin__|spot_jax)\b[\w. ]*", re.ASCII)
_REFERENCE = re.compile(r"@([\w.]+)(?:\(\))?|%[A-Z_][A-Z0-9_]*", re.ASCII)
_MACRO = re.compile(r"[A-Z_][A-Z0-9_]*", re.ASCII)
# How much of what is left out is shown.
_SHOWN, _LONGEST = 5, 60
# In place of None, which is a value.
_NONE = object()


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What of a configuration goes into the next run.

    Attributes:
        text: as gin text; "" where there is nothing.
        values: {macro: its value}, of those that are literals.
        left_out: the statements that are not in it, as they may be shown.
    """

    text: str
    values: dict[str, Any]
    left_out: tuple[str, ...]


def read(configuration: str) -> Recipe:
    """Returns what of a header's configuration is data.

    Args:
        configuration: gin text as `config.text` writes it, by whomever.
    """
    kept, values, left_out = [], {}, []
    # gin breaks a long value: it goes on in the lines below, indented.
    joined = re.sub(r"\\?\n[ \t]+", " ", as_gin(configuration))
    for statement in map(str.strip, lines_of(joined)):
        if not statement or statement.startswith("#") or _IMPORT.fullmatch(statement):
            continue
        found = _BINDING.fullmatch(statement)
        name, text = found.groups() if found else ("", "")
        if name in _OF_ITS_OWN or _is_of_others(name, text):
            continue
        value = _literal(text)
        written = text if _is_harmless_reference(text) else None
        if value is not _NONE:
            written = repr(value)
            values |= {name: value} if _MACRO.fullmatch(name) else {}
        if written is not None and _may_be_set(name, f"{name} = {written}"):
            kept.append(f"{name} = {written}")
        else:
            left_out.append(printable(statement, _LONGEST))
    text = "\n".join([*_imports(kept), *kept, ""]) if kept else ""
    return Recipe(text, values, tuple(left_out))


def _imports(kept: Sequence[str]) -> list[str]:
    """Returns what imports the functions that statements name."""
    named = "\n".join(kept)
    kinds = [kind for kind in _KINDS if re.search(rf"\b{kind}\.", named)]
    return [_IMPORTS + "".join(f"from spot_jax.prompts import {k}\n" for k in kinds)]


def _is_of_others(name: str, text: str) -> bool:
    """Whether a binding is about what the next run has no use for."""
    referred = _REFERENCE.fullmatch(text)
    names = (_function(name), (referred and referred.group(1)) or "")
    return any(each.partition(".")[0] in _OF_OTHERS for each in names)


def _function(name: str) -> str:
    """Returns whose parameter a binding sets: "optim.adamw" of "optim.adamw.b1"."""
    return name.rpartition("/")[2].rpartition(".")[0]


def _may_be_set(name: str, statement: str) -> bool:
    if name == _MODULES:
        return statement == f"{_MODULES} = None"
    if name.endswith("Data.modules"):
        return statement == _OF_MODULES
    if _MACRO.fullmatch(name):
        return True
    parameter = name.rpartition(".")[2]
    is_name = parameter.isidentifier() and not keyword.iskeyword(parameter)
    is_known = "/" not in name and _function(name) in _FUNCTIONS
    return statement in _OF_TRAIN or (is_name and is_known)


def _is_harmless_reference(text: str) -> bool:
    found = _REFERENCE.fullmatch(text)
    return bool(found) and (found.group(1) is None or found.group(1) in _FUNCTIONS)


def _literal(text: str) -> Any:
    """Returns the value of a Python literal that gin has as well, or else _NONE."""
    try:
        value = ast.literal_eval(text)
    # MemoryError: of brackets without end.
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return _NONE
    return value if _is_of_gin(value) else _NONE


def _is_of_gin(value: Any) -> bool:
    match value:
        case None | bool() | int() | str():
            return True
        case float():
            return math.isfinite(value)
        case list() | tuple():
            return all(map(_is_of_gin, value))
        case dict():
            return all(map(_is_of_gin, (*value, *value.values())))
    return False


def remark(of: str, recipe: Recipe, gap: str) -> str:
    """Returns what a reader is told of what a recipe leaves out; "" where nothing is.

    Args:
        of: whose recipe it is.
        recipe: what was taken over and what was not.
        gap: what stands in the command in place of a gin file that the user may give.
    """
    if not recipe.left_out:
        return ""
    shown = "; ".join(recipe.left_out[:_SHOWN])
    more = len(recipe.left_out) - _SHOWN
    shown += f"; and {more} more" if more > 0 else ""
    cure = (
        f" If the run needs it, and you trust it, name a gin file that has it in place "
        f"of {gap}; else leave that option out."
    )
    return (
        f"Of the configuration in the file of {of} this was left out, as a prompt's "
        f"file may set values and never run code: {shown}.{cure if recipe.text else ''}"
    )
