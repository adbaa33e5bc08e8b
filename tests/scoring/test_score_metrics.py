"""Metrics of the scores of targets, and of what else SeqIO gives to metrics."""

import math

import jax
import numpy as np
import pytest

from spot_jax.data.eval_tasks import EvalTask
from spot_jax.model import sharding
from spot_jax.model.binding import saved_prompts
from spot_jax.model.weights import LoadedModel
from spot_jax.prompts.base import PromptBundle
from spot_jax.scoring import grading
from spot_jax.scoring.evaluator import Evaluator
from spot_jax.scoring.grading import Prediction
from spot_jax.settings import Evaluation
from spot_jax.t5 import T5


def all_scores(targets, scores):
    assert isinstance(scores, np.ndarray) and len(scores) == len(targets)
    return {f"score {i}": score for i, score in enumerate(scores)}


def accuracy(targets, predictions):
    return {
        "accuracy": np.mean([t == p for t, p in zip(targets, predictions, strict=True)])
    }


def best_score(targets, predictions, aux_values):
    return {"best score": max(aux_values["scores"])}


class Task:
    """As much of a SeqIO task as scoring asks of it."""

    def __init__(self, predict=(), score=(), aux=()):
        self.predict_metric_fns, self.score_metric_fns = list(predict), list(score)
        self.predict_with_aux_metric_fns = list(aux)
        self.metric_fns = [*predict, *score, *aux]

    def postprocess_fn(self, text, example, is_target):
        return text


class Numbers:
    """A vocabulary whose texts are the ids."""

    def encode(self, text):
        return [int(word) for word in text.split()]

    def decode(self, ids):
        return " ".join(str(i) for i in ids if i > 1)


def task_of(*texts, **metric_fns) -> EvalTask:
    random = np.random.default_rng(0)
    examples = [
        {
            "inputs": np.int32([*random.integers(2, 99, length % 7 + 1), 1]),
            "targets": np.int32([*Numbers().encode(text), 1]),
        }
        for length, text in enumerate(texts, start=3)
    ]
    return EvalTask("numbers", Task(**metric_fns), examples, ("5", "9 8"), Numbers())


@pytest.fixture(scope="module")
def bank():
    values = np.random.default_rng(1).normal(size=(2, 3, 32)).astype(np.float32)
    return PromptBundle(values, mask=np.ones((2, 3), np.int32))


@pytest.fixture(scope="module")
def evaluator(tiny_config, tiny_params):
    mesh = sharding.make_mesh(devices=jax.devices()[:1])
    model = LoadedModel(tiny_config, tiny_params, mesh, 0, "0" * 16, "nowhere")
    lengths = {"inputs": 16, "targets": 4}
    evaluation = Evaluation(method="rank", rows=4)
    return Evaluator(model, saved_prompts(2), evaluation, lengths, 3)


def by_hand(config, params, prompt, example):
    """The log-probability of one example's targets, without batch or padding."""
    targets = example["targets"][None]
    logits = jax.jit(T5(config).apply)(
        {"params": params},
        example["inputs"][None],
        np.pad(targets[:, :-1], ((0, 0), (1, 0))),
        prompt=PromptBundle(prompt),
    )
    scores = np.asarray(jax.nn.log_softmax(logits))
    return np.take_along_axis(scores, targets[..., None], axis=-1).sum()


def test_scores_are_the_log_probabilities_of_whole_targets(
    evaluator, bank, tiny_config, tiny_params
):
    task = task_of("7", "9 8", "4 4 4", "", "5", "6 5", score=[all_scores])
    results, predictions = evaluator.evaluate(bank, tiny_params, {0: [task], 1: [task]})
    # Nobody asked for answers.
    assert not predictions
    for number in (0, 1):
        wanted = [
            by_hand(tiny_config, tiny_params, bank.enc_input[number], example)
            for example in task.examples
        ]
        found = results[number]["numbers"]
        np.testing.assert_allclose(list(found.values()), wanted, rtol=1e-5)


def test_metrics_of_all_kinds_stand_side_by_side(evaluator, bank, tiny_params):
    kinds = {"predict": [accuracy], "score": [all_scores], "aux": [best_score]}
    task = task_of("5", "9 8", "5", **kinds)
    results, predictions = evaluator.evaluate(bank, tiny_params, {1: [task]})
    answers = predictions[1, "numbers"]
    right = np.mean(
        [p.text == t for p, t in zip(answers, ("5", "9 8", "5"), strict=True)]
    )
    found = results[1]["numbers"]
    assert found["accuracy"] == right
    assert found["best score"] == max(answer.score for answer in answers)
    # An answer by rank is a target, and has its score.
    for index, answer in enumerate(answers):
        same = answer.text == ("5", "9 8", "5")[index]
        assert same == math.isclose(found[f"score {index}"], answer.score, rel_tol=1e-4)


def test_a_score_that_is_not_finite_is_no_answer(evaluator, bank, tiny_params):
    broken = bank.replace(enc_input=bank.enc_input * np.nan)
    for kinds in ({"predict": [accuracy]}, {"score": [all_scores]}):
        with pytest.raises(ValueError, match="score of numbers is nan.*ACTIVATION_D"):
            evaluator.evaluate(broken, tiny_params, {0: [task_of("5", **kinds)]})


class Scalar:
    """SeqIO's type of number."""

    value = 3


def predictions_of(*texts):
    return [Prediction(i, text, 0.0) for i, text in enumerate(texts)]


def test_what_is_no_number_is_left_out_with_a_word(caplog):
    task = task_of("5", predict=[accuracy, lambda t, p: {"a": Scalar(), "b": "good"}])
    found = grading.score(task, predictions_of("5"))
    assert found == {"accuracy": 1.0, "a": 3.0}
    assert "the metric b is no number but of type str" in caplog.text
    nothing = task_of("5", predict=[lambda t, p: {"b": "good"}])
    with pytest.raises(ValueError, match="metrics of numbers report no number"):
        grading.score(nothing, predictions_of("5"))


def test_a_figure_that_is_reported_twice_is_refused():
    task = task_of("5", predict=[accuracy], score=[lambda t, s: {"accuracy": 0.0}])
    with pytest.raises(ValueError, match="Two metrics of numbers report accuracy"):
        grading.score(task, predictions_of("5"), [-1.0])
