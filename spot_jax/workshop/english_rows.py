"""The real rows that make_english studies, as text, so that nothing needs TensorFlow.

What is written here has gone through the preprocessors of spot_jax's own tasks; the
machine that trains reads it as rows of one's own.
"""

import gzip
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from spot_jax.errors import InputError
from spot_jax.model_dir import storage
from spot_jax.reading import as_json
from spot_jax.tasks import catalog
from spot_jax.text.json_lines import read_lines


class Rows(NamedTuple):
    """The rows of a task.

    Attributes:
        name: what they are called as rows; the task's own name is taken.
        task: in the catalog, whose family and labels they have.
        folder: of the data, with train.jsonl and validation.jsonl, or .jsonl.gz.
        metric: how answers are compared, without libraries that lean machines lack.
    """

    name: str
    task: str
    folder: str
    metric: str = "accuracy"


# Those of SPoT's sources and targets (Tables 1 and 2) of which there are enough rows.
SOURCES = (
    Rows("english_mnli", "mnli", "mnli"),
    Rows("english_qqp", "qqp", "qqp"),
    Rows("english_qnli", "qnli", "qnli"),
    Rows("english_sst2", "sst2", "sst2"),
    Rows("english_yelp", "yelp_polarity", "yelp_polarity"),
    Rows("english_c4", "c4_prefix_lm", "c4", "loss"),
)
TARGETS = (
    Rows("english_cr", "cr", "cr"),
    Rows("english_mrpc", "mrpc", "mrpc"),
    Rows("english_rte", "rte", "rte"),
    Rows("english_stsb", "stsb", "stsb", "pearson"),
    Rows("english_cola", "cola", "cola"),
)
SPLITS = ("train", "validation")
# Columns that are called otherwise in the files.
_RENAMED = {"cr": {"sentence": "text"}, "stsb": {"score": "label"}}
# Words of a passage of C4, and of what is to be continued at most.
_PASSAGE, _CONTINUED = 48, 10


def family(rows: Rows) -> str:
    """Returns what kind of task it is: "nli", say."""
    return catalog.get(rows.task).family


def told(folder: pathlib.Path) -> dict[str, dict[str, Any]]:
    """Returns ROWS, as gin takes it, of the rows that `write` wrote to a folder."""
    return {
        rows.name: {
            "files": {
                split: str(_place(folder, rows, split).absolute()) for split in SPLITS
            },
            "input": "{inputs}",
            "target": "{targets}",
            "labels": list(catalog.get(rows.task).labels),
            "metric": rows.metric,
        }
        for rows in (*SOURCES, *TARGETS)
    }


def write(
    folder: pathlib.Path, data: pathlib.Path, vocabulary: str, share: float = 1.0
) -> dict[str, dict[str, int]]:
    """Writes the rows of all tasks; TensorFlow comes in here.

    Args:
        folder: where to.
        data: a folder for each task, with rows as the publisher has them.
        vocabulary: the model's, a file.
        share: which part of the rows, at least 64.

    Returns:
        {name: {split: how many}}.

    Raises:
        InputError: when rows are not there or cannot be right.
    """
    sizes: dict[str, dict[str, int]] = {}
    for rows in (*SOURCES, *TARGETS):
        sizes[rows.name] = {}
        for split, pairs in _texts(rows, data, vocabulary).items():
            # Some files are sorted, and an evaluation may read the first rows alone.
            order = np.random.default_rng(0).permutation(len(pairs))
            kept = order[: max(64, round(share * len(pairs)))]
            lines = [
                as_json(dict(zip(("inputs", "targets"), pairs[i], strict=True)), None)
                for i in kept
            ]
            text = "\n".join(lines) + "\n"
            packed = gzip.compress(text.encode("utf-8"), mtime=0)
            storage.replace_file(_place(folder, rows, split), packed)
            sizes[rows.name][split] = len(lines)
    return sizes


def _place(folder: pathlib.Path, rows: Rows, split: str) -> pathlib.Path:
    return folder / rows.name / f"{split}.jsonl.gz"


def _texts(
    rows: Rows, data: pathlib.Path, vocabulary: str
) -> dict[str, list[tuple[str, str]]]:
    """Returns {split: (input, target) of every row}."""
    paths = {split: _file(data / rows.folder, split) for split in SPLITS}
    if rows.task == "c4_prefix_lm":
        return {split: _continued(path) for split, path in paths.items()}
    return _preprocessed(rows.task, paths, vocabulary)


def _file(folder: pathlib.Path, split: str) -> pathlib.Path:
    for ending in ("jsonl", "jsonl.gz"):
        if (path := folder / f"{split}.{ending}").exists():
            return path
    raise InputError(
        f"--data: {folder} has no {split}.jsonl and no {split}.jsonl.gz. Give the "
        "folder that has one of each task, with rows as their publishers have them."
    )


def _continued(path: pathlib.Path) -> list[tuple[str, str]]:
    """Cuts documents into passages, and each in what is read and what comes next."""
    rng, pairs = np.random.default_rng(0), []
    for _, row in read_lines(path):
        words = row["text"].split()
        for start in range(0, len(words) - _PASSAGE + 1, _PASSAGE):
            passage = words[start : start + _PASSAGE]
            place = int(rng.integers(1, _PASSAGE))
            behind = passage[place : place + _CONTINUED]
            pairs.append((" ".join(passage[:place]), " ".join(behind)))
    return pairs


def _preprocessed(
    task: str, paths: dict[str, pathlib.Path], vocabulary: str
) -> dict[str, list[tuple[str, str]]]:
    """Returns what the task's own preprocessors make of the rows of its files."""
    from spot_jax import tasks, text

    text.import_tensorflow()
    import seqio

    from spot_jax.text import prepared
    from spot_jax.text import rows as fitting
    from spot_jax.text.registration import use_data_dir
    from spot_jax.text.vocabulary import open_vocabulary

    tasks.register_all()
    # What is kept is text, but SeqIO's tasks make ids as well.
    open_vocabulary(vocabulary, 0)
    info = catalog.get(task)
    features = prepared.dataset_features(info.tfds)
    fitted = {
        info.splits[split]: fitting.fit_rows(
            _renamed(task, path), info, features, is_hidden=False, left_out=set()
        )
        for split, path in paths.items()
    }
    with storage.temporary_folder() as folder:
        prepared.write_prepared(info.tfds, fitted, folder)
        use_data_dir(str(folder))
        try:
            own = seqio.TaskRegistry.get(task)
            return {split: _read(own, split) for split in paths}
        finally:
            use_data_dir(None)


def _renamed(task: str, path: pathlib.Path) -> Iterator[tuple[str, dict]]:
    names = _RENAMED.get(task, {})
    for where, row in read_lines(path):
        row = {names.get(column, column): value for column, value in row.items()}
        label = row.get("label")
        # Some files write the number of a class as text.
        if isinstance(label, str) and label.isdecimal():
            row["label"] = int(label)
        yield where, row


def _read(task: Any, split: str) -> list[tuple[str, str]]:
    dataset = task.get_dataset(None, split, shuffle=False).as_numpy_iterator()
    parts: Sequence[str] = ("inputs_pretokenized", "targets_pretokenized")
    return [tuple(row[part].decode("utf-8") for part in parts) for row in dataset]
