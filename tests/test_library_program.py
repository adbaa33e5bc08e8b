"""`spot_jax library`: a run or a file goes in, is shown and checked, and comes out."""

import json

import numpy as np
import pytest

from spot_jax import library_program as program
from spot_jax.errors import InputError
from spot_jax.prompts import files
from spot_jax.prompts.library import Library
from tests import runs
from tests.bundles import assert_same, everywhere, soft
from tests.prompts.entries import entry, write_run

MODEL = ["--model", "t5_small"]


@pytest.fixture
def spot(tmp_path, capsys):
    """Calls the program with DIR in the second place, and returns what it printed."""

    def call(command, *arguments):
        program.main([command, str(tmp_path / "library"), *map(str, arguments)])
        return capsys.readouterr().out

    return call


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run", "sst2-seed0", "rte-seed1")


def test_a_run_is_added_once(spot, run):
    assert spot("add", run) == "rte-seed1: added\nsst2-seed0: added\n"
    assert spot("add", run).count("is there already") == 2


def test_prompts_of_a_run_may_be_chosen(spot, run, tmp_path):
    assert spot("add", run, "--name", "sst2-seed0") == "sst2-seed0: added\n"
    with pytest.raises(ValueError, match="no prompt cb; it has rte-seed1, sst2-seed0"):
        spot("add", run, "--name", "rte-seed1", "--name", "cb")
    assert Library(tmp_path / "library").names() == ["sst2-seed0"]


def test_an_add_that_was_killed_half_way_goes_on(spot, run, tmp_path):
    Library(tmp_path / "library").add(entry("rte-seed1", seed=1))
    assert spot("add", run) == "rte-seed1: is there already\nsst2-seed0: added\n"


def test_the_list_is_a_table(spot, run, tmp_path):
    spot("add", run)
    path = tmp_path / "other.npy"
    files.write_numpy(path, entry(seed=9).prompt)
    of = ["--name", "o", "--task", "cb", "--seed", 7]
    spot("add", path, *of, "--model", entry().model["fingerprint"])
    lines = spot("list").splitlines()
    assert [line.split() for line in lines] == [
        ["name", "task", "seed", "steps", "score", "embedding"],
        ["o", "cb", "7", "?", "?", "none", "(the", "prompt)"],
        ["rte-seed1", "rte", "1", "200", "91.00", "step", "100"],
        ["sst2-seed0", "sst2", "0", "200", "90.00", "step", "100"],
    ]
    objects = json.loads(spot("list", "--json"))
    assert [one["has_embedding"] for one in objects] == [False, True, True]
    assert objects[1]["results"] == {"sst2": {"accuracy": 91.0}}
    assert objects[0]["score"] is None


def test_show_tells_everything(spot, run):
    spot("add", run)
    shown = spot("show", "sst2-seed0")
    for told in (
        "enc_input [5, 4], step 200",
        "step 100",
        "sst2 accuracy",
        "0123456789abcdef",
        '"git_commit": "abc"',
        "TRAIN_STEPS = 300",
    ):
        assert told in shown


def test_verify_ends_with_1_and_the_problems(spot, run, tmp_path, capsys):
    spot("add", run)
    assert "2 prompts, nothing wrong" in spot("verify")
    (tmp_path / "library/sst2-seed0/prompt.safetensors").write_bytes(b"")
    (tmp_path / "library/.cb-seed0.1-2.tmp").mkdir()
    with pytest.raises(SystemExit) as ended:
        spot("verify")
    assert ended.value.code == 1
    first, second = capsys.readouterr().out.splitlines()
    assert "add that was killed" in first and "prompt.safetensors is not" in second


@pytest.mark.parametrize("format", ["npy", "peft"])
def test_what_is_exported_can_be_added(format, spot, run, tmp_path):
    spot("add", run)
    out = tmp_path / "new" / "exported"
    assert f"sst2-seed0 as {format}" in spot(
        "export", "sst2-seed0", out, "--format", format
    )
    assert_same(files.read(out).bundle, entry().prompt)
    assert list(out.parent.iterdir()) == [out]
    of = ["--name", "back", "--task", "sst2", "--seed", 0]
    said = spot("add", out, *of, "--model", "0123456789abcdef")
    assert said.startswith("back: added\nWithout a prompt of an early step")
    with pytest.raises(ValueError, match="is there already. Choose another name"):
        spot("export", "rte-seed1", out, "--format", format)
    assert_same(files.read(out).bundle, entry().prompt)


@pytest.fixture
def model(tmp_path):
    """The folder of a model of transformers."""
    (tmp_path / "t5").mkdir()
    (tmp_path / "t5/config.json").write_text("{}")
    return tmp_path / "t5"


