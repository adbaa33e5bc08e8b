"""The folder of the miniature's data sets, as TFDS prepares them."""

import logging
import os
import pathlib
import platform
import shutil
from collections.abc import Sequence

from spot_jax import miniature, text
from spot_jax.miniature.published import PUBLISHED
from spot_jax.tasks.catalog_entry import TaskInfo

logger = logging.getLogger(__name__)

# The seed of rows that nobody looked at while the world, spot_tiny and the recipes of
# its runs were chosen: all of that was done with seed 0.
FRESH_SEED = 1


def write_once(folder: pathlib.Path, tasks: Sequence[TaskInfo]) -> None:
    """Writes rows on which results are reported, all or none, unless they are there.

    Args:
        folder: the later TFDS_DATA_DIR. Several processes may name the same.
        tasks: the catalog's lines of the tasks to write.
    """
    if folder.exists():
        return
    logger.info("Writing the miniature to %s.", folder)
    temporary = folder.with_name(f".{folder.name}.{platform.node()}.{os.getpid()}")
    for task in tasks:
        rows = miniature.all_splits(
            task.name, None, miniature.VALIDATION_ROWS, FRESH_SEED
        )
        write_task(task, rows, temporary)
    try:
        temporary.rename(folder)
    except OSError:
        # Another process was quicker; its rows are the same.
        shutil.rmtree(temporary)


def check_tasks(tasks: Sequence[str]) -> None:
    """Refuses what --tasks names and the miniature has not.

    Raises:
        ValueError: with what it has.
    """
    unknown = [task for task in tasks if task not in miniature.DATASETS]
    if unknown:
        raise ValueError(
            f"--tasks names {', '.join(unknown)}; choose from "
            f"{', '.join(miniature.DATASETS)}."
        )


def write_task(
    task: TaskInfo, splits: dict[str, list[dict]], folder: pathlib.Path
) -> None:
    """Writes the rows of one task, {split: rows}, into the later TFDS_DATA_DIR."""
    # TensorFlow comes in here: options are checked without waiting for it.
    text.import_tensorflow()
    from spot_jax.text.prepared import write_prepared
    from spot_jax.text.publishers import read_published

    if task.name in PUBLISHED:
        published = folder / "published" / task.name
        published.mkdir(parents=True, exist_ok=True)
        PUBLISHED[task.name](splits, published)
        splits = read_published(task.name, published, task.publisher)
    write_prepared(task.tfds, splits, folder)
