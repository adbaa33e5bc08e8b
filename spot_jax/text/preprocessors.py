"""From the columns of one row to the text that goes in and the text to be learnt.

Each function takes a row, a mapping from column to tensor, and returns a mapping with
`inputs` and `targets` (scalar strings) and whatever evaluation needs besides; SeqIO
maps it over a data set. The formats are those of the t5 library where it has the task
and those of SPoT's authors elsewhere: tests compare them byte for byte.

A hidden label (-1, as in the test sets of GLUE) becomes the target `<unk>`, a hidden
score `-1.0`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from spot_jax.text import tagging
from spot_jax.text.postprocessors import HIDDEN, as_texts

# What stands in front of the words that are tagged.
ENTITIES_PREFIX = "conll2003 tokens:"
Row = Mapping[str, tf.Tensor]
Example = dict[str, tf.Tensor]


def labelled_text(prefix: str, row: Row, columns: Sequence[str]) -> tf.Tensor:
    """Joins a prefix and named columns.

    `"mnli"` and the columns hypothesis, premise -> `"mnli hypothesis: H premise: P"`.
    """
    parts = [prefix]
    for column in columns:
        parts += [f"{column}:", row[column]]
    return tf.strings.join(parts, separator=" ")


def choose(texts: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """Picks the text of a class: `["no", "yes"]`, 1 -> `"yes"`; -1 -> `"<unk>"`.

    Args:
        texts: [classes] strings.
        index: scalar integer, -1 where the label is hidden.
    """
    # What stands behind the last class is what a hidden label becomes.
    with_hidden = tf.concat([texts, [HIDDEN]], axis=0)
    index = tf.cast(index, tf.int32)
    return tf.gather(with_hidden, tf.where(index < 0, tf.size(texts), index))


def classify(
    row: Row,
    prefix: str,
    columns: Sequence[str],
    labels: Sequence[str],
    kept: Sequence[str] = (),
) -> Example:
    """Names one of a fixed set of labels.

    `{"sentence": "a gem .", "label": 1, "idx": 7}` ->
    `{"inputs": "sst2 sentence: a gem .", "targets": "positive", "idx": 7}`.

    Args:
        row: the columns, and `label`, a scalar integer.
        prefix: the first word of the input.
        columns: the columns that go in, in this order.
        labels: the texts of the classes, in the order of their indices.
        kept: bookkeeping columns that go through to evaluation.
    """
    return {key: row[key] for key in kept} | {
        "inputs": labelled_text(prefix, row, columns),
        "targets": choose(tf.constant(list(labels)), row["label"]),
    }


def similarity(row: Row, prefix: str, kept: Sequence[str] = ()) -> Example:
    """Writes a similarity from 0 to 5, rounded to steps of 0.2.

    `{"sentence1": "A", "sentence2": "B", "label": 3.45}` ->
    `{"inputs": "stsb sentence1: A sentence2: B", "targets": "3.4"}`.
    """
    rounded = tf.round(tf.cast(row["label"], tf.float32) * 5) / 5
    return {key: row[key] for key in kept} | {
        "inputs": labelled_text(prefix, row, ["sentence1", "sentence2"]),
        "targets": tf.strings.as_string(rounded, precision=1),
    }


def multirc(row: Row, labels: Sequence[str]) -> Example:
    """Says whether an answer is right, and keeps which question it belongs to.

    `question`, `answer` and `paragraph` -> `"multirc question: Q answer: A paragraph:
    P"`, target True or False. The paragraphs' markup (`<br>`, `<b>`) is taken out.
    """
    text = labelled_text("multirc", row, ["question", "answer", "paragraph"])
    text = tf.strings.regex_replace(text, "<br>", " ")
    return {
        "inputs": tf.strings.regex_replace(text, "</?b>", ""),
        "targets": choose(tf.constant(list(labels)), row["label"]),
        "idx/paragraph": row["idx"]["paragraph"],
        "idx/question": row["idx"]["question"],
        "idx/answer": row["idx"]["answer"],
    }


def text_to_text(row: Row, prefix: str, source: str, target: str) -> Example:
    """Puts a prefix before one column and learns another.

    `"xsum summarize:"`, `{"document": D, "target": T}` ->
    `{"inputs": "xsum summarize: D", "targets": T}`.
    """
    return {
        "inputs": tf.strings.join([prefix, row[source]], separator=" "),
        "targets": row[target],
    }


def sentiment140(row: Row, labels: Sequence[str]) -> Example:
    """Names the polarity of a tweet: 0, 2, 4 -> negative, neutral, positive."""
    return {
        "inputs": labelled_text("sentiment140", row, ["text"]),
        "targets": choose(tf.constant(list(labels)), row["polarity"] // 2),
    }


def go_emotions(row: Row, emotions: Sequence[str]) -> Example:
    r"""Names all emotions of a comment, in the order of the columns.

    `{"comment_text": "Thanks!", "joy": True, "gratitude": True, ...}` ->
    `{"inputs": "goemotions comment: Thanks!", "targets": "gratitude \n joy"}`, with
    a backslash and an n between them.
    """
    is_true = tf.stack([row[emotion] for emotion in emotions])
    named = tf.boolean_mask(tf.constant(list(emotions)), is_true)
    parts = ["goemotions comment:", row["comment_text"]]
    return {
        "inputs": tf.strings.join(parts, separator=" "),
        "targets": tf.strings.reduce_join(named, separator=" \\n "),
    }


def listed_to_text(row: Row, prefix: str, source: str) -> Example:
    """Joins a column of several texts with semicolons and learns `target`.

    `"common_gen"`, `{"concepts": ["dog", "run"], "target": T}` ->
    `{"inputs": "common_gen dog ; run", "targets": T}`. (SPoT's authors join them by a
    backslash and an n; the published vocabulary has no backslash.)
    """
    joined = tf.strings.reduce_join(row[source], separator=" ; ")
    return {
        "inputs": tf.strings.join([prefix, joined], separator=" "),
        "targets": row["target"],
    }


def dialogue(row: Row) -> Example:
    """Continues a dialogue: its last act, then what was said before it.

    `{"prompt": P, "context": ["Hi.", "Yes?"], "target": T}` ->
    `"schema_guided_dialog prompt: P context: Hi. ; Yes?"`.
    """
    context = tf.strings.reduce_join(row["context"], separator=" ; ")
    parts = ["schema_guided_dialog prompt:", row["prompt"], "context:", context]
    return {
        "inputs": tf.strings.join(parts, separator=" "),
        "targets": row["target"],
    }


def name_entities(row: Row) -> Example:
    """Names the entities of a sentence; tagging.py tells how.

    `{"tokens": ["Bo", "ran"], "ner": [1, 0]}` -> `{"inputs": "conll2003 tokens: Bo
    ran", "targets": "person: Bo", "words": ["Bo", "ran"], "tags": ["B-PER", "O"]}`.

    Args:
        row: `tokens`, [words] strings, and `ner`, [words] indices of `tagging.TAGS`.
    """
    words, tags = row["tokens"], tf.gather(tf.constant(tagging.TAGS), row["ner"])
    joined = tf.strings.reduce_join(words, separator=" ")
    text = tf.numpy_function(_entities_text, [words, tags], tf.string)
    return {
        "inputs": tf.strings.join([ENTITIES_PREFIX, joined], separator=" "),
        "targets": tf.ensure_shape(text, []),
        "words": words,
        "tags": tags,
    }


def _entities_text(words: np.ndarray, tags: np.ndarray) -> bytes:
    entities = tagging.entities_of(as_texts(tags.tolist()))
    text = tagging.write_entities(as_texts(words.tolist()), entities)
    return text.encode("utf-8")


def keep_sentences(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Leaves out rows without words, with which TFDS ends each file of CoNLL-2003."""
    return dataset.filter(lambda row: tf.size(row["tokens"]) > 0)


def keep_labelled(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Leaves out rows with label -1, such as SNLI's without a majority."""
    return dataset.filter(lambda row: row["label"] >= 0)
