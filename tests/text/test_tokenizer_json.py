"""tokenizer.json is read as the model that it was made of, or refused with the cure."""

import base64
import copy
import json

import pytest
import sentencepiece
from sentencepiece import sentencepiece_model_pb2

from spot_jax.errors import InputError
from spot_jax.text.pieces import open_pieces
from spot_jax.text.tokenizer_json import as_sentencepiece, with_sentinels
from tests.small_vocabulary import write_vocabulary

METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}
SPLIT = {"type": "WhitespaceSplit"}


@pytest.fixture(scope="module")
def spiece(tmp_path_factory):
    return write_vocabulary(tmp_path_factory.mktemp("vocabulary"))


@pytest.fixture(scope="module")
def theirs(spiece):
    """What transformers makes of it, with three sentinels."""
    with open(spiece, "rb") as file:
        proto = sentencepiece_model_pb2.ModelProto.FromString(file.read())
    vocab = [[piece.piece, piece.score] for piece in proto.pieces]
    vocab += [[f"<extra_id_{number}>", 0.0] for number in (2, 1, 0)]
    special = [0, 1, 2, *range(len(vocab) - 3, len(vocab))]
    table = base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode()
    return {
        "added_tokens": [{"id": i, "content": vocab[i][0]} for i in special],
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": table},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [SPLIT, METASPACE]},
        "model": {"type": "Unigram", "unk_id": 2, "vocab": vocab},
    }


def read(tokenizer):
    return as_sentencepiece(json.dumps(tokenizer).encode(), "/t5/tokenizer.json")


def test_it_cuts_as_the_model_that_it_was_made_of(spiece, theirs, tmp_path):
    (tmp_path / "tokenizer.json").write_text(json.dumps(theirs))
    found, _ = open_pieces(str(tmp_path / "tokenizer.json"), 0, "")
    wanted, _ = open_pieces(spiece, 3, "")
    assert found.vocab_size() == wanted.vocab_size()
    for text in (
        "a good film",
        " it  rains\n① ﬁne 中",
        "<extra_id_0> Ann <extra_id_2>",
    ):
        assert found.encode(text) == wanted.encode(text)
        assert found.decode(found.encode(text)) == wanted.decode(wanted.encode(text))
    assert found.encode("<extra_id_0>") == [found.vocab_size() - 1]


STRIP = {"type": "Strip", "strip_left": False, "strip_right": True}
REPLACE = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"}


@pytest.mark.parametrize(
    "form",
    [
        {"pre_tokenizer": METASPACE},
        {"pre_tokenizer": METASPACE | {"add_prefix_space": True}},
        {
            "normalizer": lambda own: {
                "type": "Sequence",
                "normalizers": [own, STRIP, REPLACE],
            },
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [METASPACE]},
        },
    ],
)
def test_other_versions_say_the_same_otherwise(form, theirs):
    other = dict(theirs)
    for key, value in form.items():
        other[key] = value(theirs[key]) if callable(value) else value
    assert read(other) == read(theirs)


def test_no_table_is_no_normalisation(theirs):
    found = sentencepiece.SentencePieceProcessor()
    found.LoadFromSerializedProto(read(theirs | {"normalizer": None}))
    proto = sentencepiece_model_pb2.ModelProto.FromString(
        found.serialized_model_proto()
    )
    assert proto.normalizer_spec.precompiled_charsmap == b""


def changed(tokenizer, *path, value):
    other = copy.deepcopy(tokenizer)
    place = other
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return other


LOWERCASE = {"type": "Lowercase"}
CASES = [
    (("model", "type"), "BPE", "is of a BPE tokenizer"),
    (("model", "unk_id"), 0, "its first pieces are"),
    (("model", "unk_id"), None, "its first pieces are"),
    (("model", "vocab", 0, 0), "<s>", "its first pieces are"),
    (("model", "vocab", 300, 0), "</s>", "are there twice"),
    (("model", "vocab", 5, 0), "x-x", "255 of its pieces are bytes"),
    (("model", "vocab", 299, 0), "<extra_id_7>", "not in order, <extra_id_7>"),
    (("model", "vocab"), {}, "not what it should be"),
    (("added_tokens",), [{"id": 900, "content": "{"}], r"of its own, as '\{'"),
    (("normalizer",), LOWERCASE, "its normalizer is .*Lowercase"),
    (("normalizer", "precompiled_charsmap"), "?", "its normalizer is"),
    (
        ("normalizer",),
        {"type": "Sequence", "normalizers": [LOWERCASE, STRIP, REPLACE]},
        "its normalizer is",
    ),
    (("pre_tokenizer",), None, "its pre_tokenizer is None"),
    (("pre_tokenizer",), {"type": "Whitespace"}, "its pre_tokenizer is"),
    (("pre_tokenizer",), METASPACE | {"replacement": "_"}, "its pre_tokenizer is"),
    (("pre_tokenizer",), METASPACE | {"prepend_scheme": "never"}, "pre_tokenizer is"),
    (("pre_tokenizer", "pretokenizers"), 3, "its pre_tokenizer is"),
]


@pytest.mark.parametrize(("path", "value", "told"), CASES)
def test_what_a_spiece_model_cannot_say_is_refused(path, value, told, theirs):
    with pytest.raises(InputError, match=f"/t5/tokenizer.json.*{told}") as error:
        read(changed(theirs, *path, value=value))
    assert "Get the spiece.model of the same model" in str(error.value)


def test_a_piece_that_is_looked_for_first_is_refused(theirs):
    piece = theirs["model"]["vocab"][270][0]
    added = [*theirs["added_tokens"], {"id": 270, "content": piece}]
    with pytest.raises(InputError, match="before anything else"):
        read(theirs | {"added_tokens": added})


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"model": 3}', b"\xff"])
def test_a_damaged_file_is_one_message(data, tmp_path):
    (tmp_path / "tokenizer.json").write_bytes(data)
    with pytest.raises(InputError, match=r"tokenizer.json is .*Get the spiece.model"):
        open_pieces(str(tmp_path / "tokenizer.json"), 0, "")


def test_sentinels_are_added_as_seqio_adds_them(spiece):
    import seqio

    with open(spiece, "rb") as file:
        model = with_sentinels(file.read(), 4)
    assert model == seqio.SentencePieceVocabulary(spiece, 4).sp_model
