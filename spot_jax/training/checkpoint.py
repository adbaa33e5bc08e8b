"""The state of a run on disk: what is trained, and where the run stands.

The frozen model is never part of it. Orbax writes each checkpoint beside the others and
renames it when it is whole, so a run killed at any moment resumes from the last one.
"""

import pathlib
from typing import Any

import jax
import orbax.checkpoint as ocp

from spot_jax.errors import InputError
from spot_jax.model_dir import names
from spot_jax.training.step import TrainState


class Checkpoints:
    """The checkpoints of one run, in MODEL_DIR/checkpoints.

    Args:
        model_dir: MODEL_DIR.
        keep: how many of the newest stay.
    """

    def __init__(self, model_dir: pathlib.Path, keep: int):
        self._manager = ocp.CheckpointManager(
            # orbax takes absolute paths alone.
            (model_dir / names.CHECKPOINTS).resolve(),
            item_names=("state", "progress"),
            # A temporary folder is what a killed run left half written.
            options=ocp.CheckpointManagerOptions(
                max_to_keep=keep,
                step_prefix="step",
                cleanup_tmp_directories=True,
            ),
        )

    def save(self, state: TrainState, progress: dict[str, Any]) -> None:
        """Begins to write a checkpoint; training goes on meanwhile.

        Args:
            state: arrays, copied from the devices before this returns.
            progress: anything JSON holds: data positions, best scores.
        """
        self._manager.save(
            int(state.step),
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(state),
                progress=ocp.args.JsonSave(progress),
            ),
        )

    def restore(self, like: TrainState) -> tuple[TrainState, dict[str, Any]] | None:
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
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), like
        )
        try:
            restored = self._manager.restore(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardRestore(abstract),
                    progress=ocp.args.JsonRestore(),
                ),
            )
        except (ValueError, KeyError, OSError) as error:
            raise InputError(
                f"The checkpoint of step {step} in {self._manager.directory} cannot be "
                f"restored ({error}). Delete its folder to resume from the one before, "
                "or choose another MODEL_DIR."
            ) from error
        return restored.state, restored.progress

    def close(self) -> None:
        """Waits, then stops the writer."""
        self._manager.close()
