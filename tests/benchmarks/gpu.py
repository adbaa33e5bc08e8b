"""What one GPU makes of it, beside PEFT: no TensorFlow, no network, by itself.

    python tests/benchmarks/gpu.py --seconds 300 --out FOLDER [--shape tiny]

Each part is a process, one at a time on the device; all load their libraries at once.
A part that fails, or has no time left, costs the others nothing. FOLDER/gpu.json has
what there is at any moment, FOLDER/gpu.txt the table at the end.
"""

import argparse
import contextlib
import dataclasses
import gc
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1])]

from gpu_cases import PEFT, PROFILED, cases  # noqa: E402
from gpu_table import as_text  # noqa: E402
from measured import summary, turns_of  # noqa: E402

# Parts in turn, and their share of the time that is left when they begin.
SHARES = {"checks": 0.25, "tuning": 0.5, "others": 0.6, PEFT: 1.0}
_COMPILERS = 6
# What a part keeps for its last words.
_SPARE = 4.0
# Programs that were compiled are found again when all of it runs a second time.
_CACHE = "/tmp/spot_jax_gpu_programs"


def main(argv: list[str] | None = None) -> None:
    """Runs the parts, one after the other."""
    options = _parse(argv)
    if options.part:
        _part(options.part, options.shape == "tiny")
        # Threads may still compile what nobody waits for.
        sys.stdout.flush()
        os._exit(0)
    began, folder = time.time(), pathlib.Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    until = began + options.seconds
    names = [name for name in SHARES if name in options.parts]
    processes = {name: _started(name, options, folder) for name in names}
    found: list[dict] = []
    for name in names:
        left = until - time.time()
        if left < 2 * _SPARE:
            print(f"== {name}: no time left", flush=True)
            processes[name].kill()
            continue
        share = 1.0 if name == names[-1] else SHARES[name]
        print(f"== {name}, {share * left:.0f} s", flush=True)
        _listen(name, processes[name], time.time() + share * left, found, folder)
    text = as_text(found)
    (folder / "gpu.txt").write_text(text, encoding="utf-8")
    print(text)
    print(f"{time.time() - began:.0f} s in all; {folder}/gpu.json", flush=True)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--out", default=".")
    parser.add_argument("--shape", choices=("all", "tiny"), default="all")
    parser.add_argument("--parts", nargs="+", choices=SHARES, default=list(SHARES))
    parser.add_argument("--peft-python", default=sys.executable)
    parser.add_argument("--part", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def _started(
    name: str, options: argparse.Namespace, folder: pathlib.Path
) -> subprocess.Popen:
    """Starts the process of a part, which loads its libraries and waits."""
    python = options.peft_python if name == PEFT else sys.executable
    with (folder / f"gpu_{name}.log").open("w") as log:
        return subprocess.Popen(
            [python, __file__, "--part", name, "--shape", options.shape],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={
                # Alone on the device, so it may have all of its memory at once.
                "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.92",
                "JAX_COMPILATION_CACHE_DIR": _CACHE,
                "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "1",
                "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
                "TOKENIZERS_PARALLELISM": "false",
                **os.environ,
            },
        )


def _listen(
    name: str,
    process: subprocess.Popen,
    until: float,
    found: list[dict],
    folder: pathlib.Path,
) -> None:
    """Lets a part go on, and keeps what it says, until it ends or its time is over."""
    guard = threading.Timer(max(1.0, until + _SPARE - time.time()), process.kill)
    guard.start()
    try:
        process.stdin.write(f"{until - _SPARE}\n")
        process.stdin.close()
        for line in process.stdout:
            try:
                said = {"part": name, **json.loads(line)}
            except ValueError:
                print(line, end="", flush=True)
                continue
            found.append(said)
            _keep(found, folder)
            print(_short(said), flush=True)
    except OSError as error:
        print(f"{name}: {error}", flush=True)
    finally:
        guard.cancel()
        if process.wait():
            found.append({"part": name, "error": f"it ended with {process.returncode}"})
            _keep(found, folder)
            log = (folder / f"gpu_{name}.log").read_text(errors="replace")
            print(f"{name} ended with {process.returncode}: {log[-2000:]}", flush=True)


def _keep(found: list[dict], folder: pathlib.Path) -> None:
    text = json.dumps(found, indent=1)
    (folder / "gpu.json").write_text(text, encoding="utf-8")


def _short(said: dict) -> str:
    kept = ("name", "seconds", "per_second", "needed_tflops", "memory", "error")
    few = {key: said[key] for key in kept if key in said}
    return json.dumps(few if "name" in said else said)[:600]


def _part(name: str, tiny: bool) -> None:
    """Is the process of a part: loads, waits for its time, and tells line by line."""
    run = {"checks": _checks, PEFT: _peft}.get(name, _ours)
    with contextlib.suppress(Exception):
        # For a moment, libraries speak elsewhere than where results are read.
        with contextlib.redirect_stdout(sys.stderr):
            __import__("peft_side" if name == PEFT else "gpu_checks")
    until = float(sys.stdin.readline())
    try:
        for said in run(name, tiny, until):
            print(json.dumps(said, default=float), flush=True)
    except Exception:
        _tell_trace(name)


def _tell_trace(name: str) -> None:
    traceback.print_exc()
    told = {"name": name, "error": traceback.format_exc()[-600:]}
    print(json.dumps(told), flush=True)


def _checks(name: str, tiny: bool, until: float) -> Iterator[dict[str, Any]]:
    import gpu_checks

    yield {"machine": gpu_checks.machine(tiny)}
    for said in gpu_checks.equality(tiny, until):
        yield {"equality": said}


def _ours(name: str, tiny: bool, until: float) -> Iterator[dict[str, Any]]:
    """Compiles all works in threads, and then times one after the other."""
    import concurrent.futures

    import gpu_checks
    import ours

    def opened(work):
        # Nothing is begun that could not be timed any more.
        if time.time() > until - 2 * _SPARE:
            raise TimeoutError
        trained = ours.Trained(work, 4)
        trained.prepare()
        return trained

    works = cases(name, tiny)
    pool = concurrent.futures.ThreadPoolExecutor(1 if tiny else _COMPILERS)
    futures = [pool.submit(opened, work) for work in works]
    # Compiling tries kernels on the device, which would be timed with the steps.
    half = (until - time.time()) * (0.9 if tiny else 0.7)
    concurrent.futures.wait(futures, timeout=half)
    for future in futures:
        future.cancel()
    for number, work in enumerate(works):
        said = {"name": work.name, "side": "spot_jax", "work": dataclasses.asdict(work)}
        future, futures[number] = futures[number], None
        try:
            if not future.done() or future.cancelled() or time.time() > until:
                raise TimeoutError
            yield said | _timed(future.result(), until)
            if work.name in PROFILED and time.time() < until:
                yield {"profile": work.name, **gpu_checks.kernels(future.result())}
        except TimeoutError:
            yield said | {"error": "no time left"}
        except Exception as error:
            traceback.print_exc()
            yield said | {"error": _reason(error)}
        del future


def _peft(name: str, tiny: bool, until: float) -> Iterator[dict[str, Any]]:
    """Times one work after the other, and halves a batch that does not fit."""
    import peft_side
    import torch
    import transformers

    peft_version = getattr(peft_side.peft, "__version__", "")
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    yield {"versions": {**versions, "peft": peft_version}}
    for work in cases(name, tiny):
        said = {"side": "PEFT", "work": dataclasses.asdict(work), "name": work.name}
        for batch in (work.batch, work.batch // 2, work.batch // 4):
            if time.time() > until - 1:
                yield said | {"error": "no time left"}
                break
            try:
                own = dataclasses.replace(work, batch=batch)
                found = _timed_peft(own, peft_side, torch, until)
                yield said | {"batch": batch} | found
                break
            except torch.OutOfMemoryError:
                yield said | {"batch": batch, "error": "out of memory"}
            except Exception as error:
                traceback.print_exc()
                yield said | {"error": _reason(error)}
                break


def _timed(trained: Any, until: float) -> dict[str, Any]:
    """Times a side, and says what it took."""
    said = summary(turns_of(trained, until)) | trained.told()
    said["memory"] = said.get("planned_bytes") or said.get("peak_bytes")
    return said


def _timed_peft(work: Any, side: Any, torch: Any, until: float) -> dict[str, Any]:
    # What a batch that was too large left.
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    trained = side.Trained(work, 4)
    trained.prepare()
    return _timed(trained, until)


def _reason(error: Exception) -> str:
    text = str(error)
    if "RESOURCE_EXHAUSTED" in text or "out of memory" in text.lower():
        return "out of memory"
    return f"{type(error).__name__}: {text[:500]}"


if __name__ == "__main__":
    main()
