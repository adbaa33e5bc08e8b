"""The prompts that a run of T5X leaves, as `spot_jax train` leaves them.

    MODEL_DIR/prompts/NAME/last.safetensors       of the latest checkpoint
    MODEL_DIR/prompts/NAME/embedding.safetensors  of EMBEDDING_STEP
    MODEL_DIR/prompts/NAME/best.safetensors       of the best evaluation; until there is
                                                  one the latest, whose header has none

One process writes them, whatever of several calls this.
"""

from collections.abc import Mapping
from typing import Any

import flax
import jax
import numpy as np
from jaxtyping import PyTree
from t5x import checkpoints, trainer

from spot_jax.errors import InputError
from spot_jax.model.binding import prompt_tuning
from spot_jax.model_dir import claim, names
from spot_jax.model_dir.score import overall_score
from spot_jax.prompts import files
from spot_jax.reading import path_of
from spot_jax.t5x_engine.module import PROMPT
from spot_jax.t5x_engine.run import Run
from spot_jax.training.outputs import Best, Outputs

# What T5X evaluates on while it trains.
_SPLIT = "validation"


def write_checkpoint(run: Run, model_dir: str, train_state: Any) -> None:
    """Writes the prompt of a checkpoint of T5X.

    Args:
        run: which T5, data and prompt.
        model_dir: MODEL_DIR.
        train_state: T5X's.
    """
    step = _step(run, train_state)
    # Before the first step there is none that was trained.
    if jax.process_index() or not step:
        return
    outputs, trained = _outputs(run, model_dir), _trained(train_state)
    if step == run.embedding_step:
        outputs.write(names.EMBEDDING, trained, step)
    outputs.write(names.LAST, trained, step)
    if not outputs.best:
        outputs.write(names.BEST, trained, step)


class KeepBest(trainer.BaseAction):
    """What T5X calls after each evaluation with answers: keeps the best prompt.

    Args:
        run: which T5, data and prompt.
        model_dir: MODEL_DIR.
    """

    def __init__(self, run: Run, model_dir: str):
        self._run, self._model_dir = run, model_dir

    def run(
        self, train_state: Any, metrics_by_task: Mapping[str, Mapping[str, Any]]
    ) -> bool:
        """Writes the prompt if no evaluation was better; says never to stop.

        Args:
            train_state: T5X's.
            metrics_by_task: {task: {metric: value}}.
        """
        numbers = {
            task: {name: float(v) for name, v in values.items() if np.isscalar(v)}
            for task, values in metrics_by_task.items()
        }
        results = {task: values for task, values in numbers.items() if values}
        step = _step(self._run, train_state)
        if results and step:
            outputs = _outputs(self._run, self._model_dir)
            outputs.keep_best(_trained(train_state), step, {0: results})
        return False


def check_folder(model_dir: str, name: str, *, is_new: bool) -> None:
    """Refuses a MODEL_DIR that holds another run.

    Args:
        model_dir: MODEL_DIR.
        name: of the run's prompt.
        is_new: whether T5X has no checkpoint there to go on from.

    Raises:
        InputError: naming what is there; or when the folder cannot be written.
    """
    folder = claim.writable(model_dir, "--gin.MODEL_DIR")
    there = [place.name for place in names.prompt_folders(folder)]
    if (folder / names.CHECKPOINTS).exists():
        what = "a run of `spot_jax train`"
    elif is_new and there:
        what = f"the prompts {', '.join(there)} and no checkpoint to go on from"
    elif there and name not in there:
        what = f"the run of {', '.join(there)}, not of {name}"
    else:
        return
    raise InputError(f"MODEL_DIR {folder} holds {what}. Choose another MODEL_DIR.")


def _outputs(run: Run, model_dir: str) -> Outputs:
    """Returns what writes the prompt, and knows the best one that is there."""
    folder = path_of(model_dir)
    told = {"vocabulary": run.vocabulary_story(), "configuration": run.configuration()}
    binding = prompt_tuning(run.source, 1)
    made = folder, [run.entry], run.loaded, binding, told
    outputs = Outputs(*made, run.rows, split=_SPLIT)
    best = names.prompt_file(folder, run.entry.name, names.BEST)
    story = files.read(best).story if best.is_file() else {}
    if results := story.get("results"):
        score = overall_score(results)
        found = Best(score, story["step"], results, run.entry, _SPLIT)
        outputs.best[run.entry.name] = found
    return outputs


def _step(run: Run, train_state: Any) -> int:
    """Returns how many steps of its own a run has done."""
    return int(checkpoints.get_local_data(train_state.step)) - run.base_step


def _trained(train_state: Any) -> PyTree:
    """Returns the prompt's parameters as a bank of one, on the host."""
    return jax.tree.map(
        lambda array: np.asarray(checkpoints.get_local_data(array))[None],
        flax.core.unfreeze(train_state.params)[PROMPT],
    )
