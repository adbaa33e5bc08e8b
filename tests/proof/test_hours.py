"""The hours of SPoT's study at so many seconds a step."""

import pytest

from spot_jax import config
from spot_jax.campaign.plan import Study
from spot_jax.proof import hours
from spot_jax.proof.hours import Pace


@pytest.fixture(scope="module")
def study() -> Study:
    config.parse(["gin/runs/study.gin"], ["STUDY_DIR=/nowhere"])
    return config.configured(Study)()


# SPoT §3: steps of sources, and mixtures of sources; of everything that is a target.
STEPS = (48 + 120) * 262_144 + (30 + 480 + 120 + 120) * 100_000


def test_prompts_one_by_one_take_the_sum_of_their_steps(study):
    found = hours.of_study(study, Pace(1, 0.5, 0.0, 32))
    assert found.training == pytest.approx(STEPS * 0.5 / 3600)
    assert found.evaluation == 0


def test_a_bank_shares_its_steps(study):
    alone = hours.of_study(study, Pace(1, 0.5, 0.0, 32)).training
    shared = hours.of_study(study, Pace(10, 0.5, 0.0, 32)).training
    # 48 sources are 5 banks of 10.
    assert shared == pytest.approx(alone / 10, rel=0.01)


def test_a_source_run_is_evaluated_at_every_period(study):
    found = hours.of_source(study, Pace(16, 1.0, 2.0, 32))
    assert found.training == pytest.approx(262_144 / 3600)
    # 1,000 examples of each prompt, every 1,000 steps and after the last.
    assert found.evaluation == pytest.approx(263 * (16 * 1000 / 32) * 2 / 3600)
    assert found.all == found.training + found.evaluation
