"""The side of spot_jax where inputs are answered: the evaluator of its programs."""

import time
from typing import Any

import numpy as np
import ours
from work import DECODED, LABELS, VOCABULARY, Work, answered

from spot_jax.data.eval_tasks import EvalTask
from spot_jax.model import sharding
from spot_jax.model.weights import LoadedModel
from spot_jax.scoring.evaluator import Evaluator
from spot_jax.settings import Evaluation

# What tokenized rows of GLUE's tasks are usually cut to.
_LIMIT = 512


class _Vocabulary:
    """Knows the answers that are ranked, and shows others as numbers."""

    vocab_size, unk_id = VOCABULARY, 2

    def encode(self, text: str) -> list[int]:
        return LABELS[text][:-1]

    def decode(self, ids) -> str:
        return " ".join(map(str, ids))


class Answered:
    """Answers inputs with a prompt.

    Args:
        work: "rank" takes the likelier of two answers, "decode" writes one greedily.
    """

    def __init__(self, work: Work):
        self.work = work
        trained = ours.Trained(work)
        self.mesh, self.trained = trained.mesh, trained.state.trained
        self.frozen = trained.frozen
        model = LoadedModel(trained.config, self.frozen, self.mesh, 0, "", "random")
        self.rows = answered(work)
        examples = [{"inputs": inputs} for inputs, _ in self.rows]
        labels = tuple(LABELS) if work.doing == "rank" else ()
        self.task = EvalTask(work.lengths, None, examples, labels, _Vocabulary())
        self.evaluator = Evaluator(
            model,
            trained.binding,
            Evaluation(method=work.doing, rows=work.batch),
            {"inputs": _LIMIT, "targets": DECODED},
            work.prompt,
        )

    def prepare(self) -> None:
        """Answers once, which compiles what there is."""
        self.turn()

    def turn(self, steps: int = 1) -> dict[str, Any]:
        """Answers all inputs, some times over."""
        began = time.perf_counter()
        with sharding.on_mesh(self.mesh):
            for _ in range(steps):
                found = self.evaluator.predict(
                    self.trained, self.frozen, self.task, [0]
                )
        seconds = (time.perf_counter() - began) / steps
        assert np.isfinite([each.score or 0.0 for each in found[0]]).all()
        return {"seconds": seconds, "host": 0.0, "examples": len(self.rows)}

    def told(self) -> dict[str, Any]:
        """Returns what is known after the last turn."""
        return {}
