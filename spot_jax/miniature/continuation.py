"""Plausible continuation: HellaSWAG, COPA and CosmosQA."""

from spot_jax.miniature.happenings import ACTIVITIES, LINKS
from spot_jax.miniature.scenes import draw_scene, tell
from spot_jax.miniature.world import World, her_own, sentence, she


def fill(template: str, person: str, thing: str = "") -> str:
    """Writes a happening with its person and thing."""
    return template.format(a=person, she=she(person), her=her_own(person), x=thing)


def hellaswag_row(world: World, _: int) -> dict:
    """Some steps of an activity in a place, and four ways to go on.

    Two doings with two things each: neither the right step nor the right thing alone
    tells the ending.
    """
    activity = world.one(ACTIVITIES)
    doing, other = world.some(list(activity.doings), 2)
    things = world.some(activity.things, 2)
    person, last = world.person(), world.rng.randint(1, 3)
    steps = activity.doings[doing]
    told = [fill(step, person, things[0]) for step in steps[max(0, last - 2) : last]]
    endings = [
        fill(activity.doings[d][last], person, thing)
        for d in (doing, other)
        for thing in things
    ]
    order = world.some(range(4), 4)
    place = f"in {world.place()}, {told[0]}"
    return {
        "context": " ".join(map(sentence, (place, *told[1:]))),
        "endings": [sentence(endings[i]) for i in order],
        "label": order.index(0),
        "activity_label": doing.capitalize(),
    }


def copa_row(world: World, label: int) -> dict:
    """A happening and two causes, or two effects, of which one is plausible."""
    link, wrong = world.some(LINKS, 2)
    person = world.person()
    asked = world.one(("cause", "effect"))
    given = link.effect if asked == "cause" else link.cause
    chosen = [getattr(each, asked) for each in (link, wrong)]
    if label == 1:
        chosen.reverse()
    place = world.place()
    first, second = (sentence(fill(text, person)) for text in chosen)
    return {
        "premise": sentence(f"in {place}, {fill(given, person)}"),
        "choice1": first,
        "choice2": second,
        "question": asked,
        "label": label,
    }


def cosmos_qa_row(world: World, label: int) -> dict:
    """A little story, and a question on why something was or what came of it."""
    link, *others = world.some(LINKS, 4)
    person = world.person()
    asked = world.one(("cause", "effect", "after"))
    told = {
        "cause": link.effect,
        "effect": link.cause,
        "after": f"{link.cause}, and so {link.effect}",
    }[asked]
    start = tell(world, draw_scene(world, 1))
    line = sentence(f"that day {fill(told, person)}")
    question = {
        "cause": f"Why was it so that {fill(link.effect, person)}?",
        "effect": f"What came of it that {fill(link.cause, person)}?",
        "after": f"What did {person} do then?",
    }[asked]
    answers = [sentence(fill(getattr(each, asked), person)) for each in others]
    answers.insert(label, sentence(fill(getattr(link, asked), person)))
    return {
        "context": f"{start} {line}",
        "question": question,
        **{f"answer{index}": answer for index, answer in enumerate(answers)},
        "label": label,
    }
