"""What a run leaves behind: prompts with their stories, or a tuned model."""

import dataclasses
import pathlib
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from spot_jax import config
from spot_jax.model.weights import LoadedModel
from spot_jax.model_dir.score import overall_score
from spot_jax.pretrained.save import save_t5x
from spot_jax.prompts import files
from spot_jax.training.bank import Entry


@dataclasses.dataclass(frozen=True)
class Best:
    """The best evaluation of a prompt so far.

    Attributes:
        score: the mean over its tasks of the mean of their metrics; higher is better.
        step: when.
        results: {task: {metric: value}}.
    """

    score: float
    step: int
    results: dict[str, dict[str, float]]


class Outputs:
    """Writes MODEL_DIR/prompts/NAME/*.safetensors, or MODEL_DIR/checkpoint_STEP.

    Args:
        folder: MODEL_DIR.
        bank: the prompts.
        model: the frozen model, or the one that was tuned.
        is_model: whether the model itself is trained.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        bank: Sequence[Entry],
        model: LoadedModel,
        *,
        is_model: bool,
    ):
        self._folder, self._bank, self._model = folder, list(bank), model
        self._is_model = is_model
        self.best: dict[str, Best] = {}

    def progress(self) -> dict[str, dict]:
        """Returns what `resume` needs, as JSON holds it."""
        return {name: dataclasses.asdict(best) for name, best in self.best.items()}

    def resume(self, progress: Mapping[str, dict]) -> None:
        """Takes up the best results of a run that was stopped."""
        self.best = {name: Best(**best) for name, best in progress.items()}

    def keep_best(
        self, trained: Any, step: int, results: Mapping[int, dict[str, dict]]
    ) -> None:
        """Writes the prompts that are better than ever before.

        Args:
            trained: the trained arrays.
            step: steps done.
            results: {index in the bank: {task: {metric: value}}}.
        """
        for index, entry in enumerate(self._bank):
            score = overall_score(results[index])
            before = self.best.get(entry.name)
            # Not `score > before.score`: after a NaN nothing would be better.
            if before is None or not before.score >= score:
                self.best[entry.name] = Best(score, step, results[index])
                self._write(index, "best", trained, step, results[index])

    def write(self, kind: str, trained: Any, step: int, results: dict) -> None:
        """Writes all prompts as they are: "embedding" or "last"."""
        if self._is_model:
            return
        for index in range(len(self._bank)):
            self._write(index, kind, trained, step, results)

    def _write(
        self, index: int, kind: str, trained: Any, step: int, results: dict
    ) -> None:
        if self._is_model:
            self._write_model(trained, step)
            return
        entry = self._bank[index]
        files.write(
            self._folder / "prompts" / entry.name / f"{kind}.safetensors",
            np.asarray(jax.device_get(trained["enc_input"][index])),
            {
                "name": entry.name,
                "task": entry.task,
                "seed": entry.seed,
                "kind": kind,
                "step": step,
                "results": results,
                "model": self._model.story(),
                "configuration": config.text(),
            },
        )

    def _write_model(self, params: Any, step: int) -> None:
        saved_at = (self._model.step or 0) + step
        path = self._folder / f"checkpoint_{saved_at}"
        # There already where a run was killed after this and resumes from before it.
        shutil.rmtree(path, ignore_errors=True)
        save_t5x(str(path), params, saved_at)
        for older in self._folder.glob("checkpoint_*"):
            if older != path:
                shutil.rmtree(older)


def best_checkpoint(model_dir: str) -> pathlib.Path:
    """Returns the tuned model that a run of model tuning left.

    Raises:
        ValueError: when there is none.
    """
    found = [
        path
        for path in pathlib.Path(model_dir).expanduser().glob("checkpoint_*")
        if path.name.removeprefix("checkpoint_").isdecimal()
    ]
    if not found:
        raise ValueError(
            f"{model_dir} holds no checkpoint_N: model tuning there has not reached "
            "its first evaluation."
        )
    return max(found, key=lambda path: int(path.name.removeprefix("checkpoint_")))
