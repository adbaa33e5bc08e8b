"""What right answers look like: labels, numbers, short answers or texts."""

import functools
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from spot_jax.errors import InputError
from spot_jax.reading import is_installed
from spot_jax.text import generation, metrics, postprocessors

# A set of answers is one of labels if it is small and a label stands for some rows.
_MOST_LABELS = 30
_ROWS_OF_A_LABEL = 3
# Longer ones, in words, nobody repeats word by word.
_SHORT = 5


class Metric(NamedTuple):
    """How answers are compared.

    Attributes:
        postprocess: SeqIO's postprocessor: a text to what is compared.
        functions: SeqIO's metric functions, of (targets, predictions).
    """

    postprocess: Callable[..., Any]
    functions: tuple[Callable, ...]


METRICS = (
    *("accuracy", "f1", "exact_match", "squad", "rouge", "bleu", "pearson"),
    *("matthews", "loss"),
)


def labels_in(answers: Sequence[str]) -> tuple[str, ...]:
    """Returns the labels among the answers of training, sorted; () if they are free.

    Args:
        answers: of all training rows.
    """
    counts = Counter(answers)
    few = min(_MOST_LABELS, len(answers) // _ROWS_OF_A_LABEL)
    return tuple(sorted(counts)) if len(counts) <= max(few, 2) else ()


def chosen(answers: Sequence[str], labels: Sequence[str]) -> str:
    """Returns the name of the metric that fits what answers look like.

    Args:
        answers: of all training rows.
        labels: that they are of; () if they are free.
    """
    if labels:
        return "accuracy"
    if all(_is_number(answer) for answer in answers):
        return "pearson"
    words = statistics.median(len(answer.split()) for answer in answers)
    return "squad" if words <= _SHORT else "rouge"


def _is_number(answer: str) -> bool:
    return postprocessors.number(answer) != postprocessors.INVALID or (
        answer.strip() in ("-1", "-1.0")
    )


def metric_of(name: str, labels: Sequence[str], answers: Sequence[str]) -> Metric:
    """Returns the metric of a name.

    Args:
        name: one of METRICS.
        labels: that are compared; () if answers are free.
        answers: of all training rows, which have to be such as the metric compares.

    Raises:
        InputError: when there is no such metric, the answers are others, or the
            library is absent that computes it.
    """
    if name not in METRICS:
        raise InputError(f"--metric {name}: choose {', '.join(METRICS)}.")
    if name in ("f1", "matthews") and not labels:
        raise InputError(
            f"--metric {name} counts labels, and the answers are free. Give --labels, "
            "or another metric."
        )
    if name == "pearson" and not all(_is_number(answer) for answer in answers):
        wrong = next(answer for answer in answers if not _is_number(answer))
        raise InputError(
            f"--metric pearson compares numbers, and {wrong!r} is none. Choose another."
        )
    _check_library(name)
    index = functools.partial(postprocessors.label_index, labels=tuple(labels))
    compared = index if labels else _stripped
    macro = metrics.f1 if len(labels) == 2 else functools.partial(_macro_f1, labels)
    return {
        "accuracy": Metric(compared, (metrics.accuracy,)),
        "f1": Metric(index, (macro,)),
        "exact_match": Metric(_stripped, (_exact_match,)),
        "squad": Metric(_answers, (metrics.squad,)),
        "rouge": Metric(postprocessors.plain, (generation.rouge,)),
        "bleu": Metric(postprocessors.plain, (generation.bleu,)),
        "pearson": Metric(
            postprocessors.number, (metrics.pearson_corrcoef, metrics.spearman_corrcoef)
        ),
        "matthews": Metric(index, (metrics.matthews_corrcoef,)),
        "loss": Metric(postprocessors.plain, ()),
    }[name]


# Which library computes a metric, and what installs it; a lean environment has none.
_LIBRARIES = {
    "f1": ("sklearn", "scikit-learn"),
    "matthews": ("sklearn", "scikit-learn"),
    "rouge": ("rouge_score", "rouge-score"),
    "bleu": ("sacrebleu", "sacrebleu"),
}


def _check_library(metric: str) -> None:
    module, package = _LIBRARIES.get(metric, ("", ""))
    if module and not is_installed(module):
        raise InputError(
            f"The metric {metric} is computed by {package}, which is not installed: "
            f"pip install {package}, or choose another, --metric exact_match."
        )


def _stripped(text: str, example: Any = None, is_target: bool = False) -> str:
    return text.strip()


def _answers(text: str, example: Any = None, is_target: bool = False) -> Any:
    return [text] if is_target else text


def _exact_match(targets: Sequence[str], predictions: Sequence[str]) -> dict:
    """How many answers are the right one, word by word."""
    return {"exact_match": metrics.accuracy(targets, predictions)["accuracy"]}


def _macro_f1(
    labels: Sequence[str], targets: Sequence[int], predictions: Sequence[int]
) -> dict:
    """The unweighted mean of the F1 of all labels."""
    return metrics.macro_f1(targets, predictions, range(len(labels)))
