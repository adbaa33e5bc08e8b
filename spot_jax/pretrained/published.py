"""The names under which the T5 family is published."""

_SIZES = ("small", "base", "large", "xl", "xxl")
_BUCKET = "gs://t5-data/pretrained_models/t5x"

# T5 1.1, and T5 1.1 adapted to language modelling for 100,000 more steps, which is what
# prompts are tuned on (Lester et al. 2021, section 3.1; SPoT section 2.1).
PUBLISHED = {
    f"t5_1_1_{size}": f"{_BUCKET}/t5_1_1_{size}/checkpoint_1000000" for size in _SIZES
} | {
    f"t5_1_1_lm100k_{size}": f"{_BUCKET}/t5_1_1_lm100k_{size}/checkpoint_1100000"
    for size in _SIZES
}

# The same weights as folders on the Hugging Face hub, which nothing here downloads.
HUGGING_FACE = tuple(f"google/t5-v1_1-{size}" for size in _SIZES) + tuple(
    f"google/t5-{size}-lm-adapt" for size in _SIZES
)
