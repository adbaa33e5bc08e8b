"""Entailment: MNLI, QNLI, DocNLI, RTE and CB."""

from spot_jax.miniature.facts import (
    Fact,
    alter,
    askable,
    can_be_false,
    contradicted,
    deny,
    entailed,
    falsify,
    question,
    say,
    unknown,
)
from spot_jax.miniature.scenes import draw_any, draw_scene, tell
from spot_jax.miniature.world import World, sentence

ENTAILMENT, NEUTRAL, CONTRADICTION = "entailment", "neutral", "contradiction"


def hypothesis(world: World, relation: str, fact: Fact, told: str, near=()) -> str:
    """Returns a clause that stands in `relation` to the fact, told as `told`."""
    if relation == ENTAILMENT:
        return entailed(world, fact, told, near)
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
    """A story of four to six facts, and one or two sentences on it."""
    facts = draw_scene(world, world.one((4, 5, 6)))
    chosen = world.some(facts, world.one((1, 2)))
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


def _silent(world: World, fact: Fact, role: str) -> Fact:
    """A fact of much the same words that does not tell the role of `fact`."""
    kept = [r for r in fact.frame.free if r != role]
    if fact.frame.swaps and role in fact.frame.swaps and world.chance(0.5):
        return falsify(world, fact)
    if not kept:
        return draw_any(world)
    other = alter(world, Fact(fact.frame, fact.roles))
    return other if other.roles[role] == fact.roles[role] else _silent(world, fact, role)


def qnli_row(world: World, label: int) -> dict:
    """A question, and a sentence that answers it or only sounds like it."""
    fact = draw_any(world)
    role = world.one(askable(fact))
    told = fact if label == 0 else _silent(world, fact, role)
    return {
        "question": sentence(question(world, fact, role), "?"),
        "sentence": sentence(say(world, told)),
        "label": label,
    }


_HOLDS = ("{} knows that {}", "{} saw that {}", "{} forgot that {}", "{} proved that {}")
_FAILS = (
    "{} lied that {}",
    "{} only dreamed that {}",
    "{} is wrong to think that {}",
    "{} pretended that {}",
)
_OPEN = ("{} thinks that {}", "{} asked whether {}", "{} hopes that {}")


def cb_row(world: World, label: int) -> dict:
    """A clause under a verb that makes it hold, fail or stay open, and a hypothesis.

    The verb, the clause and the hypothesis each decide, so that none does alone.
    """
    fact = draw_any(world)
    while not can_be_false(fact):
        fact = draw_any(world)
    speaker = world.person(tuple(fact.roles.values()))
    if label == 2:
        frame = world.one(_OPEN)
        claim, told = say(world, fact), fact
    elif world.chance(0.7):
        frame = world.one(_HOLDS)
        claim, told = say(world, fact), fact
    else:
        frame = world.one(_FAILS)
        claim = say(world, falsify(world, fact)) if world.chance(0.5) else deny(world, fact)
        told = fact
    if label == 2:
        clause = world.one((entailed, contradicted))(world, told)
    else:
        clause = (entailed, contradicted)[label](world, told)
    return {
        "premise": sentence(frame.format(speaker, claim)),
        "hypothesis": sentence(clause),
        "label": label,
    }
