"""A prompt that diverges leaves its bank, and the others never hear of it."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax import optim
from spot_jax.data import packing
from spot_jax.model import objective, sharding, tying
from spot_jax.model.binding import Binding, model_tuning, prompt_tuning
from spot_jax.prompts.base import mixes_in_rows, slots_of
from spot_jax.prompts.deep_kv import DeepKV
from spot_jax.prompts.deep_prompt import DeepPrompt
from spot_jax.prompts.soft import SoftPrompt
from spot_jax.settings import Loss
from spot_jax.training import step
from spot_jax.training.guard import LARGEST, make_guard
from tests.bundles import soft
from tests.examples import some_examples
from tests.training import headed

# See test_step.
PROMPT_TOLERANCE = 1e-4
LENGTH = 4
# Two steps of Adam at this rate are beyond float32.
FAST = 3e38
BANK = 3


def bank_of(count, **options) -> Binding:
    return Binding(lambda trained: soft(trained["enc_input"]), count, **options)


def trees(*values):
    """Of every prompt what is trained, and the optimizer's state."""
    array = jnp.asarray(values, jnp.float32)[:, None, None] * jnp.ones((1, 2, 3))
    return {"enc_input": array}, ({"v": array * 10}, jnp.arange(len(values)))


def values_of(kept) -> list[list[float]]:
    """Of what is trained, of the statistics and of the counts one number each."""
    trained, (statistics, counts) = kept
    arrays = [trained["enc_input"][:, 0, 0], statistics["v"][:, 0, 0], counts]
    return [np.asarray(array).tolist() for array in arrays]


def guarded(new, *, number=7, diverged=None, is_finite=None, of=None, **options):
    of = of or bank_of(len(new))
    counts = jnp.arange(len(new))
    old, (_, zeros) = trees(*[1.0] * len(new)), (None, counts * 0)
    old = (old[0], (old[1][0], zeros))
    kept, marks = make_guard(of, **options)(
        jnp.int32(number),
        jnp.int32([0] * len(new) if diverged is None else diverged),
        jnp.asarray([True] * len(new) if is_finite is None else is_finite),
        trees(*new),
        old,
    )
    return values_of(kept), marks.tolist()


@pytest.mark.parametrize(
    ("value", "leaves"),
    [
        (np.nan, True),
        (np.inf, True),
        (-np.inf, True),
        (2 * LARGEST, True),
        (-2 * LARGEST, True),
        (LARGEST, False),
        (-LARGEST, False),
    ],
)
def test_a_prompt_leaves_before_it_holds_what_no_prompt_holds(value, leaves):
    (trained, statistics, counts), marks = guarded([2.0, value, 3.0])
    assert trained == [2.0, 1.0 if leaves else value, 3.0]
    # The optimizer's too, its count of steps among them.
    if leaves:
        assert statistics == [20.0, 10.0, 30.0] and counts == [0, 0, 2]
    assert marks == [0, 7 if leaves else 0, 0]


def test_one_number_of_a_prompt_is_enough():
    new, old = trees(2.0, 2.0), trees(1.0, 1.0)
    array = new[0]["enc_input"].at[1, 1, 2].set(jnp.nan)
    given = jnp.int32(3), jnp.zeros(2, jnp.int32), jnp.array([True, True])
    kept, marks = make_guard(bank_of(2))(*given, ({"enc_input": array}, new[1]), old)
    assert values_of(kept)[0] == [2.0, 1.0] and marks.tolist() == [0, 3]


def test_a_loss_or_gradient_that_is_not_finite_is_enough():
    (trained, *_), marks = guarded([2.0, 2.0], is_finite=[False, True])
    assert trained == [1.0, 2.0] and marks == [7, 0]


def test_who_has_left_stays_away_and_the_step_is_the_first():
    (trained, *_), marks = guarded([2.0, np.nan, 3.0], diverged=[4, 5, 0])
    assert trained == [1.0, 1.0, 3.0] and marks == [4, 5, 0]


@pytest.mark.parametrize(
    ("number", "moved"), [(6, [2.0, 2.0]), (7, [2.0, 2.0]), (8, [1.0, 2.0])]
)
def test_a_prompt_that_is_finished_stays_as_it_is(number, moved):
    last = {"last_steps": [7, None]}
    (trained, *_), marks = guarded([2.0, 2.0], number=number, **last)
    assert trained == moved and marks == [0, 0]
    # What would become of it does not count any more.
    (trained, *_), marks = guarded([np.nan, 2.0], number=number, **last)
    assert trained == [1.0, 2.0] and marks == [number if number <= 7 else 0, 0]


def test_prompts_that_are_one_leave_together():
    of = bank_of(4, ties=[[0, 2]])
    (trained, *_), marks = guarded([2.0, 3.0, np.nan, 4.0], of=of)
    assert trained == [1.0, 3.0, 1.0, 4.0] and marks == [7, 0, 7, 0]


