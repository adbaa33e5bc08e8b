"""Paths in Google Cloud Storage, gs://BUCKET/..., which do what those of a disk do.

etils.epath makes them and gcsfs does what they are asked. Both are imported when the
first such path is met; then, too, it is made sure that its bucket can be read, so that
what is wrong with a bucket is one message before anything else begins.
"""

import importlib.util
import os
import re
from typing import TYPE_CHECKING

from spot_jax.errors import InputError

if TYPE_CHECKING:
    from spot_jax.buckets.path import BucketPath

SCHEME = "gs://"
# What Google lets a bucket be called.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


def _has_gcsfs() -> bool:
    try:
        return importlib.util.find_spec("gcsfs") is not None
    except ValueError:
        # Its import is blocked.
        return False


if _has_gcsfs():
    # Both are asked once, when others import gcsfs or use etils. Else etils would have
    # TensorFlow do it, where that is installed; and gcsfs would ask each bucket for its
    # kind in a way of its own, which takes other rights and up to a minute.
    os.environ.setdefault("EPATH_USE_TF", "false")
    os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")


def is_inside(path: str | os.PathLike) -> bool:
    """Whether a path, or the text of one, is of a bucket."""
    return os.fspath(path).startswith(SCHEME)


def path_of(text: str) -> "BucketPath":
    """Returns the path that a text names, whose bucket can be read.

    Args:
        text: gs://BUCKET/...

    Raises:
        InputError: when it cannot, gcsfs is not installed, or it is no such text.
    """
    bucket, _, inside = text.removeprefix(SCHEME).partition("/")
    if not _NAME.fullmatch(bucket) or {".", ".."} & {*inside.split("/")}:
        raise InputError(
            f"{text} is no path in a bucket: write gs://BUCKET/FOLDER, without . and "
            "..; a bucket's name has lower-case letters, digits, -, _ and dots."
        )
    if not _has_gcsfs():
        raise InputError(
            f"{text} is in a bucket, and gcsfs, which reads and writes there, is not "
            "installed: pip install 'spot_jax[gcs]' (or pip install gcsfs)."
        )
    from spot_jax.buckets.path import BucketPath, reach

    reach(bucket)
    return BucketPath(text)
