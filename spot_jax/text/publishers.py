"""The publishers' own files of the four sets that TFDS cannot download.

Each reader takes the folder that holds the files and returns the rows of each split,
in the columns under which the registered tasks read them.
"""

import csv
import hashlib
import itertools
import pathlib
from collections.abc import Callable, Iterator
from typing import TypedDict

from spot_jax.errors import InputError
from spot_jax.reading import lines_of, read_json, read_text
from spot_jax.text.json_lines import read_lines

Splits = dict[str, list[dict]]
_AGAIN = "Copy the publisher's file here again."


def read_published(task: str, folder: pathlib.Path, publisher: str) -> Splits:
    """Returns the rows of each split of a published set.

    Args:
        task: cxc, cr, alpha_nli or social_iqa.
        folder: where the publisher's files lie, directly or in a folder of it.
        publisher: where the files come from, for the message about missing ones.

    Raises:
        InputError: files are missing, or a line of one cannot be right.
    """
    names, read = _READERS[task]
    found = {name: _find(folder, name) for name in names}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise InputError(
            f"{folder} has no {', '.join(missing)}; {task} is made from {publisher}"
        )
    return read(found)


def _find(folder: pathlib.Path, name: str) -> pathlib.Path | None:
    # Sorted: which of two copies is taken must not depend on the file system.
    return next(filter(pathlib.Path.is_file, sorted(folder.rglob(name))), None)


class _Sentence(TypedDict):
    sentid: int
    raw: str


class _Image(TypedDict):
    sentences: list[_Sentence]


class _Coco(TypedDict):
    images: list[_Image]


def _read_cxc(files: dict[str, pathlib.Path]) -> Splits:
    """Joins CxC's caption pairs with the captions of COCO.

    CxC has scores for COCO's validation and test captions, and no training pairs: the
    validation pairs train, the test pairs validate.
    """
    coco = read_json(files["dataset_coco.json"], _Coco, _AGAIN)
    captions = {
        sentence["sentid"]: sentence["raw"]
        for image in coco["images"]
        for sentence in image["sentences"]
    }
    return {
        "train": list(_cxc_rows(files["sts_val.csv"], captions)),
        "validation": list(_cxc_rows(files["sts_test.csv"], captions)),
    }


def _cxc_rows(path: pathlib.Path, captions: dict[int, str]) -> Iterator[dict]:
    """Reads lines such as `COCO_val2014:sentid:190268,COCO_...:315773,1.24,...`."""
    lines = csv.DictReader(lines_of(read_text(path, _AGAIN)))
    try:
        for line in lines:
            yield _cxc_row(line, captions, f"{path}:{lines.line_num}")
    except csv.Error as error:
        where = f"behind line {lines.line_num}"
        raise InputError(f"{path} is no CSV {where} ({error}). {_AGAIN}") from error


def _cxc_row(line: dict, captions: dict[int, str], where: str) -> dict:
    try:
        first, second = (
            captions[int(line[column].rpartition(":")[2])]
            for column in ("caption1", "caption2")
        )
        score = float(line["agg_score"])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{where}: {line!r:.200} names no two captions of dataset_coco.json and a "
            f"score ({error!r:.80})"
        ) from error
    if not 0 <= score <= 5:
        raise InputError(f"{where}: the score {score} is not in 0 to 5")
    return {"sentence1": first, "sentence2": second, "label": score}


def _read_cr(files: dict[str, pathlib.Path]) -> Splits:
    """Splits CR, which has no official parts: one text in ten validates.

    Which one is decided by a hash of the text, so that it depends neither on the order
    of the files nor on a random number, and equal texts stay together.
    """
    rows = [
        {"text": text, "label": label}
        for name, label in (("custrev.neg", 0), ("custrev.pos", 1))
        for text in _text_lines(files[name])
    ]
    splits: Splits = {"train": [], "validation": []}
    for row in rows:
        digest = hashlib.sha256(row["text"].encode("utf-8")).hexdigest()
        splits["validation" if int(digest, 16) % 10 == 0 else "train"].append(row)
    # The files hold one class each; prepared data keeps the order it is given.
    return {split: _by_hash(rows) for split, rows in splits.items()}


def _by_hash(rows: list[dict]) -> list[dict]:
    return sorted(
        rows, key=lambda row: hashlib.sha256(row["text"].encode("utf-8")).hexdigest()
    )


def _text_lines(path: pathlib.Path) -> list[str]:
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{path} cannot be read ({reason}). {_AGAIN}") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path} is in UTF-16. {_AGAIN}")
    lines = (_decoded(line).strip() for line in data.split(b"\n"))
    return [line for line in lines if line]


def _decoded(line: bytes) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        # The original files are in Latin-1, copies of them in UTF-8.
        return line.decode("latin-1")


def _read_alpha_nli(files: dict[str, pathlib.Path]) -> Splits:
    return _labelled_lines(files, ("obs1", "obs2", "hyp1", "hyp2"), classes=2)


def _read_social_iqa(files: dict[str, pathlib.Path]) -> Splits:
    columns = ("context", "question", "answerA", "answerB", "answerC")
    return _labelled_lines(files, columns, classes=3)


def _labelled_lines(
    files: dict[str, pathlib.Path], columns: tuple[str, ...], classes: int
) -> Splits:
    """Reads the rows of X.jsonl and their labels, counted from 1, of X-labels.lst."""
    parts = {"train": "train", "validation": "dev"}
    return {
        split: list(
            _rows_with_labels(
                files[f"{part}.jsonl"], files[f"{part}-labels.lst"], columns, classes
            )
        )
        for split, part in parts.items()
    }


def _rows_with_labels(
    rows: pathlib.Path, labels: pathlib.Path, columns: tuple[str, ...], classes: int
) -> Iterator[dict]:
    names = [str(number) for number in range(1, classes + 1)]
    both = itertools.zip_longest(read_lines(rows), _text_lines(labels))
    for number, (line, label) in enumerate(both, start=1):
        if line is None or label is None:
            raise InputError(
                f"{rows} and {labels} differ in length: one of them has no line "
                f"{number}"
            )
        where, row = line
        missing = [name for name in columns if not isinstance(row.get(name), str)]
        if missing:
            raise InputError(f"{where}: {', '.join(missing)} is missing, or is no text")
        if label not in names:
            raise InputError(
                f"{labels}:{number}: the label {label!r} is not one of "
                f"{', '.join(names)}"
            )
        yield {column: row[column] for column in columns} | {"label": label}


_LABELLED_FILES = ("train.jsonl", "train-labels.lst", "dev.jsonl", "dev-labels.lst")
_READERS: dict[str, tuple[tuple[str, ...], Callable[[dict], Splits]]] = {
    "cxc": (("sts_val.csv", "sts_test.csv", "dataset_coco.json"), _read_cxc),
    "cr": (("custrev.pos", "custrev.neg"), _read_cr),
    "alpha_nli": (_LABELLED_FILES, _read_alpha_nli),
    "social_iqa": (_LABELLED_FILES, _read_social_iqa),
}
