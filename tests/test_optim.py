"""Optimizers equal T5X's, and under vmap every prompt is optimized alone.

`recorded/t5x_adafactor.npz` and `t5x_schedules.npz` were made by T5X's own
`adafactor.Adafactor` and `utils.create_learning_rate_scheduler` (T5X commit cc342d4,
jax 0.10.2, CPU), the former by jitted `apply_gradient` calls on an `OptimizerState`
whose step is 1,100,000 (`late_clock`, `momentum`, `model_tuning`, `long_prompt`) or 0
(`early_clock`):

- [20, 16] prompt, 30 recorded gradients that shrink tenfold halfway, parameters after
  `kept_steps`: learning rate 0.3, not factored, no parameter scale, weight decay 1e-5;
  `momentum`: with beta1 0.9;
- `model_tuning`: `uniform_case((160, 144), seed=1)`, learning rate 1e-3, otherwise
  T5X's defaults (factored, parameter scale, no weight decay): every eighth row and
  column after steps 1 and 5, and the statistics after step 5;
- `long_prompt`: `uniform_case((150, 160), seed=2)` as the prompt, rows and columns
  likewise;
- schedules: learning rates at `steps`, 10 warm-up steps, base 0.3, 1.0 and 0.5.
"""

import dataclasses
import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from spot_jax import optim
from spot_jax.errors import InputError

RECORDED = pathlib.Path(__file__).parent / "recorded"
LATE = 1_100_000


@pytest.fixture(scope="module")
def t5x():
    with np.load(RECORDED / "t5x_adafactor.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def schedules():
    with np.load(RECORDED / "t5x_schedules.npz") as file:
        return dict(file)


def uniform_case(shape, seed, steps=5):
    """Parameters and gradients from NumPy's legacy generator, whose stream is fixed."""
    random = np.random.RandomState(seed)
    parameters = random.uniform(-0.5, 0.5, shape)
    gradients = random.uniform(-1e-2, 1e-2, (steps, *shape))
    return parameters.astype(np.float32), gradients.astype(np.float32)


def follow(optimizer, parameters, gradients, vmap=False):
    """Returns the parameters after every step, [steps, ...], and the last state."""
    init, update = optimizer.init, optimizer.update
    if vmap:
        init, update = jax.vmap(init), jax.vmap(update)

    def step(carry, gradient):
        parameters, state = update(gradient, carry[1], carry[0])
        return (parameters, state), parameters

    # Compiled as a user's run is: conftest's quick compilation rounds otherwise.
    @functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 3})
    def run(parameters, gradients):
        start = parameters, init(parameters)
        (_, state), path = jax.lax.scan(step, start, gradients)
        return path, state

    return run(*jax.tree.map(jnp.asarray, (parameters, gradients)))


def adafactor_by_hand(parameters, gradients, base_step, weight_decay=1e-5, rate=0.3):
    """The update rule in float64, without factoring."""
    parameters, second = parameters.astype(np.float64), 0.0
    path = []
    for step, gradient in enumerate(gradients.astype(np.float64)):
        beta = 1.0 - (base_step + step + 1.0) ** -0.8
        second = beta * second + (1.0 - beta) * (gradient**2 + 1e-30)
        update = gradient / np.sqrt(second)
        update /= max(1.0, np.sqrt(np.mean(update**2)))
        parameters = (1.0 - weight_decay) * parameters - rate * update
        path.append(parameters)
    return np.stack(path)


@pytest.mark.parametrize(
    "name, base_step, momentum",
    [("late_clock", LATE, None), ("early_clock", 0, None), ("momentum", LATE, 0.9)],
)
def test_adafactor_equals_t5x_over_30_steps(t5x, name, base_step, momentum):
    optimizer = optim.adafactor(0.3, base_step=base_step, momentum=momentum)
    gradients = t5x["gradients"].astype(np.float32)
    path, _ = follow(optimizer, t5x["prompt"], gradients)
    kept = np.asarray(path)[t5x["kept_steps"] - 1]
    # Equal bit for bit where this was written; other machines may round otherwise.
    np.testing.assert_allclose(kept, t5x[name], rtol=0, atol=1e-6)


