"""Where the targets of a study start from: sources ranked for each (SPoT §3.3)."""

import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from spot_jax.campaign.plan import Tuning
from spot_jax.prompts import files
from spot_jax.retrieval import operators
from spot_jax.retrieval.similarity import MEASURES


class Sources:
    """All source prompts, ready to be ranked for a target.

    Args:
        prompts: the folders of the prompts of finished runs.
        measure: what ranks them.
    """

    def __init__(self, prompts: Mapping[Tuning, pathlib.Path], measure: str):
        self._prompts, self._measure = prompts, MEASURES[measure]
        self._sources = {
            f"{tuning.source}-seed{tuning.seed}": tuning
            for tuning in prompts
            if tuning.method == "source"
        }
        self._embeddings = [self._embedding(t) for t in self._sources.values()]

    def _embedding(self, tuning: Tuning) -> np.ndarray:
        path = self._prompts[tuning] / "embedding.safetensors"
        return files.read(path).enc_input

    def _ranked(self, tuning: Tuning) -> list[operators.Ranked]:
        baseline = Tuning("baseline", tuning.seed, tuning.target)
        [similarities] = self._measure([self._embedding(baseline)], self._embeddings)
        ranking = operators.rank(similarities, list(self._sources))
        return operators.top(ranking, tuning.k)

    def closest(self, tuning: Tuning) -> list[str]:
        """Returns the tasks of the k sources most similar to a tuning's target."""
        return [self._sources[r.name].source for r in self._ranked(tuning)]

    def write_average(self, tuning: Tuning, folder: pathlib.Path) -> pathlib.Path:
        """Writes the weighted average of the k sources most similar to the target.

        Args:
            tuning: names the target, its seed and k.
            folder: where the file goes, under a name of its own.
        """
        chosen = self._ranked(tuning)
        alpha, note = operators.weights([r.similarity for r in chosen])
        prompts = [
            files.read(self._prompts[self._sources[r.name]] / "best.safetensors")
            for r in chosen
        ]
        average = operators.weighted_average(
            np.stack([prompt.enc_input for prompt in prompts]), alpha
        )
        name = f"average-{tuning.target}-seed{tuning.seed}-top{tuning.k}"
        path = folder / f"{name}.safetensors"
        story = {
            "name": name,
            "model": prompts[0].story["model"],
            "members": {r.name: float(a) for r, a in zip(chosen, alpha, strict=True)},
            "note": note,
        }
        files.write(path, average, story)
        return path


def mixture_members(closest: Sequence[str], target: str) -> list[str]:
    """Returns the tasks of a multi-task mixture, in an order that is always the same.

    The order decides the name, so that equal mixtures are one.
    """
    return sorted(operators.multi_task_mixture(closest, target))
