"""Heads: a small linear layer that answers in place of the language model's.

P-Tuning v2 (Liu et al. 2022, §3.2) drops the words for classes and puts a fresh linear
layer on the model's states. It is trained, saved and used with its prompt:

    cls     a class of the whole input, from the decoder's first state
    token   a tag of each word, from the encoder's state of its first piece
    span    the first and the last piece of an answer, from the encoder's states

The dropout that the paper has in front of the layer is there: the stacks of a T5 end in
one.
"""

import logging
import re
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from flax.linen.partitioning import param_with_axes
from jaxtyping import Array, Float, Int, PyTree

from spot_jax.errors import InputError

logger = logging.getLogger(__name__)

KINDS = ("cls", "token", "span")
# Those that stand beside the input, whose states are the encoder's.
BESIDE = ("token", "span")
# What a span head says of every piece.
ENDS = ("first", "last")
# A tag outside of all entities, or at the first or another word of one.
_TAG = re.compile(r"O|[BI]-.+")
# What a class gets that another prompt of a bank has and this one has not.
_ABSENT = -1e9


@flax.struct.dataclass
class Head:
    """A linear layer from states to classes.

    Attributes:
        kernel: [d_model, classes], or [bank, d_model, classes] of a bank.
        bias: [classes], or [bank, classes].
        kind: one of KINDS.
        names: what the classes are called, of every prompt: `(("bad", "good"),)`. Of a
            bank, whose arrays have room for the most classes, shorter ones end earlier.
    """

    kernel: Any
    bias: Any
    kind: str = flax.struct.field(pytree_node=False)
    names: tuple[tuple[str, ...], ...] = flax.struct.field(pytree_node=False)

    @property
    def is_beside(self) -> bool:
        """Whether it answers beside the input, and not in the decoder."""
        return self.kind in BESIDE


def new(
    names: Sequence[str], kind: str, d_model: int, rng: np.random.Generator
) -> Head:
    """Returns a head as transformers draws it: N(0, 0.02), and no bias."""
    kernel = rng.normal(0.0, 0.02, (d_model, len(names))).astype(np.float32)
    bias = np.zeros(len(names), np.float32)
    return Head(kernel, bias, kind, (tuple(names),))


def logits(
    head: Head,
    states: Float[Array, "rows length d_model"],
    rows: Int[Array, " rows"],
) -> Float[Array, "rows length classes"]:
    """Scores the classes of every state, in float32.

    Args:
        head: of one prompt, or of a bank.
        states: [rows, length, d_model] of the encoder or the decoder.
        rows: [rows] number of each row's prompt in the bank, from 0.
    """
    x = states.astype(jnp.float32)
    kernel, bias = jnp.asarray(head.kernel), jnp.asarray(head.bias)
    if kernel.ndim == 2:
        return jnp.einsum("rld,dc->rlc", x, kernel) + bias[None, None]
    # Taken rather than computed for all and chosen from: what diverged stays its own.
    return jnp.einsum("rld,rdc->rlc", x, kernel[rows]) + bias[rows][:, None]


def stack(heads: Sequence[Head]) -> Head:
    """Puts heads of one kind, of any numbers of classes, into one of a bank."""
    most = max(head.kernel.shape[-1] for head in heads)
    padded = [_padded(head, most, np) for head in heads]
    kernels, biases = map(np.stack, zip(*padded, strict=True))
    return Head(kernels, biases, heads[0].kind, sum((h.names for h in heads), ()))


def join(banks: Sequence[Head], places: np.ndarray) -> Head:
    """Puts heads of banks into one bank; see `algebra.join`."""
    most = max(head.kernel.shape[-1] for head in banks)
    padded = [_padded(head, most, jnp) for head in banks]
    kernels, biases = (
        jnp.concatenate(arrays)[places] for arrays in zip(*padded, strict=True)
    )
    names = [name for head in banks for name in head.names]
    in_order = tuple(names[place] for place in places)
    return Head(kernels, biases, banks[0].kind, in_order)


