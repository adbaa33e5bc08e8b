"""The registered tasks on real rows: formats, labels, metrics, detokenization."""

import functools
import re

import numpy as np
import pytest
import seqio

from spot_jax.model_dir.score import task_score
from spot_jax.tasks import catalog
from spot_jax.text import preprocessors, spans, tagging
from spot_jax.text.lengths import shorten
from spot_jax.text.postprocessors import as_texts
from spot_jax.text.spans import Found
from spot_jax.text.vocabulary import VOCABULARY

# The prefix and the names of the parts of each input.
FORMS = {
    "mnli": r"mnli hypothesis: .* premise: .*",
    "qqp": r"qqp question1: .* question2: .*",
    "qnli": r"qnli question: .* sentence: .*",
    "sst2": r"sst2 sentence: .*",
    "cola": r"cola sentence: .*",
    "mrpc": r"mrpc sentence1: .* sentence2: .*",
    "stsb": r"stsb sentence1: .* sentence2: .*",
    "rte": r"rte hypothesis: .* premise: .*",
    "cr": r"cr text: .*",
    "yelp_polarity": r"yelp_polarity_reviews text: .*",
    "wic": r"wic sentence1: .* sentence2: .* word: \S+",
    "wsc": r"wsc: .*\*[A-Za-z]+\*.*",
    "copa": r"copa choice1: .* choice2: .* premise: .* question: (cause|effect)",
    "multirc": r"multirc question: .* answer: .* paragraph: .*",
    "record": r"record query: .*@placeholder.* entities: .* passage: .*",
    "squad": r"question: .* context: .*",
    "race": r"race question: .* option0: .* option3: .* article: .*",
    "winogrande": r"winogrande sentence: .*_.* option1: .* option2: .*",
    "doc_nli": r"doc_nli hypothesis: .* premise: .*",
    "drop": r"drop question: .* context: .*",
    "piqa": r"piqa goal: .* sol1: .* sol2: .*",
    "social_iqa": r"socialiqa question: .* answerA: .* answerC: .* context: .*",
    "e2e_nlg": r"e2e_nlg name : .*",
    "web_nlg": r"web_nlg_en .* \| .* \| .*",
    "dart": r"dart .* \| .* \| .*",
    "cnn_dailymail": r"cnn_dailymail summarize: .*",
    "conll2003": r"conll2003 tokens: \S+( \S+)*",
    "squad_span": r"question: .* context: .*",
    "e2e_table": r"e2e_table name : [^,]+( , [^,:]+ : [^,:]+)*",
    "web_nlg_table": r"web_nlg_table .* : .* : .*",
    "dart_table": r"dart_table .* : .* : .*",
}


@functools.cache
def examples(task: str, split: str = "train") -> list[dict]:
    dataset = seqio.TaskRegistry.get(task).get_dataset(None, split, shuffle=False)
    return list(dataset.as_numpy_iterator())


def texts(task: str, feature: str) -> list[str]:
    return [row[f"{feature}_pretokenized"].decode() for row in examples(task)]


@pytest.mark.parametrize("task", FORMS)
def test_inputs_have_the_published_form(task, real_data):
    form = re.compile(FORMS[task], re.DOTALL)
    wrong = [text for text in texts(task, "inputs") if not form.fullmatch(text)]
    assert not wrong, wrong[0]


@pytest.mark.parametrize("task", FORMS)
def test_tokens_give_back_the_text(task, real_data):
    for row in examples(task):
        for feature in ("inputs", "targets"):
            tokens = row[feature].tolist()
            assert tokens[-1] == 1 and 1 not in tokens[:-1] and 0 not in tokens
            text = row[f"{feature}_pretokenized"].decode()
            # A brace, a backslash or a foreign letter is decoded as this.
            known = VOCABULARY.decode(tokens).split(" \u2047 ")
            pattern = ".+".join(re.escape(part) for part in known)
            assert re.fullmatch(pattern, _normal(text)), text


def _normal(text: str) -> str:
    """What the vocabulary's own normalization makes of a text."""
    return VOCABULARY.tokenizer.Normalize(text).replace("\u2581", " ").strip()


@pytest.mark.parametrize("task", [n for n in FORMS if catalog.get(n).labels])
def test_targets_are_labels(task, real_data):
    labels = set(catalog.get(task).labels)
    found = set(texts(task, "targets"))
    assert found <= labels
    assert (
        len(found) > 20 if catalog.get(task).family == "similarity" else found == labels
    )


@pytest.mark.parametrize("task", ["winogrande", "piqa", "social_iqa", "race"])
def test_targets_are_one_of_the_choices(task, real_data):
    pairs = zip(texts(task, "inputs"), texts(task, "targets"), strict=True)
    assert all(target in text for text, target in pairs)


def test_only_true_rows_of_wsc_train(real_data, real_rows):
    true_rows = [row for row in real_rows["wsc"]["train"] if row["label"]]
    assert len(examples("wsc")) == len(true_rows) < len(real_rows["wsc"]["train"])
    everything = real_rows["wsc"]["validation"]
    assert len(examples("wsc", "validation")) == len(everything)
    assert seqio.TaskRegistry.get("wsc").num_input_examples("train") == 64


def test_each_answer_and_each_question_is_an_example(real_data, real_rows):
    answers = sum(len(row["answers"]) for row in real_rows["record"]["train"])
    assert len(examples("record")) == answers
    questions = sum(len(row["questions"]) for row in real_rows["race"]["train"])
    assert len(examples("race")) == questions


