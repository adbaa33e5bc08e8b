"""How a run trains."""

import dataclasses
from collections.abc import Container, Sequence

from spot_jax import losses, typed
from spot_jax.errors import InputError

# Layers, or names of parts; None: the whole model.
Tuned = int | str | Sequence[str] | None


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
        keep: CHECKPOINT_KEEP, how many of the newest checkpoints are kept.
        keep_period: CHECKPOINT_KEEP_PERIOD, a multiple of checkpoint_period: besides
            them those of every so many steps are kept; None: no others.
        hang_after: HANG_AFTER, seconds without a finished step, other than the first
            and beside evaluations and checkpoints, after which the run says where it
            stands; None: never.
        hang_ends: HANG_ENDS, whether such a run ends, with exit code 75, for a program
            that starts it again.
        profile_step: PROFILE_STEP, the first step that is traced; None: where SIGUSR1
            comes.
        profile_steps: PROFILE_STEPS, how many steps a trace has.
        model_period: SAVE_MODEL_PERIOD, of model tuning: besides the best model, the
            one of every so many steps and of the last is kept, MODEL_DIR/adapted/
            checkpoint_N; None: the best alone.
        tuned: TUNED_LAYERS, of model tuning: how many of the decoder's last layers are
            trained, with its norm and its output layer, or the names of the parts that
            are, such as ["decoder/layers_11", "decoder/decoder_norm"]; None: all.
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
    keep_period: int | None = None
    hang_after: float | None = 600
    hang_ends: bool = False
    profile_step: int | None = None
    profile_steps: int = 5
    model_period: int | None = None
    tuned: Tuned = None

    def __post_init__(self):
        optional = ("hang_after", "profile_step", "keep_period", "model_period")
        counts = (
            *("steps", "batch_size", "eval_period", "checkpoint_period"),
            *("log_period", "embedding_step", "microbatches", "keep", "profile_steps"),
            *(name for name in optional if getattr(self, name) is not None),
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

        if self.keep_period and self.keep_period % self.checkpoint_period:
            raise InputError(
                f"CHECKPOINT_KEEP_PERIOD is {self.keep_period}, and CHECKPOINT_PERIOD "
                f"{self.checkpoint_period}: of such steps most have no checkpoint. "
                "Give a multiple of it."
            )
        tuned = self.tuned
        if tuned is not None and (tuned < 1 if isinstance(tuned, int) else not tuned):
            raise InputError(
                f"TUNED_LAYERS is {tuned!r}, which trains nothing. Give a number "
                "of layers from 1 on, names of parts, or None for all of the model."
            )

    def due(self, number: int, ends: Container[int] = ()) -> set[str]:
        """Returns what follows a step (from 1).

        It is any of log, embed, evaluate, model, save, last and leave.

        Args:
            number: which step.
            ends: steps after which prompts leave the bank.
        """
        is_last = number == self.steps
        found = {"last"} if is_last else set()
        if is_last or number % self.eval_period == 0:
            found.add("evaluate")
        if is_last or number % self.checkpoint_period == 0:
            found.add("save")
        if self.model_period and (is_last or number % self.model_period == 0):
            found.add("model")
        if number == self.embedding_step:
            found.add("embed")
        if number in ends:
            found.add("leave")
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
