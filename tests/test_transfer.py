"""A library is ranked for a target: what is chosen, written and told."""

import json
import math
import pathlib
import shlex

import numpy as np
import pytest

from spot_jax import transfer
from spot_jax.errors import InputError
from spot_jax.prompts import files
from spot_jax.prompts.library import Library, from_run
from tests import library_on_disk
from tests.bundles import assert_same, soft
from tests.library_on_disk import MODEL, SOURCES, entry, towards, write_target
from tests.prompts.entries import write_run


@pytest.fixture
def library(tmp_path):
    return library_on_disk.small_library(tmp_path / "library")


@pytest.fixture
def run(library, tmp_path):
    return library_on_disk.caller(library, tmp_path)


def test_the_best_of_top_k_are_written_in_the_order_of_the_ranking(
    run, library, capsys
):
    out, record = run("best", k=3)
    (told,) = record["targets"]
    assert [line["entry"] for line in told["ranking"]] == list(SOURCES)[:4]
    assert [line["similarity"] for line in told["ranking"]] == pytest.approx(
        [math.cos(math.radians(angle)) for angle in (10, 20, 60, 120)], abs=1e-6
    )
    assert told["chosen"] == list(SOURCES)[:3]
    for rank, name in enumerate(told["chosen"], 1):
        start = files.read(out / f"start-{rank}.safetensors")
        assert_same(start.bundle, library.read(name).prompt)
        assert start.story["kind"] == "start" and start.story["model"] == MODEL
        (source,) = start.story["provenance"]["sources"]
        assert (source["entry"], source["rank"]) == (name, rank)
        assert source["similarity"] == told["ranking"][rank - 1]["similarity"]
        assert start.story["provenance"]["target"]["name"] == "rte-seed1"
    written = sorted(path.name for path in out.iterdir())
    starts = [f"start-{rank}.safetensors" for rank in (1, 2, 3)]
    assert written == ["ranking.json", *starts, "target.gin"]
    shown = capsys.readouterr().out
    assert "rte-seed1 (rte, step 100): 4 prompts ranked by per_token" in shown
    lines = [line.split() for line in shown.splitlines()]
    assert ["*", "1", "mnli-seed0", "mnli", "0", "0.9848"] in lines
    assert ["4", "squad-seed0", "squad", "0", "-0.5000"] in lines
    assert told["commands"][0] in shown


def test_entries_of_the_targets_own_task_are_left_out_and_named(run, tmp_path, capsys):
    told = run("best", k=1)[1]["targets"][0]
    assert told["left_out"] == {"rte-seed0": "is of the target's own task, rte"}
    assert "rte-seed0 (--include_target keeps them)" in capsys.readouterr().out
    told = run("best", k=1, include_target=True, out=tmp_path / "more")[1]["targets"][0]
    assert told["chosen"] == ["rte-seed0"]
    assert told["left_out"] == {}


def test_a_prompt_without_an_embedding_stands_in_and_that_is_said(run, library, capsys):
    final = soft(towards(15))
    library.add(entry("wic-seed0", "wic", prompt=final, embedding=None))
    told = run("best", k=4)[1]["targets"][0]
    assert told["chosen"][:2] == ["mnli-seed0", "wic-seed0"]
    assert told["ranking"][1]["similarity"] == pytest.approx(
        math.cos(math.radians(15)), abs=1e-6
    )
    said = "No early prompt was kept of wic-seed0: the final prompt stands in"
    assert said in capsys.readouterr().out


def test_a_seed_that_nobody_knows_is_a_question_mark(run, library, capsys):
    library.add(entry("wic-seed0", "wic", 1, seed=None))
    run("best", k=1)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["*", "1", "wic-seed0", "wic", "?", "0.9998"] in lines


def test_the_average_weighs_by_similarity_and_tells_of_negative_ones(run, library):
    out, record = run("average", k=4)
    told = record["targets"][0]
    positive = [math.cos(math.radians(angle)) for angle in (10, 20, 60)]
    alpha = [*(value / sum(positive) for value in positive), 0.0]
    assert [n["weight"] for n in told["ranking"]] == pytest.approx(alpha, abs=1e-6)
    start = files.read(out / "start.safetensors")
    prompts = [library.read(name).prompt.enc_input for name in told["chosen"]]
    expected = np.tensordot(alpha, prompts, 1)
    np.testing.assert_allclose(start.bundle.enc_input, expected, atol=1e-6)
    assert "1 of the 4 similarities are negative" in " ".join(told["notes"])
    header = start.story["provenance"]["sources"]
    assert [source["weight"] for source in header] == pytest.approx(alpha, abs=1e-6)


