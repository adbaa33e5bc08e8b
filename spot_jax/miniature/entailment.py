"""Entailment: MNLI, QNLI, DocNLI, RTE and CB."""

from spot_jax.miniature.facts import (
    Fact,
    askable,
    contradicted,
    draw_value,
    entailed,
    say,
    unknown,
)
from spot_jax.miniature.scenes import draw_any, draw_scene, tell
from spot_jax.miniature.world import World, sentence

ENTAILMENT, NEUTRAL, CONTRADICTION = "entailment", "neutral", "contradiction"


def hypothesis(world: World, relation: str, fact: Fact, told: str, near=()) -> str:
    """Returns a clause that stands in `relation` to the fact, told as `told`."""
    if relation == ENTAILMENT:
        return entailed(world, fact, told)
    if relation == CONTRADICTION:
        return contradicted(world, fact, near)
    return unknown(world, fact, near)


def _not_entailed(world: World) -> str:
    return world.one((NEUTRAL, CONTRADICTION))


def mnli_row(world: World, label: int) -> dict:
    """One or two facts, and a hypothesis of three classes."""
    relation = (ENTAILMENT, NEUTRAL, CONTRADICTION)[label]
    facts = [draw_any(world)] if world.chance(0.5) else draw_scene(world, 2)
    fact = world.one(facts)
    told = say(world, fact)
    premise = (told if f is fact else say(world, f) for f in facts)
    return {
        "premise": " ".join(sentence(text) for text in premise),
        "hypothesis": sentence(hypothesis(world, relation, fact, told, facts)),
        "label": label,
    }


def rte_row(world: World, label: int) -> dict:
    """A sentence of two facts, and a hypothesis that follows from it or does not."""
    facts = draw_scene(world, 2)
    fact = world.one(facts)
    told = {id(f): say(world, f) for f in facts}
    relation = ENTAILMENT if label == 0 else _not_entailed(world)
    join = world.one((", and ", ", while "))
    return {
        "premise": sentence(join.join(told[id(f)] for f in facts)),
        "hypothesis": sentence(
            hypothesis(world, relation, fact, told[id(fact)], facts)
        ),
        "label": label,
    }


def doc_nli_row(world: World, label: int) -> dict:
    """A story of three or four facts, and one or two sentences on it."""
    facts = draw_scene(world, world.one((3, 4)))
    chosen = world.some(facts, world.one((1, 1, 2)))
    relations = [ENTAILMENT] * len(chosen)
    if label == 0:
        wrong = world.rng.randrange(len(chosen))
        relations[wrong] = _not_entailed(world)
    texts = [
        sentence(hypothesis(world, relation, fact, "", facts))
        for relation, fact in zip(relations, chosen, strict=True)
    ]
    return {
        "premise": tell(world, facts),
        "hypothesis": " ".join(texts),
        "label": label,
    }


def _silent(world: World, fact: Fact, role: str, template: str) -> Fact:
    """A fact of much the same words that leaves the question `template` open."""
    frame, asked = fact.frame, fact.fill(template)
    others = [
        fact.change(
            **{r: draw_value(world, frame.kinds[r], tuple(fact.roles.values()))}
        )
        for r in (*frame.free, *frame.exclusive)
        if r != role
    ]
    others = [other for other in others if other.fill(template) != asked]
    return world.one(others) if others else draw_any(world)


def qnli_row(world: World, label: int) -> dict:
    """A question, and a sentence that answers it or only sounds like it."""
    fact = draw_any(world)
    role = world.one(askable(fact))
    template = world.one(fact.frame.questions[role])
    told = fact if label == 0 else _silent(world, fact, role, template)
    return {
        "question": sentence(fact.fill(template), "?"),
        "sentence": sentence(say(world, told)),
        "label": label,
    }


# What is known, seen, forgotten or proved is so; the rest may be or not.
_HOLDS = (
    "{} knows that {}",
    "{} saw that {}",
    "{} forgot that {}",
    "{} proved that {}",
)
_OPEN = ("{} thinks that {}", "{} asked whether {}", "{} hopes that {}")


def cb_row(world: World, label: int) -> dict:
    """What somebody knows, fancies or wonders about, and a hypothesis."""
    relation = (ENTAILMENT, CONTRADICTION, NEUTRAL)[label]
    fact = draw_any(world)
    told = say(world, fact)
    if relation == NEUTRAL:
        verb = world.one(_OPEN)
        clause = world.one((entailed, contradicted))(world, fact)
    else:
        verb = world.one(_HOLDS)
        clause = hypothesis(world, relation, fact, told)
    speaker = world.person(tuple(fact.roles.values()))
    return {
        "premise": sentence(verb.format(speaker, told)),
        "hypothesis": sentence(clause),
        "label": label,
    }
