"""The figures that evaluation reports, from true targets and predictions.

Each function takes two sequences of equal length and returns `{name: figure}`, with
figures from 0 to 100 (correlations from -100 to 100), under the names that the t5
library gives them. TensorFlow is not needed here.
"""

import collections
import re
import string
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from spot_jax.errors import InputError
from spot_jax.text.libraries import need

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)

Results = dict[str, float]
Metric = Callable[[Sequence, Sequence], Results]


def accuracy(targets: Sequence, predictions: Sequence) -> Results:
    """How many are equal: `[1, 0, 1, 1]`, `[1, 1, 1, -1]` -> `{"accuracy": 50.0}`."""
    check_lengths(targets, predictions)
    equal = [
        target == guess for target, guess in zip(targets, predictions, strict=True)
    ]
    return {"accuracy": 100 * float(np.mean(equal))}


def f1(targets: Sequence[int], predictions: Sequence[int]) -> Results:
    """F1 of class 1; what is neither 0 nor 1 counts as the wrong one of the two.

    `[1, 1, 0, 0]`, `[1, -1, 0, 1]` -> `{"f1": 50.0}`.
    """
    check_lengths(targets, predictions)
    target, guess = np.asarray(targets), np.asarray(predictions)
    guess = np.where((guess == 0) | (guess == 1), guess, 1 - target)
    return {"f1": 100 * _mean_f1(target, guess, classes=[1])}


def mean_3class_f1(targets: Sequence[int], predictions: Sequence[int]) -> Results:
    """The unweighted mean of the F1 of the classes 0, 1 and 2 (CB).

    `[0, 1, 2, 2]`, `[0, 1, 2, -1]` -> `{"mean_3class_f1": 88.8...}`.
    """
    check_lengths(targets, predictions)
    score = _mean_f1(targets, predictions, classes=[0, 1, 2])
    return {"mean_3class_f1": 100 * score}


def macro_f1(
    targets: Sequence[int], predictions: Sequence[int], classes: Sequence[int]
) -> Results:
    """The unweighted mean of the F1 of these classes.

    `[0, 1, 2, 2]`, `[0, 1, 2, -1]` of `[0, 1, 2]` -> `{"f1": 88.8...}`.
    """
    check_lengths(targets, predictions)
    return {"f1": 100 * _mean_f1(targets, predictions, classes=list(classes))}


def matthews_corrcoef(targets: Sequence[int], predictions: Sequence[int]) -> Results:
    """The multi-class Matthews correlation (Gorodkin's R_K); 0 for a constant.

    `[1, 1, 0, 0]`, `[1, 1, 0, 1]` -> `{"matthews_corrcoef": 57.7...}`.
    """
    check_lengths(targets, predictions)
    if _is_constant(targets) or _is_constant(predictions):
        return {"matthews_corrcoef": 0.0}
    value = _scikit_learn().matthews_corrcoef(targets, predictions)
    return {"matthews_corrcoef": 100 * float(value)}


def pearson_corrcoef(targets: Sequence[float], predictions: Sequence[float]) -> Results:
    """Pearson's correlation: `[1, 2, 3]`, `[2, 4, 6]` -> `{"pearson_corrcoef": 100.0}`.

    Where all targets or all predictions are equal it is 0, not NaN: a prompt that
    always answers "3.0" has learnt nothing, and its mean with other figures exists.
    """
    check_lengths(targets, predictions)
    if _is_constant(targets) or _is_constant(predictions):
        return {"pearson_corrcoef": 0.0}
    import scipy.stats

    value = scipy.stats.pearsonr(
        np.asarray(targets, np.float64), np.asarray(predictions, np.float64)
    )
    return {"pearson_corrcoef": 100 * float(value.statistic)}


def spearman_corrcoef(
    targets: Sequence[float], predictions: Sequence[float]
) -> Results:
    """Pearson's correlation of the ranks, equal values sharing their mean rank.

    `[1, 2, 3]`, `[1, 10, 100]` -> `{"spearman_corrcoef": 100.0}`; 0 for a constant.
    """
    check_lengths(targets, predictions)
    # Places among the distinct values have the ranks of the values themselves.
    _, target_places = np.unique(targets, return_inverse=True)
    _, guess_places = np.unique(predictions, return_inverse=True)
    if _is_constant(target_places) or _is_constant(guess_places):
        return {"spearman_corrcoef": 0.0}
    import scipy.stats

    value = scipy.stats.spearmanr(target_places, guess_places)
    return {"spearman_corrcoef": 100 * float(value.statistic)}


