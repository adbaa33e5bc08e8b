"""A frozen T5 that Python programs ask, alone or through prompts."""

import dataclasses
import functools
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from spot_jax.api import questions
from spot_jax.api.prompt import AnyPrompt
from spot_jax.api.questions import Text
from spot_jax.data import model_vocabulary, vocabularies
from spot_jax.errors import InputError
from spot_jax.model import architecture, sharding, weights
from spot_jax.model.binding import Binding
from spot_jax.model.weights import LoadedModel
from spot_jax.prompts.base import PromptBundle, slots_of
from spot_jax.scoring import forms, saved_prompts
from spot_jax.scoring.answerer import Answerer, Question
from spot_jax.settings import Evaluation, Model
from spot_jax.t5 import T5Config
from spot_jax.t5.decode import EOS_ID, Search, greedy

# Calls share programs: inputs are as long as these, and longer ones a power of two.
_INPUTS = 512
# So are rows: one, or up to this many, or as many as the batch size says.
_FEW = 8


def load(
    checkpoint: str | os.PathLike,
    *,
    vocabulary: str | None = None,
    extra_ids: int | None = None,
    config: T5Config | None = None,
    dtype: str | None = None,
    weights_dtype: str | None = None,
    num_partitions: int | None = None,
    batch_size: int = 32,
    devices: Sequence[jax.Device] | None = None,
) -> "FrozenModel":
    """Reads a T5.

    Args:
        checkpoint: a folder of Hugging Face or T5X, a gs:// path, or a published name;
            "spot_tiny" is the model that is installed with spot_jax.
        vocabulary: a SentencePiece file; None: the one beside the weights.
        extra_ids: sentinels to add to it; None: as many as the model's own has.
        config: the T5's shape; None: what the checkpoint says, which one of T5X does
            not say whole.
        dtype: what is computed in; None: bfloat16 on accelerators, float32 elsewhere.
        weights_dtype: what weights are held in; None: as dtype.
        num_partitions: over how many devices each weight is split; None: as few as it
            fits on.
        batch_size: texts that are answered at once.
        devices: where it computes; None: on all devices there are.

    Raises:
        InputError: when it cannot be read, is no T5, or the vocabulary is not its own.
    """
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}; give how many texts, from 1 on.")
    settings = Model(
        config,
        checkpoint=os.fspath(checkpoint),
        dtype=dtype,
        weights_dtype=weights_dtype,
        num_partitions=num_partitions,
    )
    description = architecture.described(settings)
    settings = architecture.resolved(settings, description)
    path, extra_ids = model_vocabulary.chosen(vocabulary, extra_ids, description)
    opened = vocabularies.open_and_identify(path, extra_ids)
    return FrozenModel(settings, weights.load(settings, devices), opened, batch_size)


