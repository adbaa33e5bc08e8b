"""What a run keeps: the best prompt, whatever a metric gives."""

import dataclasses
import math

import jax
import numpy as np
import pytest

from spot_jax import pretrained
from spot_jax.model import binding, sharding
from spot_jax.model.weights import LoadedModel
from spot_jax.prompts import files
from spot_jax.t5 import T5Config
from spot_jax.training.bank import Entry
from spot_jax.training.outputs import Outputs, best_checkpoint
from tests.bundles import soft

NAN, INF = math.nan, math.inf


class Model:
    """As much of a loaded model as outputs ask of it."""

    step = 0

    def story(self):
        return {"fingerprint": "0" * 16, "source": "nowhere"}


def outputs_in(folder) -> Outputs:
    bank = [Entry("rte-seed0", "rte", 0, None)]
    one = binding.saved_prompts(1)
    return Outputs(folder, bank, Model(), one, {}, {}, split="validation")


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


def test_a_tuned_model_is_kept_with_what_its_arrays_do_not_tell(
    tiny_config, tiny_params, tmp_path
):
    config = dataclasses.replace(
        tiny_config,
        mlp_activations=("silu", "linear"),
        relpos_max_distance=64,
        norm_epsilon=1e-5,
    )
    mesh = sharding.make_mesh(devices=jax.devices()[:1])
    model = LoadedModel(config, tiny_params, mesh, 7, "f", "here")
    bank, tuned = [Entry("model", "rte", 0)], binding.model_tuning()
    outputs = Outputs(tmp_path, bank, model, tuned, {}, {}, split="validation")
    outputs.keep_best(tiny_params, 3, {0: {"rte": {"accuracy": 50.0}}})
    found = pretrained.describe(str(best_checkpoint(str(tmp_path))))
    assert T5Config(**found.settings, dropout_rate=0.0) == config
    assert not found.assumed


@pytest.mark.parametrize(
    "progress",
    [
        {"rte-seed0": {"step": 1, "results": {}}},
        {"rte-seed0": {"score": "high", "step": 1, "results": {}}},
        {"rte-seed0": None},
        {"cb-seed0": {"score": 1.0, "step": 1, "results": {}}},
        [],
    ],
    ids=str,
)
def test_progress_that_is_damaged_is_one_message(progress, tmp_path):
    with pytest.raises(ValueError, match="progress of the last checkpoint .* Delete"):
        outputs_in(tmp_path).resume(progress)
