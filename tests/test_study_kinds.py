"""A study of every kind of prompt: SPoT for what is no soft prompt."""

import csv
import json

import numpy as np
import pytest

from spot_jax import config, report, study, transfer
from spot_jax.errors import InputError
from spot_jax.prompts import algebra, files
from spot_jax.prompts.base import modes, shapes_of
from spot_jax.prompts.library import Library
from tests import study_process, study_stub

# What is set besides, and the prompts: their sites, and how they enter.
KINDS = {
    "p_tuning_v2": ({"PROMPT_LAYERS": "1:"}, ["enc_self", "dec_self"]),
    "prefix_tuning": ({"PREFIX_WIDTH": 8}, ["enc_self", "dec_self", "cross"]),
    "p_tuning": ({"DECAY_EVERY": 5}, ["enc_input"]),
    "deep_prompt": ({"HIDDEN_MODE": "add"}, ["enc_hidden"]),
}
MODEL = {
    "INITIAL_CHECKPOINT_PATH": "nowhere",
    "TASK_FEATURE_LENGTHS": "{'inputs': 32, 'targets': 8}",
}
METHODS = {"baseline": 4, "transfer": 8, "average": 4, "mixture": 8, "longer": 4}


@pytest.fixture(scope="module", autouse=True)
def snack():
    """The task that the study adds to the demo's."""
    study_process.add_task()
    yield
    study_process.remove_task()


def do(folder, kind: str, *values: dict, flags=()) -> None:
    given = study_process.arguments(folder, *values)
    study.main([*given, f"--gin_file=gin/prompts/{kind}.gin", *flags])


def read(path) -> list[dict]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def check(folder, kind: str) -> None:
    """Looks for the kind in all that a study leaves."""
    found = [row["method"] for row in read(folder / "scores.csv")]
    assert {method: found.count(method) for method in METHODS} == METHODS
    similar = [float(row["similarity"]) for row in read(folder / "similarities.csv")]
    assert len(similar) == 2 * 8 * 8 and np.isfinite(similar).all()
    entries = Library(folder / "library").entries()
    assert len(entries) == 4
    for entry in entries:
        assert list(shapes_of(entry.prompt)) == KINDS[kind][1]
    averages = sorted((folder / "starts").iterdir())
    assert len(averages) == 4
    for path in averages:
        bundle = files.read(path).bundle
        assert shapes_of(bundle) == shapes_of(entries[0].prompt)
        assert modes(bundle) == modes(entries[0].prompt)
    report.main([str(folder)])
    told = (folder / "report/report.md").read_text()
    assert "demo_snack" in told and f"prompt: {KINDS[kind][1][0]} [" in told


def test_a_kind_goes_through_all_stages(tmp_path, monkeypatch):
    """The others are trained below."""
    monkeypatch.setattr(study, "tune", study_stub.tune)
    kind = "p_tuning_v2"
    do(tmp_path, kind, MODEL, KINDS[kind][0])
    check(tmp_path, kind)
    target = tmp_path / "runs/baselines-000/prompts/demo_film-seed0"
    out = tmp_path / "best"
    library = str(tmp_path / "library")
    asked = [library, "--target", str(target), "--method", "best", "--out", str(out)]
    transfer.main(asked)
    assert len(json.loads((out / "ranking.json").read_text())["targets"]) == 1


@pytest.fixture
def begun(monkeypatch):
    """{stage: PROMPT_START of its runs}, where nothing is trained."""
    found = {}

    def train(*, prompts, configuration, **_):
        (start,) = prompts.starts
        found[stage[0]] = start.__qualname__
        assert "\nPROMPT_START = %" in configuration

    stage = []

    def tune(run, bank, folder, tune=study.tune):
        stage[:] = [run.stage]
        tune(run, bank, folder)
        study_stub.tune(run, bank, folder)

    monkeypatch.setattr(study, "tune", tune)
    monkeypatch.setattr(study, "train", train)
    # Else gin would call what it knows by that name.
    monkeypatch.setattr(config, "configured", _of(train, config.configured))
    return found


