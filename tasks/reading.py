"""Reading comprehension outside SuperGLUE: SQuAD, DROP, RACE and MRQA."""

from spot_jax.tasks import catalog
from spot_jax.text import choices, metrics, postprocessors, questions
from spot_jax.text.registration import add_task, each_row

add_task(
    catalog.get("squad"),
    [each_row(questions.squad)],
    [metrics.squad],
    postprocess=postprocessors.answers,
)
add_task(
    catalog.get("squad_span"),
    [each_row(questions.squad_span)],
    [metrics.squad],
    postprocess=postprocessors.answers,
)
add_task(
    catalog.get("drop"),
    [each_row(questions.drop)],
    [metrics.squad],
    postprocess=postprocessors.answers,
)
add_task(
    catalog.get("race"),
    [choices.race],
    [metrics.accuracy],
    postprocess=postprocessors.words,
)


def _add_mrqa(name: str, prefix: str) -> None:
    """Registers a set of the MRQA shared task (Fisch et al. 2019)."""
    add_task(
        catalog.get(name),
        [each_row(questions.mrqa, prefix=prefix)],
        [metrics.squad],
        postprocess=postprocessors.answers,
    )


_add_mrqa("mrqa_squad", prefix="squad")
_add_mrqa("news_qa", prefix="news_qa")
_add_mrqa("trivia_qa", prefix="trivia_qa")
_add_mrqa("search_qa", prefix="search_qa")
_add_mrqa("hotpot_qa", prefix="hotpot_qa")
_add_mrqa("natural_questions", prefix="natural_questions")
