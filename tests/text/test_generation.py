import math

import pytest

from spot_jax.text.generation import bleu, rouge


def test_the_same_text_has_all_of_it():
    texts = ["The cat sat on the mat.", "It cost 1,000.5 dollars!"]
    assert bleu(texts, texts)["bleu"] == pytest.approx(100)
    assert rouge(texts, texts) == pytest.approx(
        {"rouge1": 100, "rouge2": 100, "rougeLsum": 100}
    )


def test_bleu_by_hand():
    # Orders 1 to 4: 5/6, 3/5, 1/4 and none of 3, which counts as a half.
    result = bleu(["the cat sat on the mat"], ["the cat sat in the mat"])["bleu"]
    expected = 100 * (5 / 6 * 3 / 5 * 1 / 4 * 0.5 / 3) ** 0.25
    assert result == pytest.approx(expected)


def test_a_short_text_is_punished():
    result = bleu(["a b c d e f g h"], ["a b c d"])["bleu"]
    assert result == pytest.approx(100 * math.exp(-1))


def test_rouge_by_hand():
    result = rouge(["the cat sat"], ["the cat ran"])
    assert result == pytest.approx(
        {"rouge1": 200 / 3, "rouge2": 50.0, "rougeLsum": 200 / 3}
    )


def test_a_line_is_a_sentence():
    swapped = rouge(["a b\nc d"], ["c d\na b"])
    assert swapped["rougeLsum"] == pytest.approx(100)
    assert rouge(["a b c d"], ["c d a b"])["rougeLsum"] == pytest.approx(50)


def test_nothing_in_common_is_zero():
    assert bleu(["a b c d e"], ["v w x y z"])["bleu"] == 0.0
    assert rouge(["a"], [""]) == {"rouge1": 0.0, "rouge2": 0.0, "rougeLsum": 0.0}


def test_punctuation_between_numbers_stays_where_it_is():
    # Of whatever kind the numbers are: "½" is one too.
    for text, split in (("1,5 a b c", "1 , 5 a b c"), ("½,½ a b c", "½ , ½ a b c")):
        assert bleu([text], [text])["bleu"] == 100.0
        assert bleu([text], [split])["bleu"] < 100.0
    assert bleu(["it, a b c"], ["it , a b c"])["bleu"] == 100.0


@pytest.mark.parametrize("metric", [bleu, rouge])
def test_every_text_has_its_reference(metric):
    with pytest.raises(ValueError, match="1 targets and 2 predictions"):
        metric(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="at least one"):
        metric([], [])
