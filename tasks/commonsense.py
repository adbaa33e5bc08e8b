"""Commonsense reasoning: RAINBOW (Lourie et al. 2021)."""

from spot_jax.tasks import catalog
from spot_jax.text import choices, metrics, postprocessors
from spot_jax.text.registration import add_task, each_row


def _add_choice(
    name: str, prefix: str, columns: tuple[str, ...], options: tuple[str, ...]
) -> None:
    """Registers a task that learns the text of one of several columns."""
    add_task(
        catalog.get(name),
        [
            each_row(
                choices.multiple_choice, prefix=prefix, columns=columns, choices=options
            )
        ],
        [metrics.accuracy],
        postprocess=postprocessors.words,
    )


_add_choice(
    "cosmos_qa",
    # The prefix of SPoT's authors lacks the s.
    prefix="cosmo_qa",
    columns=("question", "answer0", "answer1", "answer2", "answer3", "context"),
    options=("answer0", "answer1", "answer2", "answer3"),
)
_add_choice(
    "winogrande",
    prefix="winogrande",
    columns=("sentence", "option1", "option2"),
    options=("option1", "option2"),
)
_add_choice(
    "piqa",
    prefix="piqa",
    columns=("goal", "sol1", "sol2"),
    options=("sol1", "sol2"),
)
_add_choice(
    "alpha_nli",
    prefix="abductive_nli",
    columns=("obs1", "obs2", "hyp1", "hyp2"),
    options=("hyp1", "hyp2"),
)
_add_choice(
    "social_iqa",
    prefix="socialiqa",
    columns=("question", "answerA", "answerB", "answerC", "context"),
    options=("answerA", "answerB", "answerC"),
)
add_task(
    catalog.get("hellaswag"),
    [each_row(choices.hellaswag)],
    [metrics.accuracy],
    postprocess=postprocessors.words,
)