def test_an_adapter_names_the_model_it_was_trained_for(spot, model, tmp_path):
    told = {"fingerprint": "0" * 16, "source": str(model)}
    Library(tmp_path / "library").add(entry(model=told))

    def exported(to, *more):
        said = spot("export", "sst2-seed0", tmp_path / to, "--format", "peft", *more)
        config = json.loads((tmp_path / to / "adapter_config.json").read_text())
        return config["base_model_name_or_path"], said

    named, said = exported("a")
    assert named == str(model) and f"Its base model is {model} (--base" in said
    named, said = exported("b", "--base_model", "google/flan-t5-base")
    assert named == "google/flan-t5-base" and "google/flan-t5-base" in said
    (model / "config.json").unlink()
    named, said = exported("c")
    assert named is None and "is not known here; for AutoPeftModelFor" in said
    assert str(model) in said
    # An empty name is none.
    assert exported("d", "--base_model", "")[0] is None


def test_a_base_model_has_no_place_in_an_array(spot, run, tmp_path):
    spot("add", run)
    out = [tmp_path / "out.npy", "--format", "npy", "--base_model", "google/a"]
    with pytest.raises(InputError, match="--base_model is of a PEFT adapter"):
        spot("export", "sst2-seed0", *out)
    assert not out[0].exists()


@pytest.mark.parametrize("format", ["npy", "peft"])
def test_other_sites_than_the_input_have_no_file_elsewhere(format, spot, tmp_path):
    prompt = everywhere(5)
    Library(tmp_path / "library").add(entry(prompt=prompt, embedding=prompt))
    with pytest.raises(ValueError, match=r"enc_hidden .* in front of the input alone"):
        spot("export", "sst2-seed0", tmp_path / "out", "--format", format)
    assert [path.name for path in tmp_path.iterdir()] == ["library"]


@pytest.mark.parametrize("format", ["npy", "peft"])
def test_an_export_that_cannot_be_written_has_a_cure(format, spot, run, tmp_path):
    spot("add", run)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot be written .*a place of yours"):
        spot("export", "sst2-seed0", tmp_path / "file" / "out", "--format", format)


def test_a_run_says_everything_itself(spot, run):
    with pytest.raises(ValueError, match="is a run.*what --seed, --model would"):
        spot("add", run, "--seed", 0, *MODEL)


def test_a_file_has_one_name(spot, tmp_path):
    files.write_numpy(tmp_path / "a.npy", entry().prompt)
    with pytest.raises(ValueError, match="is one prompt: give --name once"):
        spot("add", tmp_path / "a.npy", "--name", "a", "--name", "b")


@pytest.fixture
def others(tmp_path):
    """Three prompts of another program, each a file."""
    made = [tmp_path / f"{name}.npy" for name in ("sst2", "rte", "cb")]
    for seed, path in enumerate(made):
        files.write_numpy(path, entry(seed=seed).prompt)
    return made


def test_several_files_are_added_at_once_under_their_names(spot, others, tmp_path):
    said = spot("add", *others, *MODEL).splitlines()
    assert said[:3] == ["sst2: added", "rte: added", "cb: added"]
    assert said[3].endswith("the task is taken to be called: sst2, rte, cb.")
    assert said[4].startswith("Without a prompt of an early step (--embedding)")
    assert said[4].endswith("stands in when tasks are compared: sst2, rte, cb.")
    kept = Library(tmp_path / "library").entries()
    assert [(e.name, e.task, e.seed, e.embedding) for e in kept] == [
        (name, name, None, None) for name in ("cb", "rte", "sst2")
    ]
    assert spot("list").splitlines()[1].split()[:4] == ["cb", "cb", "?", "?"]
    assert ["seed", "?"] in [line.split() for line in spot("show", "cb").splitlines()]


def test_what_is_given_with_several_files_is_of_all_of_them(spot, others, tmp_path):
    spot("add", *others, *MODEL, "--task", "boolq", "--seed", 3, "--step", 100)
    kept = Library(tmp_path / "library").entries()
    assert {(e.task, e.seed, e.prompt_step) for e in kept} == {("boolq", 3, 100)}


@pytest.mark.parametrize("option", ["name", "score", "embedding"])
def test_what_is_of_one_prompt_is_not_given_to_several(option, spot, others, tmp_path):
    with pytest.raises(InputError, match=f"--{option} is of one prompt, and .* 3 sour"):
        spot("add", *others, *MODEL, f"--{option}", "1")
    assert not (tmp_path / "library").exists()


