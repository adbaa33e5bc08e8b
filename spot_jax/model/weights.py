"""A T5 on a mesh: its weights read from a checkpoint, or drawn to be trained."""

import dataclasses
import logging
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.sharding import AbstractMesh, Mesh, NamedSharding, PartitionSpec

from spot_jax import pretrained
from spot_jax.errors import InputError
from spot_jax.model import automatic, int8, sharding
from spot_jax.model.architecture import resolved
from spot_jax.settings import Model
from spot_jax.t5 import T5Config, initial_parameters, parameter_shapes, walk
from spot_jax.t5.layers import widened

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

    def embedding(self, ids: Sequence[int] | None = None) -> jax.Array:
        """Returns rows of the token embedding, [n, d_model]; None: all of it."""
        embedding = self.params["token_embedder"]["embedding"]
        if ids is not None:
            at = jnp.asarray(ids, jnp.int32)
            embedding = jax.tree.map(lambda array: array[at], embedding)
        rows, scale = widened(embedding, jnp.dtype(jnp.float32))
        return rows if scale is None else rows * scale

    def dtypes(self) -> dict[str, str]:
        """Returns what is computed in, and what the weights are held in."""
        embedding = jax.tree.leaves(self.params["token_embedder"]["embedding"])[0]
        return {
            "ACTIVATION_DTYPE": self.config.dtype,
            "WEIGHTS_DTYPE": str(embedding.dtype),
        }

    def story(self) -> dict[str, str]:
        """Returns what a prompt's file says about its model; see made_for.py."""
        told = {"fingerprint": self.fingerprint, "source": self.source}
        if self.earlier_fingerprint:
            told["earlier_fingerprint"] = self.earlier_fingerprint
        return told


def load(
    model: Model,
    devices: Sequence[jax.Device] | None = None,
    *,
    is_tuned: bool = False,
) -> LoadedModel:
    """Reads a checkpoint into its shards, array by array.

    Args:
        model: what to read.
        devices: where to; None: over all devices there are.
        is_tuned: whether it is trained. Then its layers stand apart: the optimizer
            knows every array by itself, as it is saved.

    Raises:
        InputError: when it cannot be read or is of another shape; see pretrained.load.
    """
    if model.checkpoint is None:
        raise InputError(
            "INITIAL_CHECKPOINT_PATH is None: a frozen model needs weights. Give a "
            "folder, a gs:// path or a published name such as 't5_1_1_lm100k_base'."
        )
    if model.weights_dtype == "int8":
        if is_tuned:
            raise InputError(
                "WEIGHTS_DTYPE is 'int8', in which a model cannot be tuned. Leave it "
                "out, or set --gin.WEIGHTS_DTYPE=float32."
            )
        int8.check_installed()
    if model.config is None:
        model = resolved(model)
    asked, place = model, automatic.place_of(devices)
    model = automatic.settled(asked, place, is_tuned=is_tuned)
    automatic.tell(asked, model)
    mesh = sharding.make_mesh(model.num_partitions, devices)
    logger.info("Loading the T5 from %s.", model.checkpoint)
    loaded = read(model.checkpoint, model.config, expected_on(mesh, model), mesh)
    if model.config.scan_layers and not is_tuned:
        loaded = dataclasses.replace(loaded, params=_together(loaded.params))
    if model.weights_dtype == "int8":
        loaded = dataclasses.replace(loaded, params=int8.quantized(loaded.params))
    return loaded


def expected_on(mesh: Mesh | AbstractMesh, model: Model) -> dict:
    """Returns the parameters of a T5 as jax.ShapeDtypeStructs with shardings.

    Args:
        mesh: where.
        model: of which nothing is left open.
    """
    shapes, axes = parameter_shapes(model.config)
    dimensions = model.parameter_partitioning_dims
    shardings = sharding.parameter_shardings(shapes, axes, mesh, dimensions)
    # What is kept in 8 bits is read as it is computed in.
    is_small = model.weights_dtype == "int8"
    kind = jnp.dtype(model.config.dtype if is_small else model.weights_dtype)
    return jax.tree.map(
        lambda s, where: jax.ShapeDtypeStruct(s.shape, kind, sharding=where),
        dict(shapes),
        shardings,
    )


def together(expected: dict) -> dict:
    """Returns the shapes of parameters as a scan over layers takes them.

    Args:
        expected: from `expected_on`.
    """

    def stack(leaves: Sequence[jax.ShapeDtypeStruct]) -> jax.ShapeDtypeStruct:
        shape = (len(leaves), *leaves[0].shape)
        where = _of_layers(leaves[0].sharding)
        return jax.ShapeDtypeStruct(shape, leaves[0].dtype, sharding=where)

    return walk.stacked(expected, stack)


def _together(params: dict) -> dict:
    """Puts the layers' arrays into one, kind by kind; those before are given up."""

    def stack(leaves: Sequence[jax.Array]) -> jax.Array:
        where = _of_layers(leaves[0].sharding)
        whole = jax.jit(lambda *each: jnp.stack(each), out_shardings=where)(*leaves)
        # Or a model would be in memory twice before it is used once.
        for leaf in leaves:
            leaf.delete()
        return whole

    return walk.stacked(params, stack)


def _of_layers(of_one: NamedSharding) -> NamedSharding:
    return NamedSharding(of_one.mesh, PartitionSpec(None, *of_one.spec))


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
    place = automatic.place_of(devices)
    model = automatic.settled(model, place, is_tuned=True)
    mesh = sharding.make_mesh(model.num_partitions, devices)
    params = jax.jit(
        lambda key: dict(initial_parameters(model.config, key)),
        out_shardings=sharding.places(expected_on(mesh, model)),
    )(jax.random.key(seed))
    name = pretrained.fingerprint(params)
    earlier = pretrained.earlier_fingerprint(params)
    return LoadedModel(model.config, params, mesh, 0, name, "random", earlier)
