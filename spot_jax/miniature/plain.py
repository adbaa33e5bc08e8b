"""Plain text of the miniature world: what a model of this world may be trained on.

It has no task's format and no name that is held out. It makes worth learning what the
tasks ask for: later sentences follow from earlier ones, people say things again in
other words, contradict each other, ask and answer, and somebody says who is right.
"""

from collections.abc import Callable, Iterator, Sequence

from spot_jax.miniature import opinions, talk
from spot_jax.miniature.continuation import fill
from spot_jax.miniature.games import REVISION, YEARS, asked, play, spoken
from spot_jax.miniature.grammar import draw_pair
from spot_jax.miniature.happenings import ACTIVITIES, LINKS
from spot_jax.miniature.lessons import decimal, lesson
from spot_jax.miniature.reading import draw_market
from spot_jax.miniature.reference import draw_case
from spot_jax.miniature.senses import SENSES, use
from spot_jax.miniature.world import World, open_world, sentence, she


def _review(world: World) -> str:
    """A review, and what becomes clear of the view of its writer."""
    topic = world.one((opinions.INN, opinions.FILM, opinions.GOODS))
    good = world.chance(0.5)
    text = opinions.review(world, topic, good, world.one((1, 1, 2)))
    writer = world.person()
    ends = (
        ("{} did not like it.", "{} is not pleased.", "That is a bad review by {}."),
        ("{} liked it.", "{} is pleased.", "That is a good review by {}."),
    )
    end = world.one(ends[good]).format(writer)
    return world.one((f"{text} {end}", f"{writer} wrote: {text} {end}"))


def _causes(world: World) -> str:
    """What led to what, told forwards or backwards."""
    link, person = world.one(LINKS), world.person()
    cause, effect, after = (fill(text, person) for text in link)
    return world.one(
        (
            f"In {world.place()}, {cause}. So {effect}. Then {after}.",
            f"{sentence(effect, '')} because {cause}.",
            f"Why was it so that {effect}? The cause was this: {cause}.",
            f"{sentence(cause)} What came of it? {sentence(effect)}",
            f"{sentence(cause, '')}, and so {effect}. Then {after}.",
            f"{sentence(effect)} What did {person} do then? {sentence(after)}",
        )
    )


def _activity(world: World) -> str:
    """Somebody goes through the steps of an activity, perhaps beside somebody else."""
    activity = world.one(ACTIVITIES)
    doings = world.some(list(activity.doings), 2)
    things = world.some(activity.things, 2)
    actors = world.people(2)
    told = [
        [fill(step, actor, thing) for step in activity.doings[doing]]
        for doing, thing, actor in zip(doings, things, actors, strict=True)
    ]
    if world.chance(0.6):
        lines = told[0]
    else:
        lines = [line for pair in zip(*told, strict=True) for line in pair][2:6]
    return " ".join(map(sentence, (f"in {world.place()}, {lines[0]}", *lines[1:])))


def _meant(world: World) -> str:
    """Something between two people, and who it is that the pronoun means."""
    event, meant, other, said = draw_case(world, world.chance(0.5))
    text = sentence(f"{event} {world.one((she(meant), meant))} {said}")
    end = world.one(
        ("So it was {m} who {s}.", "Here {m} {s}, not {o}.", "Who {s}? It was {m}.")
    )
    return f"{text} {end.format(m=meant, o=other, s=said)}"


def _sense(world: World) -> str:
    """A word in use, and what it means there; or in two uses, and whether alike."""
    word = world.one(tuple(SENSES))
    one, other = world.one((0, 1)), world.one((0, 1))
    meanings = [SENSES[word][sense].meaning for sense in (one, other)]
    first = use(world, word, one)
    texts = [
        sentence(text.format(a=world.person()))
        for text in (first, use(world, word, other, but=first))
    ]
    if world.chance(0.5):
        return f"{texts[0]} This {word} is {meanings[0]}."
    if one == other:
        return f"{' '.join(texts)} Both times {word} means {meanings[0]}."
    return f"{' '.join(texts)} First {word} means {meanings[0]}, then {meanings[1]}."


def _grammar(world: World) -> str:
    """What a pupil writes, and what the teacher says of it."""
    good, bad = draw_pair(world)
    pupil = world.person()
    if world.chance(0.5):
        return f"{pupil} wrote: {sentence(good)} The teacher found no mistake."
    return (
        f"{pupil} wrote: {sentence(bad)} That is bad grammar, the teacher said. "
        f"One should write: {sentence(good)}"
    )


