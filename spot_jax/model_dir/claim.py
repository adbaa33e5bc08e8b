"""MODEL_DIR: made, and claimed by one configuration.

Before anything expensive starts it is sure that the folder can be written and that it
does not hold another run.
"""

import difflib
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

from spot_jax import buckets
from spot_jax.errors import InputError
from spot_jax.model_dir import made_for, names, storage
from spot_jax.model_dir.made_for import is_same_model, named
from spot_jax.reading import as_json, lines_of, path_of, read_json, read_text

# What may be another when a run goes on, by name. Everything else is another run.
MAY_CHANGE = frozenset(
    {
        # How long it takes, and where its folder is.
        *("TRAIN_STEPS", "TARGET_TRAIN_STEPS", "MODEL_DIR", "STUDY_DIR"),
        # How much of a study is asked for.
        *("STAGES", "BEST_KS"),
        # On which machine it goes on, and what fits there. Sums are then rounded
        # otherwise, and a search that samples draws otherwise.
        *("NUM_PARTITIONS", "PARAMETER_PARTITIONING_DIMS", "REMAT_POLICY"),
        *("ATTENTION", "Model.attention"),
        *("MICROBATCHES", "EVAL_BATCH_SIZE", "COMPILATION_CACHE_DIR", "keep.folder"),
        # What they come to is compared, for machines decide it otherwise: check_dtypes.
        *("ACTIVATION_DTYPE", "WEIGHTS_DTYPE", "Model.dtype", "Model.weights_dtype"),
        # How often it is written down.
        *("LOG_PERIOD", "CHECKPOINT_PERIOD"),
        *("CHECKPOINT_KEEP", "CHECKPOINT_KEEP_PERIOD", "Training.keep_period"),
        *("SAVE_MODEL_PERIOD", "Training.model_period"),
        # How it is looked after.
        *("HANG_AFTER", "HANG_ENDS", "PROFILE_STEP", "PROFILE_STEPS"),
        *("Training.hang_after", "Training.hang_ends"),
        *("Training.profile_step", "Training.profile_steps"),
        # The same, as parameters: of a run begun from Python, or bound without a macro.
        *("Training.steps", "Target.steps", "train.model_dir", "study.study_dir"),
        *("Study.stages", "Study.best_ks"),
        *("Model.num_partitions", "Training.microbatches", "Evaluation.rows"),
        *("Model.parameter_partitioning_dims", "Model.remat_policy"),
        *("Training.log_period", "Training.checkpoint_period", "Training.keep"),
    }
)


def check(model_dir: str, configuration: str, macro: str = "MODEL_DIR") -> pathlib.Path:
    """Makes MODEL_DIR, and makes sure that it is free or holds this very run.

    Args:
        model_dir: the folder.
        configuration: as gin text, or lines "NAME = VALUE" like it.
        macro: the folder's name in the configuration, for the messages.

    Returns:
        The folder.

    Raises:
        InputError: when it cannot be written, or holds a run of another configuration.
    """
    folder = writable(model_dir, f"--gin.{macro}")
    if buckets.is_inside(folder):
        from spot_jax.buckets.path import check_known

        # Checkpoints will ask for it, after the model is loaded.
        check_known(folder)
    path = folder / names.CONFIG
    if path.exists():
        _compare(path, configuration, macro)
    elif (folder / names.CHECKPOINTS).exists():
        raise InputError(
            f"MODEL_DIR {model_dir} holds checkpoints but no {names.CONFIG}, so nobody "
            "can say of which run. Choose another folder."
        )
    return folder


def claim(folder: pathlib.Path, configuration: str) -> None:
    """Writes config.gin, when everything else is known to be right.

    A mistake that is found before, and mended, is not another configuration.
    """
    storage.replace_text(folder / names.CONFIG, configuration)


