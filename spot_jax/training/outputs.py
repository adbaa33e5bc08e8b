"""What a run leaves behind: prompts with their stories, or a tuned model."""

import dataclasses
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

import jax
from jaxtyping import PyTree

from spot_jax import processes
from spot_jax.errors import InputError
from spot_jax.model import sharding
from spot_jax.model.binding import Binding
from spot_jax.model.weights import LoadedModel
from spot_jax.model_dir import names, storage
from spot_jax.model_dir.score import comparable, overall_score
from spot_jax.pretrained.save import save_t5x
from spot_jax.prompts import algebra, files
from spot_jax.prompts.base import PromptBundle
from spot_jax.reading import as_json, parse_json, path_of
from spot_jax.training.bank import Entry

# Of MODEL_DIR: the models of every SAVE_MODEL_PERIOD.
ADAPTED = "adapted"


@dataclasses.dataclass(frozen=True)
class Best:
    """The best evaluation of a prompt so far.

    Attributes:
        score: the mean over its tasks of the mean of their metrics; higher is better.
        step: when.
        results: {task: {metric: value}}.
        entry: the prompt.
        split: of the data, on which it was evaluated.
        diverged: the step at which the prompt diverged; None: it has not.
    """

    score: float
    step: int
    results: dict[str, dict[str, float]]
    entry: Entry
    split: str
    diverged: int | None = None


class _Progress(TypedDict):
    score: float | None
    step: int
    results: dict[str, dict[str, float | None]]


