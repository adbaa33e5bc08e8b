"""MODEL_DIR/run.json: with what a run was made."""

import contextlib
import pathlib
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata

import jax

from spot_jax.model_dir import names
from spot_jax.model_dir.storage import replace_text
from spot_jax.reading import as_json


def describe(
    folder: pathlib.Path, facts: dict, devices: Iterable[jax.Device] = ()
) -> None:
    """Writes MODEL_DIR/run.json: the command, versions, commit, devices and `facts`."""
    story = {
        "command": sys.argv,
        "versions": versions(),
        "git_commit": _git_commit(),
        "devices": [str(device) for device in devices],
    }
    replace_text(folder / names.RUN, as_json(story | facts))


def versions() -> dict[str, str]:
    """Returns the versions of Python and of what results depend on."""
    packages = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "seqio")
    found = {"python": sys.version.split()[0]}
    for name in packages:
        # SeqIO is not everywhere: runs on rows and tokenized data do without.
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _git_commit() -> str | None:
    here = pathlib.Path(__file__).parent
    try:
        result = subprocess.run(
            ["git", "-C", here, "rev-parse", "HEAD"], capture_output=True, text=True
        )
    except OSError:
        return None
    return result.stdout.strip() or None
