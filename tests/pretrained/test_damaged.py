"""Damaged weights are one message, or are read as what they are: no trace, no lie."""

import random
import shutil

import jax
import ml_dtypes
import numpy as np
import pytest

from spot_jax import pretrained
from spot_jax.pretrained.save import save_t5x
from tests import damage
from tests.pretrained import test_t5x_native, test_t5x_orbax, test_torch_zip
from tests.pretrained.their_folders import (
    UNTIED,
    their_weights,
    write,
    write_config,
    write_parts,
)

pytestmark = pytest.mark.slow

SEED, TRIALS = 20261127, 150
SIZES = dict(layers=1, d_model=4, heads=1, d_head=2, mlp=4, vocab=8, buckets=4)
THEIRS = dict(d_model=4, num_heads=1, d_kv=2, d_ff=4, vocab_size=8, num_layers=1)
THEIRS |= dict(num_decoder_layers=1, relative_attention_num_buckets=4) | UNTIED


def write_ours(folder, params):
    save_t5x(str(folder), params, 3)


def write_native(folder, params):
    test_t5x_native.write(folder, params, test_t5x_native.new_spec)


def write_inline(folder, params):
    test_t5x_native.write(folder, params, test_t5x_native.new_spec, inline=(1, 2))


def write_orbax(folder, params):
    shutil.copytree(test_t5x_orbax.write(folder / "made", params, 3), folder / "it")
    shutil.rmtree(folder / "made")


def write_orbax_folders(folder, params):
    made = test_t5x_orbax.write(folder / "made", params, 3, ocdbt=False)
    shutil.copytree(made, folder / "it")
    shutil.rmtree(folder / "made")


def write_safetensors(folder, params):
    write(folder, their_weights(params), **THEIRS)


def write_safetensors_parts(folder, params):
    write_parts(folder, their_weights(params), **THEIRS)


def write_bin(folder, params):
    write_config(folder, **THEIRS)
    members, tensors = {}, {}
    for i, (name, array) in enumerate(their_weights(params).items()):
        storage = test_torch_zip.Storage("FloatStorage", str(i), array.size)
        strides = [stride // 4 for stride in array.strides]
        whole = test_torch_zip.tensor(storage, 0, array.shape, tuple(strides))
        tensors[name] = whole
        members[f"data/{i}"] = array.tobytes()
    test_torch_zip.write(folder / "pytorch_model.bin", tensors, members)


WRITERS = (
    *(write_ours, write_native, write_inline, write_orbax, write_orbax_folders),
    *(write_safetensors, write_safetensors_parts, write_bin),
)


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("writer", WRITERS)
def test_damaged_files_are_one_message_or_another_model(
    writer, tmp_path, t5_tree, random_params
):
    rng = random.Random(SEED)
    tree = t5_tree(**SIZES)
    params = random_params(tree)
    whole = tmp_path / "whole"
    writer(whole, params)
    inside = "it" if (whole / "it").exists() else "."
    before = pretrained.load(str(whole / inside), tree)
    assert before.fingerprint == pretrained.fingerprint(params)
    counts = dict(refused=0, same=0, other=0)
    for trial in range(TRIALS):
        folder = tmp_path / f"damaged{trial}"
        shutil.copytree(whole, folder)
        files = files_of(folder)
        victim, other = rng.choice(files), rng.choice(files)
        match rng.randrange(12):
            case 0:
                victim.unlink()
            case 1:
                victim.write_bytes(other.read_bytes())
            case _:
                victim.write_bytes(damage.in_bytes(victim.read_bytes(), rng))
        loaded = []
        said = damage.refusal(
            lambda at=folder / inside, loaded=loaded: loaded.append(
                pretrained.load(str(at), tree)
            )
        )
        shutil.rmtree(folder)
        if said:
            counts["refused"] += 1
            continue
        (found,) = loaded
        for array in jax.tree.leaves(found.params):
            assert np.isfinite(array).all()
        is_same = jax.tree.all(jax.tree.map(equal_in_bfloat16, found.params, params))
        assert is_same == (found.fingerprint == before.fingerprint)
        if writer is write_ours:
            assert is_same and found.step == before.step
        counts["same" if is_same else "other"] += 1
    print(writer.__name__, counts)
    assert counts["refused"] > 5


def equal_in_bfloat16(one, other):
    one, other = (np.asarray(a).astype(ml_dtypes.bfloat16) for a in (one, other))
    return np.array_equal(one.view(np.uint16), other.view(np.uint16))
