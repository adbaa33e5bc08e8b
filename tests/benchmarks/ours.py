"""The side of spot_jax: the step that `spot_jax train` compiles, random weights."""

import dataclasses
import functools
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import counted
import jax
import jax.numpy as jnp
import numpy as np
from work import VOCABULARY, Work, examples

from spot_jax import optim
from spot_jax.data.orders import MemoryExamples, Position
from spot_jax.model import sharding
from spot_jax.model.binding import Binding, model_tuning, prompt_tuning
from spot_jax.prompts import base
from spot_jax.prompts.deep_kv import DeepKV
from spot_jax.prompts.deep_prompt import DeepPrompt
from spot_jax.prompts.p_tuning import PTuning
from spot_jax.prompts.prefix_mlp import PrefixMLP
from spot_jax.prompts.soft import SoftPrompt
from spot_jax.settings import Loss, Training
from spot_jax.t5 import T5Config, flops, parameter_shapes, walk
from spot_jax.training import step
from spot_jax.training.batches import Laid, Rows, Stands, shape_of

KINDS = {
    "soft": SoftPrompt,
    "kv": DeepKV,
    # Where PEFT's prefix tuning of a T5 enters: nothing flows back through the encoder.
    "decoder kv": functools.partial(DeepKV, sites=("dec_self",)),
    "prefix mlp": PrefixMLP,
    "p-tuning": PTuning,
    "deep prompt": DeepPrompt,
}
MODEL = "model"
# LM-adapted T5 1.1's, from which the clock of Adafactor goes on.
_BASE_STEP = 1_100_000
# Works that are made ready in several threads draw weights they share once.
_DRAWING = threading.Lock()


def config_of(work: Work) -> T5Config:
    """Returns the T5; what this version's has no switch for is left out."""
    chosen = {"attention": work.attention} if work.attention else {}
    return T5Config(
        **work.dimensions(),
        vocab_size=VOCABULARY,
        dropout_rate=work.dropout,
        dtype=work.dtype,
        scan_layers=work.scan,
        remat_policy=work.remat,
        **chosen,
    )


@functools.cache
def _weights(config: T5Config, dtype: str, seed: int) -> dict:
    """Draws weights as large as T5's own are, without compiling a whole T5."""
    shapes = dict(parameter_shapes(config)[0])
    if config.scan_layers:
        shapes = walk.stacked(
            shapes,
            lambda leaves: jax.ShapeDtypeStruct(
                (len(leaves), *leaves[0].shape), leaves[0].dtype
            ),
        )
    leaves, structure = jax.tree_util.tree_flatten_with_path(shapes)
    keys = iter(jax.random.split(jax.random.key(seed, impl="rbg"), len(leaves)))
    drawn = [
        _draw(next(keys), leaf.shape, *_scale(jax.tree_util.keystr(path), leaf), dtype)
        for path, leaf in leaves
    ]
    return jax.tree.unflatten(structure, drawn)


def _scale(name: str, leaf: jax.ShapeDtypeStruct) -> tuple[float, float]:
    """Returns the mean and the deviation of an array's numbers."""
    if "scale" in name:
        return 1.0, 0.0
    if "embedding" in name:
        return 0.0, 1.0
    # Scores are not divided by the root of a head's width: queries are.
    return 0.0, leaf.shape[-2] ** -0.5 * (0.125 if "query" in name else 1.0)


@functools.partial(jax.jit, static_argnums=(1, 4))
def _draw(key, shape, mean, deviation, dtype):
    drawn = jax.random.normal(key, shape, jnp.dtype(dtype))
    return (mean + deviation * drawn).astype(dtype)


def weights_of(work: Work, mesh: jax.sharding.Mesh) -> dict:
    """Returns random weights; works whose T5s differ in no array share them."""
    config = config_of(dataclasses.replace(work, dropout=0.0, remat="none"))
    config = dataclasses.replace(config, dtype="float32")
    if "attention" in {field.name for field in dataclasses.fields(T5Config)}:
        config = dataclasses.replace(config, attention="plain")
    with _DRAWING:
        drawn = _weights(config, work.weights, work.seed)
    return jax.device_put(drawn, sharding.replicated(mesh))


