"""A prompt is of one frozen model, which its fingerprint tells where it is known."""

import pytest

from spot_jax.model_dir import made_for
from spot_jax.model_dir.made_for import check_made_for, is_same_model, named

A, B = {"fingerprint": "a"}, {"fingerprint": "b"}
# What was written before the fingerprint saw all values, and what is written today.
EARLIER = {"fingerprint": "e"}
TODAY = {"fingerprint": "t", "earlier_fingerprint": "e"}
X, Y = {"source": "x"}, {"source": "y"}


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        # Both know the fingerprint, which alone decides.
        (A, A, True),
        (A, B, False),
        (A | X, A | Y, True),
        (A | X, B | X, False),
        # What one of them tells is the other's earlier one.
        (EARLIER, TODAY, True),
        (EARLIER, TODAY | X, True),
        (A, TODAY, False),
        # Both know today's: the earlier one, which may be the same by accident, is not
        # asked.
        (TODAY, TODAY | {"fingerprint": "u"}, False),
        (TODAY, {"fingerprint": "t"}, True),
        # One of them does: a name is no proof either way.
        (A | X, X, None),
        (A | X, Y, None),
        (A, X, None),
        # Neither does: the same name is the same model.
        (X, X, True),
        (X, Y, None),
        # Somebody says nothing.
        (A | X, {}, None),
        (X, {}, None),
        ({}, {}, None),
        # What is empty is not said.
        (A | X, {"fingerprint": None} | X, None),
        ({"fingerprint": ""} | X, {"fingerprint": None} | X, True),
        ({"source": ""}, {"source": ""}, None),
    ],
)
def test_models_are_told_apart_by_fingerprint(one, other, is_same):
    assert is_same_model(one, other) is is_same
    assert is_same_model(other, one) is is_same


def test_a_prompt_of_another_model_is_refused_naming_both():
    with pytest.raises(ValueError) as error:
        check_made_for("p.npy", A | X, B | Y, "Train it again.")
    assert str(error.value) == (
        "p.npy was trained for the frozen model a of x; this one is b of y. "
        "Train it again."
    )


@pytest.mark.parametrize("made_for", [A | Y, X, Y, {}])
def test_a_prompt_of_this_model_or_of_nobody_knows_which_is_taken(made_for):
    check_made_for("p.npy", made_for, A | X, "Train it again.")


def test_a_model_is_named_by_what_is_known_of_it():
    assert named(A | X) == "a of x"
    assert named(A) == "a" and named(X) == "x"
    assert named({}) == named({"source": ""}) == "a model that nobody names"


def test_a_model_known_by_its_earlier_fingerprint_is_remarked_once(caplog):
    today = TODAY | {"fingerprint": "remarked"}
    for _ in range(3):
        assert is_same_model(EARLIER, today)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "fingerprint e of an earlier version" in caplog.text
    assert "remarked" in caplog.text


def test_another_vocabulary_is_named_beside_the_runs():
    ours = {"fingerprint": "a" * 64, "path": "ours.model"}
    made_for.check_vocabulary("best", {}, ours, "")
    made_for.check_vocabulary("best", {**ours, "path": "copy.model"}, ours, "")
    theirs = {"fingerprint": "b" * 64, "path": "theirs.model"}
    with pytest.raises(ValueError, match="best was .* theirs.model .* ours.model .*: "):
        made_for.check_vocabulary("best", theirs, ours, "Cure.")
