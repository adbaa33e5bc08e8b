"""SeqIO's offline cache: what is read from it, and that rates do not change."""

import json
import subprocess
import sys

import numpy as np
import pytest
import seqio
import tensorflow as tf

from spot_jax.text.vocabulary import VOCABULARY

LENGTHS = {"inputs": 64, "targets": 32}


def write_cache(name: str, split: str, folder) -> int:
    """Writes what SeqIO's Beam pipeline writes for one split; returns its examples."""
    task = seqio.TaskRegistry.get(name)
    rows = task.source.get_dataset(split, shuffle=False)
    examples = list(task.preprocess_precache(rows, seed=0).as_numpy_iterator())
    folder = folder / name
    folder.mkdir(exist_ok=True)
    path = folder / f"{split}.tfrecord-00000-of-00001"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in examples:
            writer.write(seqio.utils.dict_to_tfexample(example).SerializeToString())
    features = {
        key: {"shape": [None] * np.ndim(value), "dtype": tf.constant(value).dtype.name}
        for key, value in examples[0].items()
    }
    info = {"num_shards": 1, "features": features}
    (folder / f"info.{split}.json").write_text(json.dumps(info))
    (folder / f"stats.{split}.json").write_text(json.dumps({"examples": len(examples)}))
    (folder / "COMPLETED").touch()
    return len(examples)


@pytest.fixture
def cache_dir(tmp_path):
    seqio.add_global_cache_dirs([str(tmp_path)])
    yield tmp_path
    seqio.set_global_cache_dirs([])


def read(name: str, use_cached: bool) -> list[dict]:
    dataset = seqio.TaskRegistry.get(name).get_dataset(
        LENGTHS, "train", use_cached=use_cached, shuffle=False, seed=0
    )
    return list(dataset.as_numpy_iterator())


# One of each kind of bookkeeping: numbers, groups, lists of texts, none.
@pytest.mark.parametrize("name", ["stsb", "multirc", "record", "wsc", "squad", "cr"])
def test_cached_examples_are_the_same(name, real_data, cache_dir):
    write_cache(name, "train", cache_dir)
    pairs = zip(read(name, False), read(name, True), strict=True)
    for plain, cached in pairs:
        assert plain.keys() == cached.keys()
        for key in plain:
            np.testing.assert_array_equal(plain[key], cached[key], err_msg=key)


def test_a_cached_language_model_is_split_anew(real_data, cache_dir):
    write_cache("c4_prefix_lm", "train", cache_dir)
    for example in read("c4_prefix_lm", True)[:50]:
        assert VOCABULARY.decode(example["targets"].tolist())
        assert len(example["inputs"]) <= 64 and example["targets"][-1] == 1


def test_rates_do_not_change_when_a_task_is_cached(real_data, cache_dir):
    mixture = seqio.MixtureRegistry.get("super_glue_mixture")
    before = {task.name: mixture.get_rate(task) for task in mixture.tasks}
    assert write_cache("record", "train", cache_dir) != before["record"]
    assert {task.name: mixture.get_rate(task) for task in mixture.tasks} == before


_REGISTER = """
import spot_jax.tasks.mixtures
from spot_jax.text.vocabulary import use_vocabulary
use_vocabulary({path!r}, extra_ids=100)
"""


@pytest.mark.slow
def test_seqios_own_program_makes_the_cache(real_data, cache_dir, tmp_path):
    pytest.importorskip("apache_beam", reason="apache-beam is not installed")
    module = _REGISTER.format(path=VOCABULARY.sentencepiece_model_file)
    (tmp_path / "register_tasks.py").write_text(module)
    tasks = "stsb,multirc,record,wsc,squad,cr"
    subprocess.run(
        [sys.executable, "-m", "seqio.scripts.cache_tasks_main"]
        + ["--module_import=register_tasks", f"--tasks={tasks}", "--min_shards=2"]
        + [f"--output_cache_dir={cache_dir}", f"--tfds_data_dir={real_data}"],
        check=True,
        env={"PYTHONPATH": f".:{tmp_path}"},
    )
    for name in tasks.split(","):
        plain, cached = (
            sorted(example["inputs"].tolist() for example in read(name, use_cached))
            for use_cached in (False, True)
        )
        assert plain == cached
