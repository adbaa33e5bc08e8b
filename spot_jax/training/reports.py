"""What a run says while it goes on: metrics, evaluations, progress."""

import contextlib
import logging
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import jax
import numpy as np

from spot_jax.data.length_check import LengthCheck
from spot_jax.errors import InputError
from spot_jax.model_dir import names
from spot_jax.model_dir.records import Metrics, Progress
from spot_jax.model_dir.score import measured
from spot_jax.optim import Optimizer
from spot_jax.settings import Training
from spot_jax.training import memory, watchdog
from spot_jax.training.bank import Entry, rate_numbers
from spot_jax.training.clock import Clock

logger = logging.getLogger(__name__)

# Of the device's time, beyond which it is told that nothing is left to do for it.
_MUCH = 0.1


class Reports:
    """Collects the metrics of steps, and writes and shows what they come to.

    As a context it looks whether steps go on finishing.

    Args:
        folder: MODEL_DIR.
        bank: the prompts.
        training: how long the run is.
        done: steps done before.
        optimizer: has the learning rates.
        streams: {task: what counts its examples} of those that are streamed.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        bank: Sequence[Entry],
        training: Training,
        done: int,
        optimizer: Optimizer,
        streams: Mapping[str, LengthCheck] | None = None,
    ):
        self._folder, self._bank, self._streams = folder, bank, streams or {}
        self._rate_at = optimizer.learning_rate
        self._rates = rate_numbers(bank, optimizer)
        self._metrics = Metrics(folder, done)
        examples = training.batch_size * len(bank)
        self._progress = Progress(training.steps, done, examples)
        self._recent: list[Mapping[str, jax.Array]] = []
        self._useful: list[Mapping[str, float]] = []
        self._begun, self._clock = done, Clock()
        self._hang = training.hang_after, training.hang_ends
        self._until_the_end = contextlib.ExitStack()
        about = "Training %d prompt(s) for %d steps; the first step compiles."
        logger.info(about, len(bank), training.steps - done)

    def __enter__(self) -> "Reports":
        self._until_the_end.enter_context(self._clock)
        watch = watchdog.watching(self._clock, *self._hang)
        self._until_the_end.enter_context(watch)
        return self

    def __exit__(self, *_) -> None:
        self._until_the_end.close()

    def step(
        self, metrics: Mapping[str, jax.Array], useful: Mapping[str, float]
    ) -> None:
        """Takes the metrics of one step, without waiting for them.

        Args:
            metrics: [bank] each.
            useful: which share of what was computed is of use.
        """
        self._begun += 1
        self._clock.begin(self._begun, metrics["loss"])
        # They stay on the device: to read them would be to wait for the step.
        self._recent.append(metrics)
        self._useful.append(useful)
        self._progress.step()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves what happens inside out of the time of steps."""
        with self._progress.paused(), self._clock.paused():
            yield

    def write(self, number: int) -> None:
        """Writes the means over the steps since the last line.

        Raises:
            InputError: when a loss is not finite.
        """
        values = self._summary()
        # Not at every step, for looking waits for the device.
        self._check_finite(number, values)
        # Schedules count from 0, lines from 1.
        rate, shared = np.asarray(self._rate_at(number - 1)), {}
        if self._rates is None:
            shared = {"learning_rate": float(rate)}
        else:
            values["learning_rate"] = rate[self._rates]
        for index, entry in enumerate(self._bank):
            its_own = {name: float(v[index]) for name, v in values.items()}
            self._metrics.write(number, entry.name, "train", its_own)
        speed, peaks = self._clock.speed(), memory.peaks()
        useful, self._useful = self._useful, []
        shared |= {
            f"useful_{what}": float(np.mean([share[what] for share in useful]))
            for what in useful[0]
        }
        shared |= self._progress.speed() | speed | peaks
        # Since this start, as they are read anew.
        shared |= {f"unfit/{name}": s.unfit for name, s in self._streams.items()}
        self._metrics.write(number, "", "speed", shared)
        said = [f"loss {values['loss'].mean():.4f}"]
        if speed:
            said.append(f"{speed['seconds_per_step']:.3g} s/step")
        said += [f"{[*peaks.values()][-1]:.1f} GiB"]
        said += [f"{100 * shared['useful_flops']:.0f}% of use"]
        if speed and speed["waiting"] > _MUCH:
            said.append(f"waits {100 * speed['waiting']:.0f}% of the time for rows")
        self._progress.report("  ".join(said))

    def _summary(self) -> dict[str, np.ndarray]:
        """Returns metrics [bank] of the steps since the last line."""
        recent, self._recent = jax.device_get(self._recent), []
        values = {
            name: np.mean([m[name] for m in recent], axis=0) for name in recent[0]
        }
        # A share of tokens: steps with more of them count for more.
        tokens = sum(m["weight_sum"] for m in recent)
        values["accuracy"] = sum(m["correct"] for m in recent) / np.maximum(tokens, 1)
        del values["correct"]
        return values

    def _check_finite(self, number: int, values: Mapping[str, np.ndarray]) -> None:
        finite = np.isfinite(values["loss"] + values["gradient_norm"])
        bad = [e.name for e, ok in zip(self._bank, finite, strict=True) if not ok]
        if bad:
            raise InputError(
                f"The loss of {', '.join(bad)} is not finite near step {number}, or "
                "its gradient is not. Lower the learning rate (--gin.LEARNING_RATE; of "
                "several leave out the highest), or compute in float32 "
                "(--gin.ACTIVATION_DTYPE=float32). Earlier checkpoints and prompts in "
                f"{self._folder} are untouched."
            )

    def evaluated(
        self, number: int, results: Mapping[int, Mapping[str, Mapping[str, float]]]
    ) -> None:
        """Writes what an evaluation gave.

        Args:
            number: steps done.
            results: {index in the bank: {task: {metric: value}}}.
        """
        for index, entry in enumerate(self._bank):
            for task, values in results[index].items():
                self._metrics.write(number, entry.name, task, values)
            logger.info("step %d  %s: %s", number, entry.name, _told(results[index]))

    def close(self) -> None:
        """Ends the progress bar and the files; no step is waited for any more."""
        self._until_the_end.close()
        self._progress.close()
        self._metrics.close()
        for stream in self._streams.values():
            stream.conclude()
        logger.info(
            "Metrics are in %s; as curves: pip install tensorboard, then tensorboard "
            "--logdir %s",
            self._folder / names.METRICS,
            self._folder / names.TENSORBOARD,
        )


def _told(results: Mapping[str, Mapping[str, float]]) -> str:
    """Returns an evaluation of one prompt as a line of text.

    "accuracy 70.00, f1 80.00, mean of accuracy and f1 75.00"; of several tasks "mean of
    2 tasks 72.50 (mrpc: accuracy 70.00, f1 80.00; rte: accuracy 70.00)".
    """
    of_tasks = {
        task: ", ".join(f"{name} {value:.2f}" for name, value in values.items())
        for task, values in results.items()
    }
    name, value = measured(results)
    mean = f"{name} {value:.2f}"
    if len(results) > 1:
        every = "; ".join(f"{task}: {told}" for task, told in of_tasks.items())
        return f"{mean} ({every})"
    (told,) = of_tasks.values()
    return told if told == mean else f"{told}, {mean}"
