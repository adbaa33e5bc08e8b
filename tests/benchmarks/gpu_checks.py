"""What a GPU does at its best, and whether its own attention says the same."""

import collections
import concurrent.futures
import dataclasses
import pathlib
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import ours
from work import Work

from spot_jax.model import sharding
from spot_jax.model.objective import make_loss
from spot_jax.settings import Loss

# In turn: what others are compared with, in float32; what T5X computes; the kernel's.
_WAYS = (("float32", "plain"), ("bfloat16", "plain"), ("bfloat16", "fused"))


def machine(tiny: bool = False) -> dict[str, Any]:
    """Measures products of matrices and copies, as fast as jax does them."""
    size = 512 if tiny else 8192
    key = jax.random.key(0)
    matrix = jax.random.normal(key, (size, size), jnp.bfloat16)
    seconds = _best(jax.jit(lambda a: a @ a), matrix)
    long = jnp.ones((size * size * 8,), jnp.bfloat16)
    copied = _best(jax.jit(lambda a: a + 1), long)
    device = jax.devices()[0]
    stats = device.memory_stats() or {}
    return {
        "device": device.device_kind,
        "jax": jax.__version__,
        "bytes": stats.get("bytes_limit"),
        "matrix_tflops": 2 * size**3 / seconds / 1e12,
        "copy_gb": 2 * long.nbytes / copied / 1e9,
    }


def _best(function, argument, times: int = 10, each: int = 5) -> float:
    """Returns the seconds of a call, the median of a few turns."""
    jax.block_until_ready(function(argument))
    turns = []
    for _ in range(times):
        began = time.perf_counter()
        for _ in range(each):
            last = function(argument)
        jax.block_until_ready(last)
        turns.append((time.perf_counter() - began) / each)
    return float(np.median(turns))


def equality(tiny: bool, until: float) -> Iterator[dict[str, Any]]:
    """Compares losses and gradients of prompts by how attention is computed.

    Rows are packed and padded, as SST-2's are, and full ones besides.

    Args:
        tiny: whether it is a T5 that any machine computes at once.
        until: when to stop, by time.time().
    """
    few = {"layers": 1 if tiny else 3, "dropout": 0.0, "weights": "bfloat16"}
    shape = "tiny" if tiny else "large"
    prompt, full = (8, "24x4") if tiny else (100, "412x16")
    works = [
        Work("", shape, lengths, 16, prompt, kind=kind, scan=True, **few)
        for kind, lengths in (("soft", "sst2"), ("kv", "sst2"), ("soft", full))
    ]
    pool = concurrent.futures.ThreadPoolExecutor(1 if tiny else 6)
    asked = [[pool.submit(_answer, work, *way) for way in _WAYS] for work in works]
    for work, answers in zip(works, asked, strict=True):
        concurrent.futures.wait(answers, timeout=max(0, until - time.time()))
        told = [each.result() if each.done() else "no time left" for each in answers]
        yield _compared(work, told)
    pool.shutdown(wait=False, cancel_futures=True)


def _answer(work: Work, dtype: str, attention: str) -> Any:
    """Returns a loss and a gradient, or why there is none."""
    way = dataclasses.replace(work, dtype=dtype, attention=attention)
    try:
        return _loss_and_gradient(way)
    except Exception as error:
        return str(error)[:400]


def _compared(work: Work, answers: list[Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"kind": work.kind, "lengths": work.lengths}
    found = {" ".join(way): answer for way, answer in zip(_WAYS, answers, strict=True)}
    reference, plain, fused = answers
    for way, answer in found.items():
        if isinstance(answer, str) or isinstance(reference, str):
            said[way] = answer if isinstance(answer, str) else "nothing to compare with"
            continue
        (loss, gradient), (exact, wanted) = answer, reference
        said[way] = {
            "loss": loss,
            "loss_error": abs(loss - exact) / abs(exact),
            "gradient_error": _distance(gradient, wanted),
        }
    if not isinstance(plain, str) and not isinstance(fused, str):
        said["fused to plain"] = _distance(fused[1], plain[1])
    return said


def _loss_and_gradient(work: Work) -> tuple[float, np.ndarray]:
    trained = ours.Trained(work, 1)
    loss = make_loss(
        *(trained.config, trained.binding, Loss()), target_length=work.longest()[1]
    )
    # A GPU rounds the factors of float32 products unless it is told not to.
    exact = "highest" if work.dtype == "float32" else "default"
    with sharding.on_mesh(trained.mesh), jax.default_matmul_precision(exact):
        both = jax.jit(jax.value_and_grad(lambda *given: loss(*given, None)[0]))
        rows = trained.ready[0].rows[0]
        value, gradient = both(trained.state.trained, trained.frozen, rows)
    leaves = [np.ravel(np.asarray(leaf)) for leaf in jax.tree.leaves(gradient)]
    return float(value), np.concatenate(leaves).astype(np.float64)


def _distance(found: np.ndarray, wanted: np.ndarray) -> float:
    """Returns how far a gradient is from another, relative to its length."""
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def kernels(trained: ours.Trained, steps: int = 3, most: int = 14) -> dict[str, Any]:
    """Traces a few steps, and says which kernels take how long, in ms a step."""
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            seconds = trained.turn(steps)["seconds"]
        (file,) = pathlib.Path(folder).rglob("*.xplane.pb")
        profile = jax.profiler.ProfileData.from_file(str(file))
    spent: dict[str, float] = collections.Counter()
    for plane in profile.planes:
        if "GPU" not in plane.name:
            continue
        for line in plane.lines:
            # Lines of other names sum up what these have one by one.
            if line.name.startswith("Stream"):
                for event in line.events:
                    spent[event.name] += event.duration_ns / 1e6 / steps
    return {
        "ms": seconds * 1e3,
        "busy_ms": sum(spent.values()),
        "kernels": {name[:80]: round(ms, 3) for name, ms in spent.most_common(most)},
    }
