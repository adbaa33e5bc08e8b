"""Programs say what they do; libraries below them speak only of what is wrong."""

import collections
import logging
import os
import re
import subprocess
import sys

import pytest

from spot_jax import __main__, text

CHATTER = re.compile(
    r"LOG\(|WARNING|Warning|\babsl\b|oneDNN|cuda|^[IWE]\d{4} |tensorflow|seqio|orbax",
    re.MULTILINE,
)
# Prepared data, a task of SeqIO's own and a mixture: what made libraries talk.
_TRAIN = """
import sys
from spot_jax.__main__ import main
data, model_dir = sys.argv[1:]
main(["make_miniature", data, "--tasks=sst2,mrpc", "--train=40", "--validation=16"])
main([
    "train",
    "--module=tests.demo_tasks",
    "--gin_file=gin/prompts/class_labels.gin",
    "--gin_file=gin/runs/miniature_prompt.gin",
    "--gin.MIXTURES={'both': ['sst2', 'mrpc']}",
    "--gin.MIXTURE_OR_TASK_NAME=[both,demo_food]",
    "--gin.CLASS_LABELS=[good,bad]",
    "--gin.EVALUATION=rank",
    "--gin.EVAL_BATCH_SIZE=4",
    "--gin.EVALUATOR_NUM_EXAMPLES=4",
    "--gin.TRAIN_STEPS=2",
    "--gin.BATCH_SIZE=2",
    "--gin.EMBEDDING_STEP=1",
    f"--gin.MODEL_DIR={model_dir}",
])
"""


@pytest.mark.slow
def test_nothing_but_the_runs_own_lines_is_said_and_none_twice(tmp_path):
    data, model_dir = str(tmp_path / "data"), str(tmp_path / "run")
    # As a user has it: pytest's own asks TensorFlow to be silent.
    surroundings = {**os.environ, "TFDS_DATA_DIR": data}
    del surroundings["TF_CPP_MIN_LOG_LEVEL"]
    done = subprocess.run(
        [sys.executable, "-c", _TRAIN, data, model_dir],
        **dict(capture_output=True, text=True, env=surroundings),
    )
    assert done.returncode == 0, done.stderr
    assert not CHATTER.search(done.stderr), done.stderr
    lines = collections.Counter(done.stderr.splitlines())
    assert not {line for line in lines if lines[line] > 1}, done.stderr
    assert "Loading the T5 from spot_tiny." in lines
    # What is worth a warning is there.
    assert "both draws in proportion to the catalog's sizes" in done.stderr


def test_chatter_is_left_out_and_all_else_is_shown(capfd):
    with text.without_chatter():
        os.write(2, b"normalizer.cc(51) LOG(INFO) precompiled_charsmap is empty.\n")
        os.write(2, b"trainer.cc(7) LOG(ERROR) It is broken.\nand more")
    assert capfd.readouterr().err == "trainer.cc(7) LOG(ERROR) It is broken.\nand more"
    with pytest.raises(KeyError), text.without_chatter():
        os.write(2, b"normalizer.cc(51) LOG(INFO) told before it failed\n")
        raise KeyError
    assert "told before it failed" in capfd.readouterr().err
    # Within each other, and back again.
    with text.without_chatter(), text.without_chatter():
        os.write(2, b"one LOG(INFO) \nother\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "other\nafter\n"


def _record(message: str, *arguments) -> logging.LogRecord:
    of = "absl", logging.WARNING, "file.py", 1
    return logging.LogRecord(*of, message, arguments, None)


def test_a_warning_of_another_library_is_shown_once_and_its_advice_never():
    once = __main__._Once()
    assert once.filter(_record("Split %s is missing", "test"))
    assert not once.filter(_record("Split %s is missing", "test"))
    assert once.filter(_record("Split %s is missing", "train"))
    advice = "Using an uncached FunctionDataset for training is not recommended"
    assert not once.filter(_record(advice))