def test_where_no_similarity_is_positive_the_average_is_plain(run, library, tmp_path):
    away = write_target(tmp_path / "away.safetensors", -towards(0), task="squad")
    out, record = run("average", k=2, target=away)
    told = record["targets"][0]
    assert told["chosen"] == ["qqp-seed0", "mnli-seed1"]
    assert [line["weight"] for line in told["ranking"]] == [0.5, 0.5, 0, 0]
    assert "None of the 2 similarities is positive" in " ".join(told["notes"])
    two = [library.read(name).prompt.enc_input for name in told["chosen"]]
    plain = (two[0] + two[1]) / 2
    found = files.read(out / "start.safetensors").bundle.enc_input
    np.testing.assert_allclose(found, plain, atol=1e-6)


def test_a_mixture_is_of_distinct_tasks_mixtures_resolved_and_the_target(run, library):
    own = "MIXTURES = \\\n    {'mine': ['squad',\n     'boolq']}\nTRAIN_STEPS = 7\n"
    long = "TASK_FEATURE_LENGTHS = {'inputs': 256, 'targets': 64}\n"
    library.add(entry("mine-seed0", "mine", 1, configuration=own + long))
    library.add(entry("similarity_mixture-seed0", "similarity_mixture", 2))
    out, record = run("mixture", k=4)
    text = (out / "mixture.gin").read_text()
    members = ["squad", "boolq", "cxc", "mrpc", "qqp", "stsb", "mnli", "rte"]
    assert f"MIXTURES = {{'rte_top4': {members!r}}}" in text
    assert "TASK_FEATURE_LENGTHS = {'inputs': 512, 'targets': 64}" in text
    assert (
        (out / "source.gin")
        .read_text()
        .endswith("MIXTURES = {'mine': ['squad', 'boolq']}\nTRAIN_STEPS = 7\n" + long)
    )
    train, tune = record["targets"][0]["commands"]
    assert f"--gin_file={out}/mixture.gin" in shlex.split(train)
    final = f"{out}/mixture/prompts/rte_top4-seed1/last.safetensors"
    assert f"--gin.PROMPT_FILE={final}" in shlex.split(tune)


@pytest.mark.parametrize("method", ["single", "generic"])
def test_a_named_source_is_the_start_with_and_without_a_target(
    run, library, tmp_path, capsys, method
):
    told = run(method, source="qqp-seed0", out=tmp_path / "a")[1]["targets"][0]
    alone = run(method, source="qqp-seed0", target=None, out=tmp_path / "b")[1]
    for out in ("a", "b"):
        start = files.read(tmp_path / out / "start.safetensors")
        assert_same(start.bundle, library.read("qqp-seed0").prompt)
    (line,) = [line for line in told["ranking"] if line["chosen"]]
    assert (line["rank"], line["entry"]) == (3, "qqp-seed0")
    assert alone["targets"][0]["name"] is None
    assert "gin/models/MODEL.gin" in alone["targets"][0]["commands"][0]
    assert "in place of MODEL, LENGTHS" in capsys.readouterr().out
    notes = " ".join(told["notes"])
    assert ("one start for all targets" in notes) == (method == "generic")
    assert ("qqp is a single task" in notes) == (method == "generic")


def test_the_oracle_is_the_best_by_score_and_writes_a_prompt_when_asked(
    run, library, tmp_path, capsys
):
    library.add(entry("wic-seed0", "wic", embedding=None, embedding_step=None))
    scores = tmp_path / "scores.csv"
    scores.write_text("source,score\nmnli-seed0,61\nwic-seed0,72.5\nrte-seed0,99\n")
    out, record = run("oracle", scores=scores)
    assert [path.name for path in out.iterdir()] == ["ranking.json"]
    told = record["targets"][0]
    assert told["chosen"] == ["wic-seed0"] and told["commands"] == []
    assert "The oracle is wic-seed0: 72.5." in told["notes"]
    assert "3 of 5 entries have no score" in " ".join(told["notes"])
    assert {n["entry"]: n["target_score"] for n in told["ranking"]}["mnli-seed0"] == 61
    assert "72.5000" in capsys.readouterr().out
    out, _ = run("oracle", scores=scores, write_prompt=True, out=tmp_path / "b")
    start = files.read(out / "start.safetensors").bundle
    assert_same(start, library.read("wic-seed0").prompt)
    _, record = run("oracle", scores=scores, target=None, out=tmp_path / "c")
    assert record["targets"][0]["chosen"] == ["rte-seed0"]


