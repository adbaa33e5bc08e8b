"""Answers to questions that stand in shared batches, each with a prompt of its own."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from spot_jax.data.packing import Example
from spot_jax.errors import InputError
from spot_jax.model import sharding
from spot_jax.model.binding import Binding
from spot_jax.model.weights import LoadedModel
from spot_jax.prompts.base import PromptBundle
from spot_jax.prompts.heads import Head
from spot_jax.scoring import answers, batches, head_answers
from spot_jax.scoring.grading import Prediction
from spot_jax.settings import Evaluation
from spot_jax.t5.decode import EOS_ID, check_search

_NOTHING = np.zeros(0, np.int32)


class Question(NamedTuple):
    """An input and who is asked.

    Attributes:
        inputs: [length] int32, EOS included.
        prompt: index of its prompt in the bank, 0 where the model is asked alone.
        labels: that are ranked, as text; of no use where answers are written.
        example: what else is known of the input, for prompts with a head: its text,
            `inputs_pretokenized`, and the words of a sentence.
    """

    inputs: np.ndarray
    prompt: int = 0
    labels: tuple[str, ...] = ()
    example: Mapping[str, Any] | None = None


class Answerer:
    """Answers with a bank of prompts, or with a model alone.

    What it compiles serves all of its calls.

    Args:
        model: the frozen model (its configuration and mesh).
        binding: what is trained, to bind parameters and prompts.
        evaluation: how to answer.
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
        self._mesh, self._evaluation = model.mesh, evaluation
        self._binding, self._answer_limit = binding, lengths["targets"]
        self._rows = {
            "prompt_length": prompt_length,
            "input_limit": lengths["inputs"],
            "rows": evaluation.rows,
            "rows_multiple": model.mesh.shape["data"],
        }
        config = dataclasses.replace(model.config, dropout_rate=0.0)
        if evaluation.method == "decode":
            check_search(evaluation.search, config.vocab_size)
        write = answers.make_write(
            config, binding, search=evaluation.search, max_length=lengths["targets"]
        )
        self._write = jax.jit(write)
        self._rank = jax.jit(answers.make_rank(config, binding))
        self._read = jax.jit(answers.make_read(config, binding))

    def answer(
        self,
        trained: Any,
        frozen: Any,
        questions: Sequence[Question],
        vocabulary: Any,
        name: str,
        seed: int | None = None,
    ) -> list[Prediction]:
        """Answers questions, whichever prompts they ask, in as few batches as one.

        Where labels are ranked, questions with the same labels share batches. Prompts
        with a head answer by it, whatever the evaluation's method is: where labels are
        ranked, by one of those.

        Args:
            trained: the bank of prompts.
            frozen: the model's parameters.
            questions: none longer than the lengths allow.
            vocabulary: encodes labels and decodes answers.
            name: what is answered, for messages.
            seed: of a search that samples; None: the evaluation's.

        Returns:
            A prediction for each question, in order; `example` is its place.

        Raises:
            InputError: when the scores of answers are not finite, or a label is no
                class of a head.
        """
        bundle = jax.eval_shape(self._binding.bundle, trained)
        if bundle is not None and bundle.head is not None:
            asked = bundle.head, questions, vocabulary, name
            return self._by_head(trained, frozen, *asked)
        by_rank = self._evaluation.method == "rank"
        groups: dict[tuple[str, ...], list[int]] = {}
        for place, question in enumerate(questions):
            groups.setdefault(question.labels if by_rank else (), []).append(place)
        found: dict[int, Prediction] = {}
        base = jax.random.key(self._evaluation.seed if seed is None else seed)
        for labels, places in groups.items():
            ranked, written = self._ranked, self._written
            say = ranked(labels, vocabulary) if by_rank else written(vocabulary)
            asked = [questions[place] for place in places]
            for number, (members, batch) in enumerate(self._batches(asked)):
                # A batch's own: with one key all batches would draw alike.
                key = jax.random.fold_in(base, number)
                texts, scores = say(trained, frozen, batch, key)
                # The last batch ends in rows of padding, whose answers nobody wants.
                for member, text, score in zip(members, texts, scores, strict=False):
                    check_finite(score, name)
                    place = places[member]
                    found[place] = Prediction(place, text, float(score))
        return [found[place] for place in range(len(questions))]

    def _by_head(
        self,
        trained: Any,
        frozen: Any,
        head: Head,
        questions: Sequence[Question],
        vocabulary: Any,
        name: str,
    ) -> list[Prediction]:
        """Answers questions as `answer` does, by the heads of their prompts."""
        by_rank = self._evaluation.method == "rank"
        pairs = [
            head_answers.asked(
                *(head, each.prompt, each.inputs, each.example or {}),
                *(vocabulary, self._answer_limit, each.labels if by_rank else ()),
            )
            for each in questions
        ]
        asked = [
            each._replace(inputs=inputs)
            for each, (inputs, _) in zip(questions, pairs, strict=True)
        ]
        found: dict[int, Prediction] = {}
        for members, batch in self._batches(asked):
            scores = jax.device_get(self._read(_nameless(trained), frozen, batch))
            for member, of_row in zip(members, scores, strict=False):
                inputs, understood = pairs[member]
                start = self._rows["prompt_length"] if head.is_beside else 0
                length = len(inputs) if head.is_beside else 1
                text, score = understood(of_row[start : start + length])
                check_finite(score, name)
                found[member] = Prediction(member, text, score)
        return [found[place] for place in range(len(questions))]

    def scores(
        self,
        trained: Any,
        frozen: Any,
        questions: Sequence[Question],
        vocabulary: Any,
        name: str,
    ) -> np.ndarray:
        """Scores every label of questions that have the same.

        Args:
            trained: the bank of prompts.
            frozen: the model's parameters.
            questions: none longer than the lengths allow.
            vocabulary: encodes the labels.
            name: what is answered, for messages.

        Returns:
            [questions, labels] float32, the log-probability of each label's text as
            the answer; of prompts with a head, of each label as its class.

        Raises:
            InputError: when one is not finite, or a label is no class of the head.
        """
        bundle = jax.eval_shape(self._binding.bundle, trained)
        if bundle is not None and bundle.head is not None:
            found = self._scores_of_heads(trained, frozen, bundle.head, questions)
            check_finite(float(found.sum()), name)
            return found
        padded = _encoded(questions[0].labels, vocabulary)
        found = np.zeros((len(questions), len(padded)), np.float32)
        for members, batch in self._batches(questions):
            scores = jax.device_get(self._rank(trained, frozen, batch, padded))
            found[members] = scores[: len(members)]
        check_finite(float(found.sum()), name)
        return found

    def _scores_of_heads(
        self, trained: Any, frozen: Any, head: Head, questions: Sequence[Question]
    ) -> np.ndarray:
        columns = [
            head_answers.columns(head, question.prompt, questions[0].labels)
            for question in questions
        ]
        found = np.zeros((len(questions), len(questions[0].labels)), np.float32)
        for members, batch in self._batches(questions):
            scores = jax.device_get(self._read(_nameless(trained), frozen, batch))
            for member, of_row in zip(members, scores, strict=False):
                found[member] = of_row[0, columns[member]]
        return found

    def _batches(
        self, questions: Sequence[Question]
    ) -> Iterator[tuple[list[int], dict[str, jax.Array]]]:
        """Yields which question each row holds, and the batch."""
        examples = [Example(q.inputs, _NOTHING, q.prompt) for q in questions]
        for members, batch in batches.one_per_row(examples, **self._rows):
            yield members, sharding.shard_rows(batch, self._mesh)

    def _written(self, vocabulary: Any) -> Callable:
        # Attributes of SeqIO's vocabularies, methods of SentencePiece's.
        size, unknown = (
            value() if callable(value) else value
            for value in (vocabulary.vocab_size, vocabulary.unk_id)
        )

        def say(trained, frozen, batch, key):
            tokens, scores = jax.device_get(self._write(trained, frozen, batch, key))
            # An embedding has rows beyond the pieces, which a model may write.
            tokens = np.where(tokens < size, tokens, unknown)
            # A padding id is no piece: it would decode to an unknown mark.
            texts = [vocabulary.decode([int(t) for t in row if t]) for row in tokens]
            return texts, scores

        return say

    def _ranked(self, labels: tuple[str, ...], vocabulary: Any) -> Callable:
        padded = _encoded(labels, vocabulary)

        def say(trained, frozen, batch, key):
            del key
            scores = jax.device_get(self._rank(trained, frozen, batch, padded))
            best = scores.argmax(axis=1)
            return [labels[i] for i in best], scores.max(axis=1)

        return say


def _nameless(trained: Any) -> Any:
    """Takes the names of classes away, by which a program would be another's."""
    if isinstance(trained, PromptBundle) and trained.head is not None:
        return trained.replace(head=trained.head.replace(names=()))
    return trained


def _encoded(labels: Sequence[str], vocabulary: Any) -> np.ndarray:
    """Returns labels as [labels, length] int32 token ids, padded with 0."""
    targets = [
        np.asarray([*vocabulary.encode(label), EOS_ID], np.int32) for label in labels
    ]
    longest = max(len(target) for target in targets)
    return np.stack([np.pad(t, (0, longest - len(t))) for t in targets])


def check_finite(value: float, name: str) -> None:
    """Refuses a score that is NaN or infinite.

    Raises:
        InputError: naming what was scored.
    """
    # Of NaNs the first would be the largest, and the first label every answer.
    if not math.isfinite(value):
        raise InputError(
            f"A score of {name} is {value}: numbers overflow in the model. "
            "Compute in float32 (--gin.ACTIVATION_DTYPE=float32)."
        )
