"""The configuration of T5X, told as `spot_jax train` would be."""

import pytest

from spot_jax import config
from spot_jax.retrieval import recipes
from spot_jax.settings import Evaluation, Prompts, Training
from spot_jax.t5x_engine.configuration import as_of_train

T5X = """\
from __gin__ import dynamic_registration
import __main__ as train_script
from gin import config
import seqio
from spot_jax import optim
from spot_jax.prompts import init
from spot_jax.prompts import soft
from spot_jax import settings
from spot_jax.t5 import decode
from spot_jax.t5x_engine import model
from t5x import partitioning
from t5x import utils

# Macros:
# ==============================================================================
BATCH_SIZE = 16
CHECKPOINT_PERIOD = 4
DECODING = @decode.greedy
EMBEDDING_STEP = 3
EVAL_PERIOD = 4
EVALUATOR_NUM_EXAMPLES = 16
INITIAL_CHECKPOINT_PATH = 'spot_tiny'
LEARNING_RATE = 0.3
MIXTURE_OR_TASK_NAME = 'rte'
MODEL = @model.model()
MODEL_DIR = '/runs/rte'
NUM_PARTITIONS = 1
OPTIMIZER = @optim.adafactor
PACK = True
PROMPT = @soft.SoftPrompt
PROMPT_LENGTH = 5
PROMPT_START = @init.class_labels
RANDOM_SEED = 2
RUN = @spot_jax_run/config.singleton()
TASK_FEATURE_LENGTHS = {'inputs': 32, 'targets': 8}
TRAIN_STEPS = 1100030
TRAIN_STEPS_RELATIVE = None
WEIGHTS_DTYPE = 'float32'

# Parameters for train/utils.DatasetConfig:
# ==============================================================================
train/utils.DatasetConfig.batch_size = %BATCH_SIZE
seqio.Evaluator.logger_cls = \\
    [@seqio.PyLoggingLogger, @seqio.JSONLogger]
model.model.optimizer = %OPTIMIZER
settings.Data.lengths = %TASK_FEATURE_LENGTHS
settings.Data.names = %MIXTURE_OR_TASK_NAME
settings.Model.checkpoint = %INITIAL_CHECKPOINT_PATH
settings.Prompts.kind = %PROMPT
settings.Prompts.length = %PROMPT_LENGTH
settings.Prompts.seeds = %RANDOM_SEED
settings.Prompts.starts = %PROMPT_START
spot_jax_run/config.singleton.constructor = @model.model
train_script.train.use_orbax = False
utils.create_learning_rate_scheduler.base_learning_rate = %LEARNING_RATE
utils.create_learning_rate_scheduler.factors = 'constant'
"""


def test_a_run_of_spot_jax_goes_on_with_it(tmp_path):
    """As `spot_jax transfer` writes it, with all that it needs but the start."""
    recipe = recipes.read(as_of_train(T5X, steps=30))
    assert recipe.left_out == ()
    file = tmp_path / "target.gin"
    file.write_text(recipe.text, encoding="utf-8")
    config.parse([str(file), "gin/prompts/random_uniform.gin"], ["MODEL_DIR=/x"])
    training = config.configured(Training)()
    assert (training.steps, training.batch_size, training.embedding_step) == (30, 16, 3)
    assert config.configured(Evaluation)().examples == 16
    assert config.configured(Prompts)().seeds == (2,)
    text = config.text()
    assert "train.train.optimizer = %OPTIMIZER" in text
    assert "optim.adafactor.learning_rate = %SCHEDULE" in text


def test_what_is_t5xs_stands_in_comments_alone():
    told = as_of_train(T5X, steps=30)
    lines = [line for line in told.splitlines() if not line.startswith("#")]
    assert not [line for line in lines if "1100030" in line or "seqio" in line]
    assert not [line for line in lines if "t5x" in line or "script" in line]
    assert "# TRAIN_STEPS = 1100030" in told.splitlines()


def test_a_task_of_the_users_own_is_not_forgotten():
    told = as_of_train("from my import tasks\n" + T5X, steps=30)
    assert recipes.read(told).left_out == ("from my import tasks",)


@pytest.mark.parametrize("line", ["factors = 'rsqrt'", "base_learning_rate = 0.1"])
def test_another_schedule_is_not_taken_for_a_constant_one(line):
    name, _, _ = line.partition(" ")
    start = "utils.create_learning_rate_scheduler."
    lines = [
        start + line if text.startswith(start + name) else text
        for text in T5X.splitlines()
    ]
    told = as_of_train("\n".join(lines), steps=30)
    assert "SCHEDULE =" not in told
    assert "bind OPTIMIZER's before you train" in told
