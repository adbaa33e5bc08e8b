"""Whole runs of banks that prompts leave: diverged, or finished before the others."""

import contextlib
import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from spot_jax import interrupts, optim
from spot_jax.errors import InputError
from spot_jax.model_dir import records
from spot_jax.prompts import files, init
from spot_jax.settings import Data, Evaluation, Loss, Model, Prompts, Training
from spot_jax.t5 import T5Config
from spot_jax.train import train
from tests import demo_world

# See tests/training/test_step.py.
PROMPT_TOLERANCE = 1e-4
STEPS = 10
# When it happens, between two lines of metrics and after a checkpoint.
BANG = 5


@pytest.fixture(scope="module")
def shared_arguments(demo_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    demo_world.write_rows(folder, {"train": 60, "dev": 20}, ("bad", "good"))
    own = {
        "files": {"train": f"{folder}/train.csv", "validation": f"{folder}/dev.csv"},
        "input": "mood: {text}",
        "target": "{label}",
    }
    shape = T5Config(*(64, 4, 128, 2, 2), d_head=16, vocab_size=384, dropout_rate=0.0)
    lengths, vocabulary = {"inputs": 32, "targets": 8}, demo_model["VOCABULARY"]
    return dict(
        model=Model(shape, demo_model["INITIAL_CHECKPOINT_PATH"]),
        data=Data("mood", lengths, vocabulary, rows={"mood": own}),
        training=Training(
            *(STEPS, 4, 4, 3, 2),
            embedding_step=3,
        ),
        evaluation=Evaluation("rank", examples=20, rows=20),
        loss=Loss(),
        prompts=Prompts(3, init.class_labels),
        devices=jax.devices()[:1],
    )


def bang(rate_that_does: int, first: int) -> optax.GradientTransformation:
    """Makes the updates of one rate infinite from a step on."""

    def update(updates, count, params=None, *, rate=None, **_):
        is_time = (count + 1 >= first) & (rate == rate_that_does)
        broken = jax.tree.map(lambda x: jnp.where(is_time, jnp.inf, x), updates)
        return broken, count + 1

    return optax.GradientTransformationExtraArgs(lambda _: jnp.int32(0), update)


def explosive(rates, which=1, first=BANG, *, base_step) -> optim.Optimizer:
    plain = optim.adafactor(list(rates), base_step=base_step)
    both = optax.chain(plain.transformation, bang(which, first))
    return dataclasses.replace(plain, transformation=both)


RATES = (0.3, 0.1, 0.2)
EXPLOSIVE = functools.partial(explosive, RATES)
CALM = functools.partial(optim.adafactor, [0.3, 0.2])
NAMES = [f"mood-seed0-rate{rate}" for rate in RATES]


@contextlib.contextmanager
def stopped_in(monkeypatch, count):
    """Has the run stop after so many steps, as at a signal."""

    @contextlib.contextmanager
    def answered():
        asked = iter(range(1, 100))
        yield lambda: next(asked) >= count
        raise SystemExit(143)

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(interrupts, "answered", answered)
        yield


def saved(folder, name, kind="last"):
    return files.read(folder / f"prompts/{name}/{kind}.safetensors")


def assert_same_files(one, other):
    for path in sorted(one.glob("prompts/*/*")):
        place = other / path.relative_to(one)
        assert path.read_bytes() == place.read_bytes(), path


def lines_of(folder, kind):
    return [line for line in records.read_metrics(folder) if line["kind"] == kind]


@pytest.fixture(scope="module")
def diverged(shared_arguments, tmp_path_factory):
    """A run that one of three prompts leaves, which nobody stopped."""
    folder = tmp_path_factory.mktemp("diverged") / "run"
    best = train(model_dir=str(folder), optimizer=EXPLOSIVE, **shared_arguments)
    return folder, best


def test_the_others_end_as_if_it_had_never_been_there(
    diverged, shared_arguments, tmp_path
):
    folder, best = diverged
    given = shared_arguments | {"optimizer": CALM, "model_dir": str(tmp_path)}
    alone = train(**given)
    for name in (NAMES[0], NAMES[2]):
        for kind in ("last", "best", "embedding"):
            np.testing.assert_allclose(
                saved(folder, name, kind).bundle.enc_input,
                saved(tmp_path, name, kind).bundle.enc_input,
                atol=PROMPT_TOLERANCE,
            )
        assert (best[name].score, best[name].step) == (
            *(alone[name].score, alone[name].step),
        )


def test_it_is_told_once_in_the_metrics_and_by_what_it_leaves(diverged):
    folder, best = diverged
    own = [line for line in lines_of(folder, "train") if line["prompt"] == NAMES[1]]
    # Those of the steps that moved it; at 6 it is known.
    assert [line["step"] for line in own] == [2, 3, 4, 6]
    assert own[-1] == {
        **{"step": 6, "prompt": NAMES[1], "kind": "train", "diverged": BANG}
    }
    assert {line["step"] for line in lines_of(folder, "mood")} == {4, 6, 8, 10}
    at = [line["step"] for line in lines_of(folder, "mood") if NAMES[1] in str(line)]
    assert at == [4, 6]
    last = saved(folder, NAMES[1])
    assert (last.story["step"], last.story["diverged"]) == (BANG - 1, BANG)
    assert np.isfinite(last.bundle.enc_input).all()
    assert "diverged" not in saved(folder, NAMES[0]).story
    assert [best[name].diverged for name in NAMES] == [None, BANG, None]
    assert best[NAMES[1]].step == BANG - 1
    assert saved(folder, NAMES[1], "embedding").story["step"] == 3


def test_its_rows_are_given_back(diverged):
    folder, _ = diverged
    speeds = {line["step"]: line for line in lines_of(folder, "speed")}
    ratio = {
        step: line["examples_per_second"] / line["steps_per_second"]
        for step, line in speeds.items()
        if line["steps_per_second"]
    }
    # Three prompts, one of two steps of two, and two.
    assert [round(ratio[step]) for step in (4, 6, 8, 10)] == [12, 8, 8, 8]


# Before it happens; when it has and is told by the stop alone; while its rows are
# there; and after they are given back.
@pytest.mark.parametrize("stops", [(4, 5), (5,), (6,), (3, 8)], ids=str)
def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    stops, diverged, shared_arguments, tmp_path, monkeypatch
):
    given = shared_arguments | {"optimizer": EXPLOSIVE, "model_dir": str(tmp_path)}
    done = 0
    for stop in stops:
        with stopped_in(monkeypatch, stop - done):
            train(**given)
        done = stop
    best = train(**given)
    folder, whole = diverged
    assert best == whole
    assert_same_files(folder, tmp_path)
    final = [lines_of(each, "train")[-1]["loss"] for each in (folder, tmp_path)]
    assert final[0] == final[1]
    # What is told again of a complete run is the same.
    assert train(**given) == whole


