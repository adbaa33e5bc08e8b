"""Banks of prompts with heads over the tiny T5, and steps of them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from spot_jax import optim
from spot_jax.data import packing
from spot_jax.model import sharding
from spot_jax.model.binding import Binding, prompt_tuning, prompts_of_shapes
from spot_jax.prompts import base, heads
from spot_jax.prompts.base import PromptBundle
from spot_jax.prompts.deep_kv import DeepKV
from spot_jax.prompts.heads import ENDS, Headed
from spot_jax.prompts.soft import SoftPrompt
from spot_jax.settings import Loss
from spot_jax.training import step
from tests.examples import example

LENGTH = 4
PROMPTS = {
    "soft": SoftPrompt,
    "keys and values": functools.partial(DeepKV, sites=("enc_self", "dec_self")),
}
OPTIONS = Loss(normalizing_factor="NUM_REAL_TARGET_TOKENS")


def classes(kind: str, count: int) -> tuple[str, ...]:
    """Names of so many classes."""
    return ENDS if kind == "span" else tuple(map(str, range(count)))


def some_examples(kind, counts, size, seed=0, prompt=0):
    """`size` examples for each of the prompts, which have so many classes."""
    rng = np.random.default_rng(seed)
    found = []
    for number, count in enumerate(counts, prompt):
        for _ in range(size):
            inputs = rng.integers(2, 100, rng.integers(2, 9))
            if kind == "cls":
                learned = rng.integers(1, count + 1, 1)
            elif kind == "token":
                learned = rng.integers(0, count + 1, len(inputs))
            else:
                learned = np.zeros(len(inputs), int)
                first, last = np.sort(rng.integers(0, len(inputs), 2))
                learned[first] |= 1
                learned[last] |= 2
            found.append(example(inputs, learned, number))
    return found


class Bank:
    """Prompts of one kind with heads of so many classes each, and where they begin."""

    def __init__(self, config, kind, counts, prompt="keys and values", ties=()):
        self.config, self.kind = config, kind
        make = functools.partial(PROMPTS[prompt], LENGTH, config)
        shapes = [(LENGTH, classes(kind, count)) for count in counts]
        self.sources = {
            shape: Headed(make(), kind, shape[1], config.d_model) for shape in shapes
        }
        if len(self.sources) == 1:
            binding = prompt_tuning(*self.sources.values(), len(counts))
        else:
            binding = prompts_of_shapes(self.sources, shapes)
        self.binding = Binding(
            binding.bundle, binding.bank, groups=binding.groups, ties=ties
        )
        self.starts = [
            self._start(self.sources[shape], number)
            for number, shape in enumerate(shapes)
        ]

    def _start(self, source, number):
        rng = np.random.default_rng(number)
        drawn = source.prompt.init(jax.random.key(number))["params"]
        # A soft prompt begins at zeros, which no start is.
        noise = jax.tree.map(lambda x: rng.normal(size=x.shape, scale=0.5), drawn)
        head = heads.new(source.names, self.kind, source.d_model, rng)
        arrays = {"head_kernel": head.kernel * 10, "head_bias": head.bias}
        made = arrays | {"prompt": noise}
        return jax.tree.map(lambda x: np.asarray(x, np.float32), made)

    @property
    def trained(self):
        groups = [
            jax.tree.map(lambda *each: np.stack(each), *(self.starts[i] for i in own))
            for own in self.binding.members()
        ]
        return self.binding.joined(groups)

    def alone(self, number: int, count: int, prompt="keys and values") -> "Bank":
        """One of the prompts, as a bank of its own."""
        one = Bank(self.config, self.kind, [count], prompt)
        one.starts = [self.starts[number]]
        return one

    def bundle(self, trained) -> PromptBundle:
        return jax.device_get(self.binding.bundle(trained))

    def rows(self, examples, *, pack=True, multiple=1, row_length=30):
        """Lays examples out, as a run does."""
        bundle = jax.eval_shape(self.binding.bundle, self.trained)
        given = dict(prompt_length=base.slots_of(bundle), head=self.kind)
        if not pack:
            length = given["prompt_length"] + 9
            return packing.one_per_row(
                examples,
                row_length=length,
                target_length=4,
                rows_multiple=multiple,
                **given,
            )
        given |= dict(mixes=base.mixes_in_rows(bundle))
        shape = packing.plan(
            [examples], row_length=row_length, rows_multiple=multiple, **given
        )
        return packing.pack(examples, shape=shape, **given)


def run(bank, params, batches, *, optimizer=None, mesh=None, microbatches=1):
    """Takes a step with every batch; returns what is trained, and the metrics."""
    mesh = mesh or sharding.make_mesh(devices=jax.devices()[:1])
    optimizer = optimizer or optim.adafactor(0.03, base_step=1_100_000)
    # A step donates its state; tests start several runs from one.
    trained = jax.tree.map(jnp.array, bank.trained)
    trained = jax.device_put(trained, sharding.replicated(mesh))
    state = step.initial_state(trained, optimizer, bank.binding)
    train_step = step.make_train_step(
        bank.config,
        bank.binding,
        optimizer,
        OPTIONS,
        target_length=4,
        microbatches=microbatches,
    )
    history = []
    for batch in batches:
        rows = sharding.shard_rows(batch, mesh)
        with sharding.on_mesh(mesh):
            state, metrics = train_step(state, params, [rows], jax.random.key(0))
        history.append(jax.device_get(metrics))
    return jax.device_get(state.trained), history
