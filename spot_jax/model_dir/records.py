"""What a run says of itself: metrics in JSONL and TensorBoard, and its progress."""

import contextlib
import logging
import math
import pathlib
import re
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import tqdm

from spot_jax.errors import InputError
from spot_jax.model_dir import logs, names, storage
from spot_jax.reading import as_json, parse_json


@contextlib.contextmanager
def _unseen(*modules: str) -> Iterator[None]:
    """Has imports inside find none of these modules, unless they are there already."""
    hidden = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


# It takes what it finds, and needs neither here: torch would cost every start a second.
with _unseen("torch", "google.cloud.storage"):
    import tensorboardX
    from tensorboardX.proto.event_pb2 import Event, SessionLog
    from tensorboardX.summary import scalar

logger = logging.getLogger(__name__)

# As Python writes them, and earlier versions of spot_jax did.
_NOT_FINITE = re.compile(rb": (NaN|-?Infinity)(?=[,}])")


class Metrics:
    """Writes MODEL_DIR/metrics.jsonl and TensorBoard events beside it.

    A line is {"step": 100, "prompt": "sst2-seed0", "kind": "train", "loss": 0.31}.

    Args:
        model_dir: MODEL_DIR.
        step: where the run resumes; what was written after it is forgotten.

    Raises:
        WriteError: when the disk is full, then or later.
    """

    def __init__(self, model_dir: pathlib.Path, step: int):
        path = model_dir / names.METRICS
        _forget_after(path, step)
        self._lines = logs.Lines(path)
        # Of processes that share a run one has the board, as it has the lines.
        board = model_dir / names.TENSORBOARD
        self._board = _Board(board, step) if storage.is_writer() else None

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
        self._lines.add(as_json(line, indent=None))
        if self._board is None:
            return
        for name, value in values.items():
            tag = "/".join(part for part in (kind, name, prompt) if part)
            self._board.add(tag, value, step)

    def close(self) -> None:
        """Flushes both files."""
        self._lines.close()
        if self._board is not None:
            self._board.close()


class _Board:
    """TensorBoard's events, written by the caller's own thread.

    In a thread of its own tensorboardX would meet a full disk alone: the run would
    hear nothing of it, and wait for that thread at one of the next points.
    """

    # Seconds after which a point is to be seen; to sync at every one takes too long.
    _LATEST = 30.0

    def __init__(self, folder: pathlib.Path, step: int):
        self._folder, self._synced = storage.make_folder(folder), time.monotonic()
        now = time.time()
        # Named as TensorBoard looks for them, and no two alike.
        name = f"events.out.tfevents.{now:.6f}.{socket.gethostname()}"
        self._log = logs.Log(folder / name)
        with storage.writing(folder):
            self._writer = tensorboardX.RecordWriter(str(self._log.here))
            self._log.flush = self._writer.flush
            self._write(Event(wall_time=now, file_version="brain.Event:2"))
            # TensorBoard forgets as well what was written after this step.
            begin = SessionLog(status=SessionLog.START)
            self._write(Event(wall_time=now, step=step + 1, session_log=begin))
            self._writer.flush()

    def _write(self, event: Event) -> None:
        self._writer.write(event.SerializeToString())

    def add(self, tag: str, value: float, step: int) -> None:
        now = time.monotonic()
        with storage.writing(self._folder):
            point = scalar(tag, value)
            self._write(Event(wall_time=time.time(), step=step, summary=point))
            if now - self._synced > self._LATEST:
                self._writer.flush()
                self._synced = now
        self._log.has_grown()

    def close(self) -> None:
        with storage.writing(self._folder):
            self._writer.flush()
            self._log.close()
            self._writer.close()


def _forget_after(path: pathlib.Path, step: int) -> None:
    if path.exists():
        kept = [line for line in _lines(path) if line["step"] <= step]
        text = "".join(as_json(line, indent=None) + "\n" for line in kept)
        storage.replace_text(path, text)


def read_metrics(model_dir: pathlib.Path) -> list[dict[str, Any]]:
    """Returns the lines of a run's metrics.jsonl; a metric that is no number is NaN.

    A last line that was cut short is left out; of others that cannot be read a warning
    says how many there are.

    Raises:
        InputError: when there is no such file.
    """
    return _lines(model_dir / names.METRICS)


def _lines(path: pathlib.Path) -> list[dict[str, Any]]:
    try:
        # The last is what was cut short, or nothing.
        *whole, _ = path.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}). Give the folder of a run of "
            "`spot_jax train`, or restore the file."
        ) from error
    read = [_line(text) for text in whole]
    bad = [str(number) for number, line in enumerate(read, 1) if line is None]
    if bad:
        some = ", ".join(bad[:10]) + (", ..." if len(bad) > 10 else "")
        about = "%s: %d of %d lines cannot be read, and are left out: %s."
        logger.warning(about, path, len(bad), len(whole), some)
    return [line for line in read if line is not None]


def _line(text: bytes) -> dict[str, Any] | None:
    """Returns a line, with NaN for null; None where it is none of `Metrics.write`."""
    try:
        line = parse_json(_NOT_FINITE.sub(b": null", text), dict[str, Any], "", "")
        head = {key: line.pop(key) for key in ("step", "prompt", "kind")}
    except (InputError, KeyError):
        return None
    values = {key: math.nan if v is None else v for key, v in line.items()}
    kinds = {type(value) for value in values.values()}
    if list(map(type, head.values())) != [int, str, str] or kinds - {int, float}:
        return None
    return head | values


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
        examples_per_step: for examples per second; it may change.
    """

    def __init__(self, total: int, done: int, examples_per_step: int):
        self._total, self._done = total, done
        self._first, self.examples_per_step = done, examples_per_step
        self._since: float | None = None
        self._bar, self._is_silent = None, not storage.is_writer()
        if sys.stderr.isatty() and not self._is_silent:
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
            "examples_per_second": rate * self.examples_per_step,
        }

    def report(self, text: str) -> None:
        """Says how the run goes."""
        if self._is_silent:
            return
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