def test_each_of_several_targets_is_ranked_on_its_own(run, tmp_path):
    seeds = [
        write_target(tmp_path / "a.safetensors", name="rte-seed1"),
        write_target(tmp_path / "b.safetensors", towards(60, 7), name="rte-seed2"),
    ]
    out, record = run("best", k=1, target=seeds)
    assert [told["chosen"] for told in record["targets"]] == [
        ["mnli-seed0"],
        ["qqp-seed0"],
    ]
    for told in record["targets"]:
        start = files.read(out / told["name"] / "start-1.safetensors")
        assert start.story["provenance"]["target"]["name"] == told["name"]
        assert f"{out}/{told['name']}/tuned" in told["commands"][0]


@pytest.mark.parametrize(
    ("method", "usual"), [("best", 9), ("average", 3), ("mixture", 12)]
)
def test_without_k_a_method_takes_what_is_usual_or_all_there_are(
    run, library, tmp_path, method, usual
):
    told = run(method)[1]["targets"][0]
    assert len(told["chosen"]) == min(usual, 4)
    for seed in range(2, 2 + usual):
        library.add(entry(f"mnli-seed{seed}", "mnli", 30 + seed, seed=seed))
    told = run(method, out=tmp_path / "more")[1]["targets"][0]
    assert len(told["chosen"]) == usual
    told = run(method, k=2, out=tmp_path / "two")[1]["targets"][0]
    assert len(told["chosen"]) == 2


def test_the_usual_k_of_nothing_to_rank_is_one_message(tmp_path):
    only = Library(tmp_path / "only")
    only.add(entry("rte-seed0", "rte"))
    target = write_target(tmp_path / "embedding.safetensors")
    argv = [str(only.folder), "--target", str(target), "--method", "best"]
    with pytest.raises(InputError, match="nothing to rank for rte-seed1"):
        transfer.main([*argv, "--out", str(tmp_path / "out")])


def test_a_run_stands_for_its_prompts_as_sources_and_as_targets(tmp_path):
    sources = write_run(tmp_path / "sources", "sst2-seed0", "mnli-seed1")
    targets = write_run(tmp_path / "targets", "rte-seed0", "cb-seed1")
    argv = [str(sources), "--target", str(targets), "--method", "best"]
    transfer.main([*argv, "--out", str(tmp_path / "out")])
    record = json.loads((tmp_path / "out/ranking.json").read_text())
    assert [told["name"] for told in record["targets"]] == ["cb-seed1", "rte-seed0"]
    for told in record["targets"]:
        assert {*told["chosen"]} == {"sst2-seed0", "mnli-seed1"}
        start = files.read(tmp_path / "out" / told["name"] / "start-1.safetensors")
        best = sources / "prompts" / told["chosen"][0] / "best.safetensors"
        assert_same(start.bundle, files.read(best).bundle)
    # A library of the same run says the same.
    Library(tmp_path / "library")
    for kept in from_run(sources):
        Library(tmp_path / "library").add(kept)
    argv[0] = str(tmp_path / "library")
    transfer.main([*argv, "--out", str(tmp_path / "again")])
    again = json.loads((tmp_path / "again/ranking.json").read_text())
    for one, other in zip(record["targets"], again["targets"], strict=True):
        assert one["ranking"] == other["ranking"]


def test_a_run_without_embeddings_is_no_target(library, tmp_path):
    target = write_run(tmp_path / "run", "rte-seed0", kinds=("best", "last"))
    argv = [str(library.folder), "--target", str(target), "--method", "best"]
    with pytest.raises(InputError, match="rte-seed0 has no embedding.*EMBEDDING_STEP"):
        transfer.main([*argv, "--out", str(tmp_path / "out")])


def test_a_run_that_is_not_finished_has_no_sources(run, tmp_path):
    begun = write_run(tmp_path / "run", "rte-seed0", kinds=("best", "embedding"))
    target = tmp_path / "target" / "embedding.safetensors"
    argv = [str(begun), "--target", str(target), "--method", "best"]
    with pytest.raises(InputError, match="not finished: rte-seed0"):
        transfer.main([*argv, "--out", str(tmp_path / "out")])


