"""Where prepared data lies and what is there; TensorFlow is not needed here."""

import dataclasses
import enum
import json
import os
import pathlib
import re

# Sets that TFDS has no builder for; `spot_jax convert --from` makes them.
OWN_DATASETS = ("cxc_sts", "customer_reviews", "alpha_nli", "social_i_qa")


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
        cure: the command that would make it.
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
    fault, found = _versions_fault(folder, version)
    if not fault:
        try:
            sizes = _split_sizes((folder / "dataset_info.json").read_text())
        except FileNotFoundError:
            fault, found = Fault.MISSING, f"no prepared data of {dataset} in {data_dir}"
        except (ValueError, KeyError, TypeError) as error:
            fault = Fault.UNREADABLE
            found = f"{folder}/dataset_info.json cannot be read ({error!r})"
    cure = _cure(task, dataset, data_dir)
    problem = f"{task}: {found}. {_advice(fault, dataset, cure)}" if fault else ""
    return DataFolder(str(folder), sizes, fault, problem, cure)


def _path(folder: str):
    if "://" in folder:
        # Only a remote folder needs this, and the quarter of a second it takes.
        from etils import epath

        return epath.Path(folder)
    return pathlib.Path(folder).expanduser()


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


def _split_sizes(text: str) -> dict[str, int]:
    """Adds up the rows of each split's files: `{"train": 10, "validation": 4}`."""
    return {
        split["name"]: sum(int(length) for length in split.get("shardLengths", ()))
        for split in json.loads(text)["splits"]
    }


def _is_own(dataset: str) -> bool:
    return dataset.partition(":")[0] in OWN_DATASETS


def _cure(task: str, dataset: str, data_dir: str) -> str:
    if _is_own(dataset):
        return f"spot_jax convert {task} --data_dir {data_dir} --from FOLDER"
    return f"tfds build {dataset} --data_dir {data_dir}"


def _advice(fault: Fault, dataset: str, cure: str) -> str:
    if fault is Fault.SEVERAL_VERSIONS:
        return (
            "Keep the one that the task reads, or set TFDS_DATA_DIR to another folder"
        )
    by_rows = "" if _is_own(dataset) else ", or from your own files: spot_jax convert"
    return f"Set TFDS_DATA_DIR to the folder that has it, or make it: {cure}{by_rows}"
