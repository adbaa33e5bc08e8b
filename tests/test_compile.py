"""`spot_jax compile`: what a run needs of a machine, and what is said of it."""

import dataclasses
import json
import re

import jax
import pytest

from spot_jax import compile as program
from spot_jax.errors import InputError
from spot_jax.hardware import chips
from spot_jax.hardware.chips import Chip

MODEL = ["--gin_file=tests/demo_model.gin"]
RUN = [
    *("--gin_file=gin/prompts/sampled_vocabulary.gin",),
    *("--gin_file=gin/runs/prompt_tune.gin", "--gin.PROMPT_LENGTH=6"),
]
LENGTHS = ["--gin.TASK_FEATURE_LENGTHS={'inputs': 24, 'targets': 8}"]
SMALL = [*MODEL, *RUN, *LENGTHS, "--gin.BATCH_SIZE=16", "--gin.EVAL_BATCH_SIZE=16"]


@pytest.fixture
def chip(monkeypatch):
    """Gives the devices of this machine published rates, and a memory."""

    def give(memory: int) -> Chip:
        made = Chip("abacus", memory, 1e12, 1e11, 1e10)
        monkeypatch.setattr(chips, "chip_of", lambda device: made)
        return made

    return give


def told(arguments, capsys) -> dict:
    program.main([*arguments, "--json"])
    return json.loads(capsys.readouterr().out)


def test_without_a_topology_it_tells_of_the_devices_that_are_there(chip, capsys):
    chip(2**30)
    program.main(SMALL)
    text = capsys.readouterr().out
    assert "1 prompt of 6 for a T5 of 246,784 parameters" in text
    assert "on 8 x abacus, 8 (data) x 1 (model)" in text
    assert "It fits: 1.00 GiB of each chip are left" in text
    assert "262,144 steps of a source prompt: " in text and "chip-hours" in text
    assert "All of SPoT's study: " in text


@pytest.mark.parametrize("method", ["decode", "rank"])
def test_numbers_are_those_of_the_compiled_steps(chip, capsys, method):
    made = chip(2**30)
    given = ["--gin.NUM_PARTITIONS=2", "--bank", "2", f"--gin.EVALUATION={method}"]
    found = told([*SMALL, *given], capsys)["asked"]
    training, evaluation = found["programs"]
    assert found["chip"] == dataclasses.asdict(made) and found["fits"]
    assert training["rows"] == {"rows": 32, "row_length": 32, "target_row_length": 8}
    assert evaluation["rows"]["rows"] == 16
    # All but norms and the position bias are in halves, of float32.
    assert 2 * 246_784 < training["weights"] < 2.1 * 246_784
    assert training["memory"] > evaluation["memory"] > training["weights"]
    assert training["collectives"]["all-reduce"]["count"] > 10
    for each in found["programs"]:
        times = each["seconds"]
        assert times["compute"] == each["flops"] / 1e12
        assert times["memory"] == each["traffic"] / 1e11
        assert each["estimate"] == max(times.values()) == times[each["binds"]]
    source = found["hours"]["source"]
    assert source["training"] == pytest.approx(262_144 * training["estimate"] / 3600)
    hours = source["training"] + source["evaluation"]
    assert source["chip_hours"] == pytest.approx(8 * hours)
    assert found["settings"]["prompts"] == 2


def test_products_are_those_that_a_study_is_estimated_by(chip, capsys):
    """Counted in the program, and by the formula of `study --dry_run`."""
    from spot_jax.campaign import cost
    from spot_jax.t5 import T5Config

    chip(2**30)
    shape = T5Config(
        d_model=128, heads=4, d_head=32, d_mlp=256, encoder_layers=2, decoder_layers=2
    )
    tiny = ["--gin_file=gin/models/t5_1_1_tiny.gin", *RUN, *LENGTHS]
    found = told([*tiny, "--gin.DROPOUT_RATE=0.0"], capsys)["asked"]["programs"][0]
    sizes = cost.Sizes(shape, 6, 32, {"inputs": 24, "targets": 8})
    assert 8 * found["flops"] == pytest.approx(cost.tuning(sizes, 1, 0), rel=0.1)


@pytest.mark.slow
def test_microbatches_change_memory_and_not_operations(chip, capsys):
    chip(2**30)
    whole = told([*SMALL, "--bank", "4"], capsys)["asked"]["programs"][0]
    parts = [*SMALL, "--bank", "4", "--gin.MICROBATCHES=4"]
    parts = told(parts, capsys)["asked"]["programs"][0]
    assert parts["flops"] == pytest.approx(whole["flops"], rel=0.02)
    assert parts["memory"] < whole["memory"]


