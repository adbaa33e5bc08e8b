"""Where the targets of a study start from: sources ranked for each (SPoT §3.3)."""

import pathlib
from collections.abc import Mapping, Sequence

from spot_jax.campaign.plan import Tuning
from spot_jax.errors import InputError
from spot_jax.model_dir import names
from spot_jax.prompts import files
from spot_jax.prompts.library import from_prompt_folder
from spot_jax.retrieval import candidates, starts
from spot_jax.retrieval.candidates import Ranking
from spot_jax.retrieval.operators import multi_task_mixture


class Sources:
    """All source prompts, ready to be ranked for a target.

    Args:
        prompts: the folders of the prompts of finished runs.
        measure: what ranks them.
    """

    def __init__(self, prompts: Mapping[Tuning, pathlib.Path], measure: str):
        self._prompts, self._measure = prompts, measure
        folders = [p for tuning, p in prompts.items() if tuning.method == "source"]
        entries = [from_prompt_folder(folder) for folder in folders]
        for entry in entries:
            if entry.embedding is None:
                raise InputError(
                    f"The source prompt {entry.name} has no embedding, by which it is "
                    "ranked. Its run has lost the file: delete the run, and tune it "
                    "again."
                )
        self._entries = {entry.name: entry for entry in entries}

    def _ranked(self, tuning: Tuning) -> Ranking:
        baseline = self._prompts[Tuning("baseline", tuning.seed, tuning.target)]
        (target,) = candidates.read_targets([str(baseline)], tuning.target)
        # No source is of a target's own task: the plan refuses that (plan.Study).
        return candidates.rank_entries(
            self._entries, target, self._measure, task=tuning.target, include_own=True
        )

    def closest(self, tuning: Tuning) -> list[str]:
        """Returns the tasks of the k sources most similar to a tuning's target."""
        chosen = starts.top(self._ranked(tuning), tuning.k)
        return [source.entry.task for source in chosen]

    def most_similar(self, tuning: Tuning) -> tuple[str, int | None]:
        """Returns the task and the seed of the source most similar to the target."""
        (source,) = starts.top(self._ranked(tuning), 1)
        return source.entry.task, source.entry.seed

    def write_average(self, tuning: Tuning, folder: pathlib.Path) -> pathlib.Path:
        """Writes the weighted average of the k sources most similar to the target.

        Args:
            tuning: names the target, its seed and k.
            folder: where the file goes, under a name of its own.
        """
        start = starts.weighted_average(self._ranked(tuning), tuning.k)
        (average,) = start.prompts.values()
        # Without the measure, of which a study has one (SIMILARITY).
        name = f"average-{tuning.target}-seed{tuning.seed}-top{tuning.k}"
        members = [source.entry.name for source in start.chosen]
        story = {
            "name": name,
            "model": start.chosen[0].entry.model,
            "members": dict(zip(members, start.weights, strict=True)),
            "note": " ".join(start.notes) or None,
        }
        path = names.in_folder(folder, name)
        files.write(path, average, story)
        return path


def mixture_members(closest: Sequence[str], target: str) -> list[str]:
    """Returns the tasks of a multi-task mixture, in an order that is always the same.

    The order decides the name, so that equal mixtures are one.
    """
    return sorted(multi_task_mixture(closest, target))
