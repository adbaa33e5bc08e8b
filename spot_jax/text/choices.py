"""Multiple choice: the answer is the text of the right choice."""

from collections.abc import Sequence

import tensorflow as tf

from spot_jax.text.postprocessors import HIDDEN
from spot_jax.text.preprocessors import Example, Row, choose, labelled_text

_LETTERS = ("A", "B", "C", "D")


def multiple_choice(
    row: Row, prefix: str, columns: Sequence[str], choices: Sequence[str]
) -> Example:
    """Learns the text of the right choice.

    `{"goal": "Dry it.", "sol1": "Use a towel.", "sol2": "Use soup.", "label": 0}` ->
    `{"inputs": "piqa goal: Dry it. sol1: Use a towel. sol2: Use soup.", "targets": "Use
    a towel."}`.

    Args:
        row: the columns, and `label`, the index of the right choice.
        prefix: the first word of the input.
        columns: the columns that go in, in this order.
        choices: those of the columns that are choices.
    """
    return {
        "inputs": labelled_text(prefix, row, columns),
        "targets": choose(tf.stack([row[name] for name in choices]), row["label"]),
    }


def hellaswag(row: Row) -> Example:
    """Learns the right one of four endings.

    `{"context": C, "endings": ["a", "b", "c", "d"], "label": 2}` ->
    `{"inputs": "hellaswag context: C endings 0: a endings 1: b endings 2: c endings 3:
    d", "targets": "c"}`.
    """
    parts = ["hellaswag context:", row["context"]]
    for number in range(4):
        parts += [f"endings {number}:", row["endings"][number]]
    return {
        "inputs": tf.strings.join(parts, separator=" "),
        "targets": choose(row["endings"], row["label"]),
    }


def race(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Makes an example of each question about each article; see `race_examples`."""
    return dataset.flat_map(
        lambda row: tf.data.Dataset.from_tensor_slices(race_examples(row))
    )


def race_examples(row: Row) -> Example:
    """Learns the right options of all questions about one article.

    `{"article": A, "questions": ["Who?"], "options": [["a", "b", "c", "d"]], "answers":
    ["B"], ...}` -> inputs `["race question: Who? option0: a option1: b option2: c
    option3: d article: A"]`, targets `["b"]`. The article comes last: what is cut of a
    long input is neither question nor option.

    Returns:
        Tensors whose first axis counts the questions.
    """
    options = row["options"]
    # Lists in lists are ragged as TFDS reads them.
    if isinstance(options, tf.RaggedTensor):
        options = options.to_tensor(shape=[None, len(_LETTERS)])
    parts = ["race question:", row["questions"]]
    for number in range(len(_LETTERS)):
        parts += [f"option{number}:", options[:, number]]
    is_right = row["answers"][:, None] == tf.constant(_LETTERS)
    targets = tf.gather(options, tf.argmax(is_right, axis=1), batch_dims=1)
    return {
        "inputs": tf.strings.join([*parts, "article:", row["article"]], separator=" "),
        "targets": tf.where(tf.reduce_any(is_right, axis=1), targets, HIDDEN),
    }
