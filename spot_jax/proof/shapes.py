"""The arguments of a run's programs as shapes on a mesh: no weight is read or drawn."""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import AbstractMesh, Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

from spot_jax.data import packing
from spot_jax.data.dividing import Shape
from spot_jax.model import sharding, weights
from spot_jax.model.binding import Binding, apart, model_tuning
from spot_jax.optim import Optimizer
from spot_jax.prompts.base import mixes_in_rows, slots_of
from spot_jax.proof.run import Run
from spot_jax.training import moving, step


class Parts(NamedTuple):
    """What training works on, as `training.moving.Parts`, of shapes alone.

    Attributes:
        binding: puts trained and frozen together.
        state: a TrainState of jax.ShapeDtypeStruct.
        frozen: the parameters that do not move.
        slots: positions that a prompt takes up in front of every input.
        weights: bytes of the T5's parameters on one chip.
        mixes: whether a row may hold examples of several prompts.
    """

    binding: Binding
    state: step.TrainState
    frozen: PyTree
    slots: int
    weights: int
    mixes: bool = True


def parts_of(run: Run, mesh: Mesh, optimizer: Optimizer) -> Parts:
    """Returns the shapes of a run's state and weights, each with its sharding."""
    of_t5 = weights_of(run, mesh)
    if not run.prompts:
        binding, slots, mixes = model_tuning(), 0, True
        trained, frozen = apart(of_t5, run.training.tuned)
    else:
        binding, trained = _bank_of(run)
        trained = _placed(trained, sharding.replicated(mesh))
        bundle = jax.eval_shape(binding.bundle, trained)
        slots, mixes = slots_of(bundle), mixes_in_rows(bundle)
        frozen = of_t5
    state = jax.eval_shape(
        lambda trained: step.initial_state(trained, optimizer, binding), trained
    )
    where = moving.places_of(state, trained, binding, optimizer, mesh)
    if isinstance(where, NamedSharding):
        where = jax.tree.map(lambda _: where, state)
    state = jax.tree.map(_placed, state, where)
    return Parts(binding, state, frozen, slots, bytes_on_a_chip(of_t5), mixes)


def weights_of(run: Run, mesh: Mesh | AbstractMesh) -> PyTree:
    """Returns the T5's parameters as they would be loaded."""
    expected = weights.expected_on(mesh, run.model)
    is_scanned = run.config.scan_layers and run.prompts
    return weights.together(expected) if is_scanned else expected


def bytes_on_a_chip(tree: PyTree) -> int:
    """Returns how much of some arrays one chip holds."""
    return sum(
        math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize
        for leaf in jax.tree.leaves(tree)
    )


def batch_of(rows: Shape, slots: int, mesh: Mesh) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns a batch of rows over the data axis."""
    empty = packing.lay_out([], prompt_length=slots, shape=rows)
    return _placed(empty, NamedSharding(mesh, PartitionSpec("data")))


def made_on(mesh: Mesh, make: Callable[[], jax.Array]) -> jax.ShapeDtypeStruct:
    """Returns the shape of an array that every device has, which is not made."""
    return _placed(jax.eval_shape(make), sharding.replicated(mesh))


def rows_of(run: Run) -> int:
    """Returns how many rows a step can have: one for every example."""
    return len(run.bank()) * run.training.batch_size


def _bank_of(run: Run) -> tuple[Binding, PyTree]:
    """Returns the bank's binding, and its arrays with a leading axis of prompts."""
    sources, binding = moving.bound(run.bank(), run.prompts, run.config)
    groups = []
    for source, members in zip(sources.values(), binding.members(), strict=True):
        key = jax.eval_shape(lambda: jax.random.key(0))
        count, one = len(members), jax.eval_shape(source.init, key)["params"]
        groups.append(jax.eval_shape(functools.partial(_repeated, count), one))
    return binding, binding.joined(groups)


def _repeated(count: int, tree: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: jnp.stack([leaf] * count), tree)


def _placed(tree: PyTree, where: NamedSharding) -> PyTree:
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=where), tree
    )