def writable(path: str, option: str) -> pathlib.Path:
    """Makes a folder, and makes sure that files can be written in it.

    Args:
        path: the folder.
        option: how it is given, for the message: "--gin.MODEL_DIR", "--out".

    Raises:
        InputError: when it cannot be made or written.
    """
    if "://" in path and not buckets.is_inside(path):
        raise InputError(
            f"{option} is {path}: what is written goes to a folder of this machine, or "
            f"to a bucket, {buckets.SCHEME}BUCKET/FOLDER."
        )
    folder = path_of(path)
    try:
        storage.check_writable(folder)
    except OSError as error:
        yours = "Choose a folder of yours."
        if buckets.is_inside(folder):
            yours = (
                "Have the bucket's owner give you the role Storage Object User, or "
                "choose another."
            )
        raise InputError(
            f"{option} {path} cannot be written ({error.strerror}). {yours}"
        ) from error
    return folder


def _compare(path: pathlib.Path, configuration: str, macro: str) -> None:
    cure = f"Restore it, or choose another {macro}."
    there = read_text(path, cure).replace("\r\n", "\n")
    before = _what_matters(there)
    now = _without_what_came(before, _what_matters(configuration))
    # A default that a later version has changed, in the comments of gin's text; those
    # of one side alone are of parameters that came or went.
    old, new = _defaults(there), _defaults(configuration)
    changed = [name for name in old if new.get(name, old[name]) != old[name]]
    before = sorted(before + [f"{name} = {old[name]}" for name in changed])
    now = sorted(now + [f"{name} = {new[name]}" for name in changed])
    if before == now:
        return
    changes = [
        f"{line[0]} {line[1:]}"
        for line in difflib.unified_diff(before, now, lineterm="", n=0)
        if not line.startswith(("---", "+++", "@@"))
    ]
    shown = "\n  ".join(changes[:10])
    raise InputError(
        f"{macro} {path.parent} holds a run of another configuration "
        f"(- there, + asked for):\n  {shown}\nChoose another {macro}, or give the "
        f"configuration of {names.CONFIG} to go on with that run. Nothing was changed."
    )


# Values by which what a later version can do is left alone.
_NOTHING = {"None", "False", "0", "0.0", "''", "[]", "()", "{}"}


