"""Questions of many prompts in one batch are answered as each prompt alone would."""

import dataclasses

import numpy as np
import pytest

from spot_jax import config
from spot_jax.data.vocabularies import open_sentencepiece
from spot_jax.errors import InputError
from spot_jax.model import sharding, weights
from spot_jax.prompts.base import slots_of
from spot_jax.prompts.files import SavedPrompt
from spot_jax.scoring import batches, saved_prompts
from spot_jax.scoring.answerer import Answerer, Question
from spot_jax.settings import Evaluation, Model
from tests.bundles import soft

LENGTHS = {"inputs": 32, "targets": 8}
LABELS = [("bad", "good"), ("no", "yes", "maybe so")]


@pytest.fixture(scope="module")
def loaded(demo_model):
    bindings = [f"{name}={value}" for name, value in demo_model.items()]
    bindings += ["MIXTURE_OR_TASK_NAME=x"]
    config.parse(["tests/demo_model.gin", "gin/runs/shared.gin"], bindings)
    return weights.load(config.configured(Model)())


@pytest.fixture(scope="module")
def vocabulary(demo_model):
    return open_sentencepiece(demo_model["VOCABULARY"])


@pytest.fixture(scope="module")
def saved():
    """Three prompts of different lengths."""
    return [
        SavedPrompt(
            soft(np.random.default_rng(place).normal(size=(length, 64)) * 3), {}, "x"
        )
        for place, length in enumerate((5, 3, 5))
    ]


@pytest.fixture(scope="module")
def questions(vocabulary):
    """Thirty texts of several lengths, for prompts in no order."""
    draws = np.random.default_rng(9)
    return [
        Question(
            np.asarray([*vocabulary.encode("so " * (number % 7)), 1], np.int32),
            int(draws.integers(3)),
            LABELS[0],
        )
        for number in range(30)
    ]


def answered(loaded, saved, evaluation, questions, vocabulary, bank=None):
    with sharding.on_mesh(loaded.mesh):
        if bank is None:
            bank = saved_prompts.bank_of(saved, loaded)
        prompts, binding = bank
        made = Answerer(loaded, binding, evaluation, LENGTHS, slots_of(prompts))
        return made.answer(prompts, loaded.params, questions, vocabulary, "x")


@pytest.mark.parametrize("method", ["decode", "rank"])
def test_each_question_is_answered_by_its_own_prompt(
    method, loaded, saved, questions, vocabulary, monkeypatch
):
    shapes = []
    real = batches.one_per_row

    def spied(examples, **options):
        for members, batch in real(examples, **options):
            shapes.append(set(batch["encoder_prompt_ids"].ravel()) - {0})
            yield members, batch

    monkeypatch.setattr(batches, "one_per_row", spied)
    evaluation = Evaluation(method=method, rows=32)
    together = answered(loaded, saved, evaluation, questions, vocabulary)
    assert [answer.example for answer in together] == list(range(30))
    # One batch, of all three.
    assert shapes == [{1, 2, 3}]
    for prompt in range(3):
        places = [i for i, q in enumerate(questions) if q.prompt == prompt]
        own = [questions[i]._replace(prompt=0) for i in places]
        alone = answered(loaded, [saved[prompt]], evaluation, own, vocabulary)
        assert [a.text for a in alone] == [together[i].text for i in places]
        np.testing.assert_allclose(
            [a.score for a in alone], [together[i].score for i in places], atol=1e-4
        )
    scores = {answer.score for answer in together}
    assert len(scores) > 3


def test_questions_of_other_labels_are_ranked_among_their_own(
    loaded, saved, questions, vocabulary
):
    evaluation = Evaluation(method="rank", rows=16)
    mixed = [q._replace(labels=LABELS[i % 2]) for i, q in enumerate(questions)]
    found = answered(loaded, saved, evaluation, mixed, vocabulary)
    assert all(a.text in q.labels for a, q in zip(found, mixed, strict=True))
    for labels in LABELS:
        own = [q for q in mixed if q.labels == labels]
        alone = answered(loaded, saved, evaluation, own, vocabulary)
        theirs = [a for a, q in zip(found, mixed, strict=True) if q.labels == labels]
        assert [a.text for a in alone] == [a.text for a in theirs]


def test_an_overflow_is_one_message(loaded, saved, questions, vocabulary):
    bundle = saved[0].bundle.replace(enc_input=np.full((5, 64), np.nan, np.float32))
    broken = [dataclasses.replace(saved[0], bundle=bundle)]
    own = [questions[0]._replace(prompt=0)]
    with pytest.raises(InputError, match="A score of x is nan"):
        answered(loaded, broken, Evaluation(method="rank"), own, vocabulary)
