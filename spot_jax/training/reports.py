"""What a run says while it goes on: metrics, evaluations, progress."""

import contextlib
import logging
import pathlib
from collections.abc import Container, Iterator, Mapping, Sequence

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
from spot_jax.training.guard import LARGEST
from spot_jax.training.leaving import trained_in

logger = logging.getLogger(__name__)

_LIMIT = f"a prompt of numbers beyond {LARGEST:.0e}"
_CURE = (
    "Lower the learning rate (--gin.LEARNING_RATE; of several leave out the highest), "
    "or compute in float32 (--gin.ACTIVATION_DTYPE=float32)."
)
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
        diverged: prompts, by number, that have diverged before.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        bank: Sequence[Entry],
        training: Training,
        done: int,
        optimizer: Optimizer,
        streams: Mapping[str, LengthCheck] | None = None,
        diverged: Container[int] = (),
    ):
        self._folder, self._bank, self._streams = folder, bank, streams or {}
        self._rate_at = optimizer.learning_rate
        self._rates = rate_numbers(bank, optimizer)
        self._metrics = Metrics(folder, done)
        there = trained_in(bank, done + 1, diverged)
        self._size, self._has_diverged = training.batch_size, set(diverged)
        self._progress = Progress(training.steps, done, self._size * len(there))
        self._recent: list[Mapping[str, jax.Array]] = []
        self._useful: list[Mapping[str, float]] = []
        self._begun, self._clock = done, Clock()
        self._hang = training.hang_after, training.hang_ends
        self._until_the_end = contextlib.ExitStack()
        about = "Training %d prompt(s) for %d steps; the first step compiles."
        logger.info(about, len(there), training.steps - done)

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
            metrics: [bank] each; `diverged` is the step at which a prompt did.
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

    def write(self, number: int) -> dict[int, int]:
        """Writes the means over the steps since the last line.

        Returns:
            {index in the bank: step} of prompts that have diverged since then.

        Raises:
            InputError: when all of the bank have.
        """
        # Not at every step, for looking waits for the device.
        recent, self._recent = jax.device_get(self._recent), []
        marks = np.stack([metrics.pop("diverged") for metrics in recent])
        new = self._diverged_since(number, marks[-1])
        there = trained_in(self._bank, number, self._has_diverged - new.keys())
        # Of a prompt those steps count that moved it.
        moved = (marks == 0)[:, there]
        self._progress.examples_per_step = self._size * moved.sum() / len(recent)
        values = _means([{k: v[there] for k, v in m.items()} for m in recent], moved)
        # Schedules count from 0, lines from 1.
        rate, shared = np.asarray(self._rate_at(number - 1)), {}
        if self._rates is None:
            shared = {"learning_rate": float(rate)}
        else:
            values["learning_rate"] = rate[np.asarray(self._rates)[there]]
        has_moved = moved.any(axis=0)
        for place, index in enumerate(there):
            its_own = {"diverged": new[index]} if index in new else {}
            if has_moved[place]:
                its_own |= {name: float(v[place]) for name, v in values.items()}
            self._metrics.write(number, self._bank[index].name, "train", its_own)
            if self._bank[index].steps == number and index not in new:
                about = "%s is finished after %d steps, and leaves the bank."
                logger.info(about, self._bank[index].name, number)
        loss = values["loss"][has_moved]
        said = [f"loss {loss.mean():.4f}"] if len(loss) else []
        self._write_speed(number, shared, said)
        return new

    def _write_speed(
        self, number: int, shared: dict[str, float], said: list[str]
    ) -> None:
        """Writes and says how the run goes on, beside other values and words."""
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
        if speed:
            said.append(f"{speed['seconds_per_step']:.3g} s/step")
        said += [f"{[*peaks.values()][-1]:.1f} GiB"]
        said += [f"{100 * shared['useful_flops']:.0f}% of use"]
        if speed and speed["waiting"] > _MUCH:
            said.append(f"waits {100 * speed['waiting']:.0f}% of the time for rows")
        self._progress.report("  ".join(said))

    def _diverged_since(self, number: int, marks: np.ndarray) -> dict[int, int]:
        """Returns, and says, who has diverged since the last line, and when.

        Raises:
            InputError: when all of the bank have.
        """
        steps = {index: int(step) for index, step in enumerate(marks) if step}
        new = {i: step for i, step in steps.items() if i not in self._has_diverged}
        self._has_diverged |= new.keys()
        if len(self._has_diverged) == len(self._bank):
            bad = [self._bank[index].name for index in new]
            raise InputError(
                f"The loss of {', '.join(bad)} is not finite near step {number}, or "
                f"its gradient is not, or what would come of that ({_LIMIT}). {_CURE} "
                f"Earlier checkpoints and prompts in {self._folder} are untouched."
            )
        for index, step in new.items():
            name = self._bank[index].name
            logger.warning(
                "%s has diverged at step %d and leaves the bank: its loss or gradient "
                "is not finite, or what would come of that (%s). The others go on; its "
                "best prompt so far is kept: %s. %s",
                *(name, step, _LIMIT),
                *(names.prompt_file(self._folder, name, names.BEST), _CURE),
            )
        return new

    def evaluated(
        self, number: int, results: Mapping[int, Mapping[str, Mapping[str, float]]]
    ) -> None:
        """Writes what an evaluation gave.

        Args:
            number: steps done.
            results: {index in the bank: {task: {metric: value}}} of those that were
                evaluated.
        """
        for index in sorted(results):
            name = self._bank[index].name
            for task, values in results[index].items():
                self._metrics.write(number, name, task, values)
            logger.info("step %d  %s: %s", number, name, _told(results[index]))

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


def _means(
    recent: Sequence[Mapping[str, np.ndarray]], moved: np.ndarray
) -> dict[str, np.ndarray]:
    """Returns metrics [prompts] over some steps.

    Args:
        recent: of each step, [prompts].
        moved: [steps, prompts] which of these moved a prompt, and count.
    """
    totals = {
        name: np.where(moved, [m[name] for m in recent], 0).sum(axis=0)
        for name in recent[0]
    }
    values = {name: total / moved.sum(axis=0).clip(1) for name, total in totals.items()}
    # A share of tokens: steps with more of them count for more.
    del values["correct"]
    values["accuracy"] = totals["correct"] / totals["weight_sum"].clip(1)
    return values


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