def squad(targets: Sequence[Sequence[str]], predictions: Sequence[str]) -> Results:
    """Exact match and F1 of words, each the best over the answers that are right.

    As SQuAD's own script: capitals, punctuation and articles do not count. A question
    without an answer (SQuAD 2: Rajpurkar et al. 2018) is answered rightly by an empty
    text, and by no other.
    `[["the Cat", "a dog"], []]`, `["cat!", ""]` -> `{"em": 100.0, "f1": 100.0}`.
    """
    check_lengths(targets, predictions)
    exact, overlap = [], []
    for right, guess in zip(targets, predictions, strict=True):
        guess = _normal_answer(guess)
        if not any(right):
            exact.append(not guess)
            overlap.append(not guess)
            continue
        texts = [_normal_answer(answer) for answer in right]
        exact.append(max(text == guess for text in texts))
        overlap.append(max(_word_f1(text.split(), guess.split()) for text in texts))
    return {"em": 100 * float(np.mean(exact)), "f1": 100 * float(np.mean(overlap))}


def entity_f1(
    targets: Iterable[Iterable[Hashable]], predictions: Iterable[Iterable[Hashable]]
) -> Results:
    """F1 of the entities of all sentences together, as conlleval and seqeval have it.

    An entity is right where its type and both its ends are. Of none at all it is 0.
    `[[("PER", 0, 1), ("LOC", 3, 3)]]`, `[[("PER", 0, 1)]]` -> `{"entity_f1": 66.6...}`.

    Args:
        targets: of each sentence its entities; see `tagging.entities_of`.
        predictions: of each sentence those that were found.
    """
    wanted, found = [*map(set, targets)], [*map(set, predictions)]
    check_lengths(wanted, found)
    right = sum(len(a & b) for a, b in zip(wanted, found, strict=True))
    total = sum(map(len, [*wanted, *found]))
    return {"entity_f1": 100 * 2 * right / total if total else 0.0}


def exact_match(targets: Sequence, predictions: Sequence) -> Results:
    """100 if everything is equal, else 0: `[1, 0]`, `[1, 0]` -> 100.0."""
    return {"exact_match": 100 * float(list(targets) == list(predictions))}


def of_values(metric: Metric) -> Metric:
    """Makes a metric look at the `value` of each target and prediction.

    `of_values(f1)([{"value": 1, "group": 3}], [{"value": 1}])` -> `{"f1": 100.0}`.
    """

    def metric_of_values(targets: Sequence[dict], predictions: Sequence[dict]):
        return metric(
            [target["value"] for target in targets],
            [guess["value"] for guess in predictions],
        )

    return metric_of_values


def first_of_group(metric: Metric) -> Metric:
    """Makes a metric look at the first example of each group only (ReCoRD).

    A query with three answers gives three examples with the same input; all answers
    are in each target's `value`, so one of the three is enough.
    """

    def metric_of_first(targets: Sequence[dict], predictions: Sequence[dict]):
        check_lengths(targets, predictions)
        pairs: dict[Hashable, tuple] = {}
        for target, guess in zip(targets, predictions, strict=True):
            pairs.setdefault(target["group"], (target["value"], guess["value"]))
        return metric(*map(list, zip(*pairs.values(), strict=True)))

    return metric_of_first


def mean_over_groups(metric: Metric) -> Metric:
    """Makes a metric the unweighted mean over the groups of examples (MultiRC).

    `mean_over_groups(exact_match)` is the share of questions of which every answer was
    judged rightly.
    """

    def metric_of_groups(targets: Sequence[dict], predictions: Sequence[dict]):
        check_lengths(targets, predictions)
        groups: dict[Hashable, tuple[list, list]] = {}
        for target, guess in zip(targets, predictions, strict=True):
            values = groups.setdefault(target["group"], ([], []))
            values[0].append(target["value"])
            values[1].append(guess["value"])
        results = [metric(*values) for values in groups.values()]
        names = results[0]
        return {
            name: float(np.mean([result[name] for result in results])) for name in names
        }

    return metric_of_groups


def check_lengths(targets: Sequence, predictions: Sequence) -> None:
    """Raises InputError unless there are as many predictions as targets, and some."""
    if len(targets) != len(predictions) or not len(targets):
        raise InputError(
            f"a metric compares as many predictions as targets, and at least one; it "
            f"was given {len(targets)} targets and {len(predictions)} predictions"
        )


def _normal_answer(text: str) -> str:
    """`"The U.S. (a  country)"` -> `"us country"`."""
    text = text.lower().translate(_NO_PUNCTUATION)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def _word_f1(target: list[str], guess: list[str]) -> float:
    common = sum((collections.Counter(target) & collections.Counter(guess)).values())
    return 2 * common / (len(target) + len(guess)) if common else 0.0


def _mean_f1(
    targets: Sequence[int], predictions: Sequence[int], classes: Sequence[int]
) -> float:
    """The mean F1 of these classes, from 0 to 1; 0 for one that is nowhere."""
    return float(
        _scikit_learn().f1_score(
            targets, predictions, labels=classes, average="macro", zero_division=0.0
        )
    )


def _scikit_learn() -> Any:
    """Returns sklearn.metrics: a second to import, and not everywhere there."""
    return need("sklearn.metrics", "scikit-learn", "F1 and Matthews' correlation are")


def _is_constant(values: Sequence) -> bool:
    return bool(np.all(np.asarray(values) == values[0]))
