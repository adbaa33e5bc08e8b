import pytest

from spot_jax.text import metrics, postprocessors

EXAMPLE = {
    "answers": [b"two", "Zoë"],
    "idx/passage": 3,
    "idx/query": 4,
    "idx/question": 5,
    "label": 1,
    "targets_pretokenized": b"The old Fox",
}


@pytest.mark.parametrize("text, index", [("no", 0), ("yes", 1), ("Yes", -1), ("", -1)])
def test_a_text_that_is_no_label_is_never_right(text, index):
    assert postprocessors.label_index(text, ("no", "yes")) == index


@pytest.mark.parametrize(
    "text, value", [("3.4", 3.4), (" 3. ", 3.0), ("-.5", -0.5), ("1e2", 100.0)]
)
def test_a_number_is_read(text, value):
    assert postprocessors.number(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "high", "nan", "-NaN", "inf", "Infinity", "-inf", "1e999", "1_0", "\uff11"]
    + ["\u0663", "3,4", "0x1", "3.4.", "2 3", "\u00b2"],
)
def test_what_is_no_finite_number_counts_as_minus_one(text):
    assert postprocessors.number(text) == -1.0


def test_a_target_has_all_answers():
    assert postprocessors.answers("two", EXAMPLE, is_target=False) == "two"
    assert postprocessors.answers("", EXAMPLE, is_target=True) == ["two", "Zoë"]


def test_targets_know_their_group():
    assert postprocessors.record("x", EXAMPLE) == {"value": "x"}
    target = postprocessors.record("x", EXAMPLE, is_target=True)
    assert target == {"value": ["two", "Zoë"], "group": (3, 4)}
    target = postprocessors.multirc("True", EXAMPLE, is_target=True)
    assert target == {"value": 1, "group": 5}


@pytest.mark.parametrize(
    "prediction, value",
    [
        ("the old fox", 1),
        ("fox", 1),
        ("a very old fox", 1),
        ("old", 1),
        ("cat", 0),
        ("fox's", 0),
        ("the", -1),
        ("", -1),
    ],
)
def test_wsc_compares_words(prediction, value):
    assert postprocessors.wsc(prediction, EXAMPLE) == value
    assert postprocessors.wsc(prediction, EXAMPLE, is_target=True) == 1


def test_only_the_words_of_a_choice_count():
    target, decoded = "We don't {know}.\nYet", "We don't  ⁇ know ⁇ . Yet"
    assert postprocessors.words(target) == postprocessors.words(decoded)
    assert postprocessors.words("a cat") != postprocessors.words("cat")


def test_an_empty_answer_is_not_a_choice_without_words():
    assert postprocessors.words("?!") == postprocessors.words(" ?! ")
    assert postprocessors.words("?!") != postprocessors.words("") != "!"


def test_emotions_are_found_whatever_is_between_them():
    names = ("joy", "love", "neutral")
    for text in (r"joy \n love", "joy ⁇ n love", "love joy"):
        assert postprocessors.named(text, names) == ("joy", "love")
    assert postprocessors.named("", names) == ()
    assert postprocessors.named("sad", names) not in [(), *((n,) for n in names)]


def test_a_question_without_an_answer_has_no_answers():
    for answers in ([], [b""]):
        example = {"answers": answers}
        targets = [postprocessors.answers("", example, is_target=True)]
        assert metrics.squad(targets, [""]) == {"em": 100.0, "f1": 100.0}
        assert metrics.squad(targets, ["x"]) == {"em": 0.0, "f1": 0.0}
