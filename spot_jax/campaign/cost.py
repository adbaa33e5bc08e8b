"""What training costs: floating point operations, and hours on a named machine.

A prompt is trained through a frozen model: the backward pass computes the gradients of
activations and not those of weights, so a step costs twice its forward pass, not three
times (attention's two products, which have no weights, cost three).
"""

import dataclasses
from collections.abc import Mapping

from spot_jax.t5 import T5Config

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
    """

    config: T5Config | None
    prompt_length: int
    batch_size: int
    lengths: Mapping[str, int]
    examples: int | None = None

    @property
    def evaluated(self) -> int:
        """Examples of an evaluation, assumed where they are not set."""
        return self.examples or _EXAMPLES


def forward(config: T5Config, inputs: int, targets: int) -> tuple[float, float]:
    """Counts the operations of one example's forward pass.

    Args:
        config: the T5.
        inputs: positions of the encoder, the prompt's included.
        targets: positions of the decoder.

    Returns:
        Those of products with weights, and those of attention's own two products.
    """
    # A product of [m, n] and [n, p] is m n p multiplications and as many additions.
    projection = 2 * config.d_model * config.d_joined
    # A gated MLP has a matrix for each activation, and one that leads back.
    mlp = 2 * config.d_model * config.d_mlp * (len(config.mlp_activations) + 1)
    encoder = inputs * (4 * projection + mlp)
    # Queries and outputs of the targets, keys and values of the inputs.
    cross = 2 * projection * targets + 2 * projection * inputs
    decoder = targets * (4 * projection + mlp) + cross
    logits = 2 * targets * config.d_model * config.vocab_size
    weights = config.encoder_layers * encoder + config.decoder_layers * decoder
    attention = (
        4
        * config.d_joined
        * (
            config.encoder_layers * inputs**2
            + config.decoder_layers * targets * (targets + inputs)
        )
    )
    return float(weights + logits), float(attention)


def tuning(sizes: Sizes, steps: int, evaluations: int) -> float:
    """Counts the operations of tuning one prompt.

    Args:
        sizes: model and batch.
        steps: how many.
        evaluations: how often it is evaluated.
    """
    inputs = sizes.prompt_length + sizes.lengths["inputs"]
    weights, attention = forward(sizes.config, inputs, sizes.lengths["targets"])
    training = steps * sizes.batch_size * (2 * weights + 3 * attention)
    # An evaluation counts as one forward pass an example: labels are ranked side by
    # side, and the answers of SPoT's targets are of a few tokens.
    return training + evaluations * sizes.evaluated * (weights + attention)


def hours(operations: float, machine: Machine) -> float:
    """Returns how long a machine takes, compiling and reading not counted."""
    return operations / (machine.peak * machine.utilisation) / 3600
