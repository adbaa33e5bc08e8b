import math

import pytest

from spot_jax.text import metrics

CASES = [
    (metrics.accuracy, [1, 0, 1, 1], [1, 1, 1, -1], {"accuracy": 50.0}),
    # One of two positives found, one false alarm: precision = recall = 1/2.
    (metrics.f1, [1, 1, 0, 0], [1, -1, 0, 1], {"f1": 50.0}),
    (metrics.f1, [1, 0], [0, 0], {"f1": 0.0}),
    # F1 of the classes: 1, 1, 2/3.
    (metrics.mean_3class_f1, [0, 1, 2, 2], [0, 1, 2, -1], {"mean_3class_f1": 800 / 9}),
    # (2 * 1 - 1 * 0) / sqrt(3 * 2 * 2 * 1).
    (
        metrics.matthews_corrcoef,
        [1, 1, 0, 0],
        [1, 1, 0, 1],
        {"matthews_corrcoef": 100 * 2 / math.sqrt(12)},
    ),
    (metrics.matthews_corrcoef, [1, 0], [1, 1], {"matthews_corrcoef": 0.0}),
    (metrics.pearson_corrcoef, [1, 2, 3], [2, 4, 6], {"pearson_corrcoef": 100.0}),
    (metrics.pearson_corrcoef, [1, 2, 3], [3, 2, 1], {"pearson_corrcoef": -100.0}),
    (metrics.spearman_corrcoef, [1, 2, 3], [1, 10, 99], {"spearman_corrcoef": 100.0}),
    # Ranks 1, 2, 3 and 1.5, 1.5, 3.
    (
        metrics.spearman_corrcoef,
        [1, 2, 3],
        [5, 5, 7],
        {"spearman_corrcoef": 100 * 1.5 / math.sqrt(3)},
    ),
    (metrics.exact_match, [1, 0], [1, 0], {"exact_match": 100.0}),
    (metrics.exact_match, [1, 0], [1, 1], {"exact_match": 0.0}),
    # "cat sat" of "black cat": one word of two each.
    (
        metrics.squad,
        [["The black cat", "dog"], ["an Owl."]],
        ["cat sat", "owl"],
        {"em": 50.0, "f1": 75.0},
    ),
    # Unanswerable, as SQuAD 2 has it: no text is right, but for one without words.
    (metrics.squad, [[], [""], [], ["x"]], ["", "the", "x", ""], {"em": 50, "f1": 50}),
]


@pytest.mark.parametrize("metric, targets, predictions, expected", CASES)
def test_by_hand(metric, targets, predictions, expected):
    assert metric(targets, predictions) == pytest.approx(expected)


@pytest.mark.parametrize(
    "metric", [metrics.pearson_corrcoef, metrics.spearman_corrcoef]
)
@pytest.mark.parametrize(
    "targets, predictions", [([1.0, 2.0], [3.0, 3.0]), ([2.5, 2.5], [0.1, 0.3])]
)
def test_a_constant_correlates_with_nothing(metric, targets, predictions):
    assert list(metric(targets, predictions).values()) == [0.0]


@pytest.mark.parametrize("constant, varied", [([1, 1], [1, 0]), ([0, 0], [0, 0])])
def test_a_constant_has_no_matthews_correlation(constant, varied):
    for pair in ((constant, varied), (varied, constant)):
        assert metrics.matthews_corrcoef(*pair) == {"matthews_corrcoef": 0.0}


def test_a_written_nan_has_the_highest_rank():
    result = metrics.spearman_corrcoef([1.0, 2.0, 3.0], [0.5, 0.7, math.nan])
    assert result == {"spearman_corrcoef": pytest.approx(100.0)}
    result = metrics.pearson_corrcoef([1.0, 2.0, 3.0], [0.5, 0.7, math.nan])
    assert math.isnan(result["pearson_corrcoef"])


def test_one_example_of_a_group_counts():
    targets = [
        {"value": ["a", "b"], "group": (0, 1)},
        {"value": ["a", "b"], "group": (0, 1)},
        {"value": ["c"], "group": (0, 2)},
    ]
    predictions = [{"value": "b"}, {"value": "x"}, {"value": "x"}]
    result = metrics.first_of_group(metrics.squad)(targets, predictions)
    assert result == {"em": 50.0, "f1": 50.0}


def test_a_question_counts_when_all_its_answers_are_right():
    groups, values, guesses = [7, 8, 7, 8], [1, 0, 0, 1], [1, 1, 0, 1]
    targets = [
        {"value": value, "group": group}
        for value, group in zip(values, groups, strict=True)
    ]
    predictions = [{"value": guess} for guess in guesses]
    result = metrics.mean_over_groups(metrics.exact_match)(targets, predictions)
    assert result == {"exact_match": 50.0}
    assert metrics.of_values(metrics.f1)(targets, predictions) == {
        "f1": pytest.approx(80.0)
    }


def test_unequal_lengths_are_an_error():
    with pytest.raises(ValueError, match="1 targets and 2 predictions"):
        metrics.accuracy([1], [1, 0])
    with pytest.raises(ValueError, match="at least one"):
        metrics.f1([], [])
