"""What is scored has a truth to be compared with; everything else is refused."""

import numpy as np
import pytest
import seqio
import tensorflow as tf

import spot_jax.tasks
from spot_jax.data import eval_tasks, loading
from spot_jax.data.eval_tasks import EvalTask
from spot_jax.data.tokenized_writer import write_tokenized
from spot_jax.settings import Data, Evaluation
from spot_jax.text import metrics, postprocessors
from spot_jax.text.vocabulary import PUBLISHED_VOCABULARY, VOCABULARY, use_vocabulary
from tests import own_tasks
from tests.small_vocabulary import write_vocabulary

LENGTHS = {"inputs": 64, "targets": 64}
CHOICES = {"label": -1, "goal": "g", "sol1": "a", "sol2": "b"}
# Rows of each form that a hidden label has, in the columns of the data set.
HIDDEN = {
    "rte": {"hypothesis": "h", "premise": "p", "idx": 0, "label": -1},
    "cb": {"hypothesis": "h", "premise": "p", "idx": 0, "label": -1},
    "stsb": {"sentence1": "a", "sentence2": "b", "idx": 0, "label": -1.0},
    "wsc": {
        **{"text": "Bob can pay .", "span1_text": "Bob", "span2_text": "can"},
        **{"span2_index": 1, "label": -1, "idx": 0},
    },
    "multirc": {
        **{"question": "q", "answer": "a", "paragraph": "p", "label": -1},
        "idx": {"paragraph": 0, "question": 0, "answer": 0},
    },
    "record": {
        **{"query": "@placeholder", "entities": ["owl"], "passage": "p"},
        **{"answers": tf.zeros(0, tf.string), "idx": {"passage": 0, "query": 0}},
    },
    "piqa": CHOICES,
    "hellaswag": {"context": "c", "endings": ["a", "b", "c", "d"], "label": -1},
    "sentiment140": {"text": "t", "polarity": -2},
}


@pytest.fixture(scope="module", autouse=True)
def vocabulary_file(tmp_path_factory):
    """All tasks read a small vocabulary."""
    spot_jax.tasks.register_all()
    file = write_vocabulary(tmp_path_factory.mktemp("vocabulary"))
    use_vocabulary(file)
    yield file
    use_vocabulary(PUBLISHED_VOCABULARY)


def example_of(name: str, row: dict) -> dict:
    """The example that a task makes of a row, with its targets as text and as ids."""
    task = seqio.TaskRegistry.get(name)
    dataset = task.preprocessors[0](tf.data.Dataset.from_tensors(row))
    (example,) = dataset.as_numpy_iterator()
    ids = [*VOCABULARY.encode(example["targets"].decode()), 1]
    text = {"targets_pretokenized": example["targets"], "targets": np.int32(ids)}
    return example | text


def shipped(name: str, examples: list[dict]) -> EvalTask:
    task = seqio.TaskRegistry.get(name)
    return EvalTask(name, task, examples, loading.labels_of(name), VOCABULARY)


@pytest.mark.parametrize("name", HIDDEN)
def test_a_label_that_is_hidden_is_not_scored(name):
    task = shipped(name, [example_of(name, HIDDEN[name])] * 3)
    with pytest.raises(ValueError, match=f"{name}'s split 'test' .* 3 of 3 .* infer"):
        eval_tasks.check_targets(task, "test")


TOLD = HIDDEN["rte"] | {"label": 1}


def test_one_hidden_label_among_others_is_found():
    rows = [TOLD] * 5 + [HIDDEN["rte"], TOLD, HIDDEN["rte"]]
    task = shipped("rte", [example_of("rte", row) for row in rows])
    with pytest.raises(ValueError, match="2 of 8 targets .* '<unk>', of example 6"):
        eval_tasks.check_targets(task, "validation")
    eval_tasks.check_targets(shipped("rte", task.examples[:5]), "validation")


@pytest.mark.parametrize(
    "name, row",
    [
        ("stsb", HIDDEN["stsb"] | {"label": 0.0}),
        ("wsc", HIDDEN["wsc"] | {"label": 0}),
        ("multirc", HIDDEN["multirc"] | {"label": 0}),
        ("piqa", CHOICES | {"label": 0, "sol1": "?!"}),
    ],
)
def test_a_label_that_is_told_is_scored(name, row):
    eval_tasks.check_targets(shipped(name, [example_of(name, row)]), "validation")


def load(name, vocabulary="unused", evaluation=None, is_scored=True, **data):
    evaluation = evaluation or Evaluation()
    data = Data(name, LENGTHS, vocabulary, **data)
    return eval_tasks.load_task(name, evaluation, data, is_scored=is_scored)


def whole_number(text, example=None, is_target=False):
    return int(text)


