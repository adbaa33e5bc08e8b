"""The state of a run on disk: what is trained, and where the run stands.

The frozen model is never part of it. Orbax writes each checkpoint beside the others and
renames it when it is whole, so a run killed at any moment resumes from the last one.
"""

import contextlib
import logging
import pathlib
from collections.abc import Iterator
from typing import Any, NotRequired, TypedDict

import jax
import msgspec
import numpy as np
import orbax.checkpoint as ocp

from spot_jax import processes
from spot_jax.data.orders import Place
from spot_jax.data.row_shapes import Kept
from spot_jax.errors import InputError
from spot_jax.model import sharding
from spot_jax.model_dir import logs, names, storage
from spot_jax.training.step import TrainState

# What fails in orbax's threads is raised here as well; they would tell it in traces.
logging.getLogger("absl").addFilter(
    lambda told: not (told.exc_info and "/orbax/" in told.pathname)
)


class Progress(TypedDict):
    """Where a run stands, besides its state; JSON.

    Attributes:
        positions: of every prompt, its `Position` in the data.
        best: {prompt: its `Best`}, as `Outputs.resume` reads it.
        rows: of the steps that follow; None of examples that have a row each.
        gone: prompts, by number, of which these have no examples any more.
        diverged: as the state has it; earlier versions knew of none.
    """

    positions: list[Place]
    best: dict[str, dict[str, Any]]
    rows: NotRequired[Kept | None]
    gone: NotRequired[list[int]]
    diverged: NotRequired[list[int]]


class Checkpoints:
    """The checkpoints of one run, in MODEL_DIR/checkpoints.

    As a context it ends with them all written, or with an error.

    Args:
        model_dir: MODEL_DIR.
        keep: how many of the newest stay.
        keep_period: besides them those of every so many steps stay; None: no others.

    Raises:
        InputError: when the folder cannot be used.
    """

    def __init__(
        self, model_dir: pathlib.Path, keep: int, keep_period: int | None = None
    ):
        # orbax takes absolute paths alone; one of a bucket is.
        self._folder = storage.make_folder((model_dir / names.CHECKPOINTS).resolve())
        self._manager = ocp.CheckpointManager(
            self._folder,
            item_names=("state", "progress"),
            # A temporary folder is what a killed run left half written.
            options=ocp.CheckpointManagerOptions(
                max_to_keep=keep,
                keep_period=keep_period,
                step_prefix="step",
                cleanup_tmp_directories=True,
                # Else threads wait for folders that cannot be made, and for minutes
                # longer than the run.
                async_options=ocp.AsyncOptions(create_directories_asynchronously=False),
            ),
        )

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: type | None, *_) -> None:
        try:
            self.close()
            logs.send()
        except InputError:
            # What ended the run before is told, and this follows from it.
            if kind is None:
                raise

    def save(self, state: TrainState, progress: Progress) -> None:
        """Begins to write a checkpoint; training goes on meanwhile.

        Args:
            state: arrays, copied from the devices before this returns.
            progress: where the rest of the run stands.

        Raises:
            InputError: when it cannot be written, or the one before could not.
        """
        step = int(state.step)
        with self._writing():
            self._manager.wait_until_finished()
            storage.check_room(self._folder, _bytes_here(state))
            # A run that resumes here writes none of their lines again.
            logs.send()
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(_arrays(state)),
                    progress=ocp.args.JsonSave(progress | _marks(state)),
                ),
            )

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Makes one message of what orbax and its threads raise."""
        try:
            yield
        except storage.WriteError:
            raise
        except Exception as error:
            if processes.are_several():
                # Most often another one has gone, which orbax waits for.
                what = f"a checkpoint cannot be written: {_first_line(error)}"
                raise processes.Parted(what) from error
            # Whatever its type is: tensorstore has a ValueError for a full disk.
            raise InputError(
                f"A checkpoint cannot be written to {self._folder} "
                f"({_first_line(error)}). Make room there, or mend the folder; the "
                "same command then goes on from the last one that is complete."
            ) from error

    def restore(self, like: TrainState) -> tuple[TrainState, Progress] | None:
        """Reads the newest checkpoint into the shapes and shardings of `like`.

        Returns:
            The state and the progress saved with it, or None where there is none.

        Raises:
            InputError: when the checkpoint does not fit or is damaged.
        """
        step = self._manager.latest_step()
        if step is None:
            return None
        # Without shardings orbax would look for the devices of the run that saved it.
        abstract = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding),
            _arrays(like),
        )
        try:
            restored = self._manager.restore(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardRestore(abstract),
                    progress=ocp.args.JsonRestore(),
                ),
            )
            progress = msgspec.convert(restored.progress, Progress)
            state = like.replace(**restored.state)
            if marks := progress.pop("diverged", None):
                marks = np.int32(marks).reshape(like.diverged.shape)
                marks = sharding.place(marks, like.diverged.sharding)
                state = state.replace(diverged=marks)
        except Exception as error:
            # Whatever its type is: orbax trusts that its files are as it wrote them.
            raise InputError(
                f"The checkpoint of step {step} in {self._folder} cannot be restored "
                f"({error}). Delete its folder to resume from the one before, or "
                "choose another MODEL_DIR."
            ) from error
        return state, progress

    def close(self) -> None:
        """Waits, then stops the writer.

        Raises:
            InputError: when the last checkpoint could not be written.
        """
        with self._writing():
            self._manager.close()


def _arrays(state: TrainState) -> dict[str, Any]:
    """Returns what of a state orbax keeps: that of every version there was."""
    return {name: getattr(state, name) for name in ("step", "trained", "optimizer")}


def _marks(state: TrainState) -> dict[str, list[int]]:
    return {"diverged": sharding.fetched(state.diverged).tolist()}


def _bytes_here(state: TrainState) -> int:
    """Returns how many bytes of the state this process writes."""
    shards = [s for x in jax.tree.leaves(state) for s in x.addressable_shards]
    return sum(s.data.nbytes for s in shards if s.replica_id == 0)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