def _counting(world: World) -> str:
    """What people bring to the market, who has more, and what it makes together."""
    lines, fruit, (most, least), counts = draw_market(world)
    more, less = counts[most], counts[least]
    ends = (
        f"{most} has more {fruit} than {least}.",
        f"{least} has fewer {fruit} than {most}.",
        f"Together {most} and {least} have {more + less} {fruit}.",
        f"{most} has {more - less} more {fruit} than {least}.",
    )
    where, price = world.place(), decimal(world)
    start = f"There is a market in {where}, where {fruit} cost {price} coins."
    return " ".join((start, *map(sentence, lines), *world.some(ends, 2)))


_STORIES: dict[Callable[[World], str], int] = {
    **{talk.restate: 10, talk.verdict: 16, talk.two_voices: 10, talk.yes_or_no: 8},
    **{talk.answer: 10, talk.answered: 5, talk.same_question: 5, talk.alike: 6},
    **{_review: 10, _causes: 6},
    **{_activity: 5, _meant: 5, _sense: 5, _grammar: 6, _counting: 4},
}
_DOCUMENTS = _STORIES | {lesson: 60}
# Of what is read, the part that is a round of a game.
_GAMES = 0.8
# How many words the second half of any other document has at most. With the 24 tokens
# of adapt_tiny.gin one such document in a hundred is still too long.
_LAST_WORDS = 12


def write_document(world: World) -> str:
    """Returns a story or a lesson, of one to six sentences."""
    return _write(world, _DOCUMENTS)


def _write(world: World, kinds: dict[Callable[[World], str], int]) -> str:
    (write,) = world.rng.choices(list(kinds), list(kinds.values()))
    return write(world)


def story_text(seed: int, documents: int, labels: frozenset[str]) -> Iterator[str]:
    """Yields stories and games, from which a vocabulary can be made."""
    world = open_world("train", f"stories/{seed}", labels)
    for _ in range(documents):
        if world.chance(_GAMES):
            yield " ".join(world.one((spoken, asked))(world))
        else:
            yield _write(world, _STORIES)


def plain_text(
    seed: int, documents: int, labels: frozenset[str], *, split: str = "train"
) -> Iterator[str]:
    """Yields documents of running text, each of one to six sentences.

    Args:
        seed: the same seed gives the same documents; a longer run begins with them.
        documents: how many.
        labels: of the tasks, which never occur.
        split: whose names occur; pre-training reads "train" only.
    """
    world = open_world(split, f"plain/{split}/{seed}", labels)
    for _ in range(documents):
        yield " ".join(play(world)) if world.chance(_GAMES) else write_document(world)


def halves(
    seed: int,
    documents: int,
    labels: frozenset[str],
    *,
    split: str = "train",
    years: Sequence[int] = (),
) -> Iterator[tuple[str, str]]:
    """Yields documents cut in two, for a prefix language model.

    A game is cut before what is said to it, every other document at one of its last
    words.

    Args:
        seed: as in `plain_text`.
        documents: as in `plain_text`.
        labels: as in `plain_text`.
        split: as in `plain_text`.
        years: how many documents at the beginning are games of the first year, of the
            second, ...
    """
    world = open_world(split, f"halves/{split}/{seed}", labels)
    for games, rounds in zip(YEARS, years, strict=False):
        for _ in range(rounds):
            yield play(world, games)
    for _ in range(documents - sum(years)):
        if world.chance(_GAMES):
            yield play(world)
            continue
        words = write_document(world).split()
        place = world.rng.randint(max(1, len(words) - _LAST_WORDS), len(words) - 1)
        yield " ".join(words[:place]), " ".join(words[place:])


def revision(
    seed: int, documents: int, labels: frozenset[str], *, split: str = "train"
) -> Iterator[tuple[str, str]]:
    """Yields games, cut before what is said, most of which ask to compare.

    Args:
        seed: as in `plain_text`.
        documents: as in `plain_text`.
        labels: as in `plain_text`.
        split: as in `plain_text`.
    """
    world = open_world(split, f"revision/{split}/{seed}", labels)
    for _ in range(documents):
        yield play(world, REVISION)


def c4_row(world: World, _: int) -> dict:
    """A web page of a few stories."""
    count = world.rng.randint(2, 5)
    text = " ".join(_write(world, _STORIES) for _ in range(count))
    return {
        "text": text,
        "content-type": "text/plain",
        "content-length": str(len(text)),
    }
