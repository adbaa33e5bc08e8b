"""What the machine does at its best: products of float32 matrices by either library.

python tests/benchmarks/machine.py
"""

import importlib.metadata
import json
import os
import pathlib
import platform
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

_SIZE, _TURNS = 2048, 5
_VERSIONS = ("jax", "jaxlib", "flax", "numpy", "torch", "transformers", "peft")


def described(threads: int = 2, size: int = _SIZE) -> dict[str, Any]:
    """Returns the machine, its libraries, and GFLOP/s of each."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return {
        "machine": f"{len(os.sched_getaffinity(0))} x {(names or ['?'])[0]}",
        "python": platform.python_version(),
        "versions": dict(filter(None, map(_version, _VERSIONS))),
        "load": os.getloadavg()[0],
        "matrix_gflops": {"jax": _jax(size), **_torch(size, threads)},
    }


def _version(name: str) -> tuple[str, str] | None:
    try:
        return name, importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _jax(size: int) -> float:
    import jax

    matrix = jax.random.normal(jax.random.key(0), (size, size))
    product = jax.jit(lambda a: a @ a)
    return _rate(lambda: jax.block_until_ready(product(matrix)), size)


def _torch(size: int, threads: int) -> dict[str, float]:
    try:
        import torch
    except ImportError:
        return {}
    torch.set_num_threads(threads)
    matrix = torch.randn(size, size)
    return {"torch": _rate(lambda: matrix @ matrix, size)}


def _rate(product: Callable, size: int) -> float:
    product()
    seconds = []
    for _ in range(_TURNS):
        began = time.perf_counter()
        product()
        seconds.append(time.perf_counter() - began)
    return 2 * size**3 / statistics.median(seconds) / 1e9


if __name__ == "__main__":
    print(json.dumps(described(size=int(sys.argv[1]) if sys.argv[1:] else _SIZE)))
