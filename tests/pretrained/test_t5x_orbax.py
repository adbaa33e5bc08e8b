"""T5X orbax checkpoints, written by orbax itself, read back."""

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
from flax import serialization, traverse_util

from spot_jax import pretrained


def write(folder, params, step, ocdbt=True):
    """Writes params as T5X's checkpoint manager does, all states None."""
    states = jax.tree.map(lambda _: None, params)
    tree = {"target": params, "state": {"step": step, "param_states": states}}
    handler = ocp.PyTreeCheckpointHandler(use_ocdbt=ocdbt)
    with ocp.CheckpointManager(
        folder,
        item_names=("state",),
        item_handlers={"state": handler},
        options=ocp.CheckpointManagerOptions(step_prefix="checkpoint", create=True),
    ) as manager:
        save = ocp.args.PyTreeSave(tree)
        manager.save(7, args=ocp.args.Composite(state=save))
        manager.wait_until_finished()
    return folder / "checkpoint_7"


@pytest.mark.parametrize("ocdbt", [True, False])
@pytest.mark.parametrize("step", [np.int32(1_100_000), np.float32(1_100_000)])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_what_orbax_wrote_is_read_back(
    ocdbt, step, dtype, tmp_path, t5_tree, random_params, assert_same
):
    tree = t5_tree(dtype=dtype)
    params = jax.tree.map(lambda a: jnp.asarray(a, dtype), random_params(tree))
    folder = write(tmp_path, params, jnp.asarray(step), ocdbt)
    loaded = pretrained.load(str(folder), tree)
    assert_same(loaded.params, params, dtype=dtype)
    assert loaded.step == 1_100_000


def test_the_folder_state_may_be_named(tmp_path, t5_tree, random_params, assert_same):
    tree = t5_tree()
    params = random_params(tree)
    folder = write(tmp_path, params, np.int32(1))
    assert_same(pretrained.load(f"{folder}/state/", tree).params, params)


def test_an_index_may_point_into_the_store(
    tmp_path, t5_tree, random_params, assert_same
):
    tree = t5_tree()
    params = random_params(tree)
    folder = write(tmp_path, params, np.int32(1))
    names = traverse_util.flatten_dict(params, sep=".")
    target = {name: f"PLACEHOLDER://target.{name}" for name in names}
    index = {
        "target": traverse_util.unflatten_dict(target, sep="."),
        "state": {"step": "PLACEHOLDER://state.step"},
    }
    content = serialization.msgpack_serialize(index)
    (folder / "state" / "checkpoint").write_bytes(content)
    loaded = pretrained.load(str(folder), tree)
    assert_same(loaded.params, params)
    assert loaded.step == 1


def test_a_prompt_in_the_checkpoint_is_named(tmp_path, t5_tree, random_params):
    tree = t5_tree()
    params = random_params(tree)
    params["encoder"]["prompt"] = {"prompt": {"prompt": np.ones((5, 16), np.float32)}}
    folder = write(tmp_path, params, np.int32(1))
    with pytest.raises(ValueError, match=r"encoder/prompt/prompt/prompt \[5, 16\]"):
        pretrained.load(str(folder), tree)


def test_t5xs_first_orbax_layout_is_recognised(fixture_folder, t5_tree):
    folder = fixture_folder("t5x_testdata/tiny_orbax/1")
    # It holds optimizer states only, so that everything is missing; and of its arrays
    # the fixture lacks the metadata.
    with pytest.raises(ValueError, match=r"1 of 1 arrays.*_optimizer\.state\.step"):
        pretrained.load(str(folder), t5_tree())
