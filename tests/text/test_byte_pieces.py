"""ByT5's vocabulary of no file, with TensorFlow and without it."""

import pytest
import seqio
import tensorflow as tf

from spot_jax.data import vocabularies
from spot_jax.text import vocabulary
from spot_jax.text.byte_pieces import BytePieces
from spot_jax.text.vocabulary import VOCABULARY, use_vocabulary

TEXTS = [
    "a good film",
    "",
    "Ångström 中文 🙂",
    "x<extra_id_3>y <extra_id_999>",
    "\n\t\0",
]


@pytest.fixture
def of_bytes():
    yield use_vocabulary("bytes", 125)
    use_vocabulary(vocabulary.PUBLISHED_VOCABULARY)


def test_ids_are_bytes_behind_three_special_ones():
    assert BytePieces().encode("aé") == [100, 198, 172]
    assert BytePieces().encode("<extra_id_0>b<extra_id_124>") == [259, 101, 383]
    assert BytePieces(2).encode("<extra_id_2>") == BytePieces(0).encode("<extra_id_2>")
    assert (BytePieces().vocab_size(), BytePieces(0).vocab_size()) == (384, 259)


def test_what_is_no_byte_or_no_letter_is_not_written():
    assert BytePieces().decode([0, 100, 1, 2, 198, 259, 383, 500]) == "a"


def test_pieces_can_be_shown():
    shown = [BytePieces().id_to_piece(i) for i in (0, 1, 2, 100, 13, 198, 259)]
    assert shown == ["<pad>", "</s>", "<unk>", "a", "<0x0A>", "<0xC3>", "<extra_id_0>"]


@pytest.mark.parametrize("text", TEXTS)
def test_tensorflow_encodes_alike(of_bytes, text):
    expected = BytePieces().encode(text)
    assert VOCABULARY.encode(text) == expected
    assert VOCABULARY.encode_tf(tf.constant(text)).numpy().tolist() == expected
    plain = text.replace("<extra_id_3>", "")
    ids = BytePieces().encode(plain)
    assert VOCABULARY.decode(ids) == plain
    assert VOCABULARY.decode_tf(tf.constant(ids, tf.int32)).numpy().decode() == plain
    assert "extra_id" in text or ids == seqio.ByteVocabulary().encode(text)


def test_examples_of_a_data_set_are_encoded(of_bytes):
    texts = tf.data.Dataset.from_tensor_slices(["a", "good"])
    encoded = texts.map(VOCABULARY.encode_tf)
    assert encoded.element_spec.shape.as_list() == [None]
    assert [ids.numpy().tolist() for ids in encoded] == [
        BytePieces().encode("a"),
        BytePieces().encode("good"),
    ]


def test_it_is_one_vocabulary_with_and_without_tensorflow(of_bytes):
    processor, found = vocabularies.open_and_identify("bytes", 125)
    assert found == vocabularies.identity_of(VOCABULARY)
    assert found.size == processor.vocab_size() == VOCABULARY.vocab_size == 384
    assert (VOCABULARY.pad_id, VOCABULARY.eos_id, VOCABULARY.unk_id) == (0, 1, 2)
    fewer = vocabularies.open_and_identify("bytes", 7)[1]
    assert fewer.fingerprint != found.fingerprint


def test_seqios_own_bytes_are_the_same(of_bytes):
    features = {
        name: seqio.Feature(seqio.ByteVocabulary()) for name in ("inputs", "targets")
    }

    class Task:
        name, output_features = "own", features

    vocabularies.check_task(Task)
