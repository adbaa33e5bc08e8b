"""What is trained and what is frozen, and how the two make a model with its prompts."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jaxtyping import PyTree

from spot_jax.errors import InputError
from spot_jax.prompts import algebra
from spot_jax.prompts.base import BANK_AXES, PromptBundle, PromptSource, sites
from spot_jax.settings.training import Tuned


@dataclasses.dataclass(frozen=True)
class Binding:
    """How trained and frozen arrays make a model and its prompts.

    Attributes:
        bundle: from the trained arrays to the bank of prompts that they are; None where
            there is no prompt.
        bank: number of prompts N, the leading axis of every trained array; None where
            the trained arrays have no such axis.
        tunes_model: whether the trained arrays are the T5 itself, or a part of it.
        groups: {name: numbers of its prompts} of a bank whose prompts have parameters
            of several shapes: trained are {name: arrays [its prompts, ...]}. Empty:
            the whole bank is in arrays [bank, ...].
        ties: numbers of prompts that are one prompt, but for their heads; see
            model/tying.py.
        dropout: of keys and values, while they are trained.
    """

    bundle: Callable[[PyTree], PromptBundle | None]
    bank: int | None
    tunes_model: bool = False
    groups: Mapping[str, Sequence[int]] = dataclasses.field(default_factory=dict)
    ties: Sequence[Sequence[int]] = ()
    dropout: float = 0.0

    def bind(
        self, trained: PyTree, frozen: PyTree
    ) -> tuple[PyTree, PromptBundle | None]:
        """Returns the T5's parameters and the prompts."""
        params = _over(frozen, trained) if self.tunes_model else frozen
        return params, self.bundle(trained)

    @property
    def prompts(self) -> int:
        """How many losses there are: one a prompt, or one for the model."""
        return self.bank or 1

    def split(self, trained: PyTree) -> list[PyTree]:
        """Returns what is trained, or is like it, by groups of one shape."""
        return [trained[name] for name in self.groups] if self.groups else [trained]

    def joined(self, groups: Sequence[PyTree]) -> PyTree:
        """Returns what `split` took apart."""
        return dict(zip(self.groups, groups, strict=True)) if self.groups else groups[0]

    def members(self) -> list[np.ndarray]:
        """Returns the numbers of each group's prompts."""
        every = list(self.groups.values()) or [range(self.prompts)]
        return list(map(np.asarray, every))

    def places(self) -> np.ndarray:
        """Returns [bank] where each prompt stands when groups follow each other."""
        return np.argsort(np.concatenate(self.members()))


def prompt_tuning(source: PromptSource, bank: int) -> Binding:
    """Trains a bank of prompts in front of a frozen model.

    Args:
        source: the kind of prompt; its parameters carry a leading bank axis.
        bank: how many prompts.
    """
    return Binding(lambda trained: bank_bundle(source, trained), bank)


def prompts_of_shapes(
    sources: Mapping[tuple[int, Sequence[str]], PromptSource],
    shapes: Sequence[tuple[int, Sequence[str]]],
) -> Binding:
    """Trains a bank of prompts of several shapes, each with parameters of its own.

    In front of the input shorter ones are padded and masked, as `algebra.stack` has
    it; nothing that is trained has padding.

    Args:
        sources: {(length, classes of the head): the kind of prompt}.
        shapes: of every prompt of the bank.
    """
    groups: dict[str, list[int]] = {}
    for length, classes in sources:
        name = f"length{length}"
        # Two heads of one length differ in their classes.
        name += f"-head{len(groups)}" if classes else ""
        own = [i for i, shape in enumerate(shapes) if shape == (length, classes)]
        groups[name] = own

    def bundle(trained: PyTree) -> PromptBundle:
        pairs = zip(sources.values(), binding.split(trained), strict=True)
        banks = list(itertools.starmap(bank_bundle, pairs))
        return algebra.join(banks, binding.places())

    binding = Binding(bundle, len(shapes), groups=groups)
    return binding