@pytest.mark.slow
def test_prompts_of_several_lengths_leave_alone(shared_arguments, tmp_path):
    both = {"prompts": dataclasses.replace(shared_arguments["prompts"], length=[3, 5])}
    given = shared_arguments | both
    optimizer = functools.partial(explosive, RATES[:2], 1, 2)
    best = train(model_dir=str(tmp_path / "all"), optimizer=optimizer, **given)
    gone = {name for name, result in best.items() if result.diverged == 2}
    assert gone == {f"mood-seed0-length{length}-rate0.1" for length in (3, 5)}
    optimizer = functools.partial(optim.adafactor, RATES[0])
    train(model_dir=str(tmp_path / "some"), optimizer=optimizer, **given)
    for length in (3, 5):
        name = f"mood-seed0-length{length}"
        np.testing.assert_allclose(
            saved(tmp_path / "all", f"{name}-rate0.3").bundle.enc_input,
            saved(tmp_path / "some", name).bundle.enc_input,
            atol=PROMPT_TOLERANCE,
        )


def test_a_bank_of_which_all_diverge_ends_with_an_error(shared_arguments, tmp_path):
    optimizer = functools.partial(optim.adafactor, [1e30, 2e30])
    with pytest.raises(
        InputError, match="of mood-.*, mood-.* is not finite near step 2"
    ):
        train(model_dir=str(tmp_path), optimizer=optimizer, **shared_arguments)
    assert not [*tmp_path.glob("prompts/*/*")]


