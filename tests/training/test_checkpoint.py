import json
import shutil

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

from spot_jax.errors import InputError
from spot_jax.model import sharding
from spot_jax.model_dir import storage
from spot_jax.reading import path_of
from spot_jax.settings import Training
from spot_jax.training.checkpoint import Checkpoints
from spot_jax.training.step import TrainState

PROGRESS = {"positions": [{"passes": 0, "offset": 4}], "best": {}}


def state(step):
    whole = sharding.replicated(sharding.make_mesh())
    prompt = jax.random.normal(jax.random.key(step), (2, 3, 4))
    marks = jnp.int32([0, step])
    made = TrainState(jnp.int32(step), {"enc_input": prompt}, {"v": prompt**2}, marks)
    return jax.device_put(made, whole)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The checkpoints of two steps."""
    folder = tmp_path_factory.mktemp("saved")
    with Checkpoints(folder, keep=2) as checkpoints:
        for step in (1, 2):
            checkpoints.save(state(step), PROGRESS)
    return folder


@pytest.fixture
def damaged(saved, tmp_path):
    """A copy, which may be damaged."""
    shutil.copytree(saved / "checkpoints", tmp_path / "checkpoints")
    return tmp_path


def test_the_newest_state_comes_back_bit_for_bit(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    assert checkpoints.restore(state(0)) is None
    for step in (1, 2, 3):
        checkpoints.save(state(step), PROGRESS | {"best": {"a": {"step": step}}})
    checkpoints.close()
    restored, progress = Checkpoints(tmp_path, keep=2).restore(state(0))
    jax.tree.map(np.testing.assert_array_equal, restored, state(3))
    assert progress == PROGRESS | {"best": {"a": {"step": 3}}}
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2


def test_a_checkpoint_of_before_prompts_could_leave_is_read(tmp_path):
    made = state(3)
    arrays = {"step": made.step, "trained": made.trained, "optimizer": made.optimizer}
    before = flax.struct.dataclass(
        type("Before", (), {"__annotations__": dict.fromkeys(arrays, object)})
    )
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        checkpoints._manager.save(
            3,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(before(**arrays)),
                progress=ocp.args.JsonSave(PROGRESS),
            ),
        )
    restored, progress = Checkpoints(tmp_path, keep=2).restore(state(0))
    np.testing.assert_array_equal(
        restored.trained["enc_input"], made.trained["enc_input"]
    )
    assert restored.diverged.tolist() == [0, 0] and progress == PROGRESS


def test_a_checkpoint_of_another_shape_is_refused(saved):
    other = state(1).replace(trained={"other": jnp.zeros(3)})
    with pytest.raises(InputError, match="step 2 .* cannot be restored"):
        Checkpoints(saved, keep=2).restore(other)


def _empty_the_arrays(step):
    for file in step.rglob("*"):
        if file.is_file() and "/d/" in str(file):
            file.write_bytes(b"")


def _write(name, text):
    return lambda step: (step / name).write_text(text)


@pytest.mark.parametrize(
    "damage",
    [
        _empty_the_arrays,
        lambda step: shutil.rmtree(step / "state"),
        lambda step: shutil.rmtree(step / "progress"),
        _write("progress/metadata", "[]"),
        _write("progress/metadata", '{"best": {}}'),
        _write("progress/metadata", '{"positions": [{}], "best": {}}'),
        _write("progress/metadata", '{"positions": [], "best": {"a": 1}}'),
        _write(
            "progress/metadata",
            '{"positions": [{"passes": 0, "offset": -1}], "best": {}}',
        ),
        _write("progress/metadata", '{"positions": [], "best": {}, "diverged": [1]}'),
        _write(
            "progress/metadata", '{"positions": [], "best": {}, "diverged": ["a", 1]}'
        ),
        _write("progress/metadata", '{"best'),
        _write("state/_METADATA", "[]"),
        _write("state/manifest.ocdbt", "{}"),
    ],
)
def test_a_damaged_checkpoint_is_refused_with_the_cure(damage, damaged):
    damage(damaged / "checkpoints" / "step_2")
    with pytest.raises(InputError, match="step 2 .* Delete its folder to resume"):
        Checkpoints(damaged, keep=2).restore(state(0))
    shutil.rmtree(damaged / "checkpoints" / "step_2")
    restored, _ = Checkpoints(damaged, keep=2).restore(state(0))
    assert int(restored.step) == 1


def test_a_disk_without_room_is_told_before_a_checkpoint_is_begun(damaged, monkeypatch):
    full = shutil.disk_usage(damaged)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    before = sorted(damaged.rglob("*"))
    with Checkpoints(damaged, keep=2) as checkpoints:
        with pytest.raises(InputError, match=r"checkpoints cannot .*0\.0 MB are free"):
            checkpoints.save(state(3), PROGRESS)
    assert sorted(damaged.rglob("*")) == before


def test_what_fails_in_a_thread_is_one_message(damaged, capfd):
    checkpoints = Checkpoints(damaged, keep=2)
    shutil.rmtree(damaged / "checkpoints")
    (damaged / "checkpoints").write_text("a file")
    with pytest.raises(InputError, match="checkpoints.* cannot be written|a directory"):
        checkpoints.save(state(3), PROGRESS)
        checkpoints.close()
    assert "Traceback" not in capfd.readouterr().err


def test_the_first_error_is_the_one_that_is_told(damaged):
    with pytest.raises(storage.WriteError, match="the first"):
        with Checkpoints(damaged, keep=2) as checkpoints:
            checkpoints.save(state(3), PROGRESS)
            # Orbax may still be writing.
            shutil.rmtree(damaged / "checkpoints", ignore_errors=True)
            raise storage.WriteError(damaged, OSError("the first"))


def test_scores_that_are_no_number_come_back(tmp_path):
    best = {"a": {"score": None, "step": 1, "results": {"t": {"pearson": None}}}}
    with Checkpoints(tmp_path, keep=1) as checkpoints:
        checkpoints.save(state(1), PROGRESS | {"best": json.loads(json.dumps(best))})
    _, progress = Checkpoints(tmp_path, keep=1).restore(state(0))
    assert progress["best"] == best


def kept(folder):
    return sorted(int(p.name.partition("_")[2]) for p in folder.iterdir())


def test_besides_the_newest_those_of_a_period_are_kept(tmp_path):
    with Checkpoints(tmp_path, keep=2, keep_period=4) as checkpoints:
        for step in range(1, 12):
            checkpoints.save(state(step), PROGRESS)
    assert kept(tmp_path / "checkpoints") == [4, 8, 10, 11]
    # A run that goes on keeps them as well.
    with Checkpoints(tmp_path, keep=1, keep_period=4) as checkpoints:
        checkpoints.restore(state(0))
        for step in (12, 13):
            checkpoints.save(state(step), PROGRESS)
    assert kept(tmp_path / "checkpoints") == [4, 8, 12, 13]


def test_a_period_of_steps_without_checkpoints_is_refused():
    with pytest.raises(InputError, match="CHECKPOINT_KEEP_PERIOD is 1500, and CHECKPO"):
        Training(steps=10, checkpoint_period=1000, keep_period=1500)
    with pytest.raises(InputError, match="keep_period .* is 0, not at least 1"):
        Training(steps=10, keep_period=0)
    Training(steps=10, checkpoint_period=1000, keep_period=3000)


def test_in_a_bucket_a_checkpoint_that_is_not_whole_is_none(store):
    run = path_of("gs://bucket/run")
    with Checkpoints(run, keep=2) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(state(step), PROGRESS)
    # Of a process that was killed while it wrote.
    for name in store.names("gs://bucket/run/checkpoints/step_3"):
        data = store.get(f"gs://bucket/run/checkpoints/step_3/{name}")
        if name != "commit_success.txt":
            store.put(f"gs://bucket/run/checkpoints/step_4/{name}", data)
    with Checkpoints(run, keep=2) as checkpoints:
        restored, progress = checkpoints.restore(state(0))
    jax.tree.map(np.testing.assert_array_equal, restored, state(3))
    assert progress == PROGRESS
    names = store.names("gs://bucket/run/checkpoints")
    assert {name.partition("/")[0] for name in names} == {"step_2", "step_3"}


def test_a_bucket_that_refuses_a_checkpoint_is_one_message(store):
    with Checkpoints(path_of("gs://bucket/run"), keep=2) as checkpoints:
        checkpoints.save(state(1), PROGRESS)
    with pytest.raises(InputError, match="gs://bucket/run/checkpoints cannot be w"):
        with Checkpoints(path_of("gs://bucket/run"), keep=2) as checkpoints:
            store.refuses["bucket", "write"] = 403
            checkpoints.save(state(2), PROGRESS)