def bank_bundle(source: PromptSource, trained: PyTree) -> PromptBundle:
    """Returns the bundle of a bank, whose arrays have the axes of `base.BANK_AXES`."""
    bank = jax.vmap(lambda parameters: source.apply({"params": parameters}))(trained)
    moved = {
        site: jnp.moveaxis(array, 0, BANK_AXES[site])
        for site, array in sites(bank).items()
        # vmap puts the bank first, where a soft prompt has it.
        if BANK_AXES[site]
    }
    if bank.head is not None:
        names = bank.head.names * len(bank.head.kernel)
        moved["head"] = bank.head.replace(names=names)
    return bank.replace(**moved)


def saved_prompts(bank: int) -> Binding:
    """Binds prompts that are only used: what stands for "trained" is their bundle.

    Args:
        bank: how many prompts.
    """
    return Binding(lambda bundle: bundle, bank)


def model_alone() -> Binding:
    """Binds a frozen model without any prompt."""
    return Binding(lambda _: None, None)


def model_tuning() -> Binding:
    """Trains the model or a part of it, without a prompt: the baseline."""
    return Binding(lambda _: None, None, tunes_model=True)


def apart(params: Mapping, tuned: Tuned) -> tuple[PyTree, PyTree]:
    """Splits a model in what is trained and what is frozen; `bind` joins the two.

    Args:
        params: the T5's parameters, or their shapes, each layer apart.
        tuned: TUNED_LAYERS; None: all of it. A number: so many of the decoder's last
            layers, its norm and what makes logits of that, as Prefix-Tuning's baseline
            FT-top2 has it; where logits are made by the embedding, that is trained.
            Names: just these parts, as in "decoder/layers_11/mlp".

    Raises:
        InputError: when the model has no such part or not so many layers.
    """
    if tuned is None:
        return params, {}
    names = _top(params, tuned) if isinstance(tuned, int) else tuned
    names = [names] if isinstance(names, str) else names
    for name in names:
        _check_part(params, name)
    flat = traverse_util.flatten_dict(params, sep="/")
    inside = tuple(f"{name}/" for name in names)
    trained = {name for name in flat if f"{name}/".startswith(inside)}
    parts = (trained, flat.keys() - trained)
    return tuple(
        traverse_util.unflatten_dict({name: flat[name] for name in part}, sep="/")
        for part in parts
    )


def _top(params: Mapping, count: int) -> list[str]:
    decoder = params["decoder"]
    layers = sum(name.startswith("layers_") for name in decoder)
    if count > layers:
        raise InputError(
            f"TUNED_LAYERS is {count}, and the decoder of this T5 has {layers} layers. "
            "Give at most so many, or no TUNED_LAYERS to tune all of the model."
        )
    last = "decoder/logits_dense" if "logits_dense" in decoder else "token_embedder"
    top = [f"decoder/layers_{number}" for number in range(layers - count, layers)]
    return [*top, "decoder/decoder_norm", last]


def _check_part(params: Mapping, name: str) -> None:
    """Raises InputError with the names there are, when there is no such part."""
    here, whose = params, "this T5"
    for part in name.split("/"):
        names = here if isinstance(here, Mapping) else {}
        if part not in names:
            has = f"it has {', '.join(sorted(names))}" if names else "it is one array"
            raise InputError(
                f"TUNED_LAYERS names {name!r}, and {whose} has no part {part!r}: {has}."
            )
        here, whose = names[part], f"{part} of {whose}"


def _over(frozen: Mapping, trained: Mapping) -> dict:
    """Returns a model's arrays, those that are trained wherever there are such."""
    joined = dict(frozen)
    for name, part in trained.items():
        is_leaf = not isinstance(part, Mapping)
        joined[name] = part if is_leaf else _over(frozen.get(name, {}), part)
    return joined
