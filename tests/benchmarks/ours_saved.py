"""The side of spot_jax that writes checkpoints while it steps."""

import pathlib
import tempfile
import time
from typing import Any

import jax
import ours
from work import Work

from spot_jax.model_dir import names
from spot_jax.training.checkpoint import Checkpoints


class Saved:
    """Steps, and writes a checkpoint in every turn.

    Args:
        work: what is trained.
    """

    def __init__(self, work: Work):
        self.trained = ours.Trained(work, 4)
        self._folder = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self._folder.name)
        self.checkpoints = Checkpoints(self.folder, keep=1)
        self.laid = next(self.trained.batches)

    def prepare(self) -> None:
        """Compiles the step, and writes a first checkpoint."""
        self.trained.prepare()
        self.turn()

    def turn(self, steps: int = 1) -> dict[str, Any]:
        """Does some steps without writing, and as many while a checkpoint is written.

        `blocked` are the seconds in which nothing but the checkpoint goes on.
        """
        steps = max(2, steps)
        alone = self.trained.turn(steps)["seconds"]
        # The next step gives its arrays away, as it does in a run.
        state = jax.block_until_ready(self.trained.state)
        number = int(state.step)
        progress = {**self.laid.stands, "best": {}}
        began = time.perf_counter()
        self.checkpoints.save(state, progress)
        blocked = time.perf_counter() - began
        beside = self.trained.turn(steps)["seconds"]
        began = time.perf_counter()
        while not list((self.folder / names.CHECKPOINTS).glob(f"*_{number}")):
            time.sleep(1e-3)
        return {
            "seconds": beside,
            "host": 0.0,
            "examples": self.trained.work.batch * self.trained.work.bank,
            "alone": alone,
            "blocked": blocked,
            "waited": time.perf_counter() - began,
        }

    def told(self) -> dict[str, Any]:
        """Returns how large a checkpoint is, and what is in it."""
        self.checkpoints.close()
        newest = max((self.folder / names.CHECKPOINTS).iterdir())
        files = [path for path in newest.rglob("*") if path.is_file()]
        arrays = jax.tree.leaves(self.trained.state)
        said = {
            "bytes": sum(path.stat().st_size for path in files),
            "array_bytes": sum(array.nbytes for array in arrays),
        }
        self._folder.cleanup()
        return said
