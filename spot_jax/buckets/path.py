"""The path in a bucket, and what goes wrong there in a disk's words."""

import concurrent.futures
import contextlib
import errno
import fnmatch
import functools
import logging
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import aiohttp
import fsspec
import gcsfs.retry
import google.auth
import google.auth.exceptions
from etils import epath

from spot_jax.errors import InputError

# What it raises is told here, and not in traces besides.
logging.getLogger("gcsfs").setLevel(logging.CRITICAL)

# What it raises where a disk has an OSError; ValueError is of "Bad Request: ...".
_FAILURES = (
    *(OSError, ValueError, TimeoutError, aiohttp.ClientError),
    *(gcsfs.retry.HttpError, gcsfs.retry.NonRetryableError),
    google.auth.exceptions.GoogleAuthError,
)
# Seconds after which a bucket that does not answer is one that cannot be reached.
_ANSWERS = 15
# Objects that are deleted at the same time.
_AT_ONCE = 16
_LOG_IN = (
    "Log in (gcloud auth application-default login), or name the file of a key in "
    "GOOGLE_APPLICATION_CREDENTIALS"
)


@functools.cache
def file_system() -> Any:
    """Returns gcsfs, for all paths of all buckets."""
    settings = fsspec.config.conf.setdefault("gcs", {})
    # Others write as well, so what was there a while ago may not be all.
    settings.setdefault("use_listings_cache", False)
    # Left alone it would look for a machine of Google's for a quarter of a minute.
    settings.setdefault("token", "google_default" if _has_credentials() else "anon")
    return fsspec.filesystem("gcs")


@functools.cache
def _has_credentials() -> bool:
    if os.environ.get("STORAGE_EMULATOR_HOST"):
        return False
    try:
        google.auth.default()
    except google.auth.exceptions.DefaultCredentialsError:
        return False
    return True


@functools.cache
def reach(bucket: str) -> None:
    """Makes sure that a bucket answers and can be read, once in a process.

    Raises:
        InputError: when it cannot be reached, there is none, or it is another's.
    """
    ask = functools.partial(file_system().call, "GET", "b/{}/o", bucket, maxResults=1)
    _ask(bucket, ask, "may not be read", "Storage Object Viewer")


def check_known(path: "BucketPath") -> None:
    """Makes sure that a bucket tells of itself, as orbax asks it to.

    Raises:
        InputError: when it does not.
    """
    bucket = path.parts[2]
    ask = functools.partial(file_system().call, "GET", "b/{}", bucket)
    role = "Storage Legacy Bucket Reader (storage.buckets.get)"
    _ask(bucket, ask, "does not say what kind of bucket it is", role)


def _ask(bucket: str, ask: Callable, refused: str, role: str) -> None:
    try:
        with as_on_a_disk(bucket):
            ask(timeout=_ANSWERS)
    except FileNotFoundError as error:
        raise InputError(
            f"There is no bucket gs://{bucket}. Look at its name, or make it: gcloud "
            f"storage buckets create gs://{bucket}."
        ) from error
    except PermissionError as error:
        cure = f"Have its owner give you the role {role}"
        raise InputError(
            f"gs://{bucket} {refused} ({error.strerror}). "
            f"{cure if _has_credentials() else _LOG_IN}."
        ) from error
    except OSError as error:
        raise InputError(
            f"gs://{bucket} cannot be reached ({error.strerror}). Look at the network, "
            "or give a folder of this machine."
        ) from error


@contextlib.contextmanager
def as_on_a_disk(path: str | os.PathLike) -> Iterator[None]:
    """Makes of whatever gcsfs raises inside an OSError with `errno` and `strerror`."""
    try:
        yield
    except InputError:
        raise
    except _FAILURES as error:
        is_told = isinstance(error, OSError) and error.errno and error.strerror
        is_other = isinstance(error, ValueError) and "Bad Request" not in str(error)
        if is_told or is_other:
            raise
        raise _os_error(error, os.fspath(path)) from error


def _os_error(error: Exception, path: str) -> OSError:
    code, text = getattr(error, "code", None), " ".join(str(error).split())
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, "no such object", path)
    if isinstance(error, FileExistsError):
        return FileExistsError(errno.EEXIST, "it is there already", path)
    if code in (401, 403) or text.startswith("Forbidden"):
        whose = "not permitted" if _has_credentials() else "nobody is logged in here"
        # Of "Forbidden: URL reason".
        reason = text.split(" ", 2)[-1] if text.startswith("Forbidden") else text
        return PermissionError(errno.EACCES, f"{whose}: {reason[:200]}", path)
    if isinstance(error, TimeoutError):
        return OSError(errno.ETIMEDOUT, "it does not answer", path)
    return OSError(errno.EIO, text[:200] or type(error).__name__, path)


