"""Tasks of P-Tuning v2 and Prefix-Tuning that are in no mixture.

Sizes are those of the TFDS catalog, and of the publishers where TFDS has no builder.
"""

from spot_jax.tasks.catalog_entry import WITH_TEST, TaskInfo

_TABLE = dict(family="table_to_text", columns=("input_text", "target_text"))
_TRIPLES = _TABLE | dict(metrics=("bleu", "chrf", "one_minus_ter"))
_TOPICS = dict(
    family="summarization",
    tfds="xsum_topics:1.0.0",
    metrics=("rouge1", "rouge2", "rougeLsum"),
    columns=("document", "summary", "topic"),
    # Of all topics, as TFDS counts XSum.
    train_examples=203_577,
    splits=WITH_TEST,
    note="rows of your own: no set of TFDS says an article's topic, or its address",
)

MORE = (
    TaskInfo(
        "conll2003",
        family="tagging",
        tfds="conll2003/conll2003:1.0.0",
        train_examples=14_042,
        metrics=("entity_f1",),
        columns=("tokens", "ner"),
        splits={"train": "train", "validation": "dev", "test": "test"},
        note="targets name entities: person: Peter Blackburn, location: Leeds",
    ),
    TaskInfo(
        "squad_span",
        family="qa",
        tfds="squad/v1.1:3.0.0",
        train_examples=87_599,
        metrics=("em", "f1"),
        columns=("question", "context", "answers"),
        note="squad, and where in the input its answer stands",
    ),
    TaskInfo(
        "e2e_table",
        tfds="e2e_cleaned:0.1.0",
        train_examples=33_525,
        metrics=("bleu", "nist", "rougeL", "cider"),
        splits=WITH_TEST,
        note="the cleaned E2E; TFDS has no other",
        **_TABLE,
    ),
    TaskInfo(
        "web_nlg_table",
        tfds="web_nlg:0.1.0",
        train_examples=18_102,
        splits={
            "train": "train",
            "validation": "validation",
            "test": "test_all",
            "test_seen": "test_all",
            "test_unseen": "test_unseen",
        },
        note="WebNLG 2017; test_seen has the categories that training has",
        **_TRIPLES,
    ),
    TaskInfo(
        "dart_table",
        tfds="dart:0.1.0",
        train_examples=62_659,
        splits={
            "train": "train",
            "validation": "validation",
            "test": "test",
            "test_seen": "test",
            "test_unseen": "test",
        },
        note="DART names no category: test_unseen has relations that training has not",
        **_TRIPLES,
    ),
    TaskInfo("xsum_news_to_sports", **_TOPICS),
    TaskInfo("xsum_within_news", **_TOPICS),
)
