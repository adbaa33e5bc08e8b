"""Where prepared data lies and what is there; TensorFlow is not needed here."""

import dataclasses
import json
import os
import pathlib
import re

# Sets that TFDS has no builder for; `spot_jax convert --from` makes them.
OWN_DATASETS = ("cxc_sts", "customer_reviews", "alpha_nli", "social_i_qa")


@dataclasses.dataclass(frozen=True)
class DataFolder:
    """Where the data of one task is, and what is wrong with it.

    Attributes:
        folder: where the data was looked for.
        sizes: rows of each split, under its TFDS name.
        problem: why it cannot be read, and the cure; empty if it can.
        cure: the command that would make it.
    """

    folder: str
    sizes: dict[str, int]
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
    problem = _versions_problem(folder, version)
    if not problem:
        try:
            sizes = _split_sizes((folder / "dataset_info.json").read_text())
        except FileNotFoundError:
            problem = f"no prepared data of {dataset} in {data_dir}"
        except (ValueError, KeyError, TypeError) as error:
            problem = f"{folder}/dataset_info.json cannot be read ({error!r})"
    cure = _cure(task, dataset, data_dir)
    if problem:
        problem = f"{task}: {problem}. {_advice(problem, cure)}"
    return DataFolder(str(folder), sizes, problem, cure)


def _path(folder: str):
    if "://" in folder:
        # Only a remote folder needs this, and the quarter of a second it takes.
        from etils import epath

        return epath.Path(folder)
    return pathlib.Path(folder).expanduser()


def _versions_problem(folder, version: str) -> str:
    if not folder.parent.is_dir():
        return ""
    names = (path.name for path in folder.parent.iterdir())
    versions = sorted(name for name in names if re.fullmatch(r"\d+\.\d+\.\d+", name))
    if len(versions) > 1:
        return (
            f"{folder.parent} has several versions ({', '.join(versions)}) and the "
            f"task reads {version}"
        )
    if versions and versions != [version]:
        return f"{folder.parent} has version {versions[0]}; the task reads {version}"
    return ""


def _split_sizes(text: str) -> dict[str, int]:
    """Adds up the rows of each split's files: `{"train": 10, "validation": 4}`."""
    return {
        split["name"]: sum(int(length) for length in split.get("shardLengths", ()))
        for split in json.loads(text)["splits"]
    }


def _cure(task: str, dataset: str, data_dir: str) -> str:
    if dataset.partition(":")[0] in OWN_DATASETS:
        return f"spot_jax convert {task} --data_dir {data_dir} --from FOLDER"
    return f"tfds build {dataset} --data_dir {data_dir}"


def _advice(problem: str, cure: str) -> str:
    if "several versions" in problem:
        return (
            "Keep the one that the task reads, or set TFDS_DATA_DIR to another folder"
        )
    by_rows = "" if "convert" in cure else ", or from your own files: spot_jax convert"
    return f"Set TFDS_DATA_DIR to the folder that has it, or make it: {cure}{by_rows}"
