"""Vocabularies as transformers has them: tokenizer.json, and the bytes of ByT5."""

import json
import shutil

import numpy as np
import pytest
import sentencepiece

transformers = pytest.importorskip("transformers")

from spot_jax.text.byte_pieces import BytePieces  # noqa: E402
from spot_jax.text.pieces import open_pieces  # noqa: E402
from tests.small_vocabulary import write_vocabulary  # noqa: E402

pytestmark = pytest.mark.parity

TEXTS = [
    "a good film",
    "sst2 sentence: It's 100% <extra_id_0> water , and <extra_id_12> a bad one .",
    "  spaces   and\ttabs\nand lines \u00a0\u3000 ",
    "ﬁne ① ½ Ångström e\u0301 ﾊﾝｶｸ 中文 🙂🙂 \u200bzero",
    "",
    "</s> <pad> <unk> ▁ ▁▁",
]


@pytest.fixture(scope="module", params=["published", "small"])
def folders(request, shared, tmp_path_factory):
    """A folder with spiece.model, and its tokenizer as transformers 5 saves it."""
    folder = tmp_path_factory.mktemp("vocabulary")
    if request.param == "published":
        file = shared / "fixtures/t5_vocab/spiece.model"
        if not file.exists():
            pytest.skip("the published vocabulary is not here")
        shutil.copy(file, folder)
    else:
        write_vocabulary(folder)
    theirs = transformers.T5Tokenizer.from_pretrained(folder)
    theirs.save_pretrained(folder / "saved")
    return folder, folder / "saved", theirs


def random_texts():
    rng = np.random.default_rng(0)
    for _ in range(500):
        points = np.concatenate([rng.integers(32, 0x3000, 8), rng.integers(97, 122, 9)])
        yield "".join(map(chr, rng.permutation(points)))


def test_tokenizer_json_is_the_spiece_model_that_it_was_made_of(folders):
    folder, saved, _ = folders
    assert not (saved / "spiece.model").exists()
    found, model = open_pieces(str(saved / "tokenizer.json"), 0, "")
    wanted, _ = open_pieces(str(folder / "spiece.model"), 100, "")
    assert found.vocab_size() == wanted.vocab_size()
    for number in range(found.vocab_size()):
        assert found.id_to_piece(number) == wanted.id_to_piece(number)
        assert found.get_score(number) == wanted.get_score(number)
        for asked in ("is_control", "is_unknown", "is_unused", "is_byte"):
            assert getattr(found, asked)(number) == getattr(wanted, asked)(number)
    for text in (*TEXTS, *random_texts()):
        assert found.encode(text) == wanted.encode(text), text
        assert found.decode(wanted.encode(text)) == wanted.decode(wanted.encode(text))


def test_plain_texts_are_cut_as_transformers_cuts_them(folders):
    _, saved, theirs = folders
    found, _ = open_pieces(str(saved / "tokenizer.json"), 0, "")
    if found.is_byte(3):
        pytest.skip("transformers 5 makes unknown pieces of what falls back on bytes")
    words = (
        "it's a good film, and 100% of Ann's water falls from the sky (1999)".split()
    )
    rng = np.random.default_rng(1)
    for _ in range(200):
        text = " ".join(rng.choice(words, 12))
        assert [*found.encode(text), 1] == theirs(text).input_ids, text


def test_what_a_user_added_to_a_tokenizer_is_refused(folders, tmp_path):
    from spot_jax.errors import InputError

    _, saved, _ = folders
    tokenizer = transformers.T5Tokenizer.from_pretrained(saved)
    tokenizer.add_tokens(["{"])
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"tokens of its own, as '\{'.*spiece.model"):
        open_pieces(str(tmp_path / "tokenizer.json"), 0, "")


@pytest.mark.filterwarnings("ignore:This sequence already has")
def test_bytes_are_those_of_byt5():
    theirs, ours = transformers.ByT5Tokenizer(), BytePieces()
    assert len(theirs) == ours.vocab_size() == 384
    for text in (*TEXTS[:-1], *random_texts()):
        ids = theirs(text, add_special_tokens=False).input_ids
        assert ours.encode(text) == ids, text
        assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=True)
    rng = np.random.default_rng(2)
    for _ in range(200):
        ids = rng.integers(0, 384, 12).tolist()
        assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=True)
    for number in range(384):
        wanted = theirs.convert_ids_to_tokens(number)
        if not 3 <= number < 259:
            assert ours.id_to_piece(number) == wanted


def test_a_folder_of_byt5_tells_its_vocabulary(tmp_path):
    from spot_jax.pretrained.beside import Beside, vocabulary_beside
    from spot_jax.pretrained.folder import Folder

    transformers.ByT5Tokenizer().save_pretrained(tmp_path)
    transformers.T5Config(vocab_size=384).save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "t5"
    assert vocabulary_beside(Folder(str(tmp_path))) == Beside("bytes", 125, ())


def test_sentencepiece_itself_reads_what_is_made(folders, tmp_path):
    _, saved, _ = folders
    _, model = open_pieces(str(saved / "tokenizer.json"), 0, "")
    (tmp_path / "made.model").write_bytes(model)
    sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "made.model"))