def test_a_network_may_not_make_of_small_numbers_what_is_too_large():
    of = Binding(lambda trained: soft(jnp.square(trained["enc_input"])), 2)
    (trained, *_), marks = guarded([2.0, 1e5], of=of)
    assert trained == [2.0, 1.0] and marks == [0, 7]


def test_prompts_of_several_shapes_leave_one_by_one():
    groups = {"b": [1, 3], "a": [0, 2]}

    def bundle(trained):
        rows = [trained["a"]["x"][0], trained["b"]["x"][0, :1]]
        rows += [trained["a"]["x"][1], trained["b"]["x"][1, :1]]
        return soft(jnp.stack(rows))

    of = Binding(bundle, 4, groups=groups)

    def arrays(one, two):
        one, two = (
            jnp.asarray(each, jnp.float32)[:, None, None] for each in (one, two)
        )
        return {
            "b": {"x": one * jnp.ones((1, 2, 3))},
            "a": {"x": two * jnp.ones((1, 1, 3))},
        }

    new, old = arrays([2.0, np.nan], [3.0, 4.0]), arrays([1.0] * 2, [1.0] * 2)
    given = jnp.int32(5), jnp.zeros(4, jnp.int32), jnp.array([True, True, False, True])
    (kept, state), marks = make_guard(of)(*given, (new, new), (old, old))
    assert marks.tolist() == [0, 0, 5, 5]
    for each in (kept, state):
        assert each["b"]["x"][:, 0, 0].tolist() == [2.0, 1.0]
        assert each["a"]["x"][:, 0, 0].tolist() == [3.0, 1.0]


def test_a_model_is_never_held_back_but_told_of():
    new, old = {"w": jnp.full(3, jnp.nan)}, {"w": jnp.ones(3)}
    given = jnp.int32(5), jnp.zeros(1, jnp.int32), jnp.array([False])
    kept, marks = make_guard(model_tuning())(*given, (new, {}), (old, {}))
    assert kept[0] is new and marks.tolist() == [5]


def begun(config, source, prompts):
    """A bank of a kind, or some prompts of it, where it begins."""
    drawn = jax.tree.map(
        lambda x: np.random.default_rng(0).normal(size=(BANK, *x.shape)),
        source.init(jax.random.key(0))["params"],
    )
    trained = jax.tree.map(lambda x: np.float32(x[np.asarray(prompts)]), drawn)
    return prompt_tuning(source, len(prompts)), trained


def rows_of(binding, trained, prompts, batches):
    """Examples of some prompts, which meet in rows of one shape."""
    bundle = jax.eval_shape(binding.bundle, trained)
    given = {"prompt_length": slots_of(bundle), "mixes": mixes_in_rows(bundle)}
    own = [
        [
            each._replace(prompt=prompts.index(each.prompt))
            for each in examples
            if each.prompt in prompts
        ]
        for examples in batches
    ]
    shape = packing.plan(own, row_length=40, target_limit=20, rows_multiple=8, **given)
    return [packing.pack(examples, shape=shape, **given) for examples in own]


def train(config, params, prompts, optimizer, rates, mesh=None):
    """Takes four steps with some prompts of a bank; returns the state and metrics."""
    mesh = mesh or sharding.make_mesh(devices=jax.devices()[:1])
    binding, trained = begun(config, SoftPrompt(LENGTH, config), prompts)
    batches = [some_examples(18, seed, prompts=BANK) for seed in range(4)]
    state = step.initial_state(trained, optimizer, binding)
    state = jax.device_put(state, sharding.replicated(mesh))
    train_step = step.make_train_step(
        *(config, binding, optimizer, Loss()), target_length=4, rates=rates
    )
    history = []
    for batch in rows_of(binding, trained, prompts, batches):
        with sharding.on_mesh(mesh):
            rows = [sharding.shard_rows(batch, mesh)]
            state, metrics = train_step(state, params, rows, jax.random.key(0))
        history.append(metrics)
    # Not before: a step may not take away what the one before it told.
    return jax.device_get(state), jax.device_get(history)


def adafactor(rates):
    return optim.adafactor(rates, base_step=1_100_000)


def adamw(rates):
    return optim.adamw(rates)


def far(rates):
    """Diverges at the third step: until then it does not move at all."""
    return optim.adamw(functools.partial(_late, tuple(rates)))


def _late(rates, number):
    fast = jnp.where(number < 2, 0.0, FAST)
    return jnp.stack([fast if rate == FAST else jnp.float32(rate) for rate in rates])


