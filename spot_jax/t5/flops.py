"""What a T5 computes: floating point operations by the shape of what it reads.

A product of [m, n] and [n, p] is m n p multiplications and as many additions.
"""

import dataclasses
import functools
from collections.abc import Callable

from spot_jax.t5.config import T5Config


@dataclasses.dataclass(frozen=True)
class Forward:
    """Operations of a forward pass, of one row.

    Attributes:
        weights: of products with weights.
        attention: of attention's own two products, which have none.
        scores: how many numbers attention's softmax is over, all heads and layers.
    """

    weights: float
    attention: float
    scores: float


def forward(
    config: T5Config,
    inputs: int,
    targets: int,
    beside: int = 0,
    layers: tuple[int, int] | None = None,
) -> Forward:
    """Counts a row of an encoder and a decoder.

    Args:
        config: the T5.
        inputs: positions of the encoder, slots of a prompt included.
        targets: positions of the decoder.
        beside: pairs of a position that asks and a key of a prompt beside the text, in
            all layers.
        layers: how many of the encoder and of the decoder are counted; None: all.
    """
    projection = 2 * config.d_model * config.d_joined
    # A gated MLP has a matrix for each activation, and one that leads back.
    mlp = 2 * config.d_model * config.d_mlp * (len(config.mlp_activations) + 1)
    encoder = inputs * (4 * projection + mlp)
    # Queries and outputs of the targets, keys and values of the inputs.
    cross = 2 * projection * targets + 2 * projection * inputs
    decoder = targets * (4 * projection + mlp) + cross
    logits = 2 * targets * config.d_model * config.vocab_size
    of_encoder, of_decoder = layers or (config.encoder_layers, config.decoder_layers)
    weights = of_encoder * encoder + of_decoder * decoder
    pairs = of_encoder * inputs**2 + of_decoder * targets * (targets + inputs)
    pairs += beside
    return Forward(
        weights=float(weights + logits),
        attention=float(4 * config.d_joined * pairs),
        scores=float(config.heads * pairs),
    )


# What a number of attention's scores costs beside its products, in operations of a
# product: the softmax and its gradient read and write each several times. Fitted to
# steps of rows of 128 to 512 on two CPU cores (T5 1.1 small: 820, base: 950, in
# float32); elsewhere an estimate by the memory's speed.
_SCORE = {"cpu": 850.0}
_SCORE_ELSEWHERE = 4000.0


def step_cost(
    config: T5Config, platform: str, prefix: int = 0, head: str | None = None
) -> Callable[[int, int], float]:
    """Returns what a row costs of a step that trains a prompt through a frozen model.

    The backward pass computes the gradients of activations and not those of weights: a
    product with weights costs twice its forward pass, one without three times.

    Args:
        config: the T5.
        platform: "cpu", "gpu" or "tpu".
        prefix: keys of a prompt beside those of the text, in every self-attention.
        head: what answers; "token" and "span" need no decoder, "cls" no logits of the
            vocabulary.

    Returns:
        From a row's positions in the encoder and the decoder to its cost.
    """
    of_score = _SCORE.get(platform, _SCORE_ELSEWHERE)

    # Every step asks, of lengths that come again and again.
    @functools.cache
    def cost(inputs: int, targets: int) -> float:
        of_decoder = 0 if head in ("token", "span") else config.decoder_layers
        asking = config.encoder_layers * inputs + of_decoder * targets
        layers = config.encoder_layers, of_decoder
        counted = forward(config, inputs, targets, prefix * asking, layers)
        logits = 2 * targets * config.d_model * config.vocab_size
        weights = counted.weights - (logits if head is not None else 0)
        products = 2 * weights + 3 * counted.attention
        return products + of_score * counted.scores

    return cost
