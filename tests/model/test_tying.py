"""Tasks that share a prompt move it together, and each its own head."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax import optim
from spot_jax.model import objective, tying
from spot_jax.model.binding import Binding
from tests.training.headed import OPTIONS, Bank, run, some_examples

OPTIMIZERS = {
    # With statistics of whole arrays, which a head must not reach.
    "adafactor": optim.adafactor(
        0.03, base_step=0, multiply_by_parameter_scale=True, weight_decay_rate=0.1
    ),
    "adamw": optim.adamw(0.01, weight_decay=0.1),
}


def begun(config, counts, ties, kind="cls", prompt="keys and values"):
    bank = Bank(config, kind, counts, prompt, ties)
    tying.begin_alike(bank.binding, bank.starts)
    return bank


def parameters(bank, trained, number):
    """Those of one prompt."""
    for group, members in zip(
        bank.binding.split(trained), bank.binding.members(), strict=True
    ):
        if number in members:
            place = members.tolist().index(number)
            return jax.tree.map(lambda x, place=place: np.asarray(x[place]), group)
    raise KeyError(number)


def are_same(one, other):
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, one, other)))


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("adafactor", [2, 3, 2, 2]),
        ("adamw", [2, 2, 2, 2]),
        pytest.param("adafactor", [2, 2, 2, 2], marks=pytest.mark.slow),
        pytest.param("adamw", [2, 3, 2, 2], marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_prompts_that_are_one_stay_alike_bit_for_bit(
    name, counts, tiny_config, tiny_params
):
    bank = begun(tiny_config, counts, [[0, 1, 2]])
    batches = [bank.rows(some_examples("cls", counts, 3, seed)) for seed in range(3)]
    trained, _ = run(bank, tiny_params, batches, optimizer=OPTIMIZERS[name])
    first, *others, alone = [parameters(bank, trained, n) for n in range(4)]
    for other in others:
        assert are_same(other["prompt"], first["prompt"])
    # The last is nobody's copy, and heads are each task's own.
    assert not are_same(alone["prompt"], first["prompt"])
    kernels = [p["head_kernel"] for p in (first, others[-1])]
    assert np.abs(kernels[0] - kernels[1]).max() > 1e-3
    for number, start in enumerate(bank.starts):
        now = parameters(bank, trained, number)
        assert np.abs(now["head_kernel"] - start["head_kernel"]).max() > 1e-4
        moved = jax.tree.map(lambda x, y: np.abs(x - y).max(), now, start)
        assert all(size > 1e-4 for size in jax.tree.leaves(moved["prompt"]))


def _copies(group, array):
    return jnp.stack([array] * len(group["head_bias"]))


@pytest.mark.parametrize("counts", [[2, 2], [2, 3]], ids=str)
def test_the_gradient_is_that_of_the_sum_of_all_losses(
    counts, tiny_config, tiny_params
):
    bank = begun(tiny_config, counts, [[0, 1]])
    batch = jax.tree.map(jnp.asarray, bank.rows(some_examples("cls", counts, 4)))
    loss = objective.make_loss(tiny_config, bank.binding, OPTIONS, target_length=4)

    def of_shared(prompt):
        """As a function of the one prompt that there is."""
        groups = [
            part | {"prompt": jax.tree.map(functools.partial(_copies, part), prompt)}
            for part in bank.binding.split(bank.trained)
        ]
        return loss(bank.binding.joined(groups), tiny_params, batch, None)[0]

    wanted = jax.jit(jax.grad(of_shared))(bank.starts[0]["prompt"])
    gradients, _ = jax.jit(jax.grad(loss, has_aux=True))(
        bank.trained, tiny_params, batch, None
    )
    summed = tying.summed(bank.binding, gradients)
    for number in range(2):
        found, own = (parameters(bank, g, number) for g in (summed, gradients))
        for x, y in zip(
            jax.tree.leaves(found["prompt"]), jax.tree.leaves(wanted), strict=True
        ):
            np.testing.assert_allclose(x, y, atol=1e-6)
            assert np.abs(x).max() > 1e-4
        assert not are_same(found["prompt"], own["prompt"])
        for name in ("head_kernel", "head_bias"):
            np.testing.assert_array_equal(found[name], own[name])


def test_nothing_is_summed_where_nothing_is_shared():
    binding = Binding(lambda _: None, 2)
    gradients = {"enc_input": np.ones((2, 3))}
    assert tying.summed(binding, gradients) is gradients


def test_prompts_without_heads_are_tied_whole():
    binding = Binding(lambda _: None, 3, ties=[[0, 2]])
    gradients = {"enc_input": jnp.asarray([[1.0], [10.0], [100.0]])}
    found = tying.summed(binding, gradients)["enc_input"]
    assert found.tolist() == [[101.0], [10.0], [101.0]]
    starts = [{"enc_input": np.full(1, n)} for n in range(3)]
    tying.begin_alike(binding, starts)
    assert [start["enc_input"].item() for start in starts] == [0, 1, 0]
