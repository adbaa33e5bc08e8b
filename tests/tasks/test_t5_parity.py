"""Our tasks give, byte for byte, what the t5 library gives for the same rows.

t5 cannot be installed by its own requirements beside a current SeqIO; `pip install
--no-deps t5==0.9.4` with babel, sacrebleu and rouge-score makes these tests run.
"""

import functools

import numpy as np
import pytest
import seqio
import tensorflow as tf
import tensorflow_datasets as tfds

t5_data = pytest.importorskip("t5.data", reason="the t5 library is not installed")
glue_utils = pytest.importorskip("t5.data.glue_utils")
t5_preprocessors = pytest.importorskip("t5.data.preprocessors")

from spot_jax.tasks import catalog  # noqa: E402
from spot_jax.text.prefix_lm import prefix_lm  # noqa: E402
from spot_jax.text.prepared import dataset_features  # noqa: E402
from spot_jax.text.registration import FEATURES  # noqa: E402

GLUE = tfds.text.glue.Glue.builder_configs
SUPER_GLUE = tfds.text.super_glue.SuperGlue.builder_configs
of_glue = glue_utils.get_glue_text_preprocessor


def _named(name: str, labels: tuple[str, ...], *columns: str):
    return functools.partial(
        t5_preprocessors.glue,
        benchmark_name=name,
        label_names=list(labels),
        feature_names=columns,
        id_key=None,
    )


# What t5 has for each task; where it has only the general preprocessor, that one.
PREPROCESSORS = {
    "cola": of_glue(GLUE["cola"]),
    "sst2": of_glue(GLUE["sst2"]),
    "mrpc": of_glue(GLUE["mrpc"]),
    "qqp": of_glue(GLUE["qqp"]),
    "mnli": of_glue(GLUE["mnli"]),
    "qnli": of_glue(GLUE["qnli"]),
    "stsb": of_glue(GLUE["stsb"]),
    "boolq": of_glue(SUPER_GLUE["boolq"]),
    "cb": of_glue(SUPER_GLUE["cb"]),
    "copa": of_glue(SUPER_GLUE["copa"]),
    "multirc": of_glue(SUPER_GLUE["multirc"]),
    "record": of_glue(SUPER_GLUE["record"]),
    "rte": of_glue(SUPER_GLUE["rte"]),
    "wic": of_glue(SUPER_GLUE["wic"]),
    "squad": t5_preprocessors.squad,
    "doc_nli": _named(
        "doc_nli", catalog.get("doc_nli").labels, "hypothesis", "premise"
    ),
    "yelp_polarity": _named(
        "yelp_polarity_reviews", catalog.get("yelp_polarity").labels, "text"
    ),
    "cr": _named("cr", catalog.get("cr").labels, "text"),
    "snli": _named("snli", catalog.get("snli").labels, "hypothesis", "premise"),
    "anli_r1": _named("anli_r1", catalog.get("snli").labels, "hypothesis", "context"),
    "wmt14_en_de": functools.partial(
        t5_preprocessors.translate, source_language="en", target_language="de"
    ),
    "wmt15_en_fr": functools.partial(
        t5_preprocessors.translate, source_language="en", target_language="fr"
    ),
    "wmt16_en_ro": functools.partial(
        t5_preprocessors.translate, source_language="en", target_language="ro"
    ),
}


def _equal(ours: dict, theirs: dict) -> None:
    assert ours.keys() == theirs.keys()
    for key in ours:
        np.testing.assert_array_equal(ours[key], theirs[key], err_msg=key)


def _compare(task: str, rows: tf.data.Dataset, theirs) -> list[dict]:
    """Compares what the two preprocessors make of rows; returns the examples."""
    before_tokens = seqio.TaskRegistry.get(task).preprocessors[:-3]
    ours = rows
    for preprocess in before_tokens:
        ours = preprocess(ours)
    pairs = list(
        zip(ours.as_numpy_iterator(), theirs(rows).as_numpy_iterator(), strict=True)
    )
    assert pairs
    for mine, other in pairs:
        _equal(mine, other)
    return [mine for mine, _ in pairs]


