"""Who is meant: WSC and WinoGrande."""

from typing import NamedTuple

from spot_jax.miniature.world import World, sentence, she


class Schema(NamedTuple):
    """Something between {a} and {b}, and what tells which of them is meant.

    Attributes:
        event: what happened between the two.
        first: what is said after the event of {a}, in one way or another.
        second: what is said of {b}.
    """

    event: str
    first: tuple[str, ...]
    second: tuple[str, ...]


SCHEMAS = (
    Schema(
        "{a} thanked {b} because",
        ("was grateful", "had got help"),
        ("had been kind", "had given help"),
    ),
    Schema(
        "{a} lent the ladder to {b} because",
        ("had two of them", "did not use it"),
        ("needed one", "had none"),
    ),
    Schema(
        "{a} beat {b} in the race because",
        ("was faster", "had trained more"),
        ("was slower", "had trained less"),
    ),
    Schema(
        "{a} asked {b} because",
        ("wanted to know more", "did not know the answer"),
        ("knew everything", "was sure to know the answer"),
    ),
    Schema(
        "{a} could not lift {b} because",
        ("was too weak", "had a bad back"),
        ("was too heavy", "weighed too much"),
    ),
    Schema(
        "{a} carried {b} home because",
        ("was strong", "wanted to help"),
        ("had broken a leg", "could not walk"),
    ),
    Schema(
        "{a} paid {b} because",
        ("owed some money", "had ordered the work"),
        ("had done the work", "had asked for money"),
    ),
    Schema(
        "{a} hired {b} because",
        ("needed a cook", "was looking for help"),
        ("was a good cook", "was looking for a job"),
    ),
    Schema(
        "{a} hid from {b} because",
        ("was afraid", "did not want to be found"),
        ("was angry", "was looking around"),
    ),
    Schema(
        "{a} taught {b} because",
        ("was a good teacher", "knew the song well"),
        ("wanted to learn", "did not know the song"),
    ),
    Schema(
        "{a} comforted {b} because",
        ("felt pity", "was a good friend"),
        ("was crying", "was sad"),
    ),
    Schema(
        "{a} copied from {b} because",
        ("was lazy", "had learned nothing"),
        ("was clever", "had learned a lot"),
    ),
    Schema(
        "{a} envied {b} because",
        ("was poor", "had lost"),
        ("was rich", "had won"),
    ),
    Schema(
        "{a} fed {b} because",
        ("had cooked too much", "had food"),
        ("was hungry", "had no food"),
    ),
    Schema(
        "{a} visited {b} in the hospital because",
        ("was worried", "wanted to bring flowers"),
        ("was sick", "had to stay in bed"),
    ),
    Schema(
        "{a} forgave {b} because",
        ("was generous", "was angry no longer"),
        ("had said sorry", "felt ashamed"),
    ),
)


def draw_case(world: World, of_first: bool) -> tuple[str, str, str, str]:
    """Draws a schema, its two people and what is said of one of them.

    Returns:
        The event, the one who is meant, the other one, and what is said.
    """
    schema = world.one(SCHEMAS)
    # Of one pronoun, which would otherwise tell who is meant.
    a, b = world.alike(2)
    said = world.one(schema.first if of_first else schema.second)
    meant, other = (a, b) if of_first else (b, a)
    return schema.event.format(a=a, b=b), meant, other, said


def wsc_row(world: World, label: int) -> dict:
    """A sentence with a pronoun, and a name that it stands for or does not."""
    event, meant, other, said = draw_case(world, world.chance(0.5))
    pronoun, candidate = she(meant), meant if label else other
    text = sentence(f"in {world.place()}, {event} {pronoun} {said}")
    tokens = text.split()
    return {
        "text": text,
        "span1_index": tokens.index(candidate),
        "span1_text": candidate,
        "span2_index": tokens.index(pronoun),
        "span2_text": pronoun,
        "label": label,
    }


def winogrande_row(world: World, label: int) -> dict:
    """A sentence with a gap, and two names of which one fills it."""
    event, meant, other, said = draw_case(world, world.chance(0.5))
    options = (meant, other) if label == 0 else (other, meant)
    return {
        "sentence": sentence(f"{event} _ {said}"),
        "option1": options[0],
        "option2": options[1],
        "label": label,
    }
