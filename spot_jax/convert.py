"""`spot_jax convert`: rows from files, as the prepared data that tasks read.

    spot_jax convert sst2 --data_dir DATA --rows train=a.jsonl --rows validation=b.jsonl
    spot_jax convert cr --data_dir DATA --from FOLDER_WITH_CUSTREV

Afterwards `TFDS_DATA_DIR=DATA` makes every program find them.
"""

import argparse
import pathlib

from spot_jax import text
from spot_jax.errors import InputError
from spot_jax.reading import path_of
from spot_jax.tasks import catalog
from spot_jax.text.json_lines import read_lines

_LINES = """
rows:
  Each line of FILE is a JSON object with the data set's own column names; the file
  may be compressed (.jsonl.gz). Labels are given as text or as index. Columns that
  no task reads, such as idx, may be left out. `spot_jax convert TASK --columns`
  says which columns TASK has. Of a table pandas makes such lines:
  read_csv("a.csv").to_json("a.jsonl", orient="records", lines=True).

publishers' files (cxc, cr, alpha_nli, social_iqa):
  TFDS cannot download these four sets. --from names a folder with their files.
"""


def main(argv: list[str]) -> None:
    """Converts the rows of one task.

    Raises:
        InputError: an option, a file or a line of one cannot be right.
    """
    options = _parse(argv)
    info = catalog.get(options.task)
    if info.kind == "mixture":
        raise InputError(
            f"{info.name} is a mixture; convert its members: {', '.join(info.members)}"
        )
    if options.columns:
        print(_columns(info))
        return
    _check_options(options, info)
    files = _split_files(options.rows, info)
    folder, sizes = _convert(options, info, files)
    for split, size in sizes.items():
        print(f"{info.name}: {size:,} rows for {split}")
    print(f"written to {folder}; use it with TFDS_DATA_DIR={options.data_dir}")


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="spot_jax convert",
        description="Writes rows as the prepared data that a task reads.",
        epilog=_LINES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("task", metavar="TASK", help="a task of inspect_tasks")
    parser.add_argument(
        "--data_dir", metavar="DIR", help="where to write, the later TFDS_DATA_DIR"
    )
    parser.add_argument(
        "--rows",
        metavar="SPLIT=FILE",
        action="append",
        default=[],
        help="the rows of a split: train=FILE.jsonl; once for each split",
    )
    parser.add_argument(
        "--from",
        dest="published",
        metavar="DIR",
        help="a folder with the publisher's files, instead of --rows",
    )
    parser.add_argument(
        "--columns", action="store_true", help="print the task's columns, and stop"
    )
    options = parser.parse_args(argv)
    # Not argparse's type, which leaves the reason unsaid.
    options.published = options.published and path_of(options.published)
    return options


def _columns(info: catalog.TaskInfo) -> str:
    text.import_tensorflow()
    from spot_jax.text.prepared import dataset_features

    lines = [f"{info.name} ({info.tfds}) reads {', '.join(info.columns)}"]
    for name, feature in dataset_features(info.tfds).items():
        needed = "needed" if name in info.columns else "filled in if missing"
        lines.append(f"  {name}: {feature} ({needed})")
    return "\n".join(lines)


def _check_options(options: argparse.Namespace, info: catalog.TaskInfo) -> None:
    if not options.data_dir:
        raise InputError("--data_dir DIR is missing: the folder to write to")
    if bool(options.rows) == bool(options.published):
        raise InputError("give either --rows SPLIT=FILE or --from DIR")
    if options.published and not info.publisher:
        raise InputError(
            f"{info.name} has no publisher's files to convert: let TFDS prepare it "
            f"(tfds build {info.tfds} --data_dir {options.data_dir}), or give --rows"
        )


def _convert(
    options: argparse.Namespace,
    info: catalog.TaskInfo,
    files: dict[str, pathlib.Path],
) -> tuple[pathlib.Path, dict[str, int]]:
    # TensorFlow comes in here: what can be is checked without waiting for it.
    text.import_tensorflow()
    from spot_jax.text import prepared, publishers, rows

    sizes: dict[str, int] = {}

    # Counted on their way: the rows of a file are never all in memory.
    def counted(split, lines):
        for line in lines:
            sizes[split] = sizes.get(split, 0) + 1
            yield line

    left_out: set[str] = set()
    if options.published:
        splits = publishers.read_published(info.name, options.published, info.publisher)
    else:
        features = prepared.dataset_features(info.tfds)
        splits = {
            info.splits[split]: rows.fit_rows(
                read_lines(path),
                info,
                features,
                is_hidden="test" in split,
                left_out=left_out,
            )
            for split, path in files.items()
        }
    splits = {split: counted(split, lines) for split, lines in splits.items()}
    folder = prepared.write_prepared(info.tfds, splits, options.data_dir)
    if left_out:
        print(f"left out, as {info.name} has no such columns: {sorted(left_out)}")
    return folder, sizes


def _split_files(given: list[str], info: catalog.TaskInfo) -> dict[str, pathlib.Path]:
    """Reads `train=FILE` options: `["train=a.jsonl"]` -> `{"train": Path(...)}`.

    Raises:
        InputError: an option is wrong, or its file does not begin with a row.
    """
    files: dict[str, pathlib.Path] = {}
    for option in given:
        split, equals, path = option.partition("=")
        if not equals or split not in info.splits:
            raise InputError(
                f"--rows {option}: expected SPLIT=FILE, with a split of {info.name}: "
                f"{', '.join(info.splits)}"
            )
        if split in files:
            raise InputError(f"--rows gives {split} twice; put its rows in one file")
        same = [other for other in files if info.splits[other] == info.splits[split]]
        if same:
            raise InputError(
                f"--rows gives {same[0]} and {split}, which are made of the same rows "
                f"({info.splits[split]} of {info.tfds}): give one of them"
            )
        files[split] = path_of(path)
    for path in files.values():
        next(read_lines(path))
    return files
