"""Where prepared data lies and what is there; TensorFlow is not needed here."""

import dataclasses
import enum
import os
import re
from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

from spot_jax.errors import InputError
from spot_jax.reading import parse_json, path_of

# Sets that TFDS has no builder for; `spot_jax convert --from` makes them.
OWN_DATASETS = ("cxc_sts", "customer_reviews", "alpha_nli", "social_i_qa")
# Sets of which there are rows of one's own alone.
OWN_ROWS = ("xsum_topics",)


class Fault(enum.Enum):
    """What is wrong with a folder of data."""

    MISSING = enum.auto()
    OTHER_VERSION = enum.auto()
    SEVERAL_VERSIONS = enum.auto()
    UNREADABLE = enum.auto()


@dataclasses.dataclass(frozen=True)
class DataFolder:
    """Where the data of one task is, and what is wrong with it.

    Attributes:
        folder: where the data was looked for.
        sizes: rows of each split, under its TFDS name.
        fault: why it cannot be read; None if it can.
        problem: the same as a message, with the cure; empty if there is none.
        cure: the command that would make it, but for --data_dir.
    """

    folder: str
    sizes: dict[str, int]
    fault: Fault | None
    problem: str
    cure: str


def default_data_dir() -> str:
    """Returns TFDS_DATA_DIR, or TFDS's own default."""
    return os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"


def find_data(task: str, dataset: str, data_dir: str | None = None) -> DataFolder:
    """Looks for the prepared data of a task.

    Args:
        task: its name, for the messages.
        dataset: "glue/sst2:2.0.0".
        data_dir: where to look; `default_data_dir()` if not given.
    """
    data_dir = str(data_dir or default_data_dir())
    name, _, version = dataset.partition(":")
    folder = _path(data_dir) / name / version
    sizes: dict[str, int] = {}
    try:
        fault, found = _versions_fault(folder, version)
        if not fault:
            path = folder / "dataset_info.json"
            sizes = _split_sizes(path.read_bytes(), str(path))
    except FileNotFoundError:
        fault, found = Fault.MISSING, f"no prepared data of {dataset} in {data_dir}"
    except OSError as error:
        reason = error.strerror or error
        fault, found = Fault.UNREADABLE, f"{folder} cannot be read ({reason})"
    except InputError as error:
        fault, found = Fault.UNREADABLE, str(error)
    cure = _cure(task, dataset)
    advice = _advice(fault, dataset, f"{cure} --data_dir {data_dir}")
    problem = f"{task}: {found}. {advice}" if fault else ""
    return DataFolder(str(folder), sizes, fault, problem, cure)


def split_problem(
    task: str, data: DataFolder, names: Mapping[str, str], wanted: Sequence[str]
) -> str:
    """Says which splits of a task are not there; empty if all are.

    Args:
        task: its name.
        data: where its data is.
        names: the task's splits and what TFDS calls them.
        wanted: those that are to be read.
    """
    there = [split for split in names if names[split] in data.sizes]
    missing = [split for split in wanted if split not in there]
    if not missing:
        return ""
    return (
        f"{task} has no split {', '.join(missing)} in {data.folder}; it has "
        f"{', '.join(there)}"
    )


def _path(folder: str):
    if "://" in folder:
        # Only a remote folder needs this, and the quarter of a second it takes.
        from etils import epath

        return epath.Path(folder)
    return path_of(folder)


def _versions_fault(folder, version: str) -> tuple[Fault | None, str]:
    """Returns what is wrong with the versions that are there, and says which are."""
    if not folder.parent.is_dir():
        return None, ""
    names = (path.name for path in folder.parent.iterdir())
    versions = sorted(name for name in names if re.fullmatch(r"\d+\.\d+\.\d+", name))
    if len(versions) > 1:
        return Fault.SEVERAL_VERSIONS, (
            f"{folder.parent} has several versions ({', '.join(versions)}) and the "
            f"task reads {version}"
        )
    if versions and versions != [version]:
        found = f"{folder.parent} has version {versions[0]}; the task reads {version}"
        return Fault.OTHER_VERSION, found
    return None, ""


class _Split(TypedDict):
    name: str
    # TFDS writes 64-bit numbers as text.
    shardLengths: NotRequired[list[str | int]]


class _Info(TypedDict):
    splits: list[_Split]


def _split_sizes(data: bytes, where: str) -> dict[str, int]:
    """Adds up the rows of each split's files: `{"train": 10, "validation": 4}`."""
    cure = "The folder is damaged"
    info = parse_json(data, _Info, where, cure)
    lengths = {
        split["name"]: [str(length) for length in split.get("shardLengths", ())]
        for split in info["splits"]
    }
    counts = [text for texts in lengths.values() for text in texts]
    if not all(re.fullmatch("[0-9]{1,18}", text) for text in counts):
        shown = f"{lengths}"
        raise InputError(f"{where} counts rows in no numbers: {shown:.200}. {cure}")
    return {name: sum(map(int, texts)) for name, texts in lengths.items()}


def _is_own(dataset: str) -> bool:
    return dataset.partition(":")[0] in (*OWN_DATASETS, *OWN_ROWS)


def _cure(task: str, dataset: str) -> str:
    if dataset.partition(":")[0] in OWN_ROWS:
        return f"spot_jax convert {task} --rows train=FILE.jsonl"
    if _is_own(dataset):
        return f"spot_jax convert {task} --from FOLDER"
    return f"tfds build {dataset}"


def _advice(fault: Fault, dataset: str, cure: str) -> str:
    if fault is Fault.SEVERAL_VERSIONS:
        return (
            "Keep the one that the task reads, or set TFDS_DATA_DIR to another folder"
        )
    by_rows = "" if _is_own(dataset) else ", or from your own files: spot_jax convert"
    return f"Set TFDS_DATA_DIR to the folder that has it, or make it: {cure}{by_rows}"
