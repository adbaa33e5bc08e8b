"""A checkpoint's folder, on a local disk or in a Google Cloud Storage bucket."""

import dataclasses
import mmap
import os
import pathlib
from typing import Any

import tensorstore as ts

from spot_jax import spot_tiny
from spot_jax.errors import InputError
from spot_jax.pretrained.published import HUGGING_FACE, PUBLISHED
from spot_jax.reading import path_of

_GS = "gs://"
# Whether a bucket answers at all is settled in seconds: tensorstore's own 32 retries
# would keep a machine without a network silent for many minutes.
_PROBE = {
    "gcs_request_retries": {
        "max_retries": 3,
        "initial_delay": "200ms",
        "max_delay": "2s",
    }
}
_PROBE_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class Folder:
    """A folder that is only read.

    Attributes:
        url: An absolute local path or a gs:// url, without a slash at its end.
    """

    url: str

    def __truediv__(self, name: str) -> "Folder":
        return Folder(f"{self.url}/{name}")

    @property
    def is_local(self) -> bool:
        """Whether the folder lies on this machine."""
        return not self.url.startswith(_GS)

    def kvstore(self, name: str = "") -> dict[str, Any]:
        """Returns tensorstore's key-value spec of the folder, or of one inside it."""
        inside = f"{name.strip('/')}/" if name else ""
        if self.is_local:
            return {"driver": "file", "path": f"{self.url}/{inside}"}
        # Without credentials on the machine tensorstore reads anonymously, which is
        # all that a public bucket asks for.
        bucket, _, path = self.url.removeprefix(_GS).partition("/")
        return {"driver": "gcs", "bucket": bucket, "path": f"{path}/{inside}"}

    def has(self, name: str) -> bool:
        """Returns whether a file of this name lies in the folder.

        Raises:
            InputError: if the bucket does not answer.
        """
        if self.is_local:
            return os.path.isfile(f"{self.url}/{name}")
        # Reading nothing asks for the object's metadata only.
        return self._fetch(name, byte_range=slice(0, 0)).state == "value"

    def contents(self, name: str) -> mmap.mmap | bytes:
        """Returns a file's bytes; those of a local file are paged in when touched.

        Raises:
            InputError: if the bucket does not answer, or the file cannot be read.
        """
        if not self.is_local:
            return self._fetch(name).value
        try:
            with open(f"{self.url}/{name}", "rb") as file:
                if not os.fstat(file.fileno()).st_size:  # which cannot be mapped
                    return b""
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise InputError(
                f"{self.url}/{name} cannot be read ({error.strerror}): look at its "
                "permissions and its disk"
            ) from error

    def names(self) -> list[str]:
        """Returns what lies directly in the folder, folders with a slash behind."""
        if self.is_local:
            entries = pathlib.Path(self.url).iterdir()
            return sorted(entry.name + "/" * entry.is_dir() for entry in entries)
        keys = self._open().list().result(timeout=_PROBE_SECONDS)
        heads = (key.decode().partition("/") for key in keys)
        return sorted({head + slash for head, slash, _ in heads})

    def _open(self) -> ts.KvStore:
        return ts.KvStore.open(self.kvstore() | {"context": _PROBE}).result()

    def _fetch(self, name: str, **options) -> ts.KvStore.ReadResult:
        try:
            return self._open().read(name, **options).result(timeout=_PROBE_SECONDS)
        except (ValueError, TimeoutError) as error:
            raise InputError(
                f"cannot read {self.url}/{name}: {error}. Check the url and the "
                "network; on a machine without one, copy the folder there (gcloud "
                f"storage cp --recursive {self.url} .) and give the path of the copy"
            ) from error


def find(path: str) -> tuple[Folder, str | None]:
    """Finds what a path, url or published name stands for.

    Args:
        path: A local folder, a T5X checkpoint's one file, a gs:// url, a name in
            PUBLISHED or "spot_tiny". What exists on the disk wins over a published
            name, not over "spot_tiny", whose vocabulary is the package's too.

    Returns:
        The folder, and the name of the file in it if the path named a file.

    Raises:
        InputError: if it is none of these, with what it may be.
    """
    if path == spot_tiny.NAME:
        return Folder(str(spot_tiny.FOLDER)), None
    url = PUBLISHED.get(path, path).rstrip("/")
    if not path.startswith(_GS):
        local = pathlib.Path(os.path.abspath(path_of(path)))
        # Not pathlib's: a name that no disk can have is one that is not there.
        if os.path.isdir(local):
            return Folder(str(local)), None
        if os.path.isfile(local):
            return Folder(str(local.parent)), local.name
    if url.startswith(_GS):
        # As in T5X, the url may name the index file of a native checkpoint.
        whole = not url.endswith("/checkpoint")
        return (Folder(url), None) if whole else (Folder(url[:-11]), "checkpoint")
    if path in HUGGING_FACE:
        name = path.split("/")[1]
        raise InputError(
            f"{path} is on the Hugging Face hub, from which nothing is downloaded "
            f"here: get its folder (hf download {path} --local-dir {name}) and give "
            f"its path, for example ./{name}"
        )
    raise InputError(
        f"no pretrained weights at {path!r} ({local} does not exist): give the folder "
        f"of a checkpoint, a gs:// url, {spot_tiny.NAME!r}, or one of the published "
        f"names {', '.join(PUBLISHED)}"
    )