class FrozenModel:
    """A frozen T5 and its vocabulary.

    Attributes:
        settings: what was loaded.
        loaded: the weights on their mesh; `loaded.config` is the T5's shape.
        vocabulary: encodes and decodes text.
        identity: which vocabulary it is.
    """

    def __init__(
        self,
        settings: Model,
        loaded: LoadedModel,
        vocabulary: tuple[Any, vocabularies.Identity],
        batch_size: int = 32,
    ):
        self.settings, self.loaded = settings, loaded
        self.vocabulary, self.identity = vocabulary
        self._batch_size = batch_size
        self._answerers: dict[tuple, Answerer] = {}

    def answer(
        self,
        texts: Sequence[Text],
        prompt: AnyPrompt | None = None,
        *,
        prompts: Sequence[AnyPrompt] | None = None,
        max_length: int | None = None,
        search: Search = greedy,
        seed: int = 0,
    ) -> list[str]:
        """Writes an answer to every text.

        Texts with different prompts share batches. What is compiled for a call serves
        the next.

        Args:
            texts: each a text, which fills the one column of the prompt's template, or
                a row, {column: value}. A prompt without a template, and the model
                alone, are asked the text as it is.
            prompt: asked about every text; None, and no `prompts`: the model alone.
            prompts: instead, the prompt of each text.
            max_length: tokens of an answer, EOS included; None: as many as the longest
                target of the rows that a prompt was trained on, or 64.
            search: what chooses the tokens: t5.decode.greedy, t5.decode.sample or
                t5.beam.beam_search, options bound by functools.partial.
            seed: of a search that samples.

        Returns:
            The answers, in order.

        Raises:
            InputError: when a prompt does not fit the model or a text its template.
        """
        if max_length is not None and max_length < 1:
            raise InputError(f"max_length is {max_length}; an answer has a token, EOS.")
        asked = self._asked(texts, prompt, prompts, None, max_length)
        if not asked.questions:
            return []
        how = Evaluation("decode", rows=self._rows(texts), search=search)
        with sharding.on_mesh(self.loaded.mesh):
            found = self._answerer(asked, how).answer(*self._of(asked), seed=seed)
        return [prediction.text for prediction in found]

    def rank(
        self,
        texts: Sequence[Text],
        labels: Sequence[str] | None = None,
        *,
        prompt: AnyPrompt | None = None,
        prompts: Sequence[AnyPrompt] | None = None,
    ) -> list[str]:
        """Returns the likeliest of some labels for every text.

        Args:
            texts: see `answer`.
            labels: to choose among; None: of each text those of its prompt.
            prompt: see `answer`.
            prompts: see `answer`.

        Raises:
            InputError: see `answer`; also when nothing says the labels.
        """
        if labels is not None:
            labels = questions.check_labels(labels)
        asked = self._asked(texts, prompt, prompts, labels, 1)
        for question in asked.questions:
            questions.check_labels(question.labels)
        if not asked.questions:
            return []
        how = Evaluation("rank", rows=self._rows(texts))
        with sharding.on_mesh(self.loaded.mesh):
            found = self._answerer(asked, how).answer(*self._of(asked))
        return [prediction.text for prediction in found]

    def score(
        self,
        texts: Sequence[Text],
        labels: Sequence[str],
        *,
        prompt: AnyPrompt | None = None,
        prompts: Sequence[AnyPrompt] | None = None,
    ) -> np.ndarray:
        """Returns how likely each of some labels is as the answer to every text.

        Args:
            texts: see `answer`.
            labels: what could be answered, any text.
            prompt: see `answer`.
            prompts: see `answer`.

        Returns:
            [texts, labels] float32, log-probabilities: sums over the tokens of a label
            and its EOS.

        Raises:
            InputError: see `answer`.
        """
        labels = questions.check_labels(labels)
        asked = self._asked(texts, prompt, prompts, labels, 1)
        if not asked.questions:
            return np.zeros((0, len(labels)), np.float32)
        how = Evaluation("rank", rows=self._rows(texts))
        with sharding.on_mesh(self.loaded.mesh):
            return self._answerer(asked, how).scores(*self._of(asked))

    def _asked(
        self,
        texts: Sequence[Text],
        prompt: AnyPrompt | None,
        prompts: Sequence[AnyPrompt] | None,
        labels: Sequence[str] | None,
        max_length: int | None,
    ) -> "_Asked":
        """Returns the questions that texts make, and the bank that they ask."""
        saved, places = questions.bank_of(texts, prompt, prompts)
        saved_prompts.check(saved, self.loaded.config)
        saved_prompts.check_vocabulary(saved, dataclasses.asdict(self.identity))
        told = {} if labels is None else {"labels": tuple(labels)}
        some = {
            "inputs": _INPUTS,
            "targets": max_length or questions.longest_answer(saved),
        }
        asked = forms.forms_of(saved, told, some, (), "text")
        found = []
        for number, (text, place) in enumerate(zip(texts, places, strict=True)):
            words = questions.filled(asked[place], text, number)
            ids = np.asarray([*self.vocabulary.encode(words), EOS_ID], np.int32)
            known = {"inputs_pretokenized": words}
            found.append(Question(ids, place, asked[place].labels, known))
        longest = max((len(question.inputs) for question in found), default=1)
        lengths = some | {"inputs": max(_INPUTS, _power_of_two(longest))}
        # Banks of few sizes: another size would be another program.
        saved += saved[:1] * (_power_of_two(len(saved)) - len(saved)) if saved else []
        bank, binding = saved_prompts.bank_of(saved, self.loaded)
        return _Asked(found, lengths, len(saved), bank, binding)

    def _answerer(self, asked: "_Asked", how: Evaluation) -> Answerer:
        """Returns what has compiled such a call before, if there was one."""
        slots, lengths = slots_of(asked.bank), tuple(asked.lengths.items())
        key = (how.method, how.rows, _named(how.search), lengths, asked.prompts, slots)
        if key not in self._answerers:
            self._answerers[key] = Answerer(
                self.loaded, asked.binding, how, asked.lengths, slots
            )
        return self._answerers[key]

    def _of(self, asked: "_Asked") -> tuple:
        """Returns what an Answerer is asked."""
        bank, params = asked.bank, self.loaded.params
        return bank, params, asked.questions, self.vocabulary, "the texts"

    def _rows(self, texts: Sequence[Text]) -> int:
        if len(texts) == 1:
            return 1
        return min(_FEW, self._batch_size) if len(texts) <= _FEW else self._batch_size

    def __repr__(self) -> str:
        config = self.loaded.config
        layers = f"{config.encoder_layers} + {config.decoder_layers} layers"
        return f"<FrozenModel {self.loaded.source}: {layers}, d_model {config.d_model}>"


class _Asked(NamedTuple):
    """What one call asks.

    Attributes:
        questions: one for each text.
        lengths: that hold all of them, and their answers.
        prompts: how many there are in the bank.
        bank: of prompts, on the mesh.
        binding: what binds it.
    """

    questions: list[Question]
    lengths: dict[str, int]
    prompts: int
    bank: PromptBundle
    binding: Binding


def _named(search: Search) -> tuple:
    """Returns a search and its options as what can be looked up."""
    if not isinstance(search, functools.partial):
        return (search,)
    return (search.func, *search.args, *sorted(search.keywords.items()))


def _power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()
