"""How long a source prompt takes, and all of SPoT's study, at so much a step."""

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

from spot_jax.campaign import cost, plan
from spot_jax.campaign.plan import STAGES, Run, Study


class Hours(NamedTuple):
    """How long something takes.

    Attributes:
        training: hours of training steps.
        evaluation: hours of evaluating.
    """

    training: float
    evaluation: float

    @property
    def all(self) -> float:
        """Both together."""
        return self.training + self.evaluation


class Pace(NamedTuple):
    """How fast a machine is.

    Attributes:
        bank: prompts that are trained at once.
        step: seconds of a training step.
        batch: seconds of a batch of an evaluation.
        rows: examples in such a batch.
    """

    bank: int
    step: float
    batch: float
    rows: int


def of_source(study: Study, pace: Pace) -> Hours:
    """Returns the hours of one run of sources, of a whole bank of them."""
    sources = next(run for run in _runs(study, pace) if run.stage == "sources")
    # A bank larger than there are sources is as slow as itself.
    full = dataclasses.replace(sources, tunings=sources.tunings[:1] * pace.bank)
    return _sum([full], pace)


def of_study(study: Study, pace: Pace) -> Hours:
    """Returns the hours of all runs of SPoT's study, without controls of ours."""
    of_paper = [run for run in _runs(study, pace) if not STAGES[run.stage].is_longer]
    return _sum(of_paper, pace)


def _runs(study: Study, pace: Pace) -> list[Run]:
    return plan.runs(dataclasses.replace(study, bank_size=pace.bank))


def _sum(runs: Sequence[Run], pace: Pace) -> Hours:
    training = evaluation = 0.0
    for run in runs:
        training += run.steps * pace.step
        # The last step is evaluated as well, whatever the period.
        evaluations = math.ceil(run.steps / run.eval_period)
        examples = cost.Sizes(None, 0, 0, {}, run.examples).evaluated
        batches = math.ceil(examples * len(run.tunings) / pace.rows)
        evaluation += evaluations * batches * pace.batch
    return Hours(training / 3600, evaluation / 3600)
