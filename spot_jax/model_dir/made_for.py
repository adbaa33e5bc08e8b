"""Which frozen model a prompt was made for; asked here, and nowhere else.

A prompt's header, a library and a run tell their model as {"fingerprint", "source"};
files of other programs tell less. The fingerprint is that of the weights, whatever
their format, so it decides wherever both sides know it.
"""

from collections.abc import Mapping
from typing import Any

from spot_jax.errors import InputError


def is_same_model(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool | None:
    """Returns whether two stories tell of one model; None where nobody can say.

    Args:
        one: {"fingerprint", "source"}, or a part of it.
        other: the same.
    """
    first, second = one.get("fingerprint"), other.get("fingerprint")
    if first and second:
        return first == second
    # A name or a path is no proof of a difference: one model lies in many places.
    if not first and not second and one.get("source"):
        return True if one["source"] == other.get("source") else None
    return None


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
