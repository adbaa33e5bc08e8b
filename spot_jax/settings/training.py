"""How a run trains."""

import dataclasses

from spot_jax import losses, typed
from spot_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Training:
    """How long, how much at once, and how often to look.

    Attributes:
        steps: TRAIN_STEPS, the run's own, not counting the checkpoint's.
        batch_size: examples of each prompt in a step.
        eval_period: steps between evaluations, which choose the best prompt.
        checkpoint_period: steps between checkpoints to resume from.
        log_period: steps between lines of metrics.
        embedding_step: the step whose prompt embeds the task (SPoT §3.2: 10,000).
        pack: whether rows hold several examples.
        microbatches: parts a batch is computed in, to save memory.
        optimizer_clock: the step the optimizer counts from: "checkpoint" goes on from
            the base checkpoint's as T5X does, a number starts there.
        keep: how many checkpoints to keep.
    """

    steps: int
    batch_size: int = 32
    eval_period: int = 1000
    checkpoint_period: int = 1000
    log_period: int = 100
    embedding_step: int = 10_000
    pack: bool = True
    microbatches: int = 1
    optimizer_clock: str | int = "checkpoint"
    keep: int = 2

    def __post_init__(self):
        counts = (
            *("steps", "batch_size", "eval_period", "checkpoint_period"),
            *("log_period", "embedding_step", "microbatches", "keep"),
        )
        typed.check(self)
        clock = self.optimizer_clock
        if clock != "checkpoint" and not (type(clock) is int and clock >= 0):
            raise InputError(
                f"OPTIMIZER_CLOCK is {clock!r}; give 'checkpoint' or a step from 0 on."
            )
        for name in counts:
            if getattr(self, name) < 1:
                raise InputError(
                    f"{name} of the training is {getattr(self, name)}, not at least 1."
                )

    def due(self, number: int) -> set[str]:
        """Returns what follows a step (from 1): log, embed, evaluate, save, last."""
        is_last = number == self.steps
        found = {"last"} if is_last else set()
        if is_last or number % self.eval_period == 0:
            found.add("evaluate")
        if is_last or number % self.checkpoint_period == 0:
            found.add("save")
        if number == self.embedding_step:
            found.add("embed")
        # Whatever is written about a step, its metrics are there as well.
        if found or number % self.log_period == 0:
            found.add("log")
        return found


@dataclasses.dataclass(frozen=True)
class Loss:
    """What is minimised.

    Attributes:
        z_loss: Z_LOSS, coefficient of log(Z)^2 (1e-4 in T5X).
        label_smoothing: LABEL_SMOOTHING; see `losses.token_losses`.
        normalizing_factor: LOSS_NORMALIZING_FACTOR; see `losses.loss_scales`. T5X's
            default is None, a sum; ours the mean over each prompt's real target tokens.
    """

    z_loss: float = 1e-4
    label_smoothing: float = 0.0
    normalizing_factor: str | float | None = "NUM_REAL_TARGET_TOKENS"

    def __post_init__(self):
        typed.check(self)
        losses.check_options(self.label_smoothing, self.normalizing_factor)


@dataclasses.dataclass(frozen=True)
class Target:
    """The second stage of multi-task model tuning.

    Attributes:
        name: the task.
        steps: how long it is tuned.
    """

    name: str
    steps: int
