import pytest

from spot_jax import config
from spot_jax.settings import Prompts, Training
from tests import runs


def test_a_run_of_a_program_has_a_configuration_of_its_own(tmp_path):
    config.parse(runs.FILES, runs.bindings(tmp_path, _MODEL))
    config.override(["TRAIN_STEPS=5", "BANK=[('a', 0, None)]", "RANDOM_SEED=%EVERY"])
    config.override(["TRAIN_STEPS=6", "EVERY=[3]"])
    assert config.configured(Training)().steps == 6
    made = config.configured(Prompts)()
    assert made.bank == [("a", 0, None)]
    assert made.seeds == (3,)
    assert made.length == 5
    assert "TRAIN_STEPS = 6" in config.text()


def test_an_override_that_does_not_parse_is_one_message():
    with pytest.raises(ValueError, match="does not parse"):
        config.override(["train.train.=3"])


_MODEL = {
    "INITIAL_CHECKPOINT_PATH": "/nowhere",
    "TASK_FEATURE_LENGTHS": "{'inputs': 32, 'targets': 8}",
}
