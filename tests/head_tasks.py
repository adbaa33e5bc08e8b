"""Tasks for heads: names in sentences of the demo's world, and questions about it."""

import random

import seqio
import tensorflow as tf

from spot_jax.tasks import catalog
from spot_jax.tasks.catalog_entry import TaskInfo
from spot_jax.text import metrics, postprocessors, questions
from spot_jax.text.preprocessors import name_entities
from spot_jax.text.registration import add_task, each_row
from spot_jax.text.tagging import TAGS
from tests import demo_tasks, demo_world

SIZES = {"train": 60, "validation": 20}
_SEEDS = {"train": 1, "validation": 2}
_PEOPLE = "Ada Ben Carla Dan Emma Finn Gina Hugo Iris Jack Kate Liam".split()
_FILMS = "Orion Atlas Delta Comet Lagoon Mirage Harbor Saturn Tundra Velvet".split()


def sentences(split):
    """Yields sentences, of which people and films are tagged."""
    for row in demo_world.reviews("film", SIZES[split], _SEEDS[split]):
        words = row["inputs"].split()
        tag = {word: "B-PER" for word in _PEOPLE} | {film: "B-MISC" for film in _FILMS}
        numbers = [TAGS.index(tag.get(word, "O")) for word in words]
        yield {"tokens": words, "ner": numbers}


def asked(split):
    """Yields questions, whose answer begins a passage or stands in it."""
    rng = random.Random(_SEEDS[split])
    for number in range(SIZES[split]):
        person, film = rng.choice(_PEOPLE), rng.choice(_FILMS)
        context = f"{person} saw the film {film} ."
        question, answer = rng.choice([("So who", person), ("So what film", film)])
        start = context.index(answer)
        yield {
            "id": str(number),
            "question": question,
            "context": context,
            "answers": {"text": [answer], "answer_start": [start]},
        }


def _source(rows, signature):
    def dataset(split: str, shuffle_files: bool, seed: int | None = None):
        del shuffle_files, seed
        return tf.data.Dataset.from_generator(
            lambda: rows(split), output_signature=signature
        )

    return seqio.FunctionDataSource(
        dataset, splits=tuple(SIZES), num_input_examples=SIZES
    )


def _add(name, rows, signature, preprocess, metric, postprocess):
    info = TaskInfo(
        *(name, "demo"),
        tfds="generated",
        train_examples=SIZES["train"],
        metrics=(metric.__name__,),
    )
    catalog.add(info)
    add_task(
        info,
        [each_row(preprocess)],
        [metric],
        postprocess=postprocess,
        source=_source(rows, signature),
    )


def _texts(shape):
    return tf.TensorSpec(shape, tf.string)


_add(
    "head_names",
    sentences,
    {"tokens": _texts([None]), "ner": tf.TensorSpec([None], tf.int32)},
    name_entities,
    metrics.entity_f1,
    postprocessors.entities,
)
_add(
    "head_spans",
    asked,
    {
        **{name: _texts([]) for name in ("id", "question", "context")},
        "answers": {
            "text": _texts([None]),
            "answer_start": tf.TensorSpec([None], tf.int32),
        },
    },
    questions.squad_span,
    metrics.squad,
    postprocessors.answers,
)
demo_tasks.add(
    "head_film",
    40,
    lambda count, seed: demo_world.reviews("film", min(count, 40), seed),
    ("good", "bad"),
    [metrics.accuracy],
)
demo_tasks.add(
    "head_free",
    40,
    lambda count, seed: demo_world.prefix_examples(min(count, 40), seed),
    (),
    [metrics.accuracy],
)
seqio.MixtureRegistry.add("head_mixture", ["demo_food", "demo_topic"], default_rate=1)
