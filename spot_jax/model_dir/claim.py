"""MODEL_DIR: made, claimed by one configuration, and described.

Before anything expensive starts it is sure that the folder can be written and that it
does not hold another run.
"""

import difflib
import json
import pathlib
import re
import tempfile

from spot_jax.model_dir.storage import replace_file

# What may change when a run goes on: how long it takes, where its folder is, and how
# much of a study is asked for.
_MAY_CHANGE = (
    *("TRAIN_STEPS", "TARGET_TRAIN_STEPS", "MODEL_DIR"),
    *("STUDY_DIR", "STAGES", "BEST_KS"),
)


def check(model_dir: str, config: str, macro: str = "MODEL_DIR") -> pathlib.Path:
    """Makes MODEL_DIR, and makes sure that it is free or holds this very run.

    Args:
        model_dir: the folder.
        config: the configuration as gin text.
        macro: its name in the configuration, for the messages.

    Returns:
        The folder.

    Raises:
        ValueError: when it cannot be written, or holds a run of another configuration.
    """
    folder = writable(model_dir, f"--gin.{macro}")
    path = folder / "config.gin"
    if path.exists():
        _compare(path, config, macro)
    elif (folder / "checkpoints").exists():
        raise ValueError(
            f"MODEL_DIR {model_dir} holds checkpoints but no config.gin, so nobody can "
            "say of which run. Choose another folder."
        )
    return folder


def claim(folder: pathlib.Path, config: str) -> None:
    """Writes config.gin, when everything else is known to be right.

    A mistake that is found before, and mended, is not another configuration.
    """
    replace_file(folder / "config.gin", config.encode("utf-8"))


def writable(path: str, option: str) -> pathlib.Path:
    """Makes a folder, and makes sure that files can be written in it.

    Args:
        path: the folder.
        option: how it is given, for the message: "--gin.MODEL_DIR", "--out".

    Raises:
        ValueError: when it cannot be made or written.
    """
    if "://" in path:
        raise ValueError(
            f"{option} is {path}: a run writes to a folder of this machine. Mount the "
            "bucket, or copy the folder there afterwards."
        )
    folder = pathlib.Path(path).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Of a name of its own: several machines may look at once.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"{option} {path} cannot be written ({error.strerror}). Choose a folder of "
            "yours."
        ) from error
    return folder


def _compare(path: pathlib.Path, config: str, macro: str) -> None:
    before, now = _what_matters(path.read_text(encoding="utf-8")), _what_matters(config)
    if before == now:
        return
    changes = [
        f"{line[0]} {line[1:]}"
        for line in difflib.unified_diff(before, now, lineterm="", n=0)
        if not line.startswith(("---", "+++", "@@"))
    ]
    shown = "\n  ".join(changes[:10])
    raise ValueError(
        f"{macro} {path.parent} holds a run of another configuration "
        f"(- there, + asked for):\n  {shown}\nChoose another {macro}, or give the "
        "configuration of config.gin to go on with that run. Nothing was changed."
    )


def _what_matters(config: str) -> list[str]:
    # gin indents what belongs to the line before.
    statements = re.sub(r"\\?\n[ \t]+", " ", config).splitlines()
    kept = [line.strip() for line in statements if not line.startswith("#")]
    return sorted(
        " ".join(line.split())
        for line in kept
        if line and not line.split("=")[0].strip().startswith(_MAY_CHANGE)
    )


def check_model(folder: pathlib.Path, fingerprint: str) -> None:
    """Refuses to go on with a run whose frozen model has been replaced.

    Raises:
        ValueError: when run.json tells of another model under the same path or name.
    """
    path = folder / "run.json"
    if not path.exists():
        return
    before = json.loads(path.read_text(encoding="utf-8")).get("model", {})
    if before.get("fingerprint", fingerprint) != fingerprint:
        raise ValueError(
            f"MODEL_DIR {folder} holds a run over the model {before['fingerprint']} of "
            f"{before.get('source')}, where there is the model {fingerprint} now. "
            "Choose another MODEL_DIR, or put the old model back."
        )


def check_about(folder: pathlib.Path, about: dict, option: str) -> None:
    """Keeps apart what cannot stand in one folder; a new one is marked by about.json.

    Args:
        folder: a folder that can be written.
        about: what has to be the same whenever it is used again.
        option: how the folder is given, for the message.

    Raises:
        ValueError: when the folder was begun with something else.
    """
    path = folder / "about.json"
    if not path.exists():
        replace_file(path, json.dumps(about, indent=1).encode("utf-8"))
    there = json.loads(path.read_text(encoding="utf-8"))
    other = [name for name in about if there.get(name) != about[name]]
    if other:
        raise ValueError(
            f"{option} {folder} was begun with {other[0]} {there.get(other[0])}, not "
            f"{about[other[0]]}. Choose another folder."
        )