@pytest.mark.parametrize(
    "change",
    [
        {"name": "sst2-seed0"},
        {"model": {"fingerprint": "f" * 16}},
        {"shape": (5, 8)},
    ],
)
def test_prompts_that_no_one_run_leaves_are_no_sources(change, library, tmp_path):
    mixed = write_run(tmp_path / "run", "sst2-seed0", "mnli-seed1")
    path = mixed / "prompts/mnli-seed1/best.safetensors"
    prompt, story = files.read(path).bundle, files.read(path).story
    shape = change.pop("shape", None)
    (path.parent / "embedding.safetensors").unlink()
    prompt = soft(np.ones(shape)) if shape else prompt
    files.write(path, prompt, {**story, **change})
    target = write_target(tmp_path / "embedding.safetensors")
    argv = [str(mixed), "--target", str(target), "--method", "best"]
    with pytest.raises(InputError, match="which no one run leaves"):
        transfer.main([*argv, "--out", str(tmp_path / "out")])


def test_both_measures_can_be_asked_for(run, library, tmp_path):
    # One long vector along the target outweighs the average of tokens, not the pairs.
    mixed = np.concatenate([towards(90), 100 * towards(0, 1)])
    library.add(entry("wic-seed0", "wic", embedding=soft(mixed[1:])))
    for measure, first in (
        ("per_token", "mnli-seed0"),
        ("average_tokens", "wic-seed0"),
    ):
        _, record = run("best", k=1, similarity=measure, out=tmp_path / measure)
        assert record["targets"][0]["chosen"] == [first]
        assert record["similarity"] == measure


def test_what_makes_a_comparison_doubtful_is_said(run, library, tmp_path):
    path = tmp_path / "prompt.npy"
    np.save(path, towards(0))
    notes = " ".join(run("best", k=1, target=path)[1]["targets"][0]["notes"])
    assert "--target_task names it" in notes and "only the widths" in notes
    library.add(entry("wic-seed0", "wic", 5, embedding_step=50))
    record = run("best", k=1, out=tmp_path / "b")[1]
    notes = " ".join(record["targets"][0]["notes"])
    assert "embedded at step 100, others at 50" in notes


def test_one_entry_is_enough_and_said_to_be_all(tmp_path, capsys):
    one = Library(tmp_path / "one")
    one.add(entry("wic-seed0", "wic"))
    target = write_target(tmp_path / "embedding.safetensors")
    flags = ["--target", str(target), "--method", "best", "--k", "1"]
    transfer.main([str(one.folder), *flags, "--out", str(tmp_path / "out")])
    assert "There is only wic-seed0 to choose." in capsys.readouterr().out


def test_what_an_earlier_transfer_wrote_is_left_alone(run):
    out, _ = run("best", k=3)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(ValueError, match="is there already"):
        run("average", k=3)
    assert before == {path.name: path.read_bytes() for path in out.iterdir()}


def test_a_write_that_fails_leaves_nothing(run, tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device")

    target = write_target(tmp_path / "embedding.safetensors")
    monkeypatch.setattr(files, "replace_file", full)
    with pytest.raises(ValueError, match="No space left on device"):
        run("best", k=1, target=target)
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


def test_scores_that_are_no_text_are_named(run, tmp_path):
    scores = tmp_path / "scores.csv"
    scores.write_bytes(b"source,score\n\xff,1\n")
    with pytest.raises(InputError, match="scores.csv is not UTF-8.*takes a CSV"):
        run("oracle", scores=scores)
    scores.write_text('source,score\n"' + "x" * 200_000 + '",1\n')
    with pytest.raises(InputError, match="scores.csv is no CSV .*takes a CSV"):
        run("oracle", scores=scores)


def test_scores_of_other_programs_are_read(run, tmp_path):
    """With a byte-order mark, the ends of lines of Windows and a path of the home."""
    scores = tmp_path / "scores.csv"
    scores.write_bytes(b"\xef\xbb\xbfsource,score\r\nmnli-seed0,61\r\n")
    assert run("oracle", scores=scores)[1]["targets"][0]["chosen"] == ["mnli-seed0"]


def test_a_tilde_is_the_home_folder(library, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_target(tmp_path / "a.safetensors")
    (tmp_path / "scores.csv").write_text("source,score\nmnli-seed0,61\n")
    of = ["~/library", "--target", "~/a.safetensors"]
    transfer.main([*of, "--method", "best", "--k", "1", "--out", "~/out"])
    assert (tmp_path / "out" / "start-1.safetensors").exists()
    transfer.main(
        [*of, "--method", "oracle", "--scores", "~/scores.csv", "--out", "~/b"]
    )
    assert (tmp_path / "b" / "ranking.json").exists()


def test_the_current_folder_stays(run, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(ValueError, match="Name a new folder"):
        run("best", k=1, out=pathlib.Path("."))
