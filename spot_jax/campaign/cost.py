"""What training costs: floating point operations, and hours on a named machine.

A prompt is trained through a frozen model: the backward pass computes the gradients of
activations and not those of weights, so a step costs twice its forward pass, not three
times (attention's two products, which have no weights, cost three). A kind of prompt
adds what it adds: slots in front of the input, keys and values beside it, a network.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping

import jax

from spot_jax.errors import InputError
from spot_jax.prompts import starting
from spot_jax.prompts.base import (
    KEYS_VALUES,
    PromptBundle,
    PromptKind,
    PromptSource,
    empty,
    entered,
    sites,
    slots_of,
)
from spot_jax.prompts.soft import SoftPrompt
from spot_jax.t5 import T5Config, flops

# Validation examples of a task where their number is not set, for only its data tells.
# The mean of SPoT's ten targets, since their hours add up: they have 56 (CB) to 3,270
# (BoolQ), median 390, in their own splits; CR, which has none, about 372 in ours.
_EXAMPLES = 777


@dataclasses.dataclass(frozen=True)
class Machine:
    """Hardware and what is assumed of it.

    Attributes:
        peak: floating point operations per second, bfloat16 on accelerators.
        utilisation: the share of the peak that training reaches.
        says: where the two come from.
    """

    peak: float
    utilisation: float
    says: str


_PUBLISHED = "published bfloat16 peak, utilisation assumed"
_MEASURED = "T5 1.1 small in float32, measured on 2 cores with AVX-512"
# The 8 of v2 to v4 are cores, of which a chip has two and a v5e one.
MACHINES = {
    # A step of 186 GFLOP (batch 8, prompt 100, 128 inputs, 8 targets, dropout 0.1) took
    # 0.66 s, the median of 11, on 2 idle cores of an AMD EPYC; 0.59 s without dropout.
    "cpu-2": Machine(2.8e11, 1.0, _MEASURED),
    "tpu-v2-8": Machine(4 * 46e12, 0.35, _PUBLISHED),
    "tpu-v3-8": Machine(4 * 123e12, 0.35, _PUBLISHED),
    "tpu-v4-8": Machine(4 * 275e12, 0.35, _PUBLISHED),
    "tpu-v5e-8": Machine(8 * 197e12, 0.35, _PUBLISHED),
    "gpu-a100": Machine(312e12, 0.35, _PUBLISHED),
    "gpu-h100": Machine(989e12, 0.35, _PUBLISHED),
}


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What the cost of a step follows from.

    Attributes:
        config: the T5; None where its checkpoint tells it, which is asked for before
            anything is counted.
        prompt_length: PROMPT_LENGTH.
        batch_size: examples of each prompt in a step.
        lengths: EXPECTED_LENGTHS, inputs and targets of a usual example; packing leaves
            little padding, so TASK_FEATURE_LENGTHS, the longest, would be too many.
        examples: EVALUATOR_NUM_EXAMPLES, of an evaluation.
        kind: PROMPT, the kind of prompt.
    """

    config: T5Config | None
    prompt_length: int
    batch_size: int
    lengths: Mapping[str, int]
    examples: int | None = None
    kind: PromptKind = SoftPrompt

    @property
    def evaluated(self) -> int:
        """Examples of an evaluation, assumed where they are not set."""
        return self.examples or _EXAMPLES

    @functools.cached_property
    def source(self) -> PromptSource:
        """What makes the prompts.

        Raises:
            InputError: when the T5 has no prompts of this kind and length.
        """
        if self.prompt_length < 1:
            raise InputError(
                f"PROMPT_LENGTH is {self.prompt_length}; give a number from 1 on."
            )
        return self.kind(length=self.prompt_length, model=self.config)

    @functools.cached_property
    def prompt(self) -> PromptBundle:
        """A prompt, as shapes."""
        return starting.shape_of(self.source)


def forward(
    config: T5Config,
    inputs: int,
    targets: int,
    prompt: PromptBundle | None = None,
    layers: tuple[int, int] | None = None,
) -> tuple[float, float]:
    """Counts the operations of one example's forward pass.

    Args:
        config: the T5.
        inputs: positions of the encoder, slots of the prompt included.
        targets: positions of the decoder.
        prompt: whose keys and values stand beside these; None: none.
        layers: how many of the encoder and of the decoder are counted; None: all.

    Returns:
        Those of products with weights, and those of attention's own two products.
    """
    beside = _pairs(prompt or empty(), inputs, targets)
    counted = flops.forward(config, inputs, targets, beside, layers)
    return counted.weights, counted.attention


def _with_gradients(config: T5Config, prompt: PromptBundle) -> tuple[int, int]:
    """Counts the layers of encoder and decoder that the backward pass goes through.

    It ends where the prompt first enters; what reaches the encoder goes through all of
    the decoder, which reads it in every layer.
    """
    firsts = {
        # In front of the first layer.
        site: 0 if site == "enc_input" else entered(prompt, array.shape[0])[0]
        for site, array in sites(prompt).items()
    }
    of_encoder = [first for site, first in firsts.items() if site.startswith("enc_")]
    if of_encoder:
        return config.encoder_layers - min(of_encoder), config.decoder_layers
    return 0, config.decoder_layers - min(firsts.values())


def _pairs(prompt: PromptBundle, inputs: int, targets: int) -> int:
    """Counts the pairs of a position that asks and a key of the prompt."""
    asking = {"enc_self": inputs, "dec_self": targets, "cross": targets}
    return sum(
        len(entered(prompt, array.shape[0])) * array.shape[-2] * asking[site]
        for site, array in sites(prompt).items()
        if site in KEYS_VALUES
    )


def _of_network(source: PromptSource, length: int) -> float:
    """Counts the operations of the network that makes a prompt; 0 where there is none.

    Every matrix of it is multiplied once for each position.
    """
    key = jax.eval_shape(lambda: jax.random.key(0))
    parameters = jax.eval_shape(source.init, key)["params"]
    leaves = jax.tree_util.tree_leaves_with_path(parameters)
    matrices = (leaf.shape for path, leaf in leaves if path[-1].key == "kernel")
    return float(2 * length * sum(map(math.prod, matrices)))


def tuning(sizes: Sizes, steps: int, evaluations: int) -> float:
    """Counts the operations of tuning one prompt.

    Args:
        sizes: model and batch.
        steps: how many.
        evaluations: how often it is evaluated.
    """
    inputs = slots_of(sizes.prompt) + sizes.lengths["inputs"]
    targets = sizes.lengths["targets"]
    pass_ = sizes.config, inputs, targets, sizes.prompt
    weights, attention = forward(*pass_)
    back, attention_back = forward(*pass_, _with_gradients(sizes.config, sizes.prompt))
    of_example = weights + attention + back + 2 * attention_back
    # A network is trained, with a backward pass of its own, once for a whole batch.
    network = 3 * _of_network(sizes.source, sizes.prompt_length)
    training = steps * (sizes.batch_size * of_example + network)
    # An evaluation counts as one forward pass an example: labels are ranked side by
    # side, and the answers of SPoT's targets are of a few tokens.
    return training + evaluations * sizes.evaluated * (weights + attention)


def hours(operations: float, machine: Machine) -> float:
    """Returns how long a machine takes, compiling and reading not counted."""
    return operations / (machine.peak * machine.utilisation) / 3600
