"""What several processes of a run compare before they begin."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from spot_jax.data.orders import Examples, Position
from spot_jax.model import automatic
from spot_jax.settings import Model, Prompts

# Examples of each prompt: enough to tell other data, or another order of it.
_COMPARED = 16


def facts(
    configuration: str,
    vocabulary: Mapping[str, Any],
    readers: Sequence[Callable[[Position], Examples]],
    mesh: str,
) -> dict[str, str]:
    """Returns what has to be one on all of them: {what it is: its text}.

    Args:
        configuration: of the run.
        vocabulary: its story.
        readers: of every prompt, from a position to its order of examples.
        mesh: from `mesh_of`.
    """
    # What a run may change between two starts may not differ within one.
    return {
        "The configuration": configuration,
        "The model on its mesh": mesh,
        "The vocabulary": str(vocabulary.get("fingerprint")),
        "The data": "\n".join(map(_beginning, readers)),
    }


def mesh_of(
    model: Model, prompts: Prompts | None, devices: Sequence[jax.Device] | None
) -> str:
    """Returns how a model would lie on the devices, as text that tells it apart."""
    place = automatic.place_of(devices)
    settled = automatic.settled(model, place, is_tuned=not prompts)
    return repr((settled.num_partitions, settled.weights_dtype, settled.config))


def _beginning(open_at: Callable[[Position], Examples]) -> str:
    """Returns the first examples of a prompt, as text that tells them apart."""
    pairs = open_at(Position()).take(_COMPARED)
    return repr([[part.tolist() for part in pair] for pair in pairs])