def _without_what_came(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Leaves out what an earlier version did not know and this one does not use.

    A run that it began goes on, with `HEAD = None` and `Prompts.head = %HEAD` in the
    configuration of today.
    """
    known = {line.partition("=")[0].strip() for line in before}
    kept = []
    for line in now:
        name, _, value = (part.strip() for part in line.partition("="))
        # A macro that is something is a line of its own.
        is_nothing = value in _NOTHING or value.startswith("%")
        if name in known or not is_nothing:
            kept.append(line)
    return kept


def _defaults(configuration: str) -> dict[str, str]:
    """Returns the defaults that a configuration tells in comments: {name: value}."""
    found = re.findall(r"^# ([\w.]+) = (.*)$", configuration, flags=re.MULTILINE)
    # By the last two parts of its name, for modules move.
    named = {".".join(name.split(".")[-2:]): value for name, value in found}
    return {name: value for name, value in named.items() if name not in MAY_CHANGE}


def _what_matters(configuration: str) -> list[str]:
    """Returns the bindings that make a run another, a line each, sorted."""
    # gin indents what belongs to the line before.
    statements = re.sub(r"\\?\n[ \t]+", " ", configuration)
    kept = [" ".join(line.split()) for line in lines_of(statements)]
    # Where a name is imported from is no setting: files move.
    kept = [line for line in kept if line and not re.match("#|from |import ", line)]
    return sorted(line for line in kept if not _may_change(line))


def _may_change(binding: str) -> bool:
    name = binding.split("=")[0].strip()
    # "spot_jax.settings.Training.steps" is a parameter, whatever stands before it.
    return ".".join(name.split(".")[-2:]) in MAY_CHANGE


class _Model(TypedDict):
    fingerprint: str
    source: str
    earlier_fingerprint: NotRequired[str]


class _Vocabulary(TypedDict):
    fingerprint: str
    path: str


class _Story(TypedDict):
    """What is read of run.json; earlier versions told no vocabulary and no rows."""

    model: _Model
    vocabulary: NotRequired[_Vocabulary]
    rows: NotRequired[dict[str, str]]
    dtypes: NotRequired[dict[str, str]]


def check_model(folder: pathlib.Path, model: Mapping[str, str]) -> None:
    """Refuses to go on with a run whose frozen model has been replaced.

    Args:
        folder: MODEL_DIR.
        model: the one that was loaded, {"fingerprint", "source"}.

    Raises:
        InputError: when run.json tells of another model under the same path or name.
    """
    before = _told(folder).get("model")
    if before and is_same_model(before, model) is False:
        raise InputError(
            f"MODEL_DIR {folder} holds a run over the model {named(before)}; this one "
            f"is {named(model)}. Choose another MODEL_DIR, or put the old model back."
        )


def check_dtypes(folder: pathlib.Path, dtypes: Mapping[str, str]) -> None:
    """Refuses to go on in other dtypes, which nothing need have set.

    Args:
        folder: MODEL_DIR.
        dtypes: {macro: what it is here}.

    Raises:
        InputError: when run.json tells others.
    """
    before = _told(folder).get("dtypes", {})
    other = [name for name in dtypes if before.get(name, dtypes[name]) != dtypes[name]]
    if other:
        ways = " ".join(f"--gin.{name}={before[name]}" for name in other)
        raise InputError(
            f"The run in MODEL_DIR {folder} began with {before[other[0]]} as "
            f"{other[0]}, and here it is {dtypes[other[0]]}. To go on as it began set "
            f"{ways}, or choose another MODEL_DIR."
        )


def check_vocabulary(folder: pathlib.Path, vocabulary: Mapping[str, Any]) -> None:
    """Refuses to go on with a run whose vocabulary has been replaced.

    Args:
        folder: MODEL_DIR.
        vocabulary: of the run, {"fingerprint", "path"}.

    Raises:
        InputError: when run.json tells of another one under the same path.
    """
    before = _told(folder).get("vocabulary", {})
    cure = "Choose another MODEL_DIR, or put the old vocabulary back."
    made_for.check_vocabulary(f"MODEL_DIR {folder}", before, vocabulary, cure)


def check_rows(folder: pathlib.Path, rows: Mapping[str, str]) -> None:
    """Refuses to go on with a run whose files of rows hold others now.

    Args:
        folder: MODEL_DIR.
        rows: {task: digest of its rows}.

    Raises:
        InputError: naming the task.
    """
    before = _told(folder).get("rows", {})
    changed = [
        name for name, digest in rows.items() if before.get(name, digest) != digest
    ]
    if changed:
        raise InputError(
            f"The rows of {', '.join(changed)} are not those with which the run in "
            f"MODEL_DIR {folder} began. Choose another MODEL_DIR, or put the old rows "
            "back."
        )


def _told(folder: pathlib.Path) -> Mapping[str, Any]:
    path = folder / names.RUN
    if not path.exists():
        return {}
    cure = "If the run began with this very model, delete it: it is written anew."
    return read_json(path, _Story, cure)


def check_about(folder: pathlib.Path, about: dict, option: str) -> None:
    """Keeps apart what cannot stand in one folder; a new one is marked by about.json.

    Args:
        folder: a folder that can be written.
        about: what has to be the same whenever it is used again.
        option: how the folder is given, for the message.

    Raises:
        InputError: when the folder was begun with something else.
    """
    path = folder / names.ABOUT
    if not path.exists():
        storage.replace_text(path, as_json(about))
    there = read_json(path, dict[str, Any], f"Restore it, or choose another {option}.")
    other = [name for name in about if there.get(name) != about[name]]
    if other:
        raise InputError(
            f"{option} {folder} was begun with {other[0]} {there.get(other[0])}, not "
            f"{about[other[0]]}. Choose another folder."
        )
