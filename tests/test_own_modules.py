"""SeqIO tasks of one's own, from a module in the current folder."""

import sys

import pytest
import seqio

from spot_jax.__main__ import main
from tests import runs

TASKS = """
import seqio
import tensorflow as tf
from spot_jax.text import metrics
from spot_jax.text.vocabulary import VOCABULARY

FEATURE = seqio.Feature(VOCABULARY, add_eos=True)


def rows(split, shuffle_files, seed=None):
    texts = {"inputs": ["the soup was good", "the film was bad"] * 10}
    texts["targets"] = ["good", "bad"] * 10
    return tf.data.Dataset.from_tensor_slices(texts)


seqio.TaskRegistry.add(
    "mine",
    source=seqio.FunctionDataSource(rows, splits=("train", "validation")),
    preprocessors=[seqio.preprocessors.tokenize, seqio.preprocessors.append_eos],
    output_features={"inputs": FEATURE, "targets": FEATURE},
    metric_fns=[metrics.accuracy],
)
"""
GIN = ["tests/demo_model.gin", *runs.FILES[1:]]


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "my_own_tasks.py").write_text(TASKS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    yield tmp_path
    sys.modules.pop("my_own_tasks", None)
    if "mine" in seqio.TaskRegistry.names():
        seqio.TaskRegistry.remove("mine")


def command(demo_model, folder, *more: str) -> list[str]:
    given = {"MIXTURE_OR_TASK_NAME": "mine", "TRAIN_STEPS": 2}
    files = [str(runs.ROOT / file) if "/demo" in file else file for file in GIN]
    bindings = runs.bindings(folder / "run", demo_model, given)
    return [*runs.command("train", bindings, files)[3:], *more]


def test_a_module_registers_tasks_and_class_labels_are_ranked(here, demo_model, capsys):
    labels = "--gin.CLASS_LABELS=[good, bad]"
    main(command(demo_model, here, "--module", "my_own_tasks", labels))
    assert "mine-seed0: best" in capsys.readouterr().out
    assert "MIXTURE_OR_TASK_MODULE = ['my_own_tasks']" in (
        (here / "run/config.gin").read_text()
    )
    # T5X's macro says the same.
    macro = "--gin.MIXTURE_OR_TASK_MODULE=my_own_tasks"
    labels = "--gin.CLASS_LABELS=None"
    with pytest.raises(SystemExit):
        main(command(demo_model, here / "b", macro, labels))
    assert "mine has no" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["no_such_tasks", "my_own_tasks.more"])
def test_a_module_that_is_not_there_is_one_message(name, here, demo_model, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(command(demo_model, here, "--module", name))
    assert stopped.value.code == 2
    assert f"There is no module '{name}'" in capsys.readouterr().err
