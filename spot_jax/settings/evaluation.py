"""How a run evaluates."""

import dataclasses
from collections.abc import Sequence

from spot_jax import typed
from spot_jax.errors import InputError
from spot_jax.t5.decode import Search, greedy


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """How predictions are made and scored.

    Attributes:
        method: "decode" writes the answer and compares text; "rank" scores the task's
            labels and takes the likeliest, quicker and never off the label set.
        split: which split.
        examples: how many of its examples; None: all.
        rows: how many rows are computed at once; packed ones are fewer and longer.
        search: what writes the answer (t5/decode.py, t5/beam.py).
        seed: of a search that samples.
        demonstrations: DEMONSTRATIONS, how many training rows stand, with their
            answers, in front of every input, as far as TASK_FEATURE_LENGTHS has room;
            with no prompt (PROMPT_FILES=[]) it is prompt design, the baseline of Lester
            et al. (2021). Only evaluate shows any.
        demonstrations_seed: DEMONSTRATIONS_SEED, which rows are drawn.
        labels: CLASS_LABELS, what is ranked of a task that has no labels of its own.
    """

    method: str = "decode"
    split: str = "validation"
    examples: int | None = None
    rows: int = 32
    search: Search = greedy
    seed: int = 0
    demonstrations: int = 0
    demonstrations_seed: int = 0
    labels: str | Sequence[str] | None = None

    def __post_init__(self):
        if self.method not in ("decode", "rank"):
            raise InputError(
                f"EVALUATION is {self.method!r}; choose 'decode' (the text of the "
                "answer) or 'rank' (the likeliest of the task's labels)."
            )
        typed.check(self)
        if self.labels is not None:
            labels = [self.labels] if isinstance(self.labels, str) else self.labels
            object.__setattr__(self, "labels", tuple(labels))
        if self.demonstrations < 0 or self.demonstrations_seed < 0:
            raise InputError(
                f"DEMONSTRATIONS is {self.demonstrations} and DEMONSTRATIONS_SEED "
                f"{self.demonstrations_seed}; they must be at least 0 (the former 0 "
                "for none)."
            )
        if self.rows < 1 or (self.examples is not None and self.examples < 1):
            raise InputError(
                f"EVAL_BATCH_SIZE is {self.rows} and EVALUATOR_NUM_EXAMPLES "
                f"{self.examples}; they must be at least 1 (the latter None for all)."
            )