def test_the_clock_decides_the_size_of_updates(t5x):
    gradients = t5x["gradients"].astype(np.float32)

    def last_update(base_step):
        optimizer = optim.adafactor(0.3, base_step=base_step, weight_decay_rate=0.0)
        path, _ = follow(optimizer, t5x["prompt"], gradients)
        return np.sqrt(np.mean((path[-1] - path[-2]) ** 2))

    assert last_update(LATE) == pytest.approx(0.3, rel=1e-5)
    assert last_update(0) < 0.1


def test_model_tuning_equals_t5x(t5x):
    parameters, gradients = uniform_case((160, 144), seed=1)
    optimizer = optim.adafactor(
        1e-3,
        base_step=LATE,
        weight_decay_rate=0.0,
        multiply_by_parameter_scale=True,
        factored=True,
    )
    path, state = follow(optimizer, parameters, gradients)
    kept = np.asarray(path)[[0, 4], ::8, ::8]
    np.testing.assert_allclose(kept, t5x["model_tuning"], rtol=0, atol=1e-7)
    statistics = state[0]
    np.testing.assert_allclose(
        statistics.v_row, t5x["model_tuning_v_row"], rtol=1e-6, atol=0
    )
    np.testing.assert_allclose(
        statistics.v_col, t5x["model_tuning_v_col"], rtol=1e-6, atol=0
    )


