"""What the file of a prompt tells the run that uses it."""

import numpy as np
import pytest

from spot_jax.errors import InputError
from spot_jax.prompts import files
from spot_jax.prompts.base import PromptBundle
from spot_jax.t5x_engine import saved


@pytest.fixture
def model_dir(tmp_path):
    """MODEL_DIR of a run of T5X, whose prompt has seven vectors."""
    bundle = PromptBundle(enc_input=np.ones((7, 4), np.float32))
    place = tmp_path / "prompts/task-seed0/last.safetensors"
    files.write(place, bundle, {"task": "task"})
    files.write_numpy(tmp_path / "numpy", bundle)
    (tmp_path / "checkpoint_9").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    "place", ["prompts/task-seed0/last.safetensors", "numpy", "checkpoint_9", ""]
)
def test_its_length_is_read_where_nobody_gives_one(model_dir, place):
    assert saved.prompt_length(str(model_dir / place)) == 7
    assert saved.prompt_length(str(model_dir / place), 3) == 3


def test_without_a_file_the_length_has_to_be_given():
    place = "/nowhere/checkpoint_9"
    with pytest.raises(InputError, match="--gin.PROMPT_LENGTH"):
        saved.prompt_length(place)
    assert saved.prompt_length(place, 3) == 3
    assert saved.story(place) == {}


def test_its_story_is_that_of_its_file(model_dir):
    assert saved.story(str(model_dir / "checkpoint_9"))["task"] == "task"
