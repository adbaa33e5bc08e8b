"""Labels that a vocabulary cannot write are found before they are answers."""

import pytest
import sentencepiece

from spot_jax.errors import InputError
from spot_jax.prompts import labels
from spot_jax.spot_tiny import vocabulary_path
from spot_jax.tasks import catalog

CURE = "Choose others."


@pytest.fixture(scope="module")
def encode():
    """The embedded vocabulary, which has no braces and no Greek."""
    return sentencepiece.SentencePieceProcessor(vocabulary_path("spot_tiny")).encode


@pytest.mark.parametrize(
    "pair", [("{", "}"), ("ja {", "ja ~"), ("α", "β"), ("yes", "yes "), ("no", "no")]
)
def test_labels_of_the_same_pieces_are_refused(pair, encode):
    with pytest.raises(InputError, match="have the same pieces.* Choose others"):
        labels.pieces_of_labels(["maybe", *pair], encode, CURE)


def test_labels_that_cannot_be_written_are_named_once(encode, caplog):
    for _ in range(3):
        found = labels.pieces_of_labels(["good {", "bad"], encode, CURE)
    assert found == [encode("good {"), encode("bad")]
    assert caplog.messages == [
        "1 of 2 labels have pieces that the vocabulary does not know (<unk>): 'good {'"
    ]


def test_labels_of_the_catalog_can_be_written(encode, caplog):
    for task in catalog.TASKS.values():
        labels.pieces_of_labels(task.labels, encode, CURE)
    assert not caplog.messages


def test_an_unknown_piece_may_have_another_id(caplog):
    labels.warn_of_unknown("X", [2, 2, 2, 5], unknown_id=5)
    assert caplog.messages[0].startswith("1 of 4 pieces of X are <unk>")
