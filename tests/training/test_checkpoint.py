import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax.model import sharding
from spot_jax.training.checkpoint import Checkpoints
from spot_jax.training.step import TrainState


def state(step):
    whole = sharding.replicated(sharding.make_mesh())
    prompt = jax.random.normal(jax.random.key(step), (2, 3, 4))
    made = TrainState(jnp.int32(step), {"enc_input": prompt}, {"v": prompt**2})
    return jax.device_put(made, whole)


def test_the_newest_state_comes_back_bit_for_bit(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    assert checkpoints.restore(state(0)) is None
    for step in (1, 2, 3):
        checkpoints.save(state(step), {"best": {"a": step}})
    checkpoints.close()
    restored, progress = Checkpoints(tmp_path, keep=2).restore(state(0))
    jax.tree.map(np.testing.assert_array_equal, restored, state(3))
    assert progress == {"best": {"a": 3}}
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2


def test_a_checkpoint_of_another_shape_is_refused(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(state(1), {})
    checkpoints.close()
    other = state(1).replace(trained={"other": jnp.zeros(3)})
    with pytest.raises(ValueError, match="step 1 .* cannot be restored"):
        Checkpoints(tmp_path, keep=1).restore(other)


def test_a_damaged_checkpoint_is_refused_with_the_cure(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(state(1), {})
    checkpoints.close()
    for file in (tmp_path / "checkpoints").rglob("*"):
        if file.is_file() and "/d/" in str(file):
            file.write_bytes(b"")
    with pytest.raises(ValueError, match="Delete its folder"):
        Checkpoints(tmp_path, keep=1).restore(state(0))