@pytest.mark.slow
def test_what_does_not_fit_is_answered_with_settings_that_do(chip, capsys):
    chip(2**30)
    large = [*SMALL, "--bank", "8"]
    needed = told(large, capsys)["asked"]["programs"][0]
    chip((needed["memory"] + needed["weights"]) // 2)
    program.main(large)
    refused, settings, found = re.split(
        "These settings fit: (.*)", capsys.readouterr().out
    )
    assert "It does not fit by " in refused and "It fits: " in found
    parts = re.fullmatch(
        r"--gin.NUM_PARTITIONS=1 --gin.REMAT_POLICY=none "
        r"--gin.MICROBATCHES=([248]) --gin.EVAL_BATCH_SIZE=16",
        settings,
    )
    assert f"16 examples of each a step in {parts.group(1)} parts" in found


def test_a_model_that_is_tuned_is_proved_as_well(chip, capsys):
    chip(2**30)
    run = ["--gin_file=gin/runs/model_tune.gin", "--gin.BATCH_SIZE=16"]
    found = told([*MODEL, *run, *LENGTHS], capsys)["asked"]
    assert found["settings"]["prompts"] == 0 and found["hours"] == {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([*SMALL, "--topology", "v9:2x2"], "v4, v5e, v5p, v6e"),
        ([*SMALL, "--topology", "v5e:5x5"], "v5e:4x4"),
        ([*SMALL, "--gin.NUM_PARTITIONS=3"], "one of 1, 2, 4"),
        ([*SMALL, "--gin.MICROBATCHES=4"], "MICROBATCHES to at most 2"),
        ([*SMALL, "--bank", "none"], "number of prompts"),
        ([*SMALL, "--lengths", "inputs=99,targets=8"], "from 1 to 24"),
        ([*MODEL, *RUN], "TASK_FEATURE_LENGTHS"),
        ([*RUN, *LENGTHS], "Nothing says which T5 this is"),
        (MODEL, "of no training run"),
        ([], "PROMPT_START"),
        (
            [*RUN, *LENGTHS, "--gin_file=gin/models/t5_1_1_xxl.gin"]
            + ["--topology", "v5e:4x4", "--gin.NUM_PARTITIONS=1"]
            + ["--gin.WEIGHTS_DTYPE=float32"],
            "NUM_PARTITIONS to one of 4, 8, 16",
        ),
    ],
)
def test_what_cannot_be_is_one_message_before_anything_is_compiled(
    given, said, monkeypatch
):
    monkeypatch.setattr(program.programs, "compiled", None)
    with pytest.raises(InputError, match=said):
        program.main(given)


def test_a_tpu_that_is_not_there_is_compiled_for(capsys):
    pytest.importorskip("libtpu", reason="only libtpu compiles for TPUs")
    given = [*SMALL, "--topology", "v5e:2x2", "--gin.NUM_PARTITIONS=2", "--bank", "2"]
    found = told([*given, "--gin.EVALUATION=rank"], capsys)["asked"]
    assert (found["chips"], found["chip"]["name"], found["fits"]) == (4, "v5e", True)
    training = found["programs"][0]
    assert training["memory"] > training["weights"] and training["code"] > 0
    assert training["flops"] > 0 and training["collectives"]["all-reduce"]["count"] > 8
    assert jax.devices()[0].platform == "cpu"


# How much longer a prompt of 6 makes a row, whose length is a multiple of 8.
SLOTS = {"p_tuning_v2": 0, "prefix_tuning": 0, "p_tuning": 8, "deep_prompt": 8}


@pytest.mark.parametrize(
    "kind",
    [
        name if name == "p_tuning_v2" else pytest.param(name, marks=pytest.mark.slow)
        for name in SLOTS
    ],
)
def test_every_kind_of_prompts_is_compiled(kind, chip, capsys):
    chip(2**30)
    of_kind = [f"--gin_file=gin/prompts/{kind}.gin", "--gin.PROMPT_LENGTH=6"]
    found = told([*SMALL, *of_kind, "--bank", "2"], capsys)["asked"]
    training, evaluation = found["programs"]
    assert training["rows"]["row_length"] == 24 + SLOTS[kind]
    assert training["memory"] > evaluation["memory"] > training["weights"]
    assert found["fits"] and training["flops"] > evaluation["flops"] > 0
