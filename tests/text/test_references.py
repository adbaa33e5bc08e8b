"""Figures against several references, on values that can be worked out by hand."""

import math
import sys

import pytest

from spot_jax.errors import InputError
from spot_jax.text import generation, metrics, references

ALL = [
    references.bleu,
    references.chrf,
    references.one_minus_ter,
    references.rouge_l,
    references.nist,
    references.cider,
]
TEXTS = ["The cat sat on the mat.", "A dog ran away, fast and far."]


@pytest.mark.parametrize("metric", ALL)
def test_one_of_the_references_is_as_good_as_can_be(metric):
    right = [[f"{number} birds", text] for number, text in enumerate(TEXTS)]
    (best,) = metric([[text] for text in TEXTS], TEXTS).values()
    (found,) = metric(right, TEXTS).values()
    (worse,) = metric(right, ["a cat", "the dog ran"]).values()
    if metric not in (references.nist, references.cider):
        assert found == pytest.approx(100) == best
    assert worse < found


@pytest.mark.parametrize("metric", ALL)
def test_capitals_count_for_nothing(metric):
    right = [[text] for text in TEXTS]
    found = metric(right, [text.upper() for text in TEXTS])
    assert found == pytest.approx(metric(right, TEXTS))


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize("texts", [["", ""], [".", "xyz"]])
def test_texts_with_nothing_in_common_have_the_least(metric, texts):
    (found,) = metric([["a b c d"], ["e f g h", "i j k l"]], texts).values()
    assert found == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("metric", ALL)
def test_every_text_has_its_references(metric):
    with pytest.raises(InputError, match="1 targets and 2 predictions"):
        metric([["a"]], ["a", "b"])
    with pytest.raises(InputError, match="text 1 has no reference"):
        metric([["a"], []], ["a", "b"])


def test_ter_by_hand():
    # One of four words, and of three: 2 / 7; a block that moved is one change.
    result = references.one_minus_ter([["a b c d"], ["a b c"]], ["a b c e", "a b x"])
    assert result["one_minus_ter"] == pytest.approx(100 * 5 / 7)
    moved = references.one_minus_ter([["a b c d e"]], ["d e a b c"])
    assert moved["one_minus_ter"] == pytest.approx(80)


def test_nist_by_hand():
    # Four words of five occurrences: three of information log2(5), twice log2(5/2).
    right = [[["a", "b", "a", "c", "d"]]]
    unigrams = (3 * math.log2(5) + 2 * math.log2(5 / 2)) / 5
    # Of the spans of two those that begin with "a" say one bit, the others nothing.
    bigrams = 2 * 1 / 4
    found = references.nist([[" ".join(right[0][0])]], ["a b a c d"])["nist"]
    assert found == pytest.approx(unigrams + bigrams)


def test_short_texts_have_a_nist():
    assert references.nist([["a b"], ["c"]], ["a b", "c"])["nist"] > 0


def test_cider_by_hand():
    # Words that one text of two has weigh log 2, "the", which both have, nothing.
    right = [["the cat"], ["the dog"]]
    # Of size 1 and 2 all is alike, of size 3 and 4 there is nothing.
    assert references.cider(right, ["the cat", "the dog"])["cider"] == pytest.approx(5)
    # "cat sat": in the vectors of size 1 (1, 1) and (1), none of size 2 alike.
    half = 10 * (1 / math.sqrt(2)) / 4 / 2
    assert references.cider(right, ["cat sat", "x"])["cider"] == pytest.approx(half)
    # Three words too many: e^(-9/72), and a cosine of (1, 1, 1, 1) with (1).
    long = 10 * math.exp(-9 / 72) * (1 / 2) / 4 / 2
    assert references.cider(right, ["cat u v w the", "x"])["cider"] == pytest.approx(
        long
    )


def test_a_word_said_twice_counts_once():
    right = [["cat"], ["dog"]]
    # (2) and (1) would have the cosine 1; clipped it is 1 * 1 / (2 * 1).
    found = references.cider(right, ["cat cat", "x"])["cider"]
    assert found == pytest.approx(10 * math.exp(-1 / 72) * 0.5 / 4 / 2)


def test_nothing_is_rare_in_a_single_text():
    assert references.cider([["a b"]], ["a b"]) == {"cider": 0.0}


def test_examples_of_one_input_are_one_text_with_several_references():
    targets = [
        {"value": "a b c d", "group": "x"},
        {"value": "e f g h", "group": "y"},
        {"value": "d c b a", "group": "x"},
    ]
    guesses = [{"value": text} for text in ("d c b a", "e f g h", "none")]
    assert references.by_input(references.bleu)(targets, guesses) == {"bleu": 100.0}


def test_meteor_where_its_data_are():
    nltk = pytest.importorskip("nltk")
    try:
        nltk.data.find("corpora/wordnet")
    except LookupError:
        try:
            nltk.data.find("corpora/wordnet.zip")
        except LookupError:
            pytest.skip("nltk has no WordNet here: python -m nltk.downloader wordnet")
    # All words in one block: 1 - 0.5 * (1/6)^3.
    found = references.meteor([["the cat sat on a mat"]], ["the cat sat on a mat"])
    assert found["meteor"] == pytest.approx(100 * (1 - 0.5 / 6**3))


def test_meteor_without_its_data_says_how_to_get_them(monkeypatch):
    nltk = pytest.importorskip("nltk")
    monkeypatch.setattr(nltk.data, "path", [])
    monkeypatch.setattr("nltk.translate.meteor_score.wordnet", _NoWordNet())
    with pytest.raises(InputError, match="python -m nltk.downloader wordnet"):
        references.meteor([["a cat"]], ["the dog"])


def test_meteor_by_hand(monkeypatch):
    nltk_meteor = pytest.importorskip("nltk.translate.meteor_score").meteor_score

    def without_synonyms(right, found):
        return nltk_meteor(right, found, wordnet=_NoSynonyms())

    monkeypatch.setattr("nltk.translate.meteor_score.meteor_score", without_synonyms)
    # All words in one block, of the better reference: 1 - 0.5 * (1/6)^3.
    right = [["a dog", "the cat sat on a mat"]]
    found = references.meteor(right, ["The cat sat on a mat"])
    assert found["meteor"] == pytest.approx(100 * (1 - 0.5 / 6**3))


class _NoSynonyms:
    def synsets(self, *_):
        return []


class _NoWordNet:
    def synsets(self, *_):
        raise LookupError("Resource wordnet not found.")


@pytest.mark.parametrize(
    "module, call, package",
    [
        ("sacrebleu.metrics", lambda: references.bleu([["a"]], ["a"]), "sacrebleu"),
        ("sacrebleu", lambda: generation.bleu(["a"], ["a"]), "sacrebleu"),
        (
            "rouge_score.rouge_scorer",
            lambda: references.rouge_l([["a"]], ["a"]),
            "rouge-score",
        ),
        ("rouge_score.rouge_scorer", lambda: generation.rouge(["a"], ["a"]), "rouge"),
        ("nltk.translate.nist_score", lambda: references.nist([["a"]], ["a"]), "nltk"),
        ("sklearn.metrics", lambda: metrics.f1([1], [1]), "scikit-learn"),
    ],
)
def test_a_library_that_is_missing_is_named_with_its_cure(
    module, call, package, monkeypatch
):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=f"is not here: pip install {package}"):
        call()
