"""A T5 on a mesh: its weights read from a checkpoint, or drawn to be trained."""

import dataclasses
import functools
import logging
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.sharding import AbstractMesh, Mesh

from spot_jax import pretrained
from spot_jax.errors import InputError
from spot_jax.model import sharding
from spot_jax.model.architecture import resolved
from spot_jax.settings import Model
from spot_jax.t5 import T5Config, initial_parameters, parameter_shapes

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class LoadedModel:
    """A T5 and what is known of it.

    Attributes:
        config: its shape.
        params: its parameters, on the mesh.
        mesh: where it is.
        step: the optimizer step its checkpoint was saved at; None where the format
            does not say, 0 for weights that were drawn.
        fingerprint: tells this model from any other, whatever format or dtype.
        source: where it was read.
        earlier_fingerprint: the one that prompts and libraries of before tell; None
            where nobody asks.
    """

    config: T5Config
    params: dict
    mesh: Mesh
    step: int | None
    fingerprint: str
    source: str
    earlier_fingerprint: str | None = None

    def story(self) -> dict[str, str]:
        """Returns what a prompt's file says about its model; see made_for.py."""
        told = {"fingerprint": self.fingerprint, "source": self.source}
        if self.earlier_fingerprint:
            told["earlier_fingerprint"] = self.earlier_fingerprint
        return told


def load(model: Model, devices: Sequence[jax.Device] | None = None) -> LoadedModel:
    """Reads a checkpoint into its shards, array by array.

    Args:
        model: what to read.
        devices: where to; None: over all devices there are.

    Raises:
        InputError: when it cannot be read or is of another shape; see pretrained.load.
    """
    if model.checkpoint is None:
        raise InputError(
            "INITIAL_CHECKPOINT_PATH is None: a frozen model needs weights. Give a "
            "folder, a gs:// path or a published name such as 't5_1_1_lm100k_base'."
        )
    mesh = sharding.make_mesh(model.num_partitions, devices)
    if model.config is None:
        model = resolved(model)
    logger.info("Loading the T5 from %s.", model.checkpoint)
    expected = expected_on(mesh, model.config, model.weights_dtype)
    return read(model.checkpoint, model.config, expected, mesh)


def expected_on(mesh: Mesh | AbstractMesh, config: T5Config, dtype: str) -> dict:
    """Returns the parameters of a T5 as jax.ShapeDtypeStructs with shardings."""
    shapes, axes = shapes_of(config)
    shardings = sharding.parameter_shardings(shapes, axes, mesh)
    kind = jnp.dtype(dtype)
    return jax.tree.map(
        lambda s, where: jax.ShapeDtypeStruct(s.shape, kind, sharding=where),
        dict(shapes),
        shardings,
    )


@functools.cache
def shapes_of(config: T5Config) -> tuple[dict, dict]:
    """Returns `parameter_shapes`, which takes seconds of a deep T5, once."""
    return parameter_shapes(config)


def read(checkpoint: str, config: T5Config, expected: dict, mesh: Mesh) -> LoadedModel:
    """Reads a checkpoint into the shards that are expected.

    Args:
        checkpoint: where from.
        config: the T5's shape.
        expected: its parameters, as `expected_on` returns them.
        mesh: which these are of.

    Raises:
        InputError: see `pretrained.load`.
    """
    found = pretrained.load(checkpoint, expected, dataclasses.asdict(config))
    return LoadedModel(
        config,
        found.params,
        mesh,
        found.step,
        found.fingerprint,
        found.source,
        found.earlier_fingerprint,
    )


def draw(
    model: Model, seed: int, devices: Sequence[jax.Device] | None = None
) -> LoadedModel:
    """Returns a T5 with random parameters, for training from scratch.

    Raises:
        InputError: when nothing says its shape.
    """
    model = resolved(dataclasses.replace(model, checkpoint=None))
    mesh = sharding.make_mesh(model.num_partitions, devices)
    shapes, axes = shapes_of(model.config)
    shardings = sharding.parameter_shardings(shapes, axes, mesh)
    params = jax.jit(
        lambda key: dict(initial_parameters(model.config, key)),
        out_shardings=shardings,
    )(jax.random.key(seed))
    name = pretrained.fingerprint(params)
    earlier = pretrained.earlier_fingerprint(params)
    return LoadedModel(model.config, params, mesh, 0, name, "random", earlier)