def right_answers(task: str) -> tuple[list, list]:
    """Targets, and predictions that are the decoded tokens of the right answers."""
    postprocess = seqio.TaskRegistry.get(task).postprocess_fn
    targets, predictions = [], []
    for row in examples(task, "validation"):
        text = row["targets_pretokenized"].decode()
        decoded = VOCABULARY.decode(row["targets"].tolist())
        targets.append(postprocess(text, example=row, is_target=True))
        predictions.append(postprocess(decoded, example=row, is_target=False))
    return targets, predictions


@pytest.mark.parametrize(
    "task, accuracy",
    [
        ("sst2", 100),
        ("stsb", 100),
        ("multirc", 100),
        ("record", 100),
        ("winogrande", 100),
        # Naming the candidate is right for the 38 of 104 rows that are True.
        ("wsc", 100 * 38 / 104),
    ],
)
def test_right_answers_have_the_best_score(task, accuracy, real_data):
    targets, predictions = right_answers(task)
    results = {}
    for metric in seqio.TaskRegistry.get(task).metric_fns:
        results |= metric(targets, predictions)
    assert task_score(results) == pytest.approx(accuracy)


def test_always_the_same_answer_scores_its_share(real_data, real_rows):
    task = seqio.TaskRegistry.get("rte")
    rows = examples("rte", "validation")
    targets = [
        task.postprocess_fn(row["targets_pretokenized"].decode(), is_target=True)
        for row in rows
    ]
    guesses = [task.postprocess_fn("entailment") for _ in rows]
    (metric,) = task.metric_fns
    assert metric(targets, guesses) == {"accuracy": pytest.approx(100 * 146 / 277)}


def test_a_language_model_learns_the_second_part(real_data):
    task = seqio.TaskRegistry.get("c4_prefix_lm")
    lengths = {"inputs": 65, "targets": 65}
    dataset = task.get_dataset(lengths, "validation", shuffle=False, seed=3)
    rows = list(dataset.take(50).as_numpy_iterator())
    document = next(iter(task.source.get_dataset("validation", shuffle=False)))
    parts = [VOCABULARY.decode(rows[0][name].tolist()) for name in rows[0]]
    assert _normal(document["text"].numpy().decode()).startswith(_normal(parts[0]))
    for row in rows:
        assert row["inputs"][-1] == row["targets"][-1] == 1
        assert len(row["inputs"]) + len(row["targets"]) <= 64 + 2
    again = task.get_dataset(lengths, "validation", shuffle=False, seed=3)
    for row, other in zip(rows, again.as_numpy_iterator(), strict=False):
        np.testing.assert_array_equal(row["inputs"], other["inputs"])


def test_a_mixture_draws_in_proportion(real_data):
    mixture = seqio.Mixture("some", [("rte", 3.0), ("sst2", 1.0)])
    dataset = mixture.get_dataset(
        {"inputs": 8, "targets": 8}, shuffle=True, seed=0, num_epochs=None
    )
    rows = dataset.take(400).as_numpy_iterator()
    prefixes = [VOCABULARY.decode(row["inputs"][:3].tolist()) for row in rows]
    share = sum(prefix.startswith("r") for prefix in prefixes) / 400
    # Five standard deviations of a binomial with p = 0.75.
    assert abs(share - 0.75) < 0.11


def test_entities_come_back_from_what_the_vocabulary_writes(real_data, real_rows):
    targets, predictions = right_answers("conll2003")
    assert sum(map(len, targets)) > 300
    (metric,) = seqio.TaskRegistry.get("conll2003").metric_fns
    assert metric(targets, predictions)["entity_f1"] > 99.5
    rows = real_rows["conll2003"]["validation"]
    assert [
        tagging.tags_of(e, len(r["tokens"])) for e, r in zip(targets, rows, strict=True)
    ] == [row["ner"] for row in rows]


def test_tags_of_words_stand_at_pieces_of_the_input(real_data):
    for row in examples("conll2003"):
        words, tags = as_texts(row["words"]), as_texts(row["tags"])
        prefix = preprocessors.ENTITIES_PREFIX
        ids, first, marks = tagging.align(words, tags, VOCABULARY, prefix=prefix)
        np.testing.assert_array_equal(ids, row["inputs"])
        assert tagging.tags_at(np.maximum(marks - 1, 0), first, len(words)) == tags


def test_answers_of_squad_are_pieces_of_the_input(real_data):
    rows = [*examples("squad_span"), *examples("squad_span", "validation")]
    found = []
    for row in rows:
        text = row["inputs_pretokenized"].decode()
        start, end = int(row["answer_start"]), int(row["answer_end"])
        assert text[start:end] == row["targets_pretokenized"].decode().strip()
        span = spans.span_of(text, start, end, VOCABULARY, limit=256)
        np.testing.assert_array_equal(span.ids, shorten(row["inputs"], 256))
        found.append(span)
    counts = spans.counted(found)
    assert counts[Found.INSIDE] > 500 and counts[Found.CUT] > 20
    inside = [(s, r) for s, r in zip(found, rows, strict=True) if s.start >= 0]
    predictions = [
        spans.text_at(r["inputs_pretokenized"].decode(), s.places, s.start, s.end)
        for s, r in inside
    ]
    targets = [as_texts(r["answers"]) for _, r in inside]
    (metric,) = seqio.TaskRegistry.get("squad_span").metric_fns
    assert metric(targets, predictions)["em"] > 99


def test_inputs_of_one_table_share_their_references(real_data):
    targets, predictions = right_answers("e2e_table")
    groups = {target["group"] for target in targets}
    assert len(groups) < 0.7 * len(targets)
    results = {}
    for metric in seqio.TaskRegistry.get("e2e_table").metric_fns:
        results |= metric(targets, predictions)
    assert results["bleu"] > 99 and results["rougeL"] > 99
    assert results["nist"] > 5 and results["cider"] > 1
