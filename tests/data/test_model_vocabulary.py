"""A run reads the vocabulary of its model, and no other."""

import dataclasses
import logging
import shutil

import pytest
import sentencepiece

from spot_jax import pretrained
from spot_jax.data.model_vocabulary import chosen
from spot_jax.data.vocabularies import open_sentencepiece
from spot_jax.errors import InputError
from spot_jax.pretrained import Beside, Description
from spot_jax.pretrained.arrays import Checkpoint
from spot_jax.pretrained.published import PUBLISHED_VOCABULARY
from spot_jax.spot_tiny import FOLDER
from tests.small_vocabulary import write_vocabulary

OTHER = str(FOLDER / "vocabulary.model")


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return write_vocabulary(tmp_path_factory.mktemp("vocabulary"))


def description(beside=None, rows=512, is_of_transformers=True):
    settings = {"vocab_size": rows}
    return Description(
        *("/t5", settings, {}, {}, None, beside), is_of_transformers=is_of_transformers
    )


def size_of(path):
    return open_sentencepiece(path).vocab_size()


def test_the_one_beside_the_weights_is_taken(ours):
    assert chosen(None, 0, description(Beside(ours, None, ()))) == (ours, 0)


def test_spot_tinys_name_is_enough():
    told = pretrained.describe("spot_tiny")
    assert chosen(None, None, told) == ("spot_tiny", 0)
    # And so is its folder.
    told = pretrained.describe(str(FOLDER))
    assert chosen(None, None, told) == (OTHER, 0)


@pytest.mark.parametrize("name", ["t5_1_1_base", "t5_1_1_lm100k_xxl"])
def test_a_published_name_has_the_published_one(name):
    assert chosen(None, None, pretrained.describe(name)) == (PUBLISHED_VOCABULARY, 0)


def test_so_has_a_t5x_checkpoint_with_its_rows_and_a_model_from_scratch():
    copied = description(None, 32128, is_of_transformers=False)
    assert chosen(None, None, copied) == (PUBLISHED_VOCABULARY, 0)
    assert chosen(None, 0, None) == (PUBLISHED_VOCABULARY, 0)


def test_a_vocabulary_that_is_assumed_is_told(ours, caplog):
    caplog.set_level(logging.INFO)
    chosen(None, None, pretrained.describe("t5_1_1_base"))
    chosen(None, None, None)
    told = description(None, 32128, is_of_transformers=False)
    opened = dataclasses.replace(told, checkpoint=Checkpoint({}, None))
    # Of one that is named nothing is assumed.
    chosen(ours, None, opened)
    assert not caplog.messages
    chosen(None, None, opened)
    (said,) = caplog.messages
    assert said.startswith("Nothing beside the weights in /t5 says which vocabulary")
    assert PUBLISHED_VOCABULARY in said and "--gin.VOCABULARY=FILE" in said


@pytest.mark.parametrize(
    "told",
    [
        description(None, 32128),
        description(None, 250112, is_of_transformers=False),
        description(None, 384),
    ],
)
def test_a_model_of_which_nothing_says_its_vocabulary_is_refused(told):
    with pytest.raises(InputError, match=r"no spiece.model .*--gin.VOCABULARY=FILE"):
        chosen(None, None, told)


@pytest.mark.parametrize(
    ("told", "rows", "wanted"),
    [
        (None, 512, 100),
        (20, 512, 20),
        (0, 512, 0),
        # Without rows in the embedding they are of no use.
        (None, 320, 0),
        (1000, 512, 0),
    ],
)
def test_sentinels_are_added_as_transformers_adds_them(ours, told, rows, wanted):
    found = chosen(None, None, description(Beside(ours, told, ()), rows))
    assert found == (ours, wanted)
    # Also where the file is named.
    found = chosen(ours, None, description(Beside(ours, told, ()), rows))
    assert found == (ours, wanted)


def test_a_file_that_has_sentinels_gets_no_others():
    assert chosen(None, None, description(Beside(OTHER, 100, ()), 4000)) == (OTHER, 0)