REAL = (
    "cola sst2 mrpc qqp mnli qnli stsb copa multirc record rte wic squad doc_nli "
    "yelp_polarity cr"
).split()


@pytest.mark.parametrize("task", REAL)
def test_real_rows_become_the_same_examples(task, real_data):
    source = seqio.TaskRegistry.get(task).source
    for split in ("train", "validation"):
        rows = source.get_dataset(split, shuffle=False)
        _compare(task, rows, PREPROCESSORS[task])


def test_wsc(real_data):
    task = seqio.TaskRegistry.get("wsc")
    train = task.source.get_dataset("train", shuffle=False)
    every_row = tfds.load(
        "super_glue/wsc.fixed:1.0.2", data_dir=str(real_data), split="train"
    )
    theirs = functools.partial(t5_preprocessors.wsc_simple, correct_referent_only=True)
    ours = list(task.preprocessors[0](train).as_numpy_iterator())
    others = list(theirs(every_row).as_numpy_iterator())
    assert len(ours) == len(others) > 0
    for mine, other in zip(ours, others, strict=True):
        _equal(mine, other)
    rows = task.source.get_dataset("validation", shuffle=False)
    _compare("wsc", rows, t5_preprocessors.wsc_simple)


def rows_of(task: str, *rows: dict) -> tf.data.Dataset:
    """Makes a data set of rows, with the columns' own types."""
    spec = dataset_features(catalog.get(task).tfds).get_tensor_spec()
    return tf.data.Dataset.from_generator(lambda: iter(rows), output_signature=spec)


HARD_TEXTS = (
    ("Plain.", "And plain?"),
    ("  two  spaces,\ttabs\nand lines ", ""),
    ("Zoë's “naïve” café – 50% of $3,000.00 (approx.)", "日本語 \\n {x} <b>bold</b>"),
    ("a: b premise: c", "<unk> </s> <pad> ▁"),
)
TEXT_COLUMNS = {
    "cola": ("sentence",),
    "sst2": ("sentence",),
    "mrpc": ("sentence1", "sentence2"),
    "qqp": ("question1", "question2"),
    "mnli": ("premise", "hypothesis"),
    "qnli": ("question", "sentence"),
    "rte": ("premise", "hypothesis"),
    "cb": ("premise", "hypothesis"),
    "boolq": ("question", "passage"),
    "doc_nli": ("premise", "hypothesis"),
    "yelp_polarity": ("text",),
    "snli": ("premise", "hypothesis"),
    "anli_r1": ("context", "hypothesis"),
}


@pytest.mark.parametrize("task", TEXT_COLUMNS)
def test_hard_texts_and_all_labels(task, registered):
    info = catalog.get(task)
    features = dataset_features(info.tfds)
    classes = range(0 if task == "snli" else -1, len(info.labels))
    rows = [
        dict.fromkeys(set(features) & {"uid"}, "u")
        | dict.fromkeys(set(features) & {"idx"}, number)
        | dict(zip(TEXT_COLUMNS[task], texts, strict=False))
        | {"label": label}
        for number, texts in enumerate(HARD_TEXTS)
        for label in classes
    ]
    _compare(task, rows_of(task, *rows), PREPROCESSORS[task])


def test_every_score_is_rounded_alike(registered):
    scores = [*np.arange(0, 5.01, 0.05, np.float32), -1.0, 2.5, 0.1, 0.3, 4.9]
    rows = [
        {"sentence1": "a", "sentence2": "b", "label": score, "idx": number}
        for number, score in enumerate(scores)
    ]
    examples = _compare("stsb", rows_of("stsb", *rows), PREPROCESSORS["stsb"])
    assert {e["targets"].decode() for e in examples[:-5]} == set(
        catalog.get("stsb").labels
    )


