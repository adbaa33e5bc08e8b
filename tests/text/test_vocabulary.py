import copy
import pickle

import pytest
import sentencepiece
import seqio

from spot_jax.text import vocabulary
from spot_jax.text.vocabulary import VOCABULARY, check_vocabulary, use_vocabulary


def test_nothing_is_read_before_the_first_use(tmp_path, small_vocabulary):
    use_vocabulary(str(tmp_path / "not_there.model"))
    assert "not_there" in VOCABULARY.sentencepiece_model_file
    with pytest.raises(Exception, match="not_there"):
        VOCABULARY.encode("x")


def test_another_file_replaces_what_was_loaded(vocabulary_file, small_vocabulary):
    plain = VOCABULARY.vocab_size
    use_vocabulary(vocabulary_file, extra_ids=100)
    assert VOCABULARY.vocab_size == plain + 100
    assert VOCABULARY.encode("<extra_id_0>") == [plain + 99]
    use_vocabulary(vocabulary_file)
    assert VOCABULARY.vocab_size == plain


def test_text_survives_encoding_and_decoding(small_vocabulary):
    text = "a good film , and a bad one ."
    assert VOCABULARY.decode(VOCABULARY.encode(text)) == text
    assert VOCABULARY.encode_tf(text).numpy().tolist() == VOCABULARY.encode(text)


def test_copies_are_the_vocabulary_itself(vocabulary_file, small_vocabulary):
    copied, deep = copy.copy(VOCABULARY), copy.deepcopy({"v": VOCABULARY})["v"]
    use_vocabulary(vocabulary_file, extra_ids=3)
    assert copied is deep is VOCABULARY


def test_another_process_gets_the_same_file(small_vocabulary):
    other = pickle.loads(pickle.dumps(VOCABULARY))
    assert other == VOCABULARY
    assert other.encode("a film") == VOCABULARY.encode("a film")


def test_features_of_a_mixture_agree(small_vocabulary):
    one, other = (seqio.Feature(VOCABULARY) for _ in range(2))
    assert one == other


@pytest.mark.parametrize(
    "content, message",
    [(None, "cannot be read"), (b"", "is no SentencePiece"), (b"x", "is no Sent")],
)
def test_a_wrong_file_is_named_with_the_cure(tmp_path, content, message):
    path = tmp_path / "wrong.model"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        check_vocabulary(str(path))
    assert str(path) in str(error.value)
    assert "--gin.VOCABULARY" in str(error.value)


def test_ids_must_be_those_of_t5(tmp_path):
    path = tmp_path / "other.model"
    with path.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["a b c"] * 9),
            model_writer=file,
            vocab_size=8,
            hard_vocab_limit=False,
            minloglevel=2,
        )
    with pytest.raises(ValueError, match="padding id -1 and end id 2"):
        check_vocabulary(str(path))


def test_a_good_file_passes(vocabulary_file):
    check_vocabulary(vocabulary_file)


def test_the_fingerprint_tells_sentinels_apart(vocabulary_file, small_vocabulary):
    plain = vocabulary.vocabulary_fingerprint()
    use_vocabulary(vocabulary_file, extra_ids=100)
    assert vocabulary.vocabulary_fingerprint() != plain
