"""Exact evaluation: whole splits, several prompts at once, the tasks' own metrics."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from spot_jax import losses
from spot_jax.data import packing
from spot_jax.data.eval_tasks import EvalTask
from spot_jax.data.packing import Example
from spot_jax.model import sharding
from spot_jax.model.binding import Binding
from spot_jax.model.objective import LossOptions, make_loss
from spot_jax.model.sharding import on_mesh
from spot_jax.model.weights import LoadedModel
from spot_jax.scoring.grading import Prediction, score
from spot_jax.settings import Evaluation
from spot_jax.t5 import T5
from spot_jax.t5.decode import EOS_ID, generate


class Evaluator:
    """Predicts with a bank of prompts, or with a model alone, and scores.

    Args:
        model: the frozen model (its configuration and mesh).
        binding: what is trained, to bind parameters and prompts.
        settings: how to predict.
        lengths: TASK_FEATURE_LENGTHS.
        prompt_length: slots in front of every input, 0 without prompts.
    """

    def __init__(
        self,
        model: LoadedModel,
        binding: Binding,
        settings: Evaluation,
        lengths: Mapping[str, int],
        prompt_length: int,
    ):
        self._mesh, self._settings, self._lengths = model.mesh, settings, lengths
        self._prompt_length, self._binding = prompt_length, binding
        config = dataclasses.replace(model.config, dropout_rate=0.0)
        self._write = on_mesh(jax.jit(self._make_write(config)), model.mesh)
        self._rank = on_mesh(jax.jit(self._make_rank(config)), model.mesh)
        options = LossOptions(lengths["targets"], z_loss=0.0)
        self._loss = on_mesh(jax.jit(make_loss(config, binding, options)), model.mesh)

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
                for prompt, loss in self._losses(trained, frozen, task, prompts):
                    results[prompt][name] = {"loss": loss}
                continue
            predictions = self.predict(trained, frozen, task, prompts)
            for prompt in prompts:
                results[prompt][name] = score(task, predictions[prompt])
                all_predictions[prompt, name] = predictions[prompt]
        return results, all_predictions

    def predict(
        self, trained: Any, frozen: Any, task: EvalTask, prompts: Sequence[int]
    ) -> dict[int, list[Prediction]]:
        """Answers every example of a task with every one of these prompts.

        Raises:
            ValueError: when labels are to be ranked and the task has none.
        """
        by_rank = self._settings.method == "rank"
        if by_rank and not task.labels:
            raise ValueError(
                f"{task.name} has no set of labels to rank. Evaluate it with "
                "--gin.EVALUATION=decode."
            )
        answer = self._ranked(task) if by_rank else self._written(task.vocabulary)
        predictions = {prompt: [None] * len(task.examples) for prompt in prompts}
        base = jax.random.key(self._settings.seed)
        for number, (pairs, batch) in enumerate(self._batches(task, prompts)):
            key = jax.random.fold_in(base, number)
            texts, scores = answer(trained, frozen, batch, key)
            for (prompt, index), text, value in zip(pairs, texts, scores, strict=False):
                text = task.translation.get(text, text)
                predictions[prompt][index] = Prediction(index, text, float(value))
        return predictions

    def _written(self, vocabulary: Any) -> Callable:
        def answer(trained, frozen, batch, key):
            tokens, scores = jax.device_get(self._write(trained, frozen, batch, key))
            # A padding id is no piece: it would decode to an unknown mark.
            texts = [vocabulary.decode([int(t) for t in row if t]) for row in tokens]
            return texts, scores

        return answer

    def _ranked(self, task: EvalTask) -> Callable:
        targets = [
            np.asarray([*task.vocabulary.encode(label), EOS_ID], np.int32)
            for label in task.labels
        ]
        longest = max(len(target) for target in targets)
        labels = np.stack([np.pad(t, (0, longest - len(t))) for t in targets])

        def answer(trained, frozen, batch, key):
            del key
            scores = jax.device_get(self._rank(trained, frozen, batch, labels))
            best = scores.argmax(axis=1)
            return [task.labels[i] for i in best], scores.max(axis=1)

        return answer

    def _batches(
        self, task: EvalTask, prompts: Sequence[int]
    ) -> Iterator[tuple[list[tuple[int, int]], dict]]:
        """Yields rows of (prompt, example), the longest first.

        Rows come in three lengths only, for each is compiled.
        """
        pairs = [(p, i) for i in range(len(task.examples)) for p in prompts]
        pairs.sort(key=lambda pair: -len(task.examples[pair[1]]["inputs"]))
        limit, rows = self._lengths["inputs"], self._settings.rows
        for start in range(0, len(pairs), rows):
            chunk = pairs[start : start + rows]
            longest = len(task.examples[chunk[0][1]]["inputs"])
            fitting = [n for n in (limit // 4, limit // 2, limit) if n >= longest]
            none = np.zeros(0, np.int32)
            batch = packing.one_per_row(
                [Example(task.examples[i]["inputs"], none, p) for p, i in chunk],
                prompt_length=self._prompt_length,
                row_length=self._prompt_length + fitting[0],
                target_length=1,
                rows=rows,
                rows_multiple=self._mesh.shape["data"],
            )
            yield chunk, sharding.shard_rows(batch, self._mesh)

    def _losses(
        self, trained: Any, frozen: Any, task: EvalTask, prompts: Sequence[int]
    ) -> Iterator[tuple[int, float]]:
        """Yields each prompt's mean loss over the target tokens of the split."""
        for prompt in prompts:
            total = tokens = 0.0
            rows = self._settings.rows
            for start in range(0, len(task.examples), rows):
                batch = packing.one_per_row(
                    [
                        Example(example["inputs"], example["targets"], prompt)
                        for example in task.examples[start : start + rows]
                    ],
                    prompt_length=self._prompt_length,
                    row_length=self._prompt_length + self._lengths["inputs"],
                    target_length=self._lengths["targets"],
                    rows=rows,
                    rows_multiple=self._mesh.shape["data"],
                )
                _, metrics = self._loss(
                    trained, frozen, sharding.shard_rows(batch, self._mesh), None
                )
                count = float(metrics["weight_sum"][prompt])
                total += float(metrics["loss"][prompt]) * count
                tokens += count
            yield prompt, total / tokens

    def _make_write(self, config):
        def write(trained, frozen, batch, key):
            params, bundle = self._binding.bind(trained, frozen)
            return generate(
                config,
                params,
                batch["encoder_input_tokens"],
                max_length=self._lengths["targets"],
                search=self._settings.search,
                key=key,
                **_encoder_arguments(batch, bundle),
            )

        return write

    def _make_rank(self, config):
        model = T5(config)

        def rank(trained, frozen, batch, labels):
            params, bundle = self._binding.bind(trained, frozen)
            encoded, segments = model.apply(
                {"params": params},
                batch["encoder_input_tokens"],
                **_encoder_arguments(batch, bundle),
                method=T5.encode,
            )
            rows, count = len(encoded), len(labels)
            targets = jax.numpy.tile(labels, (rows, 1))
            logits = model.apply(
                {"params": params},
                jax.numpy.repeat(encoded, count, axis=0),
                jax.numpy.repeat(segments, count, axis=0),
                jax.numpy.pad(targets[:, :-1], ((0, 0), (1, 0))),
                method=T5.decode,
            )
            scores = losses.sequence_scores(
                logits,
                {
                    "decoder_target_tokens": targets,
                    "decoder_loss_weights": (targets > 0).astype(logits.dtype),
                },
            )
            return scores.reshape(rows, count)

        return rank


def _encoder_arguments(batch: dict, bundle: Any) -> dict:
    return {
        "prompt": bundle,
        "segment_ids": batch["encoder_segment_ids"],
        "prompt_ids": batch["encoder_prompt_ids"],
        "positions": batch["encoder_positions"],
    }
