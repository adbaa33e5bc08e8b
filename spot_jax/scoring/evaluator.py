"""Exact evaluation: whole splits, several prompts at once, the tasks' own metrics."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from spot_jax.data import head_targets
from spot_jax.data.eval_tasks import EvalTask
from spot_jax.data.packing import Example
from spot_jax.model import sharding
from spot_jax.model.binding import Binding
from spot_jax.model.objective import head_of, make_loss
from spot_jax.model.weights import LoadedModel
from spot_jax.prompts.base import PromptBundle, mixes_in_rows
from spot_jax.scoring import answers, batches
from spot_jax.scoring.answerer import Answerer, Question, check_finite
from spot_jax.scoring.grading import Prediction, score
from spot_jax.settings import Evaluation, Loss


class Evaluator:
    """Predicts with a bank of prompts, or with a model alone, and scores.

    Args:
        model: the frozen model (its configuration and mesh).
        binding: what is trained, to bind parameters and prompts.
        evaluation: how to predict.
        lengths: TASK_FEATURE_LENGTHS.
        prompt_length: slots in front of every input, 0 without prompts.

    Raises:
        InputError: when the search that writes answers has options that cannot be.
    """

    def __init__(
        self,
        model: LoadedModel,
        binding: Binding,
        evaluation: Evaluation,
        lengths: Mapping[str, int],
        prompt_length: int,
    ):
        self._mesh, self._binding, self._lengths = model.mesh, binding, lengths
        self._rows = {
            "prompt_length": prompt_length,
            "input_limit": lengths["inputs"],
            "rows": evaluation.rows,
            "rows_multiple": model.mesh.shape["data"],
        }
        self._answerer = Answerer(model, binding, evaluation, lengths, prompt_length)
        config = dataclasses.replace(model.config, dropout_rate=0.0)
        self._score = jax.jit(answers.make_score(config, binding))
        # Sums, for the mean is over the whole split and not over a batch.
        options, limit = Loss(z_loss=0.0, normalizing_factor=None), lengths["targets"]
        loss = make_loss(config, binding, options, target_length=limit)
        self._loss = jax.jit(lambda *of: sharding.whole(loss(*of)))

    def evaluate(
        self, trained: Any, frozen: Any, tasks: Mapping[int, Sequence[EvalTask]]
    ) -> tuple[dict[int, dict[str, dict[str, float]]], dict]:
        """Scores every prompt on its tasks.

        Args:
            trained: the trained arrays.
            frozen: the frozen ones.
            tasks: which tasks each prompt (index in the bank) is evaluated on.

        Returns:
            {prompt: {task: {metric: value}}}, and {(prompt, task): [Prediction]}.
        """
        groups: dict[int, tuple[EvalTask, list[int]]] = {}
        for prompt, its_tasks in tasks.items():
            for task in its_tasks:
                # Not by name: one may be there with and without a translation.
                groups.setdefault(id(task), (task, []))[1].append(prompt)
        results: dict = {
            prompt: {task.name: {} for task in its_tasks}
            for prompt, its_tasks in tasks.items()
        }
        all_predictions = {}
        for task, prompts in groups.values():
            name = task.name
            if not task.has_metrics:
                means = self._mean_losses(trained, frozen, task, prompts)
                for prompt in prompts:
                    results[prompt][name] = {"loss": means[prompt]}
                continue
            asked = trained, frozen, task, prompts
            predictions = self.predict(*asked) if task.needs_answers else {}
            scores = self._target_scores(*asked) if task.score_metrics else {}
            for prompt in prompts:
                its_own = predictions.get(prompt, ()), scores.get(prompt, ())
                results[prompt][name] = score(task, *its_own)
                if prompt in predictions:
                    all_predictions[prompt, name] = predictions[prompt]
        return results, all_predictions

    def predict(
        self, trained: Any, frozen: Any, task: EvalTask, prompts: Sequence[int]
    ) -> dict[int, list[Prediction]]:
        """Answers every example of a task with every one of these prompts.

        Raises:
            InputError: when the scores of answers are not finite.
        """
        labels = task.labels
        pairs = [(p, i) for i in range(len(task.examples)) for p in prompts]
        examples = task.examples
        questions = [
            Question(examples[i]["inputs"], p, labels, examples[i]) for p, i in pairs
        ]
        found = self._answerer.answer(
            *(trained, frozen, questions, task.vocabulary, task.name)
        )
        predictions: dict[int, list[Prediction]] = {prompt: [] for prompt in prompts}
        for (prompt, example), answer in zip(pairs, found, strict=True):
            text = task.translation.get(answer.text, answer.text)
            predictions[prompt].append(Prediction(example, text, answer.score))
        return predictions

    def _target_scores(
        self, trained: Any, frozen: Any, task: EvalTask, prompts: Sequence[int]
    ) -> dict[int, list[float]]:
        """Returns the log-probability of each example's targets, for each prompt."""
        scores = {prompt: [0.0] * len(task.examples) for prompt in prompts}
        for pairs, batch in self._batches(task, prompts):
            values = jax.device_get(self._score(trained, frozen, batch))
            for (prompt, index), value in zip(pairs, values, strict=False):
                check_finite(value, task.name)
                scores[prompt][index] = float(value)
        return scores

    def _batches(
        self, task: EvalTask, prompts: Sequence[int]
    ) -> Iterator[tuple[list[tuple[int, int]], dict[str, jax.Array]]]:
        """Yields the (prompt, example) of each row, and the batch."""
        pairs = [(p, i) for i in range(len(task.examples)) for p in prompts]
        examples = [
            Example(task.examples[i]["inputs"], task.examples[i]["targets"], p)
            for p, i in pairs
        ]
        for members, batch in batches.one_per_row(examples, **self._rows):
            in_rows = [pairs[member] for member in members]
            yield in_rows, sharding.shard_rows(batch, self._mesh)

    def _mean_losses(
        self, trained: Any, frozen: Any, task: EvalTask, prompts: Sequence[int]
    ) -> dict[int, float]:
        """Returns each prompt's mean loss over the target tokens of the split."""
        bundle = jax.eval_shape(self._binding.bundle, trained)
        learned = {prompt: self._learned(task, bundle, prompt) for prompt in prompts}
        # Prompt by prompt: copies of one example, all as long, would pack badly.
        examples = [
            Example(example["inputs"], learned[prompt](example["targets"]), prompt)
            for prompt in prompts
            for example in task.examples
        ]
        totals, tokens = np.zeros((2, self._binding.prompts))
        mixes = bundle is None or mixes_in_rows(bundle)
        for batch in batches.packed(examples, **self._rows, mixes=mixes):
            batch = sharding.shard_rows(batch, self._mesh)
            _, sums = jax.device_get(self._loss(trained, frozen, batch, None))
            totals += sums["loss"]
            tokens += sums["weight_sum"]
        return {prompt: float(totals[prompt] / tokens[prompt]) for prompt in prompts}

    def _learned(
        self, task: EvalTask, bundle: PromptBundle | None, prompt: int
    ) -> Callable[[np.ndarray], np.ndarray]:
        """Returns what makes of a target what a prompt learns of it."""
        if head_of(bundle) is None:
            return lambda targets: targets
        classes = bundle.head.names[prompt]
        of_task = task.vocabulary, self._lengths["targets"], task.name
        return head_targets.numbers(classes, *of_task)