def _told(method: Callable) -> Callable:
    @functools.wraps(method)
    def call(self: "BucketPath", *args, **kwargs) -> Any:
        with as_on_a_disk(self):
            return method(self, *args, **kwargs)

    return call


def _delete(name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        # Not `rm`, to which [ and * in a name are a pattern.
        file_system().rm_file(name)


class Stat(NamedTuple):
    """What is told of an object.

    Attributes:
        st_size: its bytes.
        st_mtime_ns: when it was written, in nanoseconds.
        is_directory: whether it is a folder.
    """

    st_size: int
    st_mtime_ns: int
    is_directory: bool


_Path = type(epath.Path("gs://bucket/name"))


class BucketPath(_Path):
    """A path in a bucket; a folder is there as long as something is in it."""

    def absolute(self) -> "BucketPath":
        """Returns itself: nothing else is meant wherever it is said."""
        return self

    def resolve(self, strict: bool = False) -> "BucketPath":
        """Returns itself."""
        return self

    def expanduser(self) -> "BucketPath":
        """Returns itself."""
        return self

    def samefile(self, other: str | os.PathLike) -> bool:
        """Whether the other is the same object."""
        return os.fspath(self) == os.fspath(other)

    def iterdir(self) -> Iterator["BucketPath"]:
        """Returns what is in the folder; nothing where it is not there.

        A bucket has no empty folders: what somebody else has just emptied is gone.
        """
        whole = os.fspath(self).removeprefix("gs://")
        try:
            with as_on_a_disk(self):
                found = file_system().ls(whole, detail=False)
        except FileNotFoundError:
            found = []
        names = (name.rstrip("/") for name in found)
        # A file is listed as itself, and so is what some programs put for a folder.
        return iter([self / n.rpartition("/")[2] for n in names if n != whole])

    def glob(self, pattern: str) -> Iterator["BucketPath"]:
        """Returns what matches; of a pattern with a slash, objects and no folders."""
        if "/" in pattern:
            # One listing of all that is below, and not one of every folder.
            whole = os.fspath(self).removeprefix("gs://")
            with as_on_a_disk(self):
                found = file_system().find(whole)
            names = [name.removeprefix(f"{whole}/") for name in found]
        else:
            names = [path.name for path in self.iterdir()]
        heads = pattern.split("/")
        for name in names:
            parts = name.split("/")
            alike = map(fnmatch.fnmatchcase, parts, heads)
            if len(parts) == len(heads) and all(alike):
                yield self / name

    def stat(self) -> "Stat":
        """Returns what a disk tells as well."""
        with as_on_a_disk(self):
            found = _Path.stat(self)
        return Stat(found.length or 0, found.mtime * 10**9, found.is_directory)

    def write_bytes(self, data: bytes) -> int:
        """Writes an object, which appears as a whole."""
        with as_on_a_disk(self):
            file_system().pipe_file(os.fspath(self), data)
        return len(data)

    def create_bytes(self, data: bytes) -> None:
        """Writes an object that is not there yet; of two processes one alone may.

        Raises:
            FileExistsError: when it is there.
        """
        with as_on_a_disk(self):
            file_system().pipe_file(os.fspath(self), data, mode="create")

    def fill_from(self, file: str | os.PathLike) -> None:
        """Writes an object of what is in a file of this machine, however large."""
        with as_on_a_disk(self):
            file_system().put_file(os.fspath(file), os.fspath(self))

    def read_bytes(self, most: int | None = None) -> bytes:
        """Returns what is in the object, or the beginning of it.

        Args:
            most: how many bytes; None: all.
        """
        with as_on_a_disk(self):
            return file_system().cat_file(os.fspath(self), end=most)

    def copy_to(self, file: str | os.PathLike) -> None:
        """Copies the object to a file of this machine, however large."""
        with as_on_a_disk(self):
            file_system().get_file(os.fspath(self), os.fspath(file))

    def unlink(self, missing_ok: bool = False) -> None:
        """Deletes the object."""
        with as_on_a_disk(self):
            if missing_ok:
                _delete(os.fspath(self))
            else:
                file_system().rm_file(os.fspath(self))

    def rmtree(self, missing_ok: bool = False) -> None:
        """Deletes all that is in the folder, or the object; none is no mistake."""
        with as_on_a_disk(self):
            found = file_system().find(os.fspath(self))
            with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as executor:
                for _ in executor.map(_delete, found):
                    pass

    exists = _told(_Path.exists)
    is_dir = _told(_Path.is_dir)
    is_file = _told(_Path.is_file)
    open = _told(_Path.open)
