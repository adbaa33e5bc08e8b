"""The names under which the T5 family is published, and the shapes they stand for."""

from typing import Any

_BUCKET = "gs://t5-data/pretrained_models/t5x"
# T5 1.1: d_model, heads, d_mlp, layers of either stack, as T5X's gin files have them.
_SIZES = {
    "small": (512, 6, 1024, 8),
    "base": (768, 12, 2048, 12),
    "large": (1024, 16, 2816, 24),
    "xl": (2048, 32, 5120, 24),
    "xxl": (4096, 64, 10240, 24),
}

# T5 1.1, and T5 1.1 adapted to language modelling for 100,000 more steps, which is what
# prompts are tuned on (Lester et al. 2021, section 3.1; SPoT section 2.1).
PUBLISHED = {
    f"t5_1_1_{size}": f"{_BUCKET}/t5_1_1_{size}/checkpoint_1000000" for size in _SIZES
} | {
    f"t5_1_1_lm100k_{size}": f"{_BUCKET}/t5_1_1_lm100k_{size}/checkpoint_1100000"
    for size in _SIZES
}

# The vocabulary of all of these: 32,000 pieces and 100 sentinels.
PUBLISHED_VOCABULARY = "gs://t5-data/vocabs/cc_all.32000.100extra/sentencepiece.model"

# The same weights as folders on the Hugging Face hub, which nothing here downloads.
HUGGING_FACE = tuple(f"google/t5-v1_1-{size}" for size in _SIZES) + tuple(
    f"google/t5-{size}-lm-adapt" for size in _SIZES
)


def settings_of_published(name: str) -> dict[str, Any]:
    """Returns the shape of a name in PUBLISHED, under the names of T5Config."""
    d_model, heads, d_mlp, layers = _SIZES[name.rpartition("_")[2]]
    return {
        "vocab_size": 32128,
        "d_model": d_model,
        "heads": heads,
        "d_head": 64,
        "d_mlp": d_mlp,
        "encoder_layers": layers,
        "decoder_layers": layers,
        "mlp_activations": ("gelu", "linear"),
        "logits_via_embedding": False,
    }


def step_of_published(name: str) -> int:
    """Returns the step that a name in PUBLISHED was saved at."""
    return int(PUBLISHED[name].rpartition("_")[2])
