import pytest
import tensorflow as tf

from spot_jax.text.wsc import mark_word


@pytest.mark.parametrize(
    "text, word, index, marked",
    [
        ("Bob asked Tom if he can pay.", "he", 4, "Bob asked Tom if *he* can pay."),
        ("he ran", "he", 0, "*he* ran"),
        ("said he", "he", 1, "said *he*"),
        ('"Good for him," he said. ', "him", 2, '"Good for *him* ," he said.'),
        ("they use it , but now", "it", 1, "they use *it* , but now"),
        ("two  spaces it is", "it", 3, "two  spaces *it* is"),
    ],
)
def test_the_pronoun_is_marked(text, word, index, marked):
    result = mark_word(tf.constant(text), tf.constant(word), tf.constant(index))
    assert result.numpy().decode() == marked


def test_a_pronoun_that_is_not_there_is_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError, match="pronoun"):
        mark_word(tf.constant("he ran"), tf.constant("she"), tf.constant(0))