class Trained:
    """A training step that is compiled, and the batches it takes.

    Args:
        work: what is trained.
        laid: how many batches are laid out before the first step; None: each when it
            is its turn.
    """

    def __init__(self, work: Work, laid: int | None = None):
        self.work, self.config = work, config_of(work)
        self.mesh = sharding.make_mesh()
        self.binding, trained = _bound(work, self.config, self.mesh)
        # Not of a bank's arrays, which have an axis more.
        optimizer = optim.adafactor(0.3, base_step=_BASE_STEP)
        with sharding.on_mesh(self.mesh):
            state = step.initial_state(trained, optimizer, self.binding)
            self.state = jax.device_put(state, sharding.replicated(self.mesh))
            self.frozen = (
                {} if self.binding.tunes_model else weights_of(work, self.mesh)
            )
            key = step.dropout_key(work.seed)
            self.key = jax.device_put(key, sharding.replicated(self.mesh))
        self._step = step.make_train_step(
            self.config,
            self.binding,
            optimizer,
            Loss(),
            target_length=work.longest()[1],
            microbatches=work.microbatches,
        )
        self._programs: dict[tuple, Any] = {}
        self.batches = _laid_out(work, self.config, self.binding, self.mesh)
        self.ready = [next(self.batches) for _ in range(laid or 0)]
        self._done, self.compiling, self.compiled = 0, 0.0, None

    def compile(self, rows: list[dict]) -> Any:
        """Returns the program for rows of these shapes."""
        shapes = tuple(shape_of(part) for part in rows)
        if shapes not in self._programs:
            began = time.perf_counter()
            with sharding.on_mesh(self.mesh):
                lowered = self._step.lower(self.state, self.frozen, rows, self.key)
                self.compiled = self._programs[shapes] = lowered.compile()
            self.compiling += time.perf_counter() - began
        return self._programs[shapes]

    def prepare(self) -> None:
        """Compiles what most steps are."""
        self.compile(self._next().rows)

    def _next(self) -> Laid:
        if not self.ready:
            return next(self.batches)
        self._done += 1
        return self.ready[self._done % len(self.ready)]

    def turn(self, steps: int = 1) -> dict[str, Any]:
        """Does some steps, and tells the seconds of one and what it was about."""
        began = time.perf_counter()
        laid = [self._next() for _ in range(steps)]
        jax.block_until_ready([each.rows for each in laid])
        hosted = time.perf_counter() - began
        programs = [self.compile(each.rows) for each in laid]
        began = time.perf_counter()
        for program, each in zip(programs, laid, strict=True):
            self.state, metrics = program(self.state, self.frozen, each.rows, self.key)
        jax.block_until_ready((self.state, metrics))
        seconds = (time.perf_counter() - began) / steps
        last = laid[-1]
        return {
            "seconds": seconds,
            "host": hosted / steps,
            "examples": self.work.batch * self.work.bank,
            "rows": [list(shape_of(part)) for part in last.rows],
            "useful": last.useful["positions"],
            "loss": float(np.mean(metrics["loss"])),
            "needed": counted.needed(self.config, self.work, last.rows),
            "executed": counted.executed(self.config, self.work, last.rows),
        }

    def told(self) -> dict[str, Any]:
        """Returns what is known after the last step."""
        plan = self.compiled.memory_analysis()
        planned = plan.argument_size_in_bytes + plan.output_size_in_bytes
        planned += plan.temp_size_in_bytes - plan.alias_size_in_bytes
        stats = jax.local_devices()[0].memory_stats() or {}
        calls = re.findall(r'custom_call_target="([^"]+)"', self.compiled.as_text())
        return {
            "compiling": self.compiling,
            "planned_bytes": planned,
            "peak_bytes": stats.get("peak_bytes_in_use"),
            "limit_bytes": stats.get("bytes_limit"),
            "calls": {name: calls.count(name) for name in sorted(set(calls))},
        }


def _bound(
    work: Work, config: T5Config, mesh: jax.sharding.Mesh
) -> tuple[Binding, Any]:
    """Returns what is trained, and what it begins with."""
    if work.kind == MODEL:
        apart = dataclasses.replace(work, scan=False)
        return model_tuning(), weights_of(apart, mesh)
    source = KINDS[work.kind](length=work.prompt, model=config)
    shapes = jax.eval_shape(source.init, jax.random.key(0))["params"]
    rng = np.random.default_rng(work.seed)
    # A vector of a prompt is as long as an embedding, a key as one that is computed.
    scale = 0.5 if work.kind == "soft" else 0.02
    trained = jax.tree.map(
        lambda leaf: jnp.asarray(
            rng.normal(0, scale, (work.bank, *leaf.shape)), jnp.float32
        ),
        dict(shapes),
    )
    return prompt_tuning(source, work.bank), trained


def _laid_out(
    work: Work, config: T5Config, binding: Binding, mesh: jax.sharding.Mesh
) -> Iterator[Laid]:
    """Yields the batches of a run."""
    shapes = None
    if not binding.tunes_model:
        source = KINDS[work.kind](length=work.prompt, model=config)
        shapes = jax.eval_shape(source.init_with_output, jax.random.key(0))[0]
    slots = base.slots_of(shapes) if shapes is not None else 0
    prefix = base.prefix_of(shapes) if shapes is not None else 0
    mixes = shapes is None or base.mixes_in_rows(shapes)
    inputs, targets = work.longest()
    openers = [
        functools.partial(MemoryExamples, examples(work, number), work.seed)
        for number in range(work.bank)
    ]
    platform = mesh.devices.flat[0].platform
    rows = Rows(
        openers,
        {"inputs": work.row or inputs, "targets": targets},
        Training(
            # Without end; nothing is due before it.
            steps=10**9,
            checkpoint_period=10**9,
            batch_size=work.batch,
            pack=work.pack,
            microbatches=work.microbatches,
        ),
        slots,
        mesh,
        flops.step_cost(config, platform, prefix),
        mixes,
    )
    # Whose versions differ in how they are told where to begin.
    yield from rows.batches(Stands([Position()] * work.bank), 0)