def test_long_prompt_is_not_factored(t5x):
    parameters, gradients = uniform_case((150, 160), seed=2)
    path, state = follow(optim.adafactor(0.3, base_step=LATE), parameters, gradients)
    assert state[0].v.shape == (150, 160)
    assert state[0].v_row.shape == state[0].v_col.shape == (1,)
    kept = np.asarray(path)[[0, 4], ::8, ::8]
    np.testing.assert_allclose(kept, t5x["long_prompt"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("base_step", [0, LATE])
@pytest.mark.parametrize("length", [1, 100, 150])
def test_adafactor_follows_its_formula_whatever_the_length(length, base_step):
    parameters, gradients = uniform_case((length, 130), seed=3, steps=10)
    path, _ = follow(optim.adafactor(0.3, base_step=base_step), parameters, gradients)
    expected = adafactor_by_hand(parameters, gradients, base_step)
    np.testing.assert_allclose(path, expected, rtol=0, atol=5e-6)


def test_adamw_follows_its_formula():
    parameters, gradients = uniform_case((4, 3), seed=4, steps=10)
    path, _ = follow(optim.adamw(0.1, weight_decay=0.01), parameters, gradients)
    first = second = 0.0
    for step, gradient in enumerate(gradients.astype(np.float64), start=1):
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        root = np.sqrt(second / (1 - 0.999**step)) + 1e-8
        update = first / (1 - 0.9**step) / root + 0.01 * parameters
        parameters = parameters - 0.1 * update
    # float32 knows 1 - 0.999 to 1e-5 of itself only.
    np.testing.assert_allclose(path[-1], parameters, rtol=0, atol=1e-5)


OPTIMIZERS = {
    "prompt": lambda: optim.adafactor(0.3, base_step=LATE),
    "momentum, clock at 0": lambda: optim.adafactor(0.3, base_step=0, momentum=0.9),
    "factored, scaled": lambda: optim.adafactor(
        optim.linear_warmup(0.3, 4),
        base_step=LATE,
        factored=True,
        multiply_by_parameter_scale=True,
    ),
    "adamw": lambda: optim.adamw(0.3, weight_decay=0.01),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_bank_equals_each_prompt_alone(name):
    optimizer = OPTIMIZERS[name]()
    cases = [uniform_case((130, 128), seed) for seed in range(3)]
    # Sizes differ by prompt: a clip over the bank would show.
    scaled = [(p, 10.0**i * g) for i, (p, g) in enumerate(cases)]
    bank_parameters = np.stack([p for p, _ in scaled])
    bank_gradients = np.stack([g for _, g in scaled], axis=1).astype(np.float32)
    bank, _ = follow(optimizer, bank_parameters, bank_gradients, vmap=True)
    for i in range(3):
        alone, _ = follow(optimizer, bank_parameters[i], bank_gradients[:, i])
        np.testing.assert_allclose(bank[:, i], alone, rtol=0, atol=1e-7)


RATES = (0.1, 0.3, 0.03)
SWEPT = {
    "adafactor": lambda rate: optim.adafactor(rate, base_step=LATE),
    "adafactor of a model": lambda rate: optim.adafactor(
        optim.linear_warmup(rate, 4),
        base_step=0,
        momentum=0.9,
        factored=True,
        multiply_by_parameter_scale=True,
        weight_decay_rate=0.1,
    ),
    "decay": lambda rate: optim.adafactor(
        optim.linear_warmup_decay(rate, 1, 5), base_step=LATE
    ),
    "rsqrt": lambda rate: optim.adafactor(
        optim.reciprocal_square_root(rate, 2), base_step=LATE
    ),
    "warm-up and rsqrt": lambda rate: optim.adafactor(
        optim.linear_warmup_rsqrt(rate, 2), base_step=LATE
    ),
    "adamw": lambda rate: optim.adamw(rate, weight_decay=0.01),
}


@pytest.mark.parametrize("name", SWEPT)
def test_a_bank_of_rates_equals_each_prompt_at_its_rate_alone(name):
    optimizer = SWEPT[name](RATES)
    assert optimizer.rates == RATES
    parameters, gradients = uniform_case((130, 128), seed=8)
    of_prompts = np.array([2, 0, 1, 0])

    def update(gradients, state, parameters):
        update_one = jax.vmap(optimizer.update, in_axes=(None, 0, 0, 0))
        return update_one(gradients, state, parameters, of_prompts)

    bank = dataclasses.make_dataclass("Bank", ["init", "update"])
    repeated = np.repeat(parameters[None], len(of_prompts), axis=0)
    path, _ = follow(bank(jax.vmap(optimizer.init), update), repeated, gradients)
    for index, number in enumerate(of_prompts):
        (rate,) = (alone := SWEPT[name](RATES[number])).rates
        assert rate == RATES[number]
        own, _ = follow(alone, parameters, gradients)
        # A rate that is known when it compiles rounds otherwise, in the last bits.
        np.testing.assert_allclose(path[:, index], own, rtol=0, atol=5e-7)


def test_one_rate_in_a_list_is_that_rate():
    assert optim.constant([0.3])(0) == 0.3
    assert optim.adafactor([0.3], base_step=0).rates == (0.3,)
    assert optim.adafactor(lambda step: 0.3, base_step=0).rates == ()


@pytest.mark.parametrize(
    "rates, words",
    [
        ([], r"LEARNING_RATE is \[\]"),
        ([0.1, 0.1], r"LEARNING_RATE is \[0.1, 0.1\]"),
        ([0.1, -1.0], "The learning rate is -1.0"),
        ([0.1, float("inf")], "The learning rate is inf"),
    ],
)
def test_rates_that_are_none_are_refused(rates, words):
    with pytest.raises(InputError, match=words):
        optim.adafactor(rates, base_step=0)


def test_every_array_of_a_tree_is_optimized_alone():
    optimizer = OPTIMIZERS["prompt"]()
    small, large = uniform_case((4, 8), seed=6), uniform_case((8, 8), seed=7)
    parameters = {"prompt": small[0], "head": {"kernel": large[0]}}
    gradients = {"prompt": small[1], "head": {"kernel": 100.0 * large[1]}}
    path, _ = follow(optimizer, parameters, gradients)
    for name, tree in parameters.items():
        alone, _ = follow(optimizer, tree, gradients[name])
        jax.tree.map(np.testing.assert_array_equal, path[name], alone)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_bfloat16_parameters_are_updated_in_float32(name):
    optimizer = OPTIMIZERS[name]()
    parameters, gradients = uniform_case((130, 128), seed=5, steps=1)
    narrow = jnp.asarray(parameters).astype(jnp.bfloat16)
    narrow_path, state = follow(optimizer, narrow, gradients)
    wide_path, _ = follow(optimizer, narrow.astype(jnp.float32), gradients)
    assert narrow_path.dtype == jnp.bfloat16
    assert {leaf.dtype.name for leaf in jax.tree.leaves(state)} <= {"float32", "int32"}
    np.testing.assert_array_equal(narrow_path, wide_path.astype(jnp.bfloat16))


@pytest.mark.parametrize(
    "name, schedule",
    [
        ("linear_warmup", optim.linear_warmup(0.3, 10)),
        ("rsqrt", optim.reciprocal_square_root(1.0, 10)),
        ("linear_warmup_rsqrt", optim.linear_warmup_rsqrt(0.5, 10)),
    ],
)
def test_schedules_equal_t5x(schedules, name, schedule):
    rates = [float(schedule(step)) for step in schedules["steps"]]
    # T5X never goes below 1e-8.
    np.testing.assert_allclose(rates, schedules[name], rtol=1e-6, atol=1e-8)


def test_a_decaying_schedule_equals_optax():
    ours = optim.linear_warmup_decay(0.3, warmup_steps=10, total_steps=50)
    up = optax.linear_schedule(0.0, 0.3, 10)
    down = optax.linear_schedule(0.3, 0.0, 40, transition_begin=10)
    for step in range(60):
        expected = up(step) if step < 10 else down(step)
        assert float(ours(step)) == pytest.approx(float(expected), abs=1e-7)


def test_a_schedule_that_only_falls_equals_optax():
    ours = optim.linear_decay(5e-3, total_steps=50)
    theirs = optax.linear_schedule(5e-3, 0.0, 50)
    for step in (0, 1, 49, 50, 60):
        assert float(ours(step)) == pytest.approx(float(theirs(step)), abs=1e-9)
    assert float(ours(0)) == pytest.approx(5e-3)


def test_a_rate_falls_after_every_epoch_as_torch_has_it():
    ours = optim.exponential_decay(6e-3, decay=0.95, every=7)
    theirs = optax.exponential_decay(6e-3, 7, 0.95, staircase=True)
    for step in (0, 6, 7, 13, 14, 700):
        expected = float(theirs(step))
        assert float(ours(jnp.int32(step))) == pytest.approx(expected, rel=1e-5)
    assert float(ours(6)) == pytest.approx(6e-3)


def test_schedule_counts_the_steps_of_the_run(t5x):
    optimizer = optim.adafactor(
        optim.linear_warmup(0.3, 10), base_step=LATE, weight_decay_rate=0.0
    )
    gradients = t5x["gradients"].astype(np.float32)[:12]
    path, _ = follow(optimizer, t5x["prompt"], gradients)
    updates = np.diff(np.concatenate([t5x["prompt"][None], path]), axis=0)
    sizes = np.sqrt(np.mean(updates**2, axis=(1, 2)))
    expected = [float(optimizer.learning_rate(step)) for step in range(12)]
    np.testing.assert_allclose(sizes, expected, rtol=1e-5, atol=1e-7)
    assert expected[0] == 0.0 and expected[11] == pytest.approx(0.3)


@pytest.mark.parametrize(
    "make, message",
    [
        (functools.partial(optim.adafactor, 0.3, base_step=-1), "base_step is -1"),
        (functools.partial(optim.linear_warmup, 0.3, 0), "warmup_steps is 0"),
        (functools.partial(optim.linear_warmup_rsqrt, 0.3, 0), "warmup_steps is 0"),
        (functools.partial(optim.linear_warmup_decay, 0.3, 9, 9), "ends at step 9"),
        (functools.partial(optim.reciprocal_square_root, 1.0, 0), "warmup_steps is 0"),
        (functools.partial(optim.linear_decay, 1.0, 0), "ends at step 0"),
        (functools.partial(optim.exponential_decay, 1.0, 1.1), "DECAY_RATE is 1.1"),
        (functools.partial(optim.exponential_decay, 1.0, 0.9, 0), "DECAY_EVERY 0"),
    ],
)
def test_impossible_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("rate", [-1.0, float("nan")])
@pytest.mark.parametrize(
    "schedule",
    [
        optim.constant,
        lambda rate: optim.linear_warmup(rate, 1),
        lambda rate: optim.linear_warmup_decay(rate, 1, 2),
        lambda rate: optim.reciprocal_square_root(rate, 1),
        lambda rate: optim.linear_decay(rate, 2),
        optim.exponential_decay,
        lambda rate: optim.linear_warmup_rsqrt(rate, 1),
    ],
)
def test_a_rate_that_leads_away_is_refused(schedule, rate):
    with pytest.raises(ValueError, match="The learning rate is .*LEARNING_RATE"):
        schedule(rate)
