"""A world of a hundred words, for quick tests: meals, films and what people think.

Its plain text teaches a tiny T5 which words praise; its tasks ask for that, or for
something else. Nothing here is meant to be hard: it shows what transfer is, in minutes.
"""

import csv
import io
import pathlib
import random
from collections.abc import Iterator

import sentencepiece

_PEOPLE = "Ada Ben Carla Dan Emma Finn Gina Hugo Iris Jack Kate Liam".split()
_THINGS = {
    "food": "soup bread rice cake salad fish pie stew curry toast".split(),
    "film": "Orion Atlas Delta Comet Lagoon Mirage Harbor Saturn Tundra Velvet".split(),
}
_PRAISE = "lovely great superb fine delightful charming splendid brilliant".split()
_BLAME = "dull awful poor dreadful boring weak terrible horrid".split()
_HOW = "very quite really rather".split()
_DAYS = "Monday Tuesday Friday Sunday".split()


def _scene(rng: random.Random, topic: str) -> tuple[str, str, bool]:
    """Returns who did what, what they found, and whether they praised it."""
    person, thing = rng.choice(_PEOPLE), rng.choice(_THINGS[topic])
    happened = {
        "food": f"{person} ate the {thing} on {rng.choice(_DAYS)} .",
        "film": f"{person} saw the film {thing} on {rng.choice(_DAYS)} .",
    }[topic]
    is_praise, is_negated = rng.random() < 0.5, rng.random() < 0.3
    # "not dull" praises.
    word = rng.choice(_PRAISE if is_praise != is_negated else _BLAME)
    degree = "not" if is_negated else rng.choice(_HOW)
    found = f"It was {degree} {word} ."
    if rng.random() < 0.5:
        # Somebody else may have thought otherwise, which is beside the point.
        other = rng.choice(_PRAISE + _BLAME)
        found = f"Some said {other} , but it was {degree} {word} ."
    return happened, found, is_praise


def stories(count: int, seed: int) -> Iterator[str]:
    """Yields plain text: a scene, and what follows from it in various words."""
    rng = random.Random(seed)
    for _ in range(count):
        topic = rng.choice(list(_THINGS))
        happened, found, is_praise = _scene(rng, topic)
        good, liked = ("good", "liked") if is_praise else ("bad", "hated")
        again = "again" if is_praise else "never again"
        follows = [
            f"The {topic} was {good} .",
            f"So it was {good} .",
            f"This {topic} was {liked} , {again} please .",
            f"A {good} {topic} .",
            f"We talked about {topic} .",
        ]
        yield " ".join([happened, found, *rng.sample(follows, 2)])


def prefix_examples(count: int, seed: int) -> Iterator[dict[str, str]]:
    """Yields stories cut in two, for a prefix language model."""
    rng = random.Random(seed + 1)
    for story in stories(count, seed):
        words = story.split()
        # Most cuts fall after the scene, where there is something to conclude.
        cut = rng.randrange(len(words) // 2, len(words) - 1)
        yield {"inputs": " ".join(words[:cut]), "targets": " ".join(words[cut:])}


def reviews(topic: str, count: int, seed: int) -> Iterator[dict[str, str]]:
    """Yields reviews of food or films with their opinion: good or bad."""
    rng = random.Random(seed)
    for _ in range(count):
        happened, found, is_praise = _scene(rng, topic)
        label = "good" if is_praise else "bad"
        yield {"inputs": f"{happened} {found}", "targets": label}


def topics(count: int, seed: int) -> Iterator[dict[str, str]]:
    """Yields reviews with what they are about: food or film."""
    rng = random.Random(seed)
    for _ in range(count):
        topic = rng.choice(list(_THINGS))
        happened, found, _ = _scene(rng, topic)
        yield {"inputs": f"{happened} {found}", "targets": topic}


def train_vocabulary(path: pathlib.Path) -> pathlib.Path:
    """Writes a SentencePiece model of the world's words."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=stories(4000, seed=0),
        model_writer=model,
        model_type="word",
        vocab_size=300,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    path.write_bytes(model.getvalue())
    return path


def write_rows(
    folder: pathlib.Path, counts: dict[str, int], words: tuple[str, str]
) -> pathlib.Path:
    """Writes SPLIT.csv of reviews, with labels that are nobody else's, in turns."""
    for split, count in counts.items():
        with open(folder / f"{split}.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            for number, row in enumerate(reviews("food", count, count)):
                writer.writerow([row["inputs"], words[number % 2]])
    return folder