def _told(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _read(value: float | None) -> float:
    return math.nan if value is None else value


def _each(function: Callable, results: Mapping[str, Mapping[str, Any]]) -> dict:
    return {
        task: {metric: function(value) for metric, value in values.items()}
        for task, values in results.items()
    }


class Outputs:
    """Writes MODEL_DIR/prompts/NAME/*.safetensors, or MODEL_DIR/checkpoint_STEP.

    Of a model that is tuned whatever is asked for is written into MODEL_DIR/adapted.

    Args:
        folder: MODEL_DIR.
        bank: the prompts.
        model: the frozen model, or the one that was tuned.
        binding: makes bundles of what is trained; without a bank the model is.
        shared: what every header says of the run: vocabulary, configuration.
        rows: {task: how its rows became examples}, of tasks made of rows.
        split: that chooses the best.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        bank: Sequence[Entry],
        model: LoadedModel,
        binding: Binding,
        shared: Mapping[str, Any],
        rows: Mapping[str, Mapping[str, Any]],
        *,
        split: str,
    ):
        self._split = split
        self._folder, self._bank, self._model = folder, list(bank), model
        self._binding, self._shared, self._rows = binding, dict(shared), dict(rows)
        self.best: dict[str, Best] = {}
        # {index in the bank: step} of prompts that have.
        self.diverged: dict[int, int] = {}

    def told(self) -> dict[str, Best]:
        """Returns the best of every prompt, in their order, and which have diverged."""
        return {
            entry.name: dataclasses.replace(
                self.best[entry.name], diverged=self.diverged.get(index)
            )
            for index, entry in enumerate(self._bank)
            if entry.name in self.best
        }

    def progress(self) -> dict[str, dict]:
        """Returns what `resume` needs, as JSON holds it: NaN is None."""
        return {
            name: {
                "score": _told(best.score),
                "step": best.step,
                "results": _each(_told, best.results),
            }
            for name, best in self.best.items()
        }

    def resume(self, progress: Mapping[str, dict]) -> None:
        """Takes up the best results of a run that was stopped.

        Raises:
            InputError: when they are not what `progress` returned.
        """
        where = f"The progress of the last checkpoint in {self._folder}"
        cure = "Delete that checkpoint's folder to resume from the one before."
        kept = parse_json(as_json(progress), dict[str, _Progress], where, cure)
        bank = {entry.name: entry for entry in self._bank}
        if others := kept.keys() - bank.keys():
            raise InputError(f"{where} is of {', '.join(sorted(others))}. {cure}")
        self.best = {
            name: Best(
                _read(best["score"]),
                best["step"],
                _each(_read, best["results"]),
                bank[name],
                self._split,
            )
            for name, best in kept.items()
        }

    def keep_best(
        self, trained: PyTree, step: int, results: Mapping[int, dict[str, dict]]
    ) -> None:
        """Writes the prompts that are better than ever before.

        Args:
            trained: the trained arrays.
            step: steps done.
            results: {index in the bank: {task: {metric: value}}} of those that were
                evaluated.
        """
        better = {}
        for index in sorted(results):
            entry, score = self._bank[index], overall_score(results[index])
            before = self.best.get(entry.name)
            if before is None or comparable(score) > comparable(before.score):
                at = self._moved_until(index, step)
                found = Best(score, at, results[index], entry, self._split)
                self.best[entry.name] = found
                better[index] = {"results": results[index], "score": score}
        self._write(names.BEST, trained, step, better)

    def write_due(
        self,
        due: set[str],
        trained: PyTree,
        step: int,
        there: Sequence[int],
        leaving: Sequence[int] = (),
    ) -> None:
        """Writes what `Training.due` says: embedding, last, or the model as it is.

        Args:
            due: what.
            trained: the trained arrays.
            step: steps done.
            there: prompts that the step has moved.
            leaving: those whose last prompt it is, due or not.
        """
        if "embed" in due:
            self.write(names.EMBEDDING, trained, step, there)
        last = {*leaving, *(there if "last" in due else ())}
        self.write(names.LAST, trained, step, sorted(last))
        if "model" in due:
            folder = self._folder / ADAPTED
            storage.remove_leftovers(folder)
            self._write_model(folder, trained, step)

    def write(
        self,
        kind: str,
        trained: PyTree,
        step: int,
        which: Sequence[int] | None = None,
    ) -> None:
        """Writes prompts as they are, all or some: "embedding" or "last".

        Of a tuned model, which is gigabytes, only the best is kept, and those that
        SAVE_MODEL_PERIOD asks for.
        """
        if self._binding.bank is not None:
            which = range(len(self._bank)) if which is None else which
            self._write(kind, trained, step, {index: {} for index in which})

    def _write(
        self, kind: str, trained: PyTree, step: int, said: Mapping[int, dict[str, Any]]
    ) -> None:
        """Writes some prompts of the bank, or the model.

        Args:
            kind: "best", "embedding" or "last".
            trained: the trained arrays.
            step: steps done.
            said: {index in the bank: what its header says besides}.
        """
        if not said:
            return
        if self._binding.bank is None:
            path = self._write_model(self._folder, trained, step)
            # Not before: killed in between, a run still has a best model.
            for older in names.tuned_models(self._folder):
                if older != path:
                    storage.remove_folder(older)
            return
        prompts = self._binding.bundle(trained)
        for index, more in said.items():
            self._write_prompt(index, kind, algebra.take(prompts, index), step, more)

    def _write_prompt(
        self, index: int, kind: str, prompt: PromptBundle, step: int, said: dict
    ) -> None:
        entry = self._bank[index]
        story = {
            "name": entry.name,
            "task": entry.task,
            "seed": entry.seed,
            "kind": kind,
            "step": self._moved_until(index, step),
            "results": {},
            "model": self._model.story(),
            "rows": self._rows.get(entry.task),
        }
        if index in self.diverged:
            story["diverged"] = self.diverged[index]
        path = names.prompt_file(self._folder, entry.name, kind)
        files.write(path, prompt, story | self._shared | said)

    def _moved_until(self, index: int, step: int) -> int:
        """Returns the last step that moved a prompt, also if that is told later."""
        return self.diverged.get(index, step + 1) - 1

    def _write_model(
        self, folder: pathlib.Path, trained: PyTree, step: int
    ) -> pathlib.Path:
        """Writes the whole model, and returns where."""
        # T5X counts a model's steps from the start of its pre-training.
        saved_at = (self._model.step or 0) + step
        path = names.tuned_model(folder, saved_at)
        # There already where a run was killed after this and resumes from before it.
        storage.remove_folder(path)
        # T5X's format does not tell its activations, say, and no shape does.
        settings = dataclasses.asdict(self._model.config)
        params, _ = self._binding.bind(trained, self._model.params)
        if processes.are_several():
            # What is in parts in several processes, one of them writes whole.
            params = jax.tree.map(sharding.fetched, params)
        if storage.is_writer():
            save_t5x(str(path), params, saved_at, settings)
        return path


def best_checkpoint(model_dir: str) -> pathlib.Path:
    """Returns the tuned model that a run of model tuning left.

    Raises:
        InputError: when there is none.
    """
    found = names.tuned_models(path_of(model_dir))
    if not found:
        raise InputError(
            f"{model_dir} holds no checkpoint_N: model tuning there has not reached "
            "its first evaluation."
        )
    return found[-1]
