"""Words of two senses, and WiC: is a word used in the same sense twice?"""

from typing import NamedTuple

from spot_jax.miniature.world import World, sentence


class Sense(NamedTuple):
    """What a word can mean, and clauses where it means that; {a} is somebody."""

    meaning: str
    uses: tuple[str, ...]


# A line for each sense: the word, its meaning and four uses.
_TABLE = """
bat = an animal: a bat flew around {a}; {a} saw a bat sleep in the cave; a bat hung
  from the roof above {a}; {a} knows that a bat hunts at night
bat = a club: {a} hit the ball with a bat; {a} broke the bat in the game; {a} swung
  the bat at the ball; the bat of {a} is made of wood
bank = the side of a river: {a} sat on the bank and fished; the boat of {a} lay at the
  bank; {a} swam to the bank; grass grows on the bank where {a} rests
bank = a house for money: {a} took the money to the bank; the bank gave {a} some
  coins; {a} works at a desk in the bank; {a} got a loan from the bank
spring = a season: {a} sows corn in spring; in spring {a} hears the birds; snow melts
  when spring comes to {a}; after winter {a} waits for spring
spring = a source of water: {a} drank from the spring; the water of the spring cooled
  {a}; a spring flows out of the rock near {a}; {a} filled a jug at the spring
match = a game: {a} won the match; {a} saw the match with the whole team; {a} scored
  twice in the match; {a} lost the match by one goal
match = a thing to make fire: {a} lit the candle with a match; {a} burned a finger on
  the match; the match of {a} went out in the wind; {a} took a match from the box
bark = the skin of a tree: {a} cut the bark off the trunk; the bark felt rough to {a};
  a beetle lives in the bark of {a}'s tree; {a} peeled the bark of the oak
bark = the voice of a dog: the bark of the dog woke {a}; {a} heard a loud bark and
  ran; {a}'s puppy gave a bark; with a bark the dog greeted {a}
letter = mail: {a} posted the letter; {a} put a stamp on the letter; {a} sent a letter
  to a friend; the letter for {a} came by post
letter = a sign for a sound: {a} spelled the word by letter; the name of {a} begins
  with this letter; {a} wrote a capital letter; the first letter {a} learned was b
mouse = an animal: the cat of {a} caught a mouse; a mouse ate {a}'s cheese; a mouse
  ran into its hole when {a} came; {a} set a trap for the mouse
mouse = a part of a computer: {a} clicked with the mouse; {a} plugged in the mouse;
  {a} moved the mouse over the desk; the mouse of {a} needs a cable
star = a light in the sky: {a} saw a star in the night sky; a star shone above {a};
  {a} counted every star at night; {a} found the north by a star
star = a famous person: {a} became a film star; the star signed a picture for {a}; the
  crowd called for {a}, the star of the show; {a} danced with a star of the opera
wave = a move of water: a wave wet {a} on the beach; {a} swam over a wave; a wave
  carried the boat of {a}; the storm sent a wave over {a}
wave = a move of the hand: {a} left with a wave; {a} gave us a wave; {a} greeted the
  crowd with a wave; with a wave {a} called the waiter
cold = an illness: {a} sneezed and had a cold; a cold kept {a} in bed; {a} caught a
  cold and coughed; the doctor gave {a} tea for the cold
cold = low warmth: {a} shivered in the cold; ice and cold stopped {a}; {a} wore a coat
  against the cold; in the cold the pipes of {a} froze
key = a thing for doors: {a} unlocked the door with a key; {a} lost a key; {a} turned
  the key in the lock; the key of {a} hangs by the gate
key = a part of a piano: {a} pressed a key and a tone rang; each key of the piano
  amused {a}; {a} hit the wrong key in the tune; a black key of {a}'s piano is broken
ring = a piece of jewellery: {a} wore a gold ring; the ring fits {a}; {a} bought a
  ring with a jewel; {a} took the ring off the finger
ring = a sound: the ring of the phone woke {a}; {a} heard the bell's ring; {a} opened
  at the first ring of the bell; after one ring {a} took the phone
"""


def _read_table(table: str) -> dict[str, tuple[Sense, ...]]:
    """The senses of every word; a line that is indented goes on from the last."""
    senses: dict[str, tuple[Sense, ...]] = {}
    for line in table.strip().replace("\n ", "").splitlines():
        word, rest = line.split(" = ")
        meaning, uses = rest.split(": ")
        senses[word] = (*senses.get(word, ()), Sense(meaning, tuple(uses.split("; "))))
    return senses


SENSES = _read_table(_TABLE)


def use(world: World, word: str, sense: int, but: str = "") -> str:
    """Returns a clause in which the word has this sense, other than template `but`."""
    return world.one(SENSES[word][sense].uses, (but,))


def _place(world: World, clause: str, word: str) -> tuple[str, int, int]:
    """A sentence of the clause, and where the word begins and ends in it."""
    text = clause.format(a=world.person())
    if world.chance(0.5):
        text = f"in {world.place()}, {text}"
    text = sentence(text)
    # With its space: the word may also stand inside another one.
    start = text.index(f" {word}") + 1
    return text, start, start + len(word)


def wic_row(world: World, label: int) -> dict:
    """A word in two sentences, in one sense or in two."""
    word = world.one(tuple(SENSES))
    first = world.one((0, 1))
    second = first if label else 1 - first
    one = use(world, word, first)
    two = use(world, word, second, but=one)
    sentence1, start1, end1 = _place(world, one, word)
    sentence2, start2, end2 = _place(world, two, word)
    return {
        "word": word,
        "sentence1": sentence1,
        "sentence2": sentence2,
        **{"start1": start1, "end1": end1, "start2": start2, "end2": end2},
        "label": label,
    }
