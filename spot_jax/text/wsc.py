"""The Winograd schemas of SuperGLUE, as generation of what a pronoun refers to.

T5 (Raffel et al. 2020, §2.4) marks the pronoun and learns the name it refers to. A row
offers one candidate; where it is the wrong one there is no text to learn, so only rows
labelled True train, while all rows are evaluated.
"""

import tensorflow as tf

from spot_jax.text.preprocessors import Example, Row
from spot_jax.text.registration import PreparedSource


class TrueRowsTrain(PreparedSource):
    """Prepared rows, of which the training split gives those with label 1."""

    def get_dataset(self, split: str = "train", **settings) -> tf.data.Dataset:
        """Returns the rows of a split; see seqio.DataSource."""
        rows = super().get_dataset(split, **settings)
        return rows.filter(lambda row: row["label"] == 1) if split == "train" else rows


def wsc(row: Row) -> Example:
    """Marks the pronoun and learns the candidate.

    `{"text": "Bob asked Tom if he can pay.", "span1_text": "Tom", "span2_text": "he",
    "span2_index": 4, "label": 1, "idx": 3}` -> `{"inputs": "wsc: Bob asked Tom if *he*
    can pay.", "targets": "Tom", "label": 1, "idx": 3}`.
    """
    marked = mark_word(row["text"], row["span2_text"], row["span2_index"])
    return {
        "inputs": tf.strings.join(["wsc:", marked], separator=" "),
        "targets": row["span1_text"],
        "label": row["label"],
        "idx": row["idx"],
    }


def mark_word(text: tf.Tensor, word: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """Puts stars around one word: `"if he can"`, `"he"`, 1 -> `"if *he* can"`.

    Two rows of the published set have an index that is off by one, or a word with
    punctuation behind it; the first such word from the index on is taken, and the
    punctuation set apart: `"for him," he`, `"him"` -> `"for *him* ," he`.

    Raises:
        tf.errors.InvalidArgumentError: the word is not there.
    """
    words = tf.strings.split(text, " ")
    is_exact = words[index] == word
    words = tf.cond(
        is_exact, lambda: words, lambda: tf.strings.split(tf.strings.strip(text), " ")
    )
    pattern = tf.strings.join([r"^\Q", word, r"\E[[:punct:]]*$"])
    later = tf.strings.regex_full_match(words[index:], pattern)
    message = "the pronoun of a WSC row is not in its text, from span2_index on"
    with tf.control_dependencies(
        [tf.debugging.Assert(tf.reduce_any(later), [message, word, text])]
    ):
        place = index + tf.argmax(later, output_type=tf.int32)
    rest = tf.strings.substr(words[place], tf.strings.length(word), -1)
    marked = tf.strings.join(["*", word, "*"])
    marked = tf.cond(
        rest == "", lambda: marked, lambda: tf.strings.join([marked, rest], " ")
    )
    replaced = tf.concat([words[:place], [marked], words[place + 1 :]], axis=0)
    return tf.strings.reduce_join(replaced, separator=" ")
