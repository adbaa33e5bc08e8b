"""Random tokenized examples."""

import numpy as np

from spot_jax.data.packing import Example


def example(inputs, targets, prompt=0):
    return Example(np.asarray(inputs, np.int32), np.asarray(targets, np.int32), prompt)


def some_examples(count, seed=0, prompts=2):
    rng = np.random.default_rng(seed)
    return [
        example(
            rng.integers(2, 100, rng.integers(1, 9)),
            rng.integers(2, 100, rng.integers(1, 4)),
            index % prompts,
        )
        for index in range(count)
    ]
