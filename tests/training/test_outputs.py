"""What a run keeps: the best prompt, whatever a metric gives."""

import math

import numpy as np
import pytest

from spot_jax.model import binding
from spot_jax.prompts import files
from spot_jax.training.bank import Entry
from spot_jax.training.outputs import Outputs
from tests.bundles import soft

NAN, INF = math.nan, math.inf


class Model:
    """As much of a loaded model as outputs ask of it."""

    step = 0

    def story(self):
        return {"fingerprint": "0" * 16, "source": "nowhere"}


def outputs_in(folder) -> Outputs:
    bank = [Entry("rte-seed0", "rte", 0, None)]
    return Outputs(folder, bank, Model(), binding.saved_prompts(1), {}, {})


def results(score: float) -> dict:
    return {0: {"rte": {"accuracy": score}}}


@pytest.mark.parametrize(
    "scores, best",
    [
        ([99.8, NAN, 0.0], 1),
        ([NAN, 0.0, NAN], 2),
        ([NAN, NAN], 1),
        ([NAN, -50.0, -40.0], 3),
        ([10.0, 10.0], 1),
        ([-INF, 0.0], 2),
    ],
    ids=str,
)
def test_a_score_that_is_no_number_is_never_better(scores, best, tmp_path):
    outputs = outputs_in(tmp_path)
    for step, score in enumerate(scores, start=1):
        bank = soft(np.full((1, 2, 4), step))
        outputs.keep_best(bank, step, results(score))
    assert outputs.best["rte-seed0"].step == best
    kept = files.read(tmp_path / "prompts/rte-seed0/best.safetensors")
    assert (kept.bundle.enc_input == best).all()
    assert kept.story["step"] == best


@pytest.mark.parametrize("score, later, step", [(NAN, 1.0, 2), (50.0, NAN, 1)])
def test_a_run_that_resumes_goes_on_from_its_best(score, later, step, tmp_path):
    before = outputs_in(tmp_path)
    before.keep_best(soft(np.ones((1, 2, 4))), 1, results(score))
    told = before.progress()
    # What JSON can hold, and earlier versions wrote NaN.
    told_before = {"score": score, "step": 1, "results": results(score)[0]}
    assert math.isnan(score) == (told["rte-seed0"]["score"] is None)
    for progress in (told, {"rte-seed0": told_before}):
        after = outputs_in(tmp_path)
        after.resume(progress)
        # NaN is not equal to itself.
        assert repr(after.best) == repr(before.best)
        after.keep_best(soft(np.ones((1, 2, 4))), 2, results(later))
        assert after.best["rte-seed0"].step == step


@pytest.mark.parametrize(
    "progress",
    [
        {"rte-seed0": {"step": 1, "results": {}}},
        {"rte-seed0": {"score": "high", "step": 1, "results": {}}},
        {"rte-seed0": None},
        [],
    ],
    ids=str,
)
def test_progress_that_is_damaged_is_one_message(progress, tmp_path):
    with pytest.raises(ValueError, match="progress of the last checkpoint .* Delete"):
        outputs_in(tmp_path).resume(progress)
