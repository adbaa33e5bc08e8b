"""Postprocessors and metrics give what those of the t5 library give.

See tests/tasks/test_t5_parity.py for how to install that library.
"""

import numpy as np
import pytest

glue_utils = pytest.importorskip(
    "t5.data.glue_utils", reason="the t5 library is not installed"
)
t5_postprocessors = pytest.importorskip("t5.data.postprocessors")
t5_metrics = pytest.importorskip("t5.evaluation.metrics")

import seqio  # noqa: E402
import tensorflow_datasets as tfds  # noqa: E402

import spot_jax.tasks  # noqa: E402
from spot_jax.tasks import catalog  # noqa: E402
from spot_jax.text import generation, metrics  # noqa: E402

GLUE = tfds.text.glue.Glue.builder_configs
SUPER_GLUE = tfds.text.super_glue.SuperGlue.builder_configs


@pytest.fixture(scope="module")
def registered() -> None:
    spot_jax.tasks.register_all()


POSTPROCESSORS = {
    name: glue_utils.get_glue_postprocess_fn(config)
    for name, config in {
        **{name: GLUE[name] for name in ("cola", "sst2", "mrpc", "qqp", "mnli")},
        **{name: GLUE[name] for name in ("qnli", "stsb")},
        **{name: SUPER_GLUE[name] for name in ("boolq", "cb", "copa", "multirc")},
        **{name: SUPER_GLUE[name] for name in ("record", "rte", "wic")},
    }.items()
} | {"squad": t5_postprocessors.qa, "wsc": t5_postprocessors.wsc_simple}
PREDICTIONS = (
    "entailment",
    "not_entailment",
    "True",
    "False",
    "true",
    "",
    "3.4",
    "-1.0",
    "nan?",
    "5",
    "positive ",
    "the old Fox",
    "Fox's",
    "the",
    "choice2",
)


@pytest.mark.parametrize("task", POSTPROCESSORS)
def test_postprocessors(task, registered):
    example = {
        "answers": np.array([b"two", "Zoë".encode()], object),
        "idx/passage": np.int32(3),
        "idx/query": np.int32(4),
        "idx/question": np.int32(5),
        "label": np.int64(1),
        "targets_pretokenized": b"The old Fox",
    }
    ours = seqio.TaskRegistry.get(task).postprocess_fn
    theirs = POSTPROCESSORS[task]
    for text in (*PREDICTIONS, *catalog.get(task).labels):
        for is_target in (False, True):
            mine = ours(text, example=example, is_target=is_target)
            assert mine == theirs(text, example=example, is_target=is_target), text


METRICS = {
    "accuracy": (metrics.accuracy, t5_metrics.accuracy),
    "f1": (metrics.f1, t5_metrics.f1_score_with_invalid),
    "mean_3class_f1": (metrics.mean_3class_f1, t5_metrics.mean_multiclass_f1(3)),
    "matthews": (
        metrics.matthews_corrcoef,
        t5_metrics.sklearn_metrics_wrapper(
            "matthews_corrcoef", metric_post_process_fn=lambda value: 100 * value
        ),
    ),
}


def _close(ours: dict, theirs: dict) -> None:
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert ours[name] == pytest.approx(theirs[name], abs=1e-9), name


@pytest.mark.parametrize(
    "name, classes",
    [
        ("accuracy", 3),
        ("f1", 2),
        ("mean_3class_f1", 3),
        ("matthews", 2),
        ("matthews", 3),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_metrics_of_classes(name, classes):
    ours, theirs = METRICS[name]
    for seed in range(20):
        random = np.random.default_rng(seed)
        targets = random.integers(0, classes, 30)
        # -1 is a text that is no label.
        guesses = random.integers(-1, classes, 30)
        _close(ours(targets, guesses), theirs(targets, guesses))
        _close(ours(targets, targets * 0), theirs(targets, targets * 0))


def test_correlations():
    for seed in range(20):
        random = np.random.default_rng(seed)
        targets = random.integers(0, 26, 40) / 5
        guesses = np.where(random.random(40) < 0.1, -1.0, random.integers(0, 26, 40))
        for ours, theirs in (
            (metrics.pearson_corrcoef, t5_metrics.pearson_corrcoef),
            (metrics.spearman_corrcoef, t5_metrics.spearman_corrcoef),
        ):
            _close(ours(targets, guesses), theirs(targets, guesses))


WORDS = "the a An cat's dog U.S. 1,000 (red) café – run \n".split(" ")


def _random_texts(seed: int, count: int) -> list[str]:
    random = np.random.default_rng(seed)
    lengths = random.integers(0, 7, count)
    return [" ".join(random.choice(WORDS, length)) for length in lengths]


def test_squad():
    guesses, one, two = (_random_texts(seed, 200) for seed in (1, 2, 3))
    targets = [list(pair) for pair in zip(one, two, strict=True)]
    targets[:50] = [[guess, "x"] for guess in guesses[:50]]
    _close(metrics.squad(targets, guesses), t5_metrics.squad(targets, guesses))


def test_metrics_of_groups():
    random = np.random.default_rng(0)
    values, guesses = random.integers(0, 2, 60), random.integers(-1, 2, 60)
    targets = [{"value": v, "group": g // 4} for g, v in enumerate(values)]
    predictions = [{"value": value} for value in guesses]
    predictions[8:12] = [{"value": target["value"]} for target in targets[8:12]]
    _close(
        metrics.of_values(metrics.f1)(targets, predictions),
        t5_metrics.multirc_f1_over_all_answers(targets, predictions),
    )
    _close(
        metrics.mean_over_groups(metrics.exact_match)(targets, predictions),
        t5_metrics.mean_group_metric(t5_metrics.all_match)(targets, predictions),
    )
    texts = [{"value": ["a", "b"], "group": t["group"]} for t in targets]
    answers = [{"value": random.choice(["a", "c"])} for _ in targets]
    _close(
        metrics.first_of_group(metrics.squad)(texts, answers),
        t5_metrics.deduplicate_metric(t5_metrics.squad)(texts, answers),
    )


def test_bleu():
    targets = [
        "The cat (a red one) sat on the mat, didn't it?",
        "It cost $3,000.50 – really 10% more.",
        "Äpfel und Birnen « sind » gesund.",
    ]
    for guesses in (
        targets,
        ["The cat sat on the mat.", "It cost $3,000 really.", "Äpfel sind gesund"],
        ["x y z w v", "The", "sind « gesund »."],
        ["", "", ""],
    ):
        _close(generation.bleu(targets, guesses), t5_metrics.bleu(targets, guesses))


def test_rouge():
    # t5 reports the median of resampled means; the mean itself is compared, by example.
    scorer = t5_metrics.rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeLsum"])
    pairs = zip(_random_texts(4, 60), _random_texts(5, 60), strict=True)
    for target, guess in [*pairs, ("A b . C d . e", "c d\nA . b e"), ("", "a")]:
        broken = [text.replace(" . ", " .\n") for text in (target, guess)]
        theirs = {
            name: 100 * score.fmeasure for name, score in scorer.score(*broken).items()
        }
        _close(generation.rouge([target], [guess]), theirs)
