"""`spot_jax make_miniature`: the 26 tasks in miniature, for work without a network.

    spot_jax make_miniature DIR
    TFDS_DATA_DIR=DIR spot_jax inspect_tasks mnli

The data sets have the names, versions, columns and splits of the real ones, so that
the registered tasks read them unchanged. Their rows are about one small invented world.
What is there already is not written again, so that a killed command goes on.
"""

import argparse
import pathlib
import time

from spot_jax import miniature
from spot_jax.errors import InputError
from spot_jax.miniature.folder import check_tasks, write_task
from spot_jax.model_dir import claim, in_use, names, storage
from spot_jax.tasks import catalog


def main(argv: list[str]) -> None:
    """Writes the data sets and says what it wrote.

    Raises:
        InputError: an option is wrong, the folder cannot be written, or it holds data
            sets that were written with other options.
    """
    options = _parse(argv)
    _check(options)
    folder = claim.writable(options.folder, "DIR").absolute()
    started = time.perf_counter()
    with in_use.alone_in(folder, "DIR"):
        _check_about(options, folder)
        storage.remove_leftovers(
            folder, *filter(pathlib.Path.is_dir, folder.rglob("*"))
        )
        print(f"{'task':14} {'data set':28} rows by split")
        for task in options.tasks:
            print(f"{task:14} {catalog.get(task).tfds:28} ", end="", flush=True)
            print(_written(task, options, folder), flush=True)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    seconds = time.perf_counter() - started
    print(
        f"\n{size / 1e6:.1f} MB in {seconds:.0f} s; use it with TFDS_DATA_DIR={folder}"
    )


def _written(task: str, options: argparse.Namespace, folder: pathlib.Path) -> str:
    """Writes a task's data set unless it is there, and says what it has."""
    if _place(folder, task).exists():
        return "there already"
    splits = miniature.all_splits(
        task, options.train, options.validation, options.seed, catalog.STUDY_LABELS
    )
    write_task(catalog.get(task), splits, folder)
    return "  ".join(f"{split} {len(rows):,}" for split, rows in splits.items())


def _place(folder: pathlib.Path, task: str) -> pathlib.Path:
    return folder / catalog.get(task).tfds.replace(":", "/")


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="spot_jax make_miniature",
        description="Writes the 26 tasks of the study in miniature, as prepared data.",
    )
    parser.add_argument("folder", metavar="DIR", help="the later TFDS_DATA_DIR")
    parser.add_argument(
        "--tasks",
        type=lambda text: text.split(","),
        metavar="A,B",
        default=list(miniature.DATASETS),
        help="write only these tasks",
    )
    parser.add_argument(
        "--train",
        type=int,
        metavar="N",
        help="rows of every training split (default: 250 to 4,000, as the real sizes "
        "are ordered)",
    )
    parser.add_argument(
        "--validation",
        type=int,
        metavar="N",
        default=miniature.VALIDATION_ROWS,
        help="rows of every other split (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        metavar="S",
        default=0,
        help="the same seed writes the same rows (default: %(default)s)",
    )
    return parser.parse_args(argv)


def _check(options: argparse.Namespace) -> None:
    for name in ("train", "validation"):
        count = getattr(options, name)
        # Fewer rows leave a class or a part of a split without any.
        if count is not None and count < 16:
            raise InputError(f"--{name} {count}: expected 16 rows or more")
    check_tasks(options.tasks)


def _check_about(options: argparse.Namespace, folder: pathlib.Path) -> None:
    """Goes on with what these options have written, and with nothing else."""
    there = [task for task in options.tasks if _place(folder, task).exists()]
    if there and not (folder / names.ABOUT).exists():
        told = ", ".join(catalog.get(task).tfds for task in there)
        raise InputError(
            f"{folder} already holds {told}; name another folder, or remove them first"
        )
    about = {name: getattr(options, name) for name in ("train", "validation", "seed")}
    claim.check_about(folder, about, "DIR")
