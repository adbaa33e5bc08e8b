"""Ensembles: the majority decides, and equal prompts decide as one."""

import math

import pytest

from spot_jax.data.eval_tasks import EvalTask
from spot_jax.scoring import ensemble
from spot_jax.scoring.grading import Prediction


def answers(*texts_and_scores):
    return [Prediction(i, text, s) for i, (text, s) in enumerate(texts_and_scores)]


def test_the_majority_decides_and_a_tie_goes_to_the_higher_sum_of_scores():
    decided = ensemble.majority(
        [
            #       majority      tie           of four answers, each with one vote
            answers(("yes", -9.0), ("a", -2.0), ("w", -4.0)),
            answers(("no", -0.1), ("b", -1.5), ("x", -1.0)),
            answers(("yes", -9.0), ("b", -1.5), ("y", -1.0)),
            answers(("yes", -6.0), ("a", -0.5), ("z", -2.0)),
        ]
    )
    # -2.5 for a beats -3 for b; x and y are equal, and x was first.
    assert [prediction.text for prediction in decided] == ["yes", "a", "x"]
    assert [p.score for p in decided] == pytest.approx([-8.0, -1.25, -1.0])
    assert [prediction.example for prediction in decided] == [0, 1, 2]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_equal_prompts_decide_as_one(count):
    alone = answers(("yes", -0.3), ("no", -0.7))
    assert ensemble.majority([alone] * count) == [
        Prediction(p.example, p.text, pytest.approx(p.score)) for p in alone
    ]


class Task:
    """As much of a SeqIO task as scoring asks of it."""

    predict_metric_fns = [
        lambda targets, answers: {
            "accuracy": 100
            * sum(t == a for t, a in zip(targets, answers, strict=True))
            / len(targets)
        }
    ]

    predict_with_aux_metric_fns = score_metric_fns = []
    metric_fns = predict_metric_fns

    def postprocess_fn(self, text, example, is_target):
        return text


def test_average_best_and_ensemble_are_those_of_a_hand_made_case():
    examples = [{"targets_pretokenized": target} for target in (b"x", b"y", b"x", b"x")]
    task = EvalTask("by hand", Task(), examples, ("x", "y"), None)
    bank = {
        name: answers(*((text, -1.0) for text in texts))
        for name, texts in {"one": "xyyx", "two": "xyyy", "three": "yxxx"}.items()
    }
    results = {"one": 75.0, "two": 50.0, "three": 50.0}
    results = {name: {"accuracy": value} for name, value in results.items()}
    # The votes are x y y x.
    decided = ensemble.majority(list(bank.values()))
    assert [p.text for p in decided] == ["x", "y", "y", "x"]
    compared = ensemble.compare(task, results, decided)
    assert compared == {
        "average": {"accuracy": pytest.approx(175 / 3)},
        "best": {"accuracy": 75.0},
        "ensemble": {"accuracy": 75.0},
        "best_prompt": "one",
    }
    assert ensemble.rows({"by hand": compared})[1][-2:] == [75.0, 75.0]
    # A metric that is no number is no best one.
    results = {"zero": {"accuracy": math.nan}} | results
    assert ensemble.compare(task, results, decided)["best_prompt"] == "one"
