"""Which frozen model a prompt was made for; asked here, and nowhere else.

A prompt's header, a library and a run tell their model as {"fingerprint", "source",
"earlier_fingerprint"}; files of other programs tell less. The fingerprint is that of
the weights, whatever their format, so it decides wherever both sides know it. What was
written before there was an "earlier_fingerprint" has that one as its "fingerprint".
"""

import functools
import logging
from collections.abc import Mapping
from typing import Any

from spot_jax.errors import InputError

logger = logging.getLogger(__name__)


def is_same_model(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool | None:
    """Returns whether two stories tell of one model; None where nobody can say.

    Args:
        one: {"fingerprint", "source", "earlier_fingerprint"}, or a part of it.
        other: the same.
    """
    first, second = one.get("fingerprint"), other.get("fingerprint")
    if first and second:
        return first == second or _is_same_by_earlier(one, other)
    # A name or a path is no proof of a difference: one model lies in many places.
    if not first and not second and one.get("source"):
        return True if one["source"] == other.get("source") else None
    return None


def _is_same_by_earlier(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Returns whether one of two, written before, tells the other's earlier name."""
    for old, new in ((one, other), (other, one)):
        earlier = new.get("earlier_fingerprint")
        if not old.get("earlier_fingerprint") and old["fingerprint"] == earlier:
            _remark(earlier, new["fingerprint"])
            return True
    return False


@functools.cache  # once for a model, not for every prompt of it
def _remark(earlier: str, today: str) -> None:
    logger.warning(
        "The model is known here by the fingerprint %s of an earlier version, which "
        "saw the first 256 values of each array; today's, of all values, is %s. "
        "What is written from now on has both.",
        earlier,
        today,
    )


def named(model: Mapping[str, Any]) -> str:
    """Returns a model for a message: "0123456789abcdef of gs://bucket/checkpoint"."""
    told = [model[key] for key in ("fingerprint", "source") if model.get(key)]
    return " of ".join(told) or "a model that nobody names"


def check_made_for(
    path: str, made_for: Mapping[str, Any], model: Mapping[str, Any], cure: str
) -> None:
    """Refuses a prompt that was trained for another frozen model.

    Args:
        path: of the prompt.
        made_for: what its file says of its model; {} where it says nothing.
        model: the model it is to be used with.
        cure: what to do, a sentence.

    Raises:
        InputError: naming both.
    """
    if is_same_model(made_for, model) is False:
        raise InputError(
            f"{path} was trained for the frozen model {named(made_for)}; this one is "
            f"{named(model)}. {cure}"
        )


def check_vocabulary(
    whose: str, told: Mapping[str, Any], ours: Mapping[str, Any], cure: str
) -> None:
    """Refuses what was made with another vocabulary: its ids mean other pieces.

    Args:
        whose: what tells of a vocabulary, for the message.
        told: its {"fingerprint", "path"}; {} where it says nothing.
        ours: the vocabulary of the run.
        cure: what to do, a sentence.

    Raises:
        InputError: naming both.
    """
    theirs = told.get("fingerprint")
    if theirs and theirs != ours["fingerprint"]:
        raise InputError(
            f"{whose} was made with the vocabulary {told.get('path')} (fingerprint "
            f"{theirs[:12]}), and the run reads {ours['path']} (fingerprint "
            f"{ours['fingerprint'][:12]}): the ids mean other pieces. {cure}"
        )
