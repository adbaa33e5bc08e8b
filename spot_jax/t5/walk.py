"""Layers one after the other: each in the program, or one that a scan walks through.

A scan compiles one layer instead of all of them: a deep T5 in a fraction of the time.
Its parameters stand in one array with the layers first (`stacked`); checkpoints have
every layer apart, and so has everything that is saved.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from spot_jax.t5.config import T5Config

# What a checkpoint calls a layer, and what a scan calls all of them.
_ONE, _ALL = "layers_{}", "layers"
# T5X's names: what the backward pass finds there instead of computing it again.
_SAVED = {
    "minimal": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
    "full": jax.checkpoint_policies.nothing_saveable,
}

Layers = Sequence[nn.Module] | nn.Module


def layers_of(
    layer: type[nn.Module], config: T5Config, count: int, methods: Sequence[str]
) -> Layers:
    """Returns the layers of a stack, to be taken `through`.

    Args:
        layer: the class of one. Its methods take x, what is the layer's own and what
            all layers share, and return x and what the layer leaves; the last argument
            of `__call__` is `deterministic`.
        config: the T5, of which scan_layers and remat_policy are heeded.
        count: how many.
        methods: which of its methods are used.
    """
    shared = {name: _arguments(getattr(layer, name)) - 2 for name in methods}
    if config.remat_policy != "none":
        layer = nn.remat(
            layer,
            policy=_SAVED[config.remat_policy],
            # Where layers follow each other XLA would undo it; in a loop it cannot.
            prevent_cse=not config.scan_layers,
            # `deterministic`, counted from self.
            static_argnums=(2 + shared["__call__"],),
        )
    if not config.scan_layers:
        return [layer(config) for _ in range(count)]
    return nn.scan(
        layer,
        methods={
            name: {
                "variable_axes": {"params": 0, "cache": 0},
                "split_rngs": {"params": True, "dropout": True},
                "in_axes": (0, *[nn.broadcast] * number),
                "length": count,
            }
            for name, number in shared.items()
        },
    )(config)


def _arguments(method: Callable) -> int:
    return len(inspect.signature(method).parameters) - 1


def through(
    layers: Layers, method: str, x: Any, own: Any, *shared: Any
) -> tuple[Any, Any]:
    """Takes x through all layers.

    Args:
        layers: from `layers_of`.
        method: the name of the layers' method.
        x: what goes in.
        own: what each layer has for itself: a list, or where layers are scanned arrays
            with the layers first; None: nothing.
        *shared: what all have.

    Returns:
        What comes out, and what the layers leave, in the form of `own`.
    """
    if isinstance(layers, nn.Module):
        return getattr(layers, method)(x, own, *shared)
    left = []
    for number, layer in enumerate(layers):
        mine = None if own is None else own[number]
        x, leaves = getattr(layer, method)(x, mine, *shared)
        left.append(leaves)
    return x, left


def variables(config: T5Config, params: Mapping) -> dict:
    """Returns parameters as `T5.apply` takes them, {"params": ...}.

    Where layers are scanned and still stand apart (a model that is tuned, whose
    optimizer knows every array by itself), they are put together here.
    """
    if config.scan_layers and _ALL not in params["encoder"]:
        params = stacked(params, jnp.stack)
    return {"params": params}


def stacked(params: Mapping, stack: Callable[[Sequence[Any]], Any]) -> dict:
    """Returns parameters as a scan takes them: encoder/layers instead of layers_0, ...

    Args:
        params: the T5's, each layer apart; whatever the leaves are.
        stack: from the leaves of all layers, in order, to that of the scan.
    """
    return {
        name: part if _ONE.format(0) not in part else _of_stack(part, stack)
        for name, part in params.items()
    }


def _of_stack(
    part: Mapping, stack: Callable[[Sequence[Any]], Any]
) -> dict[str, PyTree]:
    layers = []
    while (name := _ONE.format(len(layers))) in part:
        layers.append(part[name])
    apart = {_ONE.format(number) for number in range(len(layers))}
    rest = {name: leaf for name, leaf in part.items() if name not in apart}
    together = jax.tree.map(lambda *leaves: stack(leaves), *layers)
    return {_ALL: together, **rest}


def repeated(params: Mapping, layers: Mapping[str, int]) -> dict:
    """Returns a tree in which each stack's only layer stands so many times.

    Args:
        params: the parameters, shapes or names of a T5 with one layer a stack.
        layers: {"encoder": ..., "decoder": ...}.
    """

    def of_stack(name: str, part: Any) -> Any:
        if name not in layers:
            return part
        rest = {key: leaf for key, leaf in part.items() if key != _ONE.format(0)}
        one = part[_ONE.format(0)]
        return {_ONE.format(number): one for number in range(layers[name])} | rest

    return {name: of_stack(name, part) for name, part in params.items()}
