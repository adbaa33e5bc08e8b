"""The folder of the miniature's data sets, as TFDS prepares them."""

import logging
import pathlib
from collections.abc import Sequence
from typing import Protocol

from spot_jax import miniature, text
from spot_jax.errors import InputError
from spot_jax.miniature.published import PUBLISHED
from spot_jax.model_dir import in_use, storage

logger = logging.getLogger(__name__)

# The seed of rows that nobody looked at while the world, spot_tiny and the recipes of
# its runs were chosen: all of that was done with seed 0.
FRESH_SEED = 1


class Info(Protocol):
    """What writing needs of a line of the catalog."""

    name: str
    tfds: str
    publisher: str


def write_once(
    folder: pathlib.Path, tasks: Sequence[Info], labels: frozenset[str]
) -> None:
    """Writes rows on which results are reported, all or none, unless they are there.

    Args:
        folder: the later TFDS_DATA_DIR. Several processes may name the same: one of
            them writes, and the others wait.
        tasks: the catalog's lines of the tasks to write.
        labels: of all tasks, written or not.
    """
    if folder.exists():
        return
    above = storage.make_folder(folder.parent)
    with in_use.locked(above / f".{folder.name}.lock", wait=True):
        storage.remove_leftovers(above, of=folder.name)
        # Another process may have been quicker; its rows are the same.
        if not folder.exists():
            logger.info("Writing the miniature to %s.", folder)
            with storage.new_folder(folder) as temporary:
                for task in tasks:
                    rows = miniature.all_splits(
                        task.name, None, miniature.VALIDATION_ROWS, FRESH_SEED, labels
                    )
                    write_task(task, rows, temporary)


def check_tasks(tasks: Sequence[str]) -> None:
    """Refuses what --tasks names and the miniature has not.

    Raises:
        InputError: with what it has.
    """
    every = miniature.DATASETS | miniature.MORE
    unknown = [task for task in tasks if task not in every]
    if unknown:
        raise InputError(
            f"--tasks names {', '.join(unknown)}; choose from {', '.join(every)}."
        )


def write_task(task: Info, splits: dict[str, list[dict]], folder: pathlib.Path) -> None:
    """Writes the rows of one task, {split: rows}, into the later TFDS_DATA_DIR."""
    # TensorFlow comes in here: options are checked without waiting for it.
    text.import_tensorflow()
    from spot_jax.text.prepared import write_prepared
    from spot_jax.text.publishers import read_published

    if task.name in PUBLISHED:
        published = folder / "published" / task.name
        storage.make_folder(published)
        PUBLISHED[task.name](splits, published)
        splits = read_published(task.name, published, task.publisher)
    write_prepared(task.tfds, splits, folder)