@pytest.mark.parametrize(("told", "wanted"), [(None, 125), (7, 7)])
def test_byt5_has_its_own_sentinels(told, wanted):
    beside = Beside("bytes", told, ())
    assert chosen(None, None, description(beside)) == ("bytes", wanted)
    assert chosen("bytes", None, description(beside)) == ("bytes", wanted)


def test_extra_ids_that_are_given_are_kept(ours):
    told = description(Beside(ours, 100, ()))
    assert chosen(None, 3, told) == (ours, 3)
    assert chosen(ours, 0, told) == (ours, 0)
    assert chosen(ours, None, None) == (ours, 0)


def retrained(folder, **options):
    path = folder / "other.model"
    with path.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["a good film and a bad one"] * 20),
            model_writer=file,
            hard_vocab_limit=False,
            minloglevel=2,
            **{"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1} | options,
        )
    return str(path)


def test_another_vocabulary_is_refused_with_both(ours, tmp_path):
    told = description(Beside(ours, None, ()))
    other = retrained(tmp_path, vocab_size=24)
    with pytest.raises(InputError) as error:
        chosen(other, 0, told)
    message = str(error.value)
    assert f"VOCABULARY is {other} (" in message
    assert f"beside its weights lies {ours} ({size_of(ours)} pieces" in message
    assert "id 3 is '<0x00>'" in message or "id 3 is " in message
    assert message.count("fingerprint") == 2
    with pytest.raises(InputError, match="only one of them is of bytes"):
        chosen("bytes", 0, told)


def test_scores_and_counts_count(ours, tmp_path):
    from sentencepiece import sentencepiece_model_pb2

    def changed(change):
        with open(ours, "rb") as file:
            proto = sentencepiece_model_pb2.ModelProto.FromString(file.read())
        change(proto)
        (tmp_path / "x.model").write_bytes(proto.SerializeToString())
        return chosen(str(tmp_path / "x.model"), 0, description(Beside(ours, None, ())))

    def score(proto):
        proto.pieces[300].score += 0.5

    def one_more(proto):
        proto.pieces.add(piece="▁more", score=-9.0)

    def sentinel(proto):
        kind = proto.SentencePiece.USER_DEFINED
        proto.pieces.add(piece="▁<extra_id_0>", score=0.0, type=kind)

    with pytest.raises(InputError, match="the scores of "):
        changed(score)
    with pytest.raises(InputError, match="one has .* pieces and the other"):
        changed(one_more)
    # The published file has its sentinels, that of transformers has not.
    changed(sentinel)


def test_a_copy_of_the_same_file_is_the_same(ours, tmp_path):
    copy = str(shutil.copy(ours, tmp_path / "copy.model"))
    assert chosen(copy, 0, description(Beside(ours, None, ()))) == (copy, 0)


def test_without_one_of_its_own_any_is_taken(ours):
    assert chosen(ours, 0, description(None)) == (ours, 0)


def test_one_that_cannot_be_read_is_refused_unless_another_is_named(
    ours, tmp_path, caplog
):
    (tmp_path / "tokenizer.json").write_text('{"model": {"type": "BPE"}}')
    told = description(Beside(str(tmp_path / "tokenizer.json"), None, ()))
    with pytest.raises(InputError, match="BPE tokenizer.*Get the spiece.model"):
        chosen(None, None, told)
    assert chosen(ours, None, told) == (ours, 0)
    assert "cannot be compared" in caplog.text


def test_tokens_that_a_user_added_are_told(ours, caplog):
    chosen(None, 0, description(Beside(ours, None, ("{", "<"))))
    assert "2 tokens of its own ('{', '<')" in caplog.text


def test_a_vocabulary_that_is_none_is_refused(ours, tmp_path):
    told = description(Beside(ours, None, ()))
    (tmp_path / "x.model").write_bytes(b"no model")
    with pytest.raises(InputError, match="is no SentencePiece model"):
        chosen(str(tmp_path / "x.model"), 0, told)
    with pytest.raises(InputError, match="is no SentencePiece model"):
        chosen(
            None,
            None,
            dataclasses.replace(
                told, vocabulary=Beside(str(tmp_path / "x.model"), None, ())
            ),
        )
