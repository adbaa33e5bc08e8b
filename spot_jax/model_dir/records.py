"""What a run says of itself: metrics in JSONL and TensorBoard, and its progress."""

import contextlib
import json
import pathlib
import sys
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import tensorboardX
import tqdm

from spot_jax.model_dir import names, storage


class Metrics:
    """Writes MODEL_DIR/metrics.jsonl and TensorBoard events beside it.

    A line is {"step": 100, "prompt": "sst2-seed0", "kind": "train", "loss": 0.31}.

    Args:
        model_dir: MODEL_DIR.
        step: where the run resumes; what was written after it is forgotten.
    """

    def __init__(self, model_dir: pathlib.Path, step: int):
        self._path = model_dir / names.METRICS
        _forget_after(self._path, step)
        self._file = storage.open_to_append(self._path)
        self._board = tensorboardX.SummaryWriter(
            str(model_dir / names.TENSORBOARD), purge_step=step + 1
        )

    def write(
        self, step: int, prompt: str, kind: str, values: Mapping[str, float]
    ) -> None:
        """Writes one line, and a point for each value.

        Args:
            step: steps done.
            prompt: the entry's name, "" for the run as a whole.
            kind: "train", "speed" or the name of the task evaluated.
            values: name -> number.
        """
        line = {"step": step, "prompt": prompt, "kind": kind} | dict(values)
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        for name, value in values.items():
            tag = "/".join(part for part in (kind, name, prompt) if part)
            self._board.add_scalar(tag, value, step)

    def close(self) -> None:
        """Flushes both files."""
        self._file.close()
        self._board.close()


def _forget_after(path: pathlib.Path, step: int) -> None:
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        # A run that was killed may have left half a line at the end.
        if line.endswith("\n") and json.loads(line)["step"] <= step:
            kept.append(line)
    storage.replace_file(path, "".join(kept).encode("utf-8"))


def read_metrics(model_dir: pathlib.Path) -> list[dict]:
    """Returns the lines of a run's metrics.jsonl.

    Lines that a power failure cut short are left out.
    """
    text = (model_dir / names.METRICS).read_text(encoding="utf-8")
    lines = []
    for line in text.splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            lines.append(json.loads(line))
    return lines


class Evaluation(NamedTuple):
    """What an evaluation of one prompt on one task gave.

    Attributes:
        step: when.
        prompt: its name in the bank; "model" of model tuning.
        task: the task evaluated.
        values: {metric: value}.
    """

    step: int
    prompt: str
    task: str
    values: dict[str, float]


def read_evaluations(model_dir: pathlib.Path) -> list[Evaluation]:
    """Returns a run's evaluations, in order."""
    found = []
    for line in read_metrics(model_dir):
        step, prompt, kind = (line.pop(key) for key in ("step", "prompt", "kind"))
        if kind not in ("train", "speed"):
            found.append(Evaluation(step, prompt, kind, line))
    return found


class Progress:
    """Steps per second and time left: a bar on a terminal, plain lines elsewhere.

    Args:
        total: steps of the whole run.
        done: steps done before.
        examples_per_step: for examples per second.
    """

    def __init__(self, total: int, done: int, examples_per_step: int):
        self._total, self._done = total, done
        self._first, self._examples = done, examples_per_step
        self._since: float | None = None
        self._bar = None
        if sys.stderr.isatty():
            self._bar = tqdm.tqdm(
                total=total, initial=done, unit="step", dynamic_ncols=True
            )

    def step(self) -> None:
        """Counts one step; the first, which compiles, is where the clock starts."""
        self._done += 1
        if self._since is None:
            self._since, self._first = time.monotonic(), self._done
        if self._bar:
            self._bar.update()

    def speed(self) -> dict[str, float]:
        """Returns steps and examples per second, without compiling and evaluating."""
        elapsed = time.monotonic() - self._since if self._since else 0.0
        rate = (self._done - self._first) / elapsed if elapsed else 0.0
        return {
            "steps_per_second": rate,
            "examples_per_second": rate * self._examples,
        }

    def report(self, text: str) -> None:
        """Says how the run goes."""
        speed = self.speed()
        if self._bar:
            rate = f"{speed['examples_per_second']:.0f} examples/s"
            self._bar.set_postfix_str(f"{rate}, {text}")
            return
        rate = speed["steps_per_second"]
        left = f"{_duration((self._total - self._done) / rate)} left" if rate else ""
        print(
            f"step {self._done}/{self._total}  {text}  "
            f"{speed['steps_per_second']:.2f} steps/s  "
            f"{speed['examples_per_second']:.0f} examples/s  "
            f"{left}",
            file=sys.stderr,
            flush=True,
        )

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves what happens inside out of the speed."""
        began = time.monotonic()
        try:
            yield
        finally:
            if self._since is not None:
                self._since += time.monotonic() - began

    def close(self) -> None:
        """Ends the bar."""
        if self._bar:
            self._bar.close()


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
