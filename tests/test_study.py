"""A whole study, of which only the training is left out: see tests/study_stub.py."""

import csv
import dataclasses
import json
import threading

import numpy as np
import pytest

from spot_jax import config, study
from spot_jax.campaign.plan import STAGES
from spot_jax.prompts import files
from spot_jax.prompts.library import Library
from tests import study_process, study_stub

TABLES = ("scores.csv", "curves.csv", "similarities.csv")
METHODS = {"baseline": 4, "transfer": 8, "average": 4, "mixture": 8, "longer": 4}


@pytest.fixture(scope="module", autouse=True)
def snack():
    """The task that the study adds to the demo's."""
    study_process.add_task()
    yield
    study_process.remove_task()


@pytest.fixture(autouse=True)
def nothing_is_trained(monkeypatch):
    monkeypatch.setattr(study, "tune", study_stub.tune)


def do(study_dir, *values: dict, flags: tuple[str, ...] = ()) -> None:
    study.main([*study_process.arguments(study_dir, *values), *flags])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A study by one worker, not interrupted."""
    folder = tmp_path_factory.mktemp("study") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "tune", study_stub.tune)
        do(folder, MODEL)
    return folder


MODEL = {
    "INITIAL_CHECKPOINT_PATH": "nowhere",
    "TASK_FEATURE_LENGTHS": "{'inputs': 32, 'targets': 8}",
}


def read(path) -> list[dict]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def is_same(one, other) -> bool:
    return all((one / t).read_bytes() == (other / t).read_bytes() for t in TABLES)


def test_every_tuning_of_a_target_has_a_score_and_a_curve(whole):
    scores, curves = read(whole / "scores.csv"), read(whole / "curves.csv")
    found = {m: sum(row["method"] == m for row in scores) for m in METHODS}
    assert found == METHODS
    assert len(scores) == sum(METHODS.values())
    for row in scores:
        is_combined = row["method"] in ("average", "mixture")
        assert row["measure"] == ("per_token" if is_combined else "")
        assert bool(row["k"]) == is_combined
        assert bool(row["source"]) == (row["method"] == "transfer")
        key = list(row)[:7]
        its_own = [c for c in curves if all(c[name] == row[name] for name in key)]
        steps = range(1, 11) if row["method"] == "longer" else range(2, 5, 2)
        assert [int(line["step"]) for line in its_own] == [*steps]
        best = max(its_own, key=lambda line: float(line["score"]))
        assert (best["step"], best["score"]) == (row["step"], row["score"])


def test_all_embeddings_are_compared_with_all(whole):
    rows = read(whole / "similarities.csv")
    values = {tuple(row.values())[:5]: float(row["similarity"]) for row in rows}
    assert len(rows) == len(values) == 2 * 8 * 8
    for (measure, *pair), value in values.items():
        assert value == values[measure, *pair[2:], *pair[:2]]
        if measure == "average_tokens" and pair[:2] == pair[2:]:
            assert value == pytest.approx(1)


def test_longer_runs_are_scored_at_their_end_where_the_others_are(tmp_path):
    """Else a control would be chosen by its scores, and the others would not."""
    stages = "['sources', 'baselines', 'longer_baselines', 'longer_transfers']"
    do(tmp_path, MODEL, {"STAGES": stages, "TARGET_EVAL_PERIOD": 4})
    scores, curves = read(tmp_path / "scores.csv"), read(tmp_path / "curves.csv")
    longer = [row for row in scores if row["method"].startswith("longer")]
    assert {row["step"] for row in longer} == {"10"}
    points = {tuple(list(c.values())[:8]): c["score"] for c in curves}
    for row in longer:
        assert row["score"] == points[*list(row.values())[:7], "10"]
    steps = [c["step"] for c in curves if c["method"] == "longer"]
    assert steps == 4 * [str(step) for step in range(1, 11)]
    check_most_similar(tmp_path, [r for r in longer if r["method"] == "longer_similar"])


def check_most_similar(folder, longer: list[dict]) -> None:
    """Looks up whether each starts from the prompt most similar to its own target."""
    assert len(longer) == 4
    similar = read(folder / "similarities.csv")
    for row in longer:
        found = {
            (line["second"], line["second_seed"]): float(line["similarity"])
            for line in similar
            if (line["first"], line["first_seed"]) == (row["target"], row["seed"])
            and line["measure"] == "per_token"
            and line["second"] in study_process.VALUES["SOURCES"]
        }
        assert (row["source"], row["source_seed"]) == max(found, key=found.get)


def test_a_study_of_an_earlier_version_goes_on_and_does_the_controls(
    whole, tmp_path, monkeypatch
):
    """Its STAGES had no controls, and its runs keep their numbers."""
    earlier = [name for name in STAGES if not name.startswith("longer")]
    do(tmp_path, MODEL, {"STAGES": earlier})
    assert json.loads((tmp_path / "study.json").read_text())["runs"]["finished"] == 6
    monkeypatch.setattr(study, "tune", only_stage("longer_baselines"))
    do(tmp_path, MODEL)
    assert is_same(whole, tmp_path)


def only_stage(stage: str):
    """Does runs of one stage, and refuses others."""

    def tune(run, bank, folder):
        assert run.stage == stage
        study_stub.tune(run, bank, folder)

    return tune


def rows_of(folder, stage: str) -> dict:
    lines = json.loads((folder / f"runs/{stage}-000/tunings.json").read_text())
    return {tuple(line["tuning"].values()): line["name"] for line in lines}


def source(folder, name: str, kind: str):
    path = folder / "runs/sources-000/prompts" / name / f"{kind}.safetensors"
    return files.read(path).bundle.enc_input


def test_an_average_is_of_the_sources_closest_to_the_target(whole):
    similarities = {
        (row["second"], row["second_seed"]): float(row["similarity"])
        for row in read(whole / "similarities.csv")
        if (row["measure"], row["first"], row["first_seed"])
        == ("per_token", "demo_film", "1")
        and row["second"] in study_process.VALUES["SOURCES"]
    }
    best = sorted(similarities, key=similarities.get, reverse=True)[:3]
    weights = {key: max(similarities[key], 0) for key in best}
    total = sum(weights.values())
    expected = sum(
        (weight / total if total else 1 / 3) * source(whole, f"{n}-seed{s}", "best")
        for (n, s), weight in weights.items()
    )
    average = files.read(whole / "starts/average-demo_film-seed1-top3.safetensors")
    np.testing.assert_allclose(average.bundle.enc_input, expected, rtol=1e-5, atol=1e-6)
    assert average.story["model"] == study_stub.MODEL


def test_equal_mixtures_are_tuned_once_and_start_the_target_from_their_end(whole):
    mixtures = rows_of(whole, "mixtures")
    assert len(mixtures) == 8
    folder = whole / "runs/mixtures-000/prompts"
    assert {path.name for path in folder.iterdir()} == set(mixtures.values())
    # All four sources are of two tasks.
    for (*_, target, _, _, k), name in (
        ((None, *key[1:]), name) for key, name in mixtures.items()
    ):
        if k == 4:
            tasks = sorted([target, *study_process.VALUES["SOURCES"]])
            assert name.startswith(".".join(tasks) + "-seed")
    assert len(rows_of(whole, "mixture_targets")) == 8


def test_the_library_holds_the_sources(whole):
    library = Library(whole / "library")
    assert library.names() == [
        *("demo_food-seed0", "demo_food-seed1", "demo_topic-seed0", "demo_topic-seed1"),
    ]
    entry = library.read("demo_topic-seed1")
    for array, kind in ((entry.prompt, "best"), (entry.embedding, "embedding")):
        np.testing.assert_array_equal(
            array.enc_input, source(whole, "demo_topic-seed1", kind)
        )


def test_study_json_says_what_ran(whole):
    story = json.loads((whole / "study.json").read_text())
    assert story["sources"] == study_process.VALUES["SOURCES"]
    assert story["mixture_ks"] == [1, 4]
    # Longer transfers are not asked for.
    assert story["runs"] == {"finished": 7, "all": 8}
    # The tasks of the demo are of one family.
    assert story["unrelated"] == dict.fromkeys(study_process.VALUES["TARGETS"])
    assert story["model"] == study_stub.MODEL
    assert story["prompt"] == "enc_input [5, 64]"
    assert story["measures"] == ["average_tokens", "per_token"]
    assert story["commands"][0].startswith("spot_jax study --gin_file=gin/runs/study")
    assert story["wall_seconds"] > 0
    assert story["peak_memory_gb"] > 0


def test_a_finished_study_is_not_done_again(whole, monkeypatch):
    before = {name: (whole / name).read_bytes() for name in TABLES}
    (whole / "scores.csv").unlink()

    def refuse(*args, **kwargs):
        raise AssertionError("a finished run was opened")

    monkeypatch.setattr(study, "tune", refuse)
    monkeypatch.setattr(study, "open_data", refuse)
    do(whole, MODEL)
    assert {name: (whole / name).read_bytes() for name in TABLES} == before


def test_what_a_killed_worker_left_is_removed_and_nobody_elses(whole):
    ours = [whole / ".scores.csv.17-0123abcd.tmp"]
    ours += [whole / "workers" / ".1of1.json.17-0123abcd.tmp"]
    theirs = [whole / ".config.gin.17-0123abcd.tmp"]
    theirs += [whole / "workers" / ".2of2.json.17-0123abcd.tmp"]
    for path in (*ours, *theirs):
        path.write_text("half")
    do(whole, MODEL)
    assert not any(path.exists() for path in ours)
    for path in theirs:
        path.unlink()


def test_a_study_stopped_in_every_run_ends_as_the_whole(whole, tmp_path, monkeypatch):
    def stop(run, bank, folder):
        half = dataclasses.replace(bank, rows=bank.rows[:-1])
        study_stub.tune(run, half if len(bank.rows) > 1 else bank, folder)
        raise KeyboardInterrupt

    for number in range(7):
        monkeypatch.setattr(study, "tune", stop)
        with pytest.raises(KeyboardInterrupt):
            do(tmp_path, MODEL)
        monkeypatch.setattr(study, "tune", only(number))
        with pytest.raises((Stopped, SystemExit)):
            do(tmp_path, MODEL)
            raise SystemExit
    assert is_same(whole, tmp_path)


class Stopped(Exception):
    """Ends a study."""


def only(number: int):
    """Does one run and stops at the next."""

    def tune(run, bank, folder):
        if run.number > number:
            raise Stopped
        study_stub.tune(run, bank, folder)

    return tune


def test_a_mistake_mended_before_the_first_run_is_no_other_study(tmp_path, monkeypatch):
    def fail(*args):
        raise ValueError("no such vocabulary")

    monkeypatch.setattr(study, "tune", fail)
    with pytest.raises(ValueError, match="no such vocabulary"):
        do(tmp_path, MODEL, {"VOCABULARY": "wrong"})
    monkeypatch.setattr(study, "tune", only(0))
    with pytest.raises(Stopped):
        do(tmp_path, MODEL)
    assert "baseline" not in (tmp_path / "scores.csv").read_text()
    with pytest.raises(ValueError, match=r"STUDY_DIR .* another configuration"):
        do(tmp_path, MODEL, {"SEEDS": "[0, 1, 2]"})


def test_stages_are_done_one_after_the_other(whole, tmp_path):
    do(tmp_path, MODEL, {"STAGES": "['sources']", "BEST_KS": "[1]"})
    assert len(read(tmp_path / "scores.csv")) == 0
    with pytest.raises(ValueError, match="STAGES has averages, which needs baselines"):
        do(tmp_path, MODEL, {"STAGES": "['averages']"})
    do(tmp_path, MODEL, {"STAGES": "['transfers', 'baselines']"})
    assert {row["method"] for row in read(tmp_path / "scores.csv")} == {
        *("baseline", "transfer"),
    }
    do(tmp_path, MODEL)
    assert is_same(whole, tmp_path)


def test_workers_do_a_study_together(whole, tmp_path):
    config.parse_flags("study", study_process.arguments(tmp_path, MODEL))
    work = config.configured(study.study)
    threads = [
        threading.Thread(target=work, kwargs={"worker": (i, 3)}) for i in (1, 2, 3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert is_same(whole, tmp_path)
    assert len(list((tmp_path / "workers").iterdir())) == 3