@pytest.mark.parametrize(
    ("optimizer", "first"), [(adafactor, 1), (far, 3)], ids=["at once", "later"]
)
def test_the_others_move_as_if_it_had_never_been_there(
    optimizer, first, tiny_config, tiny_params
):
    given, rates = (tiny_config, tiny_params), [0.3, FAST]
    state, history = train(*given, [0, 1, 2], optimizer(rates), [0, 1, 0])
    assert state.diverged.tolist() == [0, first, 0]
    told = [metrics["diverged"].tolist() for metrics in history]
    assert told == [[0, first * (n >= first), 0] for n in range(1, 5)]
    start = begun(tiny_config, SoftPrompt(LENGTH, tiny_config), [0, 1, 2])[1]
    found, start = state.trained["enc_input"], start["enc_input"]
    np.testing.assert_array_equal(found[1], start[1])
    assert (np.abs(found - start).max(axis=(1, 2)) > 0.1).tolist() == [
        True,
        False,
        True,
    ]
    alone, _ = train(*given, [0, 2], optimizer(rates), [0, 0])
    np.testing.assert_allclose(
        found[[0, 2]], alone.trained["enc_input"], atol=PROMPT_TOLERANCE
    )


def test_without_the_guard_the_others_are_lost(tiny_config, tiny_params, monkeypatch):
    def unguarded(*_):
        return lambda number, diverged, is_finite, new, old: (new, diverged)

    monkeypatch.setattr(step, "make_guard", unguarded)
    given = tiny_config, tiny_params, [0, 1, 2], adamw([0.3, FAST]), [0, 1, 0]
    state, _ = train(*given)
    assert np.isnan(state.trained["enc_input"][[0, 2]]).all()


def test_on_a_mesh_it_leaves_as_on_one_device(tiny_config, tiny_params):
    if jax.device_count() < 8:
        pytest.skip("needs 8 devices; conftest asks for them unless jax has begun")
    given = tiny_config, tiny_params, [0, 1, 2], far([0.3, FAST]), [0, 1, 0]
    one, _ = train(*given)
    many, history = train(*given, mesh=sharding.make_mesh(devices=jax.devices()[:8]))
    assert many.diverged.tolist() == one.diverged.tolist() == [0, 3, 0]
    assert history[-1]["diverged"].tolist() == [0, 3, 0]
    np.testing.assert_allclose(
        many.trained["enc_input"], one.trained["enc_input"], atol=PROMPT_TOLERANCE
    )


@pytest.mark.parametrize(
    "make",
    [SoftPrompt, DeepPrompt, functools.partial(DeepKV, sites=("enc_self", "cross"))],
    ids=["soft", "deep", "keys and values"],
)
def test_the_largest_numbers_leave_everything_finite_in_bfloat16(
    make, tiny_config, tiny_params
):
    """And row mates are asked what they are asked beside a usual prompt."""
    config = dataclasses.replace(tiny_config, dtype="bfloat16")
    binding, trained = begun(config, make(LENGTH, config), [0, 1, 2])
    examples = [some_examples(18, prompts=BANK)]
    (rows,) = rows_of(binding, trained, [0, 1, 2], examples)
    loss = objective.make_loss(config, binding, Loss(), target_length=4)
    gradient = jax.jit(jax.grad(loss, has_aux=True))
    others_of = np.asarray([0, 2])
    _, usual = gradient(trained, tiny_params, rows, None)
    for others in (LARGEST, 0.0):
        # All of its numbers, or some of them.
        large = jax.tree.map(functools.partial(_large, others), trained)
        gradients, told = gradient(large, tiny_params, rows, None)
        assert all(np.isfinite(x).all() for x in jax.tree.leaves((gradients, told)))
        np.testing.assert_allclose(
            told["loss"][others_of], usual["loss"][others_of], rtol=1e-5
        )
        assert abs(told["loss"][1] - usual["loss"][1]) > 1e-4


def _large(others, bank):
    """Makes of the second prompt one that may just be."""
    own = np.where(np.abs(bank[1]) < 1, others, LARGEST) * np.sign(bank[1])
    return np.stack([bank[0], np.float32(own), bank[2]])


def test_tied_prompts_of_several_shapes_leave_together(tiny_config, tiny_params):
    """One of them has a head that is too large, and the third is nobody's copy."""
    counts = [2, 3, 2]
    bank = headed.Bank(tiny_config, "cls", counts, ties=[[0, 1]])
    tying.begin_alike(bank.binding, bank.starts)
    bank.starts[1]["head_bias"] = np.float32([2 * LARGEST, 0, 0])
    before = bank.trained
    rows = bank.rows(headed.some_examples("cls", counts, 4))
    trained, history = headed.run(bank, tiny_params, [rows] * 2)
    assert history[-1]["diverged"].tolist() == [1, 1, 0]
    groups = zip(*map(bank.binding.split, (trained, before)), strict=True)
    moved = {
        number: any(
            np.any(one[place] != other[place])
            for one, other in zip(*map(jax.tree.leaves, pair), strict=True)
        )
        for members, pair in zip(bank.binding.members(), groups, strict=True)
        for place, number in enumerate(members.tolist())
    }
    assert moved == {0: False, 1: False, 2: True}
