"""An answer's letters become pieces, and pieces letters again."""

import numpy as np
import pytest

from spot_jax.spot_tiny import BYTES
from spot_jax.text.pieces import open_pieces
from spot_jax.text.spans import Found, counted, span_of, text_at

TEXT = "question: Who lives in Ashford ? context: Mila lives in Ashford . "


@pytest.fixture(params=["spot_tiny", BYTES])
def pieces(request):
    return open_pieces(request.param, 0, "")[0]


@pytest.mark.parametrize(
    "answer", ["Mila", "Ashford", "Mila lives in Ashford", ".", "question:", "lives"]
)
def test_the_pieces_of_an_answer_have_its_text_and_no_more(answer, pieces):
    start = TEXT.rindex(answer)
    end = start + len(answer)
    span = span_of(TEXT, start, end, pieces)
    assert span.found is Found.INSIDE
    assert text_at(TEXT, span.places, span.start, span.end) == answer
    decoded = pieces.decode(span.ids[span.start : span.end + 1].tolist())
    assert decoded.strip() == answer
    assert span.ids.tolist() == [*pieces.encode(TEXT.rstrip()), 1]
    assert len(span.places) == len(span.ids) - 1


def test_a_part_of_a_piece_takes_all_of_it(pieces):
    start = TEXT.index("estion")
    span = span_of(TEXT, start, start + 2, pieces)
    assert "es" in text_at(TEXT, span.places, span.start, span.end)


@pytest.mark.parametrize("name", ["Żywny", "ﬁne", "½", "Zoë", "日本"])
def test_letters_that_the_vocabulary_has_not_stand_as_they_were(name, pieces):
    text = f"context: {name} is {name} ."
    start = text.rindex(name)
    span = span_of(text, start, start + len(name), pieces)
    assert text_at(text, span.places, span.start, span.end) == name


def test_what_is_cut_off_and_what_is_none_are_counted(pieces):
    start = TEXT.rindex("Mila")
    inside = span_of(TEXT, start, start + 4, pieces)
    cut = span_of(TEXT, start, start + 4, pieces, limit=inside.end + 1)
    assert cut.found is Found.CUT and (cut.start, cut.end) == (-1, -1)
    assert len(cut.ids) == inside.end + 1 and cut.ids[-1] == 1
    just = span_of(TEXT, start, start + 4, pieces, limit=inside.end + 2)
    assert just.found is Found.INSIDE
    none = span_of(TEXT, -1, -1, pieces)
    assert none.found is Found.NONE and np.array_equal(none.ids, inside.ids)
    told = counted([inside, cut, none, just])
    assert told == {Found.INSIDE: 2, Found.CUT: 1, Found.NONE: 1}


@pytest.mark.parametrize("start, end", [(-1, -1), (3, 2), (900, 901), (-1, 2)])
def test_pieces_that_are_none_have_no_text(start, end):
    assert text_at("a b", [(0, 1), (2, 3)], start, end) == ""


def test_what_reaches_beyond_the_text_ends_with_it():
    assert text_at("a b", [(0, 1), (2, 3)], 1, 5) == "b"
