"""Talk in the plain text: saying again, agreeing, asking, answering, comparing."""

from spot_jax.miniature.entailment import (
    CONTRADICTION,
    ENTAILMENT,
    NEUTRAL,
    hypothesis,
    qnli_row,
)
from spot_jax.miniature.facts import ask, askable, falsify, question, say
from spot_jax.miniature.reading import wrong_values
from spot_jax.miniature.scenes import draw_any, draw_scene, tell
from spot_jax.miniature.similarity import (
    EVENT_WEIGHTS,
    PICTURE_WEIGHTS,
    change_parts,
    draw_event,
    draw_picture,
    qqp_row,
    tell_event,
    tell_picture,
)
from spot_jax.miniature.world import World, sentence

_VERDICTS = {
    ENTAILMENT: ("{} is right", "what {} says is true", "{} does not err"),
    CONTRADICTION: ("{} is wrong", "what {} says is false", "{} must be in error"),
    NEUTRAL: ("nobody knows whether {} is right", "it is not known if {} is right"),
}
_AGREEMENT = {
    ENTAILMENT: ("they agree", "they say the same", "both say the same thing"),
    CONTRADICTION: ("they do not agree", "one of them must be wrong"),
    NEUTRAL: ("they speak of different things", "the one does not follow"),
}
_RELATIONS = (ENTAILMENT, CONTRADICTION, NEUTRAL)


def _said(world: World, text: str, speaker: str) -> str:
    """What somebody says, in quotes."""
    form = world.one(('"{}," said {}.', '"{}," says {}.', '"{}," {} told us.'))
    return form.format(sentence(text, ""), speaker)


def _asked(text: str, speaker: str) -> str:
    return f'"{sentence(text, "?")}" asked {speaker}.'


def restate(world: World) -> str:
    """A fact, then the same fact again or what follows from it."""
    fact = draw_any(world)
    told = say(world, fact)
    again = hypothesis(world, ENTAILMENT, fact, told)
    form = world.one(
        ("{}. In other words, {}.", "{}. This means that {}.", "{}. So {}.", "{}: {}.")
    )
    return sentence(form.format(told, again), "")


def verdict(world: World) -> str:
    """What happened, what somebody says of it, and whether that is right."""
    facts = draw_scene(world, world.one((1, 1, 2, 3)))
    fact = world.one(facts)
    relation = world.one(_RELATIONS)
    speaker = world.person()
    claim = _said(world, hypothesis(world, relation, fact, "", facts), speaker)
    verdict = sentence(world.one(_VERDICTS[relation]).format(speaker))
    return " ".join((*world.some([tell(world, facts), claim], 2), verdict))


def two_voices(world: World) -> str:
    """Two people who say the same, the opposite, or something else."""
    fact, relation = draw_any(world), world.one(_RELATIONS)
    told = say(world, fact)
    voices = (told, hypothesis(world, relation, fact, told))
    one, other = world.people(2)
    spoken = [
        _said(world, text, p) for text, p in zip(voices, (one, other), strict=True)
    ]
    return " ".join((*spoken, sentence(world.one(_AGREEMENT[relation]))))


def yes_or_no(world: World) -> str:
    """A story, and a question that is answered with yes or no."""
    facts = draw_scene(world, world.one((1, 2, 3)))
    fact = world.one(facts)
    yes = world.chance(0.5)
    asked = ask(world, fact if yes else falsify(world, fact, facts))
    answer = world.one(("Yes.", "Yes, that is so.") if yes else ("No.", "No, not so."))
    return f"{tell(world, facts)} {_asked(asked, world.person())} {answer}"


def answer(world: World) -> str:
    """A story, a question on it and the answer, sometimes after a wrong guess."""
    facts = draw_scene(world, world.one((2, 3, 4)))
    fact = world.one(facts)
    role = world.one(askable(fact))
    right, one = fact.roles[role], world.person()
    lines = [tell(world, facts), _asked(question(world, fact, role), one)]
    guess = wrong_values(world, facts, fact, role)[0]
    lines.append(
        world.one(
            (
                sentence(right),
                f"The answer is {right}.",
                f"Is it {guess}? No, it is {right}.",
                f"Not {guess} but {right}.",
            )
        )
    )
    return " ".join(lines)


def answered(world: World) -> str:
    """A question, what somebody says to it, and whether that was an answer."""
    silent = world.one((0, 1))
    row = qnli_row(world, silent)
    one, other = world.people(2)
    answers = ("That is the answer.", f"Now {one} knows.")
    evasions = ("That is no answer.", f"{one} still does not know.")
    verdict = world.one(evasions if silent else answers)
    reply = _said(world, row["sentence"][:-1], other)
    return f"{_asked(row['question'][:-1], one)} {reply} {verdict}"


def same_question(world: World) -> str:
    """Two questions, and whether they ask for the same thing."""
    same = world.one((0, 1))
    row = qqp_row(world, same)
    one, other = world.people(2)
    asked = (_asked(row[f"question{n}"][:-1], p) for n, p in ((1, one), (2, other)))
    verdicts = (
        ("They ask for different things.", "That is another question."),
        ("They ask for the same thing.", "That is the same question."),
    )
    return " ".join((*asked, world.one(verdicts[same])))


_DEGREES = ("not at all", "hardly", "a little", "somewhat", "much", "nearly", "fully")
_PARTS = {
    "a": "who did it",
    "b": "to whom",
    "verb": "what was done",
    "who": "who it is",
}
_PARTS |= {"place": "where", "time": "when", "doing": "what is done"}
_PARTS |= {"colour": "the colour", "wear": "what is worn"}


def alike(world: World) -> str:
    """Two events or pictures, how much alike they are, and what differs."""
    draw, retell, weights = world.one(
        (
            (draw_event, tell_event, EVENT_WEIGHTS),
            (draw_picture, tell_picture, PICTURE_WEIGHTS),
        )
    )
    drawn = draw(world)
    parts = world.some(list(weights), world.rng.randint(0, len(weights)))
    first = retell(world, drawn)
    second = retell(world, change_parts(world, drawn, parts, draw), first)
    likeness = 5 - sum(weights[part] for part in parts)
    degree = _DEGREES[round(likeness / 5 * (len(_DEGREES) - 1))]
    lines = [sentence(first), sentence(second), f"They are {degree} alike."]
    if parts:
        names = " and ".join(_PARTS[part] for part in parts[:2])
        lines.append(f"They differ in {names}.")
    return " ".join(lines)