def _of(function, configured):
    """Lets `function` be called with what is configured for `spot_jax train`."""
    from spot_jax.config.bound import bound_to
    from spot_jax.train import train

    def call(given):
        if given is not function:
            return configured(given)
        return lambda **more: function(**bound_to(train) | more)

    return call


SOFT = {"sources": "sampled_vocabulary", "baselines": "class_labels"}
BEGIN = {
    "as SPoT begins": ([], {}, SOFT),
    "as the kind's file says": (
        ["p_tuning_v2"],
        {},
        {"sources": "drawn", "baselines": "drawn", "mixtures": "drawn"},
    ),
    "as a file after it says": (
        ["deep_prompt", "random_uniform"],
        {},
        {"sources": "random_uniform", "baselines": "random_uniform"},
    ),
    "as is said of targets alone": (
        ["deep_prompt"],
        {"TARGET_START": "@init.class_labels"},
        {"sources": "drawn", "baselines": "class_labels", "mixtures": "drawn"},
    ),
    "soft prompts of noise": (
        ["random_uniform"],
        {"SOURCE_START": "@init.sampled_vocabulary"},
        {"sources": "sampled_vocabulary", "baselines": "random_uniform"},
    ),
}


@pytest.mark.parametrize("case", BEGIN)
def test_sources_and_targets_begin(case, begun, tmp_path):
    kinds, values, expected = BEGIN[case]
    given = study_process.arguments(tmp_path, MODEL, values)
    study.main([*given, *(f"--gin_file=gin/prompts/{kind}.gin" for kind in kinds)])
    assert {stage: begun[stage] for stage in expected} == expected
    assert begun["longer_baselines"] == begun["baselines"]
    assert len(begun) == 7


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        (
            "p_tuning_v2",
            {"TARGET_START": "@init.class_labels"},
            "TARGET_START .*, of demo_film: P-Tuning v2 is enc_self and dec_self, and",
        ),
        ("drawn", {}, "SOURCE_START .*, of demo_.*: A soft prompt starts from vec"),
        ("p_tuning_v2", {"PROMPT_LAYERS": "16:24"}, "none of the 2"),
        ("p_tuning", {"PROMPT_ENCODER": "gru"}, "PROMPT_ENCODER is 'gru'"),
        ("prefix_tuning", {"PREFIX_WIDTH": 3}, "width 3 cannot begin at a prompt of"),
    ],
)
def test_mistakes_are_found_before_anything_is_made(kind, change, words, tmp_path):
    with pytest.raises(InputError, match=words):
        do(tmp_path / "study", kind, MODEL, change)
    assert not (tmp_path / "study").exists()


def test_a_library_of_another_kind_is_found_before_anything_is_tuned(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(study, "tune", study_stub.tune)
    do(tmp_path / "one", "deep_prompt", MODEL, {"STAGES": "['sources']"})
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "one/library").rename(other / "library")
    with pytest.raises(InputError, match="holds prompts of enc_hidden .* enc_self"):
        do(other, "p_tuning_v2", MODEL)
    assert not (other / "runs").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_trained_in_all_stages(kind, demo_model, tmp_path):
    do(tmp_path, kind, demo_model, KINDS[kind][0], {"LEARNING_RATE": 0.01})
    check(tmp_path, kind)
    for folder in (tmp_path / "runs/averages-000/prompts").iterdir():
        first = tmp_path / "starts" / f"average-{folder.name}-top3.safetensors"
        one, two = (
            np.concatenate([m.ravel() for m in algebra.token_matrices(p.bundle)])
            for p in map(files.read, (first, folder / "last.safetensors"))
        )
        # It began there, and went on.
        assert np.corrcoef(one, two)[0, 1] > 0.5 and np.abs(one - two).max() > 0
