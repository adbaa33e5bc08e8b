"""The registered tasks on real rows: formats, labels, lengths, detokenization."""

import numpy as np
import pytest
import seqio

from spot_jax.tasks import catalog
from spot_jax.text.vocabulary import VOCABULARY

LENGTHS = {"inputs": 256, "targets": 128}


def texts(task: str, split: str) -> list[dict]:
    dataset = seqio.TaskRegistry.get(task).get_dataset(None, split, shuffle=False)
    return list(dataset.as_numpy_iterator())


def test_x(real_data, real_rows):
    for task, splits in real_rows.items():
        if task == "c4_prefix_lm":
            continue
        for split in splits:
            e = texts(task, split)
            print(
                task,
                split,
                len(splits[split]),
                len(e),
                {
                    k: (v if not hasattr(v, "ndim") or v.ndim == 0 else v[:4])
                    for k, v in e[0].items()
                    if not k in ("inputs", "targets")
                }
                if split == "train"
                else "",
            )
