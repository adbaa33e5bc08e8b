"""Mixtures that a configuration makes, MIXTURES."""

import pytest
import seqio

import spot_jax.tasks
from spot_jax.data import loading, set_up
from spot_jax.data.orders import Position
from spot_jax.settings import Data
from spot_jax.tasks import catalog, mixtures

spot_jax.tasks.register_all()


def test_a_mixture_draws_in_proportion_to_examples():
    mixtures.add_mixture("own_one", ["mnli", "cb"])
    made = seqio.MixtureRegistry.get("own_one")
    rates = {task.name: made.get_rate(task) for task in made.tasks}
    assert rates == {"mnli": 392_702.0, "cb": 250.0}
    # The same again is no mistake.
    mixtures.add_mixture("own_one", ["cb", "mnli"])


@pytest.mark.parametrize(
    ("name", "members", "words"),
    [
        ("own_two", ["mnli", "cbb"], "own_two: there is no task .*'cbb'; did you mean"),
        ("own_two", ["glue_mixture"], "'glue_mixture'"),
        ("own_two", ["cb", "cb"], "each once"),
        ("own_two", [], "list its tasks"),
        ("own_two", "cb", "list its tasks"),
        ("own two", ["cb"], "cannot be named 'own two'"),
        ("cb", ["mnli"], "cb is a task"),
        (
            "similarity_mixture",
            ["cxc"],
            "already a mixture similarity_mixture of cxc, ",
        ),
    ],
)
def test_what_cannot_be_a_mixture_is_refused(name, members, words):
    with pytest.raises(ValueError, match=words):
        mixtures.add_mixture(name, members)


@pytest.fixture
def own_limit():
    """A run sets K for all of its process; later tests have the paper's again."""
    yield
    mixtures.use_mixing_limit(catalog.MIXING_LIMIT)


@pytest.mark.usefixtures("own_limit")
def test_a_run_may_name_a_mixture_of_its_settings(demo_model):
    data = Data(
        "own_demo",
        {"inputs": 32, "targets": 8},
        demo_model["VOCABULARY"],
        mixtures={"own_demo": ["demo_film", "demo_topic"]},
        mixing_limit=96,
    )
    set_up.set_up_tasks(data)
    assert loading.task_names("own_demo", data) == ("demo_film", "demo_topic")
    alone = loading.training_loader(data)("demo_film")(0, Position())
    films = {tuple(inputs) for inputs, _ in alone.take(32)}
    examples = loading.training_loader(data)("own_demo")(0, Position())
    drawn = [tuple(inputs) in films for inputs, _ in examples.take(640)]
    # 32 of 32 + 96.
    assert sum(drawn) / len(drawn) == pytest.approx(0.25, abs=0.05)
