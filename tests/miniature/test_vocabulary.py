import pytest
import sentencepiece

from spot_jax.miniature import lessons, rows, world
from spot_jax.miniature.baseline import texts
from spot_jax.miniature.plain import story_text
from spot_jax.miniature.vocabulary import SENTINELS, build_vocabulary
from spot_jax.tasks.catalog import STUDY_LABELS


@pytest.fixture(scope="module")
def model():
    return build_vocabulary(story_text(0, 2000, STUDY_LABELS))


@pytest.fixture(scope="module")
def processor(model):
    return sentencepiece.SentencePieceProcessor(model_proto=model)


def test_the_same_text_gives_the_same_vocabulary(model):
    assert build_vocabulary(story_text(0, 2000, STUDY_LABELS)) == model


def test_ids_are_those_of_t5(processor):
    assert (processor.pad_id(), processor.eos_id(), processor.unk_id()) == (0, 1, 2)
    first = len(processor) - SENTINELS
    assert processor.piece_to_id("<extra_id_0>") == len(processor) - 1
    assert processor.piece_to_id(f"<extra_id_{SENTINELS - 1}>") == first


def test_a_name_is_two_pieces_whether_it_was_read_or_not(processor):
    for split in world.SPLITS:
        for name in (*world.women(split), *world.men(split), *world.places(split)):
            assert len(processor.encode(name)) == 2, name


def test_labels_are_made_of_syllables_that_lessons_have(processor):
    known = {*lessons.SYLLABLES, *lessons.PAGE_WORDS, *"0123456789."}
    for label in STUDY_LABELS - {""}:
        pieces = [piece.strip("▁") for piece in processor.encode(label, out_type=str)]
        assert {*pieces} <= known, (label, pieces)


def test_rows_of_every_split_are_read_without_an_unknown_piece(processor):
    for task in ("rte", "squad", "boolq", "wic", "copa"):
        for row in rows(task, "validation", 50):
            for value in texts(task, row).values():
                assert processor.unk_id() not in processor.encode(value)
                assert processor.decode(processor.encode(value)) == value