def test_of_several_files_none_is_added_where_one_is_wrong(spot, others, tmp_path):
    files.write_numpy(others[2], soft(np.zeros((5, 4))))
    with pytest.raises(InputError, match="The prompt of cb has a vector of zeros"):
        spot("add", *others, *MODEL)
    assert not (tmp_path / "library").exists()
    twin = tmp_path / "again" / "rte.npy"
    files.write_numpy(twin, entry().prompt)
    with pytest.raises(InputError, match="Several are called rte. Add these alone"):
        spot("add", *others[:2], twin, *MODEL)
    assert not (tmp_path / "library").exists()


def test_of_a_file_of_several_arrays_each_is_a_prompt(spot, tmp_path):
    path = tmp_path / "all.npz"
    arrays = {name: entry(seed=n).prompt.enc_input for n, name in enumerate("abc")}
    np.savez(path, **arrays)
    assert spot("add", path, *MODEL, "--name", "b").splitlines()[0] == "b: added"
    assert spot("add", path, *MODEL).splitlines()[:3] == [
        "a: added",
        "b: is there already",
        "c: added",
    ]
    kept = Library(tmp_path / "library")
    assert kept.read("c").task == "c"
    assert_same(kept.read("c").prompt, soft(arrays["c"]))
    with pytest.raises(InputError, match="has no prompt d; it has a, b, c"):
        spot("add", path, *MODEL, "--name", "d")
    with pytest.raises(InputError, match="all.npz:a is one of several prompts"):
        spot("add", path, *MODEL, "--embedding", path)


def test_a_tilde_is_the_home_folder(spot, others, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    program.main(["add", "~/mine", "~/cb.npy", "--embedding", "~/rte.npy", *MODEL])
    program.main(["export", "~/mine", "cb", "~/out.npy", "--format", "npy"])
    assert (tmp_path / "out.npy").read_bytes() == (tmp_path / "cb.npy").read_bytes()
    assert Library("~/mine").verify() == []


def test_what_a_header_says_commands_no_terminal(spot, run, capsys):
    best = run / "prompts/sst2-seed0/best.safetensors"
    text = "X = 1\n\x1b[2J\x1b]0;owned\x07"
    files.write(best, entry().prompt, files.read(best).story | {"configuration": text})
    spot("add", best)
    shown = spot("show", "sst2-seed0")
    assert "\x1b" not in shown and "X = 1\n\\x1b[2J" in shown


def test_a_source_that_is_absent_is_refused(spot, tmp_path):
    with pytest.raises(ValueError, match="There is no prompt file"):
        spot("add", tmp_path / "none")
    with pytest.raises(ValueError, match="holds no prompts"):
        spot("list")


def test_the_real_prompts_of_17_tasks_make_a_library(spot, shared, tmp_path):
    source = shared / "fixtures/prompt_transferability_t5/t5_small.npz"
    base = shared / "fixtures/prompt_tuning_pretrained_prompts/t5_1_1_lm100k_base"
    if not source.exists() or not base.exists():
        pytest.skip(f"{source} or {base} is absent")
    with np.load(source) as prompts:
        spot("add", source, *MODEL)
        assert len(spot("list").splitlines()) == 1 + 17
        for kept in Library(tmp_path / "library").entries():
            assert_same(kept.prompt, soft(prompts[kept.name]))
            assert_same(kept.compared, soft(prompts[kept.name]))
    with pytest.raises(ValueError, match=r": \[100, 768\]}, .* \[100, 512\]}; its m"):
        of = ["--name", "sst2", "--task", "sst2", "--seed", 0]
        spot("add", base / "sst2.npy", *of, "--model", "t5_1_1_lm100k_base")
    assert "17 prompts, nothing wrong" in spot("verify")


def test_a_real_run_goes_in_with_the_score_it_had(spot, demo_model, tmp_path):
    [(name, best)] = runs.train(tmp_path / "run", demo_model).items()
    spot("add", tmp_path / "run")
    kept = Library(tmp_path / "library").read(name)
    assert kept.score == pytest.approx(best.score)
    assert (kept.prompt_step, kept.results) == (best.step, best.results)
    assert (kept.embedding_step, kept.prompt.enc_input.shape) == (6, (5, 64))
    assert "demo_food" in kept.configuration
    assert kept.provenance["run"]["versions"]


def test_a_run_whose_description_is_damaged_is_named(spot, run):
    for text in ('{"command": [', "", "[]", "3"):
        (run / "run.json").write_text(text)
        with pytest.raises(InputError, match="run.json is n.* Delete it"):
            spot("add", run)


def test_a_score_is_a_finite_number(spot, run, capsys):
    with pytest.raises(SystemExit):
        spot("add", run / "prompts/sst2-seed0/best.safetensors", "--score", "nan")
    assert "invalid" in capsys.readouterr().err
