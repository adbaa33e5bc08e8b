"""A trace of some steps, when somebody asks for it: at a step, or by SIGUSR1."""

import contextlib
import logging
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import jax

from spot_jax import interrupts
from spot_jax.model_dir import storage
from spot_jax.settings import Training

logger = logging.getLogger(__name__)

# In MODEL_DIR.
FOLDER = "profile"


@contextlib.contextmanager
def on_demand(
    train_step: Callable, model_dir: pathlib.Path, training: Training, done: int
) -> Iterator[Callable]:
    """Gives a step that computes the same, and is traced when that is asked for.

    Of several processes the first is traced.

    Args:
        train_step: `step.make_train_step`'s.
        model_dir: MODEL_DIR, in which profile/ is written, as TensorBoard reads it.
        training: has PROFILE_STEP and PROFILE_STEPS.
        done: how many steps were done.
    """
    if not storage.is_writer():
        yield train_step
        return
    first = training.profile_step
    if first is not None and not done < first <= training.steps:
        about = "PROFILE_STEP is %d, and steps %d to %d are left: it is not traced."
        logger.info(about, first, done + 1, training.steps)
    traced = _Traced(train_step, model_dir / FOLDER, training, done)
    try:
        yield traced
    finally:
        traced.stop()


class _Traced:
    def __init__(self, train_step, folder: pathlib.Path, training: Training, done: int):
        self._train_step, self._folder = train_step, folder
        self._first, self._count = training.profile_step, training.profile_steps
        self._number, self._left = done, 0
        self._until_the_end = contextlib.ExitStack()

    def __call__(self, *arguments: Any) -> tuple[Any, dict[str, jax.Array]]:
        self._number += 1
        wanted = self._number == self._first or interrupts.trace_is_wanted()
        if wanted and not self._left:
            self._start()
        if not self._left:
            return self._train_step(*arguments)
        with jax.profiler.StepTraceAnnotation("train", step_num=self._number):
            state, metrics = self._train_step(*arguments)
        self._left -= 1
        if not self._left:
            # Of what the device has not done yet there would be no trace.
            jax.block_until_ready(metrics)
            self._end()
        return state, metrics

    def _start(self) -> None:
        with self._telling():
            # Written there by JAX, which knows of no bucket.
            here = self._until_the_end.enter_context(storage.temporary_folder())
            jax.profiler.start_trace(here)
            self._here, self._left = here, self._count

    def _end(self) -> None:
        traced = self._count - self._left
        self._left = 0
        with self._until_the_end, self._telling():
            jax.profiler.stop_trace()
            for path in self._here.rglob("*"):
                if path.is_file():
                    kept = self._folder / path.relative_to(self._here)
                    storage.replace_file(kept, path.read_bytes())
            about = "A trace of %d steps, to step %d, is in %s. To see it: pip install "
            about += "xprof, then xprof --logdir %s"
            logger.info(about, traced, self._number, self._folder, self._folder)

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """A run does not end because it cannot be looked at."""
        try:
            yield
        except Exception as error:
            about = "No trace is written, and the run goes on: %s"
            logger.warning(about, str(error).partition("\n")[0])

    def stop(self) -> None:
        """Ends a trace of steps that did not all come."""
        if self._left:
            self._end()
