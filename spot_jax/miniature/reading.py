"""Answers to be found in a passage: SQuAD, DROP, ReCoRD, MultiRC, RACE and BoolQ."""

from collections.abc import Sequence

from spot_jax.miniature import words
from spot_jax.miniature.facts import (
    Fact,
    ask,
    askable,
    contradicted,
    draw_value,
    entailed,
    falsify,
    question,
    say,
)
from spot_jax.miniature.scenes import draw_scene, tell
from spot_jax.miniature.world import World, sentence


def wrong_values(
    world: World, facts: Sequence[Fact], fact: Fact, role: str
) -> list[str]:
    """Returns other values of the role's kind: those of the passage, then new ones."""
    kind, right = fact.frame.kinds[role], fact.roles[role]
    told = {
        f.roles[r] for f in facts for r, k in f.frame.kinds.items() if k == kind
    } - {right}
    wrong = world.some(sorted(told), len(told))
    while len(wrong) < 3:
        wrong.append(draw_value(world, kind, (right, *wrong)))
    return wrong


def squad_row(world: World, _: int) -> dict:
    """A passage and a question whose answer stands in it."""
    facts = draw_scene(world, world.one((3, 4)))
    fact = world.one(facts)
    role = world.one(askable(fact))
    told = [sentence(say(world, f)) for f in facts]
    at = next(i for i, f in enumerate(facts) if f is fact)
    before = sum(len(text) + 1 for text in told[:at])
    answer = fact.roles[role]
    start = told[at].find(answer)
    if start < 0:  # The sentence begins with it, in capitals.
        answer = sentence(answer, "")
        start = told[at].index(answer)
    return {
        "title": "The people of the world",
        "context": " ".join(told),
        "question": sentence(question(world, fact, role), "?"),
        "answers": {"text": [answer], "answer_start": [before + start]},
    }


def boolq_row(world: World, label: int) -> dict:
    """A passage and a question to answer with yes or no, in lower case."""
    facts = draw_scene(world, world.one((2, 3)))
    fact = world.one(facts)
    return {
        "passage": tell(world, facts),
        "question": ask(world, fact if label else falsify(world, fact, facts)),
        "label": label,
    }


def record_row(world: World, _: int) -> dict:
    """A passage with two highlights, and a statement on it that lacks a name."""
    facts = draw_scene(world, 4)
    fact, *others = facts
    names = [r for r, k in fact.frame.kinds.items() if k in ("person", "place")]
    role = world.one(names)
    answer = fact.roles[role]
    told = say(world, fact)
    # In other words than the passage's, of which the name is taken out.
    gap = fact.change(**{role: "@placeholder"})
    query = say(world, gap, told.replace(answer, "@placeholder"))
    entities = {
        f.roles[r]
        for f in facts
        for r, k in f.frame.kinds.items()
        if k in ("person", "place")
    }
    body = [told, *(say(world, other) for other in others[:2])]
    body = " ".join(sentence(text) for text in world.some(body, 3))
    highlight = sentence(say(world, others[2]), "")
    return {
        "passage": f"{body}\n@highlight\n{highlight}",
        "query": sentence(query),
        "entities": sorted(entities),
        "answers": [answer],
    }


def _claims(
    world: World, facts: Sequence[Fact], fact: Fact, role: str
) -> tuple[list[str], list[str]]:
    """Wrong and right answers to the question for a role: values and statements."""
    right = [fact.roles[role], sentence(say(world, fact))]
    other = wrong_values(world, facts, fact, role)
    wrong = [*other[:2], sentence(say(world, fact.change(**{role: other[0]})))]
    return wrong, right


def multirc_rows(world: World, size: int) -> list[dict]:
    """Passages with a question each, and a row for each answer, right or wrong."""
    rows: list[dict] = []
    paragraph = 0
    while len(rows) < size:
        # Two to four answers, of which 44% are right, as in the real set.
        labels = world.one(((1, 0), (1, 0, 0), (1, 1, 0, 0)))
        group = _multirc_group(world, world.some(labels, len(labels)))
        for answer, row in enumerate(group):
            row["idx"] = {
                "paragraph": paragraph,
                "question": paragraph,
                "answer": answer,
            }
        rows += group
        paragraph += 1
    return rows[:size]


def _multirc_group(world: World, labels: Sequence[int]) -> list[dict]:
    facts = draw_scene(world, world.one((2, 3)))
    fact = world.one(facts)
    role = world.one(askable(fact))
    shared = {
        "paragraph": tell(world, facts),
        "question": sentence(question(world, fact, role), "?"),
    }
    claims = _claims(world, facts, fact, role)
    kept = [world.some(texts, len(texts)) for texts in claims]
    return [shared | {"answer": kept[label].pop(), "label": label} for label in labels]


def _true_one(world: World, facts: Sequence[Fact], fact: Fact) -> tuple[str, list]:
    """The question which of four statements is right, with its options."""
    wrong = [f for f in facts if f is not fact][:3]
    return (
        "Which of these is right?",
        [
            sentence(entailed(world, fact)),
            *(sentence(contradicted(world, f, facts)) for f in wrong),
        ],
    )


def race_row(world: World, _: int) -> dict:
    """An article with two questions of four options each."""
    facts = draw_scene(world, 4)
    asked, options, answers = [], [], []
    for fact in world.some(facts, 2):
        role = world.one(askable(fact))
        text = sentence(question(world, fact, role), "?")
        choices = [fact.roles[role], *wrong_values(world, facts, fact, role)[:3]]
        if world.chance(0.25):
            text, choices = _true_one(world, facts, fact)
        order = world.some(range(4), 4)
        asked.append(text)
        options.append([choices[i] for i in order])
        answers.append("ABCD"[order.index(0)])
    return {
        "article": tell(world, facts),
        "questions": asked,
        "options": options,
        "answers": answers,
    }


def draw_market(world: World) -> tuple[list[str], str, list[str], dict]:
    """Draws who has how many fruits.

    Returns:
        What is told; a fruit; who has more and who less of it; how many they have.
    """
    people, (fruit, other) = world.people(3), world.some(words.FRUITS, 2)
    more, less = sorted(world.some(range(1, 10), 2), reverse=True)
    counts = {people[0]: more, people[1]: less}
    lines = [f"{person} has {count} {fruit}" for person, count in counts.items()]
    lines += [f"{p} has {world.rng.randint(1, 9)} {other}" for p in people[1:]]
    return world.some(lines, 4), fruit, people[:2], counts


def drop_row(world: World, _: int) -> dict:
    """People with baskets of fruit, and a question that counts or compares."""
    lines, fruit, (most, least), counts = draw_market(world)
    more, less = counts[most], counts[least]
    one, two = world.some([most, least], 2)
    asked, answer = world.rng.choices(
        (
            (f"how many {fruit} does {one} have", counts[one]),
            (f"who has more {fruit}, {one} or {two}", most),
            (f"who has fewer {fruit}, {one} or {two}", least),
            (f"how many {fruit} do {one} and {two} have together", more + less),
            (f"how many more {fruit} does {most} have than {least}", more - less),
        ),
        (40, 15, 15, 15, 15),
    )[0]
    market = f"There is a market in {world.place()}."
    return {
        "passage": " ".join((market, *map(sentence, lines))),
        "question": sentence(asked, "?"),
        "answer": str(answer),
        "validated_answers": [str(answer)],
    }