def test_a_prompt_alone_that_diverges_ends_with_an_error(shared_arguments, tmp_path):
    optimizer = functools.partial(optim.adafactor, 1e30)
    with pytest.raises(InputError, match="The loss of mood-seed0 is not finite near"):
        train(model_dir=str(tmp_path), optimizer=optimizer, **shared_arguments)


def with_steps(arguments, steps, total=STEPS, **more):
    prompts = dataclasses.replace(arguments["prompts"], steps=steps, **more)
    training = dataclasses.replace(arguments["training"], steps=total)
    optimizer = functools.partial(optim.adafactor, 0.3)
    return arguments | dict(prompts=prompts, training=training, optimizer=optimizer)


def test_a_prompt_that_is_finished_ends_as_a_run_of_so_many_steps(
    shared_arguments, tmp_path, monkeypatch
):
    """Of two prompts the second ends where nothing else is due."""
    plain = dataclasses.replace(shared_arguments["training"], checkpoint_period=4)
    shared_arguments = shared_arguments | {"training": plain}
    both = with_steps(shared_arguments, [STEPS, 3])
    best = train(model_dir=str(tmp_path / "both"), **both)
    # In the order of the bank, whoever was evaluated first.
    long, short = best
    assert (long, short) == (f"mood-seed0-steps{STEPS}", "mood-seed0-steps3")
    for name, steps in ((short, 3), (long, STEPS)):
        folder = tmp_path / name
        (alone,) = train(
            model_dir=str(folder), **with_steps(shared_arguments, None, steps)
        ).values()
        assert (best[name].score, best[name].step) == (alone.score, alone.step)
        for kind in ("last", "best", "embedding"):
            one = saved(tmp_path / "both", name, kind)
            other = saved(folder, "mood-seed0", kind)
            np.testing.assert_allclose(
                one.bundle.enc_input, other.bundle.enc_input, atol=PROMPT_TOLERANCE
            )
            assert one.story["step"] == other.story["step"]
            assert one.story["results"] == other.story["results"]
        evaluated = [
            [line["step"] for line in lines_of(each, "mood") if called in str(line)]
            for each, called in ((tmp_path / "both", name), (folder, "mood-seed0"))
        ]
        assert evaluated[0] == evaluated[1]

    given = both | {"model_dir": str(tmp_path / "parts")}
    # Before it leaves, while its rows are there, and when they are given back.
    for count in (2, 3, 2):
        with stopped_in(monkeypatch, count):
            train(**given)
    assert train(**given) == best
    assert_same_files(tmp_path / "both", tmp_path / "parts")


def test_a_run_of_which_all_are_finished_is_over(shared_arguments, tmp_path, caplog):
    given = with_steps(shared_arguments, 5) | {"model_dir": str(tmp_path)}
    best = train(**given)
    assert saved(tmp_path, "mood-seed0").story["step"] == 5
    assert max(line["step"] for line in records.read_metrics(tmp_path)) == 5
    caplog.set_level("INFO")
    assert train(**given) == best
    assert "The run is complete: 5 steps were asked for." in caplog.messages


def test_more_steps_than_the_run_has_are_refused(shared_arguments, tmp_path):
    given = with_steps(shared_arguments, [5, STEPS + 1])
    with pytest.raises(InputError, match="PROMPT_STEPS is 11, and TRAIN_STEPS 10"):
        train(model_dir=str(tmp_path / "run"), **given)
    assert not (tmp_path / "run").exists()
