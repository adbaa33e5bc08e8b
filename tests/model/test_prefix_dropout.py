"""Keys and values drop out row by row, and in training alone."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax.model import objective
from spot_jax.prompts import algebra
from spot_jax.prompts.base import PromptBundle
from tests.training.headed import OPTIONS, Bank, some_examples

RATE = 0.25


def bank_of(length, layers=2, joined=16):
    rng = np.random.default_rng(length)
    keys_values = rng.normal(size=(layers, 2, length, joined)) + 5
    return PromptBundle(enc_self=keys_values.astype(np.float32))


def test_a_row_has_its_own_prompt_of_which_numbers_are_left_out():
    bank = algebra.stack([bank_of(8), bank_of(6)])
    rows = jnp.asarray([1, 0, 1, 1])
    found, numbers = objective.dropped(bank, rows, RATE, jax.random.key(0))
    assert numbers.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(found.mask, bank.mask[np.asarray(rows)])
    whole = np.asarray(bank.enc_self)[:, :, np.asarray(rows)]
    kept = np.asarray(found.enc_self) != 0
    wanted = np.where(kept, whole / (1 - RATE), 0)
    np.testing.assert_allclose(found.enc_self, wanted, rtol=1e-6)
    # Of the second prompt two positions are padding, and zero in any case.
    seen = kept[:, :, :, 2:]
    assert abs(seen.mean() - (1 - RATE)) < 0.05
    assert (kept[:, :, 0] != kept[:, :, 2]).any()


def test_keys_and_values_of_each_site_and_step_drop_by_themselves():
    one = bank_of(8)
    bank = algebra.stack([one.replace(dec_self=one.enc_self)])
    rows = jnp.zeros(1, jnp.int32)
    found, _ = objective.dropped(bank, rows, RATE, jax.random.key(0))
    assert (np.asarray(found.enc_self) != np.asarray(found.dec_self)).any()
    again, _ = objective.dropped(bank, rows, RATE, jax.random.key(0))
    np.testing.assert_array_equal(found.enc_self, again.enc_self)
    other, _ = objective.dropped(bank, rows, RATE, jax.random.key(1))
    assert (np.asarray(found.enc_self) != np.asarray(other.enc_self)).any()


@pytest.mark.parametrize("kind", ["token"])
def test_only_training_drops(kind, tiny_config, tiny_params):
    bank = Bank(tiny_config, kind, [2, 2])
    batch = bank.rows(some_examples(kind, [2, 2], 4))

    def loss_of(binding):
        made = objective.make_loss(tiny_config, binding, OPTIONS, target_length=4)
        return jax.jit(lambda key: made(bank.trained, tiny_params, batch, key)[0])

    plain = loss_of(bank.binding)
    dropping = loss_of(dataclasses.replace(bank.binding, dropout=0.5))
    key = jax.random.key(3)
    assert dropping(None) == plain(None)
    np.testing.assert_allclose(plain(key), plain(None), rtol=1e-6)
    assert abs(dropping(key) - plain(key)) > 1e-4
    assert dropping(key) == dropping(key) != dropping(jax.random.key(4))