def _padded(head: Head, classes: int, numbers: Any) -> tuple[Any, Any]:
    missing = classes - head.kernel.shape[-1]
    last = [(0, 0)] * (head.kernel.ndim - 1) + [(0, missing)]
    kernel = numbers.pad(head.kernel, last)
    return kernel, numbers.pad(head.bias, last[1:], constant_values=_ABSENT)


def take(head: Head, index: int) -> Head:
    """Returns the head of one prompt of a bank, on the host."""
    names = head.names[index]
    kernel, bias = (
        np.asarray(jax.device_get(array[index]))[..., : len(names)]
        for array in (head.kernel, head.bias)
    )
    return Head(kernel, bias, head.kind, (names,))


def reordered(head: Head | None, kind: str, names: Sequence[str]) -> Head | None:
    """Returns the head of one prompt with its classes in another order.

    Args:
        head: of one prompt; None: there is none.
        kind: that it should be of.
        names: of its classes, in the order that is wanted.

    Returns:
        None where there is no head of this kind with these classes.
    """
    if head is None or head.kind != kind or set(head.names[0]) != set(names):
        return None
    order = [head.names[0].index(name) for name in names]
    kernel, bias = (np.asarray(array)[..., order] for array in (head.kernel, head.bias))
    return Head(kernel, bias, kind, (tuple(names),))


def are_classes(kind: str, names: Sequence[str]) -> bool:
    """Whether a head of some kind can tell these classes apart."""
    if kind not in KINDS or not names or len(set(names)) < len(names):
        return False
    if kind == "span":
        return tuple(names) == ENDS
    return kind == "cls" or all(map(_TAG.fullmatch, names))


def told(head: Head | None) -> str:
    """Returns a head for a message: "a cls head of 2 classes (bad, good)"."""
    if head is None:
        return "no head"
    names = head.names[0]
    shown = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
    return f"a {head.kind} head of {len(names)} classes ({shown})"


class Headed(nn.Module):
    """A prompt of any kind with a head of its own.

    Attributes:
        prompt: the source of the prompt alone, see `base.PromptSource`.
        kind: of the head.
        names: of its classes.
        d_model: of the T5.
    """

    prompt: nn.Module
    kind: str
    names: tuple[str, ...]
    d_model: int

    @nn.compact
    def __call__(self) -> Any:
        """Returns the prompt's bundle, with the head."""
        shapes = {"kernel": (self.d_model, len(self.names)), "bias": (len(self.names),)}
        axes = {"kernel": ("embed", "classes"), "bias": ("classes",)}
        zeros = nn.initializers.zeros
        arrays = {
            name: param_with_axes(
                f"head_{name}", zeros, shape, jnp.float32, axes=axes[name]
            )
            for name, shape in shapes.items()
        }
        head = Head(**arrays, kind=self.kind, names=(self.names,))
        return self.prompt().replace(head=head)

    def parameters_of(self, start: Any, rng: np.random.Generator) -> PyTree:
        """Returns those of the prompt, and a head: the start's if it tells the same.

        Where the start has none, or one of another task, it is drawn.
        """
        of_prompt = self.prompt.parameters_of(start, rng)
        drawn = new(self.names, self.kind, self.d_model, rng)
        head = reordered(start.head, self.kind, self.names) or drawn
        if head is drawn and start.head is not None:
            logger.info(
                "The start has %s; %s is drawn anew in its place.",
                *(told(start.head), told(drawn)),
            )
        arrays = {"head_kernel": head.kernel, "head_bias": head.bias}
        return arrays | {"prompt": of_prompt}


def check(kind: str | None) -> None:
    """Raises InputError for what is no kind of head."""
    if kind is not None and kind not in KINDS:
        raise InputError(
            f"HEAD is {kind!r}; it is {', '.join(KINDS)}, or None for the language "
            "model's own."
        )