def test_markup_of_multirc(registered):
    row = {
        "paragraph": "<b>Sent 1: </b>One.<br><b>Sent 2: </b>Two <i>x</i>.<br>",
        "question": "Which<br>?",
        "answer": "<b>Two</b>",
        "idx": {"paragraph": 3, "question": 5, "answer": 8},
    }
    rows = [row | {"label": label} for label in (-1, 0, 1)]
    _compare("multirc", rows_of("multirc", *rows), PREPROCESSORS["multirc"])


def test_highlights_and_answers_of_record(registered):
    row = {
        "passage": 'End.\n@highlight\nFirst\n@highlight\nHe said "no"\n@highlight\nx!',
        "query": "@placeholder and  @placeholder",
        "entities": ["A b", "c, d"],
        "idx": {"passage": 1, "query": 2},
    }
    rows = [row | {"answers": answers} for answers in ([], ["A b"], ["A b", "c, d"])]
    examples = _compare("record", rows_of("record", *rows), PREPROCESSORS["record"])
    assert [e["targets"] for e in examples] == [b"<unk>", b"A b", b"A b", b"c, d"]


def test_punctuation_of_squad(registered):
    rows = [
        {
            "id": "x",
            "title": "t",
            "context": f"  {one}{two}",
            "question": two or "?",
            "answers": {"text": [one, two or "x"], "answer_start": [0, 1]},
        }
        for one, two in HARD_TEXTS
    ]
    _compare("squad", rows_of("squad", *rows), PREPROCESSORS["squad"])


# The two rows of the published set that t5 treats by hand, and an ordinary one.
WSC_ROWS = (
    (
        "The boy continued to whip the pony , and eventually the pony threw him over. "
        'John laughed out quite loud. "Good for him," he said. ',
        "him",
        20,
    ),
    (
        "When they had eventually calmed down a bit , and had gotten home, Mr. Farley "
        "put the magic pebble in an iron safe . Some day they might want to use it , "
        "but really for now, what more could they wish for?",
        "it",
        28,
    ),
    ("Tom said  that he would pay.", "he", 4),
)


def test_odd_rows_of_wsc(registered):
    rows = [
        {
            "text": text,
            "span1_text": "the pony",
            "span1_index": 0,
            "span2_text": word,
            "span2_index": index,
            "label": label,
            "idx": 1,
        }
        for text, word, index in WSC_ROWS
        for label in (0, 1)
    ]
    _compare("wsc", rows_of("wsc", *rows), t5_preprocessors.wsc_simple)


@pytest.mark.parametrize(
    "task, other", [("wmt14_en_de", "de"), ("wmt15_en_fr", "fr"), ("wmt16_en_ro", "ro")]
)
def test_translation(task, other, registered):
    rows = [{"en": one, other: two} for one, two in HARD_TEXTS]
    _compare(task, rows_of(task, *rows), PREPROCESSORS[task])


def test_prefix_lm_cuts_the_same_pieces(real_data):
    task = seqio.TaskRegistry.get("c4_prefix_lm")
    documents = task.source.get_dataset("train", shuffle=False).take(40)
    for preprocess in task.preprocessors[:2]:
        takes_features = preprocess is seqio.preprocessors.tokenize
        documents = (
            preprocess(documents, task.output_features)
            if takes_features
            else preprocess(documents)
        )
    lengths = {"inputs": 65, "targets": 65}
    ours, theirs = (
        function(documents, sequence_length=lengths, output_features=FEATURES)
        for function in (prefix_lm, t5_preprocessors.prefix_lm)
    )
    pieces, others = (
        [
            np.concatenate([example["inputs"], example["targets"]]).tolist()
            for example in dataset.as_numpy_iterator()
        ]
        for dataset in (ours, theirs)
    )
    assert pieces == others
    assert max(map(len, pieces)) == 64
