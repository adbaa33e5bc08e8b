"""A run of T5X, told as `spot_jax train` would be: what the header of a prompt says.

Whoever goes on from a prompt (`spot_jax transfer`) reads there how it was trained, and
trains alike. T5X's own settings mean nothing there, and its TRAIN_STEPS another number,
so they follow as comments alone.
"""

import re

from spot_jax.reading import lines_of

# As in gin/runs/prompt_tune.gin.
_OF_TRAIN = """\
settings.Evaluation.examples = %EVALUATOR_NUM_EXAMPLES
settings.Evaluation.search = %DECODING
settings.Model.num_partitions = %NUM_PARTITIONS
settings.Model.weights_dtype = %WEIGHTS_DTYPE
settings.Training.batch_size = %BATCH_SIZE
settings.Training.checkpoint_period = %CHECKPOINT_PERIOD
settings.Training.embedding_step = %EMBEDDING_STEP
settings.Training.eval_period = %EVAL_PERIOD
settings.Training.pack = %PACK
settings.Training.steps = %TRAIN_STEPS
train.train.data = @settings.Data()
train.train.evaluation = @settings.Evaluation()
train.train.loss = @settings.Loss()
train.train.model = @settings.Model()
train.train.model_dir = %MODEL_DIR
train.train.optimizer = %OPTIMIZER
train.train.prompts = @settings.Prompts()
train.train.seed = %RANDOM_SEED
train.train.training = @settings.Training()
"""
_SCHEDULE = """\
SCHEDULE = @optim.constant()
optim.adafactor.learning_rate = %SCHEDULE
optim.adamw.learning_rate = %SCHEDULE
optim.constant.value = %LEARNING_RATE
"""
# A schedule that `spot_jax train` has as well.
_IS_CONSTANT = (
    "utils.create_learning_rate_scheduler.base_learning_rate = %LEARNING_RATE",
    "utils.create_learning_rate_scheduler.factors = 'constant'",
)
_OTHER_SCHEDULE = """\
# The learning rate went as T5X's configuration says: bind OPTIMIZER's before you train.
"""
# Whose settings are T5X's or this room's, by what gin writes of an import.
_IMPORT = re.compile(r"(?:from ([\w.]+) )?import ([\w.]+)(?: as (\w+))?")
_OF_T5X = re.compile(r"(t5x|seqio|gin|__main__|spot_jax\.t5x_engine)\b.*")
_BINDING = re.compile(r"(?:[\w/]+/)?(\w+)[\w.]* = (@?(?:[\w/]+/)?(\w*).*)")


def as_of_train(configuration: str, steps: int) -> str:
    """Returns the configuration of `spot_jax train` that is a run of T5X.

    Args:
        configuration: of T5X, as gin writes it.
        steps: the run's own, which do not count the checkpoint's.
    """
    joined = re.sub(r"\\?\n[ \t]+", " ", configuration)
    statements = [s for s in lines_of(joined) if s and not s.startswith("#")]
    theirs = {name for name in map(_imported_of_t5x, statements) if name}
    imports = [s for s in statements if _IMPORT.fullmatch(s)]
    kept = {s for s in imports if not _imported_of_t5x(s)}
    kept |= {"from spot_jax import optim", "from spot_jax import train"}
    settings = [s for s in statements if s not in imports and not _is_of(theirs, s)]
    settings = [s for s in settings if not s.startswith("TRAIN_STEPS")]
    is_constant = all(line in statements for line in _IS_CONSTANT)
    first = "from __gin__ import dynamic_registration"
    return "\n".join(
        [
            "# Trained by T5X; this is the same run of `spot_jax train`.",
            first,
            *sorted(kept - {first}),
            f"TRAIN_STEPS = {steps}",
            *settings,
            _OF_TRAIN + (_SCHEDULE if is_constant else _OTHER_SCHEDULE),
            "# What T5X was told:",
            *(f"# {line}".rstrip() for line in lines_of(configuration)),
            "",
        ]
    )


def _imported_of_t5x(statement: str) -> str | None:
    """Returns the name under which gin knows a module of T5X's; None of others."""
    found = _IMPORT.fullmatch(statement)
    if not found:
        return None
    package, module, name = found.groups()
    return (name or module) if _OF_T5X.fullmatch(package or module) else None


def _is_of(modules: set[str], statement: str) -> bool:
    """Whether a statement sets something of these modules, or refers to it."""
    found = _BINDING.fullmatch(statement)
    if not found:
        return False
    name, value, referred = found.groups()
    return name in modules or (value.startswith("@") and referred in modules)