def or_minus_one(text, example=None, is_target=False):
    return int(text) if text.lstrip("-").isdecimal() else -1


def yes(text, example=None, is_target=False):
    return text == "yes"


@pytest.mark.parametrize("keep", [True, False], ids=["text", "ids"])
@pytest.mark.parametrize(
    "metric_fns", [[metrics.accuracy], []], ids=["accuracy", "loss"]
)
@pytest.mark.parametrize("targets", [["yes", "<unk>"], ["", ""]], ids=str)
def test_a_task_of_ones_own_may_have_hidden_targets(targets, metric_fns, keep):
    options = {"metric_fns": metric_fns, "keep": keep}
    name = own_tasks.add("own_hidden", targets, **options)
    with pytest.raises(ValueError, match=r"hidden: [12] of 2 targets"):
        load(name)
    assert len(load(name, is_scored=False).examples) == 2


@pytest.mark.parametrize(
    "targets, postprocess, is_refused",
    [
        # Where -1 is an answer and no mark of none, it is one.
        (["-1", "0"], whole_number, False),
        (["-1", "0"], or_minus_one, True),
        (["no", "yes"], yes, False),
        (["yes", ""], postprocessors.plain, False),
        (["3.0", "nan"], postprocessors.number, True),
        (["3.0", "-2.0"], postprocessors.number, False),
    ],
)
def test_only_what_counts_as_no_answer_is_no_target(targets, postprocess, is_refused):
    name = own_tasks.add("own_numbers", targets, postprocess=postprocess)
    if is_refused:
        with pytest.raises(ValueError, match="1 of 2 targets"):
            load(name)
    else:
        load(name)


def test_hidden_targets_are_seen_in_tokenized_data(vocabulary_file, tmp_path):
    ids = [[*VOCABULARY.encode(text), 1] for text in ("yes", "<unk>")]
    examples = [{"inputs": np.int32([5, 1]), "targets": np.int32(i)} for i in ids]
    for split, count in (("validation", 2), ("train", 1)):
        folder, header = tmp_path / "own" / split, {"task": "own", "split": split}
        write_tokenized(folder, examples[:count], header, vocabulary_size=400)
    with pytest.raises(ValueError, match="1 of 2 targets .* of example 2"):
        load("own", vocabulary_file, tokenized=str(tmp_path))
    load("own", vocabulary_file, Evaluation(split="train"), tokenized=str(tmp_path))


def test_labels_that_are_not_there_are_not_ranked():
    name = own_tasks.add("own_unlabelled", ["yes"])
    by_rank = Evaluation(method="rank")
    for is_scored in (True, False):
        with pytest.raises(ValueError, match="labels to rank.*--gin.CLASS_LABELS="):
            load(name, evaluation=by_rank, is_scored=is_scored)
    load(name, evaluation=Evaluation(method="rank", labels=["yes", "no"]))
    # The loss of a task without metrics ranks nothing.
    load(own_tasks.add("own_text", ["yes"], metric_fns=[]), evaluation=by_rank)


def test_labels_that_the_vocabulary_cannot_tell_apart_are_not_ranked():
    same = ("yes", " yes")
    name = own_tasks.add("own_same", ["yes"], same)
    with pytest.raises(ValueError, match="'yes' and ' yes' have the same pieces"):
        load(name, evaluation=Evaluation(method="rank"))
    load(name)


def two_of_three(targets, guesses):
    return {}


def test_metrics_that_are_not_computed_are_named():
    found = seqio.metrics.PassthroughLegacyMetric.from_metric_fn(metrics.accuracy)
    name = own_tasks.add("own_objects", ["yes"], metric_objs=[found])
    with pytest.raises(ValueError, match=r"metric_objs \(FromMetricFun\)"):
        load(name)
    name = own_tasks.add("own_unknown", ["yes"], metric_fns=[two_of_three])
    with pytest.raises(ValueError, match=r"\('targets', 'guesses'\)"):
        load(name)


def test_what_a_task_did_not_keep_as_text_is_decoded():
    name = own_tasks.add("own_ids", ["bad film"], keep=False)
    task = load(name)
    (example,) = task.examples
    assert "inputs_pretokenized" not in example
    assert eval_tasks.input_text(task, example) == own_tasks.INPUTS[0]
    assert eval_tasks.target_text(task, example) == "bad film"


def test_a_target_that_is_no_text_is_named():
    name = own_tasks.add("own_bytes", [b"yes", b"\xff"])
    with pytest.raises(ValueError, match="target of own_bytes is not UTF-8"):
        load(name)
    name = own_tasks.add("own_bytes", ["yes"])
    task = load(name)
    broken = task.examples[0] | {"inputs_pretokenized": b"a \xff"}
    assert eval_tasks.input_text(task, broken) == "a \ufffd"
