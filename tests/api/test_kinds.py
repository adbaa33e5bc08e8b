"""What Python tunes by the name of a kind is what its gin file says."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import spot_jax
from spot_jax import config
from spot_jax.api.kinds import RECIPES, recipe_of
from spot_jax.api.tuning import STARTS
from spot_jax.config.bound import bound_to
from spot_jax.errors import InputError
from spot_jax.prompts.base import modes, shapes_of
from spot_jax.prompts.deep_kv import DeepKV
from spot_jax.prompts.deep_prompt import DeepPrompt
from spot_jax.prompts.starting import shape_of
from spot_jax.t5 import T5Config
from spot_jax.train import train
from tests import runs

STEPS = 5
SMALL = T5Config(*(16, 2, 16, 2, 2), d_head=6, vocab_size=32)
FILES = {"soft": "class_labels"}
GIVEN = dict(input="mood: {text}", target="{label}", name="mood", steps=4)
GIVEN |= dict(batch_size=4, embedding_step=2)


def moved(optimizer):
    """Where some steps of an optimizer lead."""
    trained = {"w": jnp.full((3, 4), 0.7)}
    state = optimizer.init(trained)
    for number in range(STEPS - 1):
        gradient = {"w": jnp.full((3, 4), 0.1 + number)}
        trained, state = optimizer.update(gradient, state, trained)
    return trained["w"]


@pytest.mark.parametrize("name", RECIPES)
def test_a_kind_is_tuned_as_its_gin_file_has_it(name):
    gin = f"gin/prompts/{FILES.get(name, name)}.gin"
    files = ["tests/demo_model.gin", gin, "gin/runs/prompt_tune.gin"]
    given = runs.bindings("x", {"TRAIN_STEPS": STEPS, "DROPOUT_RATE": 0.0})
    kept = ("MIXTURE", "TRAIN_STEPS", "MODEL_DIR", "DROPOUT_RATE")
    config.parse(
        files,
        [
            *(one for one in given if one.startswith(kept)),
            "INITIAL_CHECKPOINT_PATH=x",
            "TASK_FEATURE_LENGTHS={'inputs': 200, 'targets': 8}",
        ],
    )
    asked = bound_to(train)
    theirs, ours = asked["prompts"], recipe_of(name)
    assert theirs.length == ours.length
    assert [start.__name__ for start in theirs.starts] == [STARTS[ours.start].__name__]
    made = [kind(length=ours.length, model=SMALL) for kind in (theirs.kind, ours.kind)]
    assert isinstance(made[0], ours.kind)
    bundles = list(map(shape_of, made))
    assert shapes_of(bundles[0]) == shapes_of(bundles[1])
    assert modes(bundles[0]) == modes(bundles[1])
    trained = [
        moved(optimizer(base_step=0))
        for optimizer in (asked["optimizer"], ours.optimizer(ours.rate, STEPS))
    ]
    np.testing.assert_array_equal(*trained)
    assert float(jnp.abs(trained[0] - 0.7).max()) > 0


@pytest.mark.parametrize(
    ("name", "sites"),
    [
        ("p_tuning_v2", ["enc_self", "dec_self"]),
        pytest.param("p_tuning", ["enc_input"], marks=pytest.mark.slow),
        pytest.param(
            "prefix_tuning", ["enc_self", "dec_self", "cross"], marks=pytest.mark.slow
        ),
        pytest.param("deep_prompt", ["enc_hidden"], marks=pytest.mark.slow),
    ],
)
def test_every_kind_is_tuned_by_its_name(name, sites, model, rows):
    found = spot_jax.tune(model, rows, kind=name, length=3, **GIVEN)
    assert list(shapes_of(found.bundle)) == sites and len(found) == 3
    assert RECIPES[name].kind.__name__ in found.story["configuration"]


def test_a_prompt_with_a_head_answers_by_it_and_is_where_another_begins(
    model, rows, tmp_path
):
    given = GIVEN | dict(head="cls", kind="p_tuning_v2", length=3)
    found = spot_jax.tune(model, rows, learning_rate=0.01, **given)
    assert found.bundle.head.names == (("bad", "good"),)
    texts = [row["text"] for row in rows[:6]]
    answers = model.rank(texts, prompt=found)
    assert model.answer(texts, found) == answers and set(answers) <= {"bad", "good"}
    scores = model.score(texts, ["good", "bad"], prompt=found)
    best = [("good", "bad")[n] for n in scores.argmax(axis=1)]
    assert best == answers
    np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1, atol=1e-4)
    assert model.rank(texts, ["bad"], prompt=found) == ["bad"] * 6
    for labels in (["bad", "fine"], ["fine"]):
        with pytest.raises(InputError, match="cls head of 2 .*asked about"):
            model.rank(texts, labels, prompt=found)
    found.save(tmp_path / "p.safetensors")
    given |= {"steps": 1, "learning_rate": 0.0, "start": found, "length": None}
    again = spot_jax.tune(model, rows, **given)
    np.testing.assert_array_equal(again.bundle.enc_self, found.bundle.enc_self)
    np.testing.assert_array_equal(again.bundle.head.kernel, found.bundle.head.kernel)
    with pytest.raises(InputError, match="with a cls head"):
        found.export(tmp_path / "out", "npy")


def test_a_class_is_tuned_as_the_kind_that_it_is():
    bound = functools.partial(DeepKV, layers="1:")
    assert recipe_of(bound) == RECIPES["p_tuning_v2"]._replace(kind=bound)
    assert recipe_of(DeepPrompt) == RECIPES["deep_prompt"]

    class Own(DeepKV):
        """A kind of one's own."""

    assert recipe_of(Own) == RECIPES["soft"]._replace(kind=Own)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"kind": "lora"}, "no kind 'lora' of prompt: it is soft, p_tuning_v2"),
        ({"kind": 3}, "no kind 3"),
        ({"kind": "p_tuning_v2", "start": "class_labels"}, "of another kind"),
        ({"start": "drawn"}, "enc_input alone; this start has nothing"),
        ({"head": "words"}, "HEAD is 'words'"),
        ({"head": "token"}, "mood do not have words and tags"),
        ({"head": "cls", "labels": ()}, "mood has none: its answers are free"),
    ],
)
def test_what_cannot_be_is_one_message(given, told, model, rows):
    with pytest.raises(InputError, match=told):
        spot_jax.tune(model, rows, **GIVEN | {"length": 3} | given)


def test_two_starts_of_the_same_vectors_and_other_heads_are_two(model, rows, tmp_path):
    """Prompts that are in no file are written to one of their own each."""
    from spot_jax.api.tuning import _start

    found = spot_jax.tune(
        *(model, rows), **GIVEN, head="cls", start="random_uniform", length=3
    )
    head = found.bundle.head
    other = found.bundle.replace(head=head.replace(kernel=head.kernel + 1))
    starts = [
        _start(tmp_path, spot_jax.Prompt(bundle, found.story))
        for bundle in (found.bundle, other)
    ]
    assert len({start.keywords["path"] for start in starts}) == 2
    assert jax.tree.all(
        jax.tree.map(np.array_equal, found.bundle.enc_input, other.enc_input)
    )
