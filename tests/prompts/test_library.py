"""The library keeps what it is given, refuses strangers, and finds damage."""

import dataclasses
import hashlib
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from spot_jax.errors import InputError
from spot_jax.prompts import files
from spot_jax.prompts import library as module
from spot_jax.prompts.base import PromptBundle
from spot_jax.prompts.library import Library, from_run
from tests.bundles import assert_same, everywhere, soft
from tests.prompts.entries import entry, write_run

PROMPT = np.ones((5, 4), np.float32)
WRITERS = pathlib.Path(__file__).with_name("writers.py")


@pytest.fixture
def library(tmp_path):
    """A library of two prompts."""
    made = Library(tmp_path / "new" / "library")
    for seed, name in enumerate(("sst2-seed0", "rte-seed1")):
        made.add(entry(name, seed=seed))
    return made


def same(one, other):
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, PromptBundle):
            assert_same(a, b)
        else:
            np.testing.assert_equal(a, b, err_msg=field.name)


def test_an_entry_comes_back_as_it_was(library):
    assert library.names() == ["rte-seed1", "sst2-seed0"]
    same(library.read("sst2-seed0"), entry())
    assert [found.name for found in library.entries()] == library.names()
    assert library.read("sst2-seed0").prompt.enc_input.dtype == np.float32
    assert library.verify() == []


@pytest.mark.parametrize(
    "changes",
    [
        dict(embedding=None, embedding_step=None),
        dict(prompt_step=None, score=None, results={}, configuration=""),
        dict(results={"a": {"x": float("nan")}}, score=None),
        dict(seed=None),
        dict(results={"a": {"x": 1 / 3}, "b": {"loss": -1e-30}}),
        dict(name="seqio:task.v1+rte,k=2@5-seed0"),
    ],
)
def test_whatever_is_unknown_or_odd_comes_back_too(changes, tmp_path):
    library = Library(tmp_path)
    odd = entry(**changes)
    library.add(odd)
    same(library.read(odd.name), odd)
    # NaN is the same as itself here.
    library.add(odd)
    assert library.verify() == []


def test_a_prompt_of_the_library_is_a_prompt_file_like_any_other(library):
    saved = files.read(library.folder / "sst2-seed0" / "prompt.safetensors")
    assert_same(saved.bundle, entry().prompt)
    assert saved.story["model"] == entry().model
    assert saved.story["name"] == "sst2-seed0" and saved.story["step"] == 200


def test_the_same_prompt_may_be_added_again(library):
    before = (library.folder / "sst2-seed0" / "entry.json").read_bytes()
    library.add(entry(provenance={"prompt": "copied elsewhere"}))
    assert (library.folder / "sst2-seed0" / "entry.json").read_bytes() == before


@pytest.mark.parametrize(
    "changes",
    [dict(seed=1), dict(score=1.0), dict(embedding=None), dict(prompt_step=7)],
)
def test_another_prompt_of_the_same_name_is_refused(changes, library):
    with pytest.raises(ValueError, match=r"another prompt.*score 90.*--name"):
        library.add(entry(**changes))
    same(library.read("sst2-seed0"), entry())


OTHER = "f" * 16


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (dict(fingerprint=OTHER), f"model is {OTHER} of gs:.*library's 0123456789abcd"),
        (dict(shape=(5, 8)), r"enc_input': \[5, 8\]}, the library's .*: \[5, 4\]}"),
        (dict(shape=(6, 4)), r"sites are {'enc_input': \[6, 4\]}"),
        (dict(fingerprint=OTHER, shape=(6, 4)), "sites are .*; its model is"),
        (
            dict(model={"source": "t5_1_1_base"}),
            "t5_1_1_base, .*both by .*--model",
        ),
    ],
)
def test_a_prompt_that_does_not_belong_is_refused(changes, match, library):
    with pytest.raises(ValueError, match=f"does not belong in .*{match}.*another fold"):
        library.add(entry("other-seed0", **changes))
    assert library.names() == ["rte-seed1", "sst2-seed0"]
    assert not list(library.folder.glob(".*"))


HIDDEN = PromptBundle(enc_hidden=everywhere(5).enc_hidden)


def of(prompt, name="other-seed0"):
    """Returns an entry whose embedding is its prompt."""
    return entry(name, prompt=prompt, embedding=prompt)


@pytest.mark.parametrize("prompt", [HIDDEN, everywhere(5)])
def test_a_prompt_of_other_sites_is_refused(prompt, library):
    with pytest.raises(ValueError, match="its sites are .*enc_hidden.*, the library's"):
        library.add(of(prompt))
    assert library.names() == ["rte-seed1", "sst2-seed0"]


@pytest.mark.parametrize(
    "modes", [dict(hidden_mode="add"), dict(bias_mode="contiguous")]
)
def test_a_prompt_that_enters_in_another_way_is_refused(modes, tmp_path):
    library = Library(tmp_path)
    library.add(of(everywhere(5), "sst2-seed0"))
    library.add(of(everywhere(5, seed=1), "rte-seed0"))
    with pytest.raises(ValueError, match="its modes are .*, the library's"):
        library.add(of(everywhere(5).replace(**modes)))
    assert library.names() == ["rte-seed0", "sst2-seed0"]


def test_an_entry_of_every_site_comes_back_as_it_was(tmp_path):
    library = Library(tmp_path)
    prompt = everywhere(5).replace(hidden_mode="add", bias_mode="contiguous")
    made = entry(prompt=prompt, embedding=prompt.replace(cross=-prompt.cross))
    library.add(made)
    same(library.read(made.name), made)
    library.add(made)
    with pytest.raises(ValueError, match="another prompt of the name"):
        library.add(of(prompt, made.name))


def test_the_same_numbers_that_enter_in_another_way_are_another_prompt():
    prompt = PromptBundle(cross=everywhere(5).cross)
    assert of(prompt).is_same(of(prompt))
    assert not of(prompt).is_same(of(prompt.replace(bias_mode="contiguous")))
    assert not of(prompt).is_same(of(PromptBundle(dec_self=prompt.cross)))


def write_format_1(library):
    """Makes library.json what it was when it knew soft prompts alone."""
    old = {
        "format": "spot_jax library 1",
        "model": entry().model,
        "kind": "soft",
        "shape": [5, 4],
    }
    (library.folder / "library.json").write_text(json.dumps(old))
    return old


def test_a_library_of_the_first_format_is_read_and_added_to(library):
    old = write_format_1(library)
    same(library.read("sst2-seed0"), entry())
    assert library.verify() == []
    library.add(entry("cb-seed0"))
    assert len(library.entries()) == 3
    # Whoever still has an older program reads it on.
    assert json.loads((library.folder / "library.json").read_text()) == old


@pytest.mark.parametrize(
    ("prompt", "match"),
    [
        (soft(np.ones((6, 4))), r"sites are .*\[6, 4\]}, the library's .*\[5, 4\]}"),
        (HIDDEN, "sites are .*enc_hidden.*; its modes are {'hidden_mode': 'replace'}"),
    ],
)
def test_a_library_of_the_first_format_refuses_strangers(prompt, match, library):
    write_format_1(library)
    with pytest.raises(ValueError, match=match):
        library.add(of(prompt))
    assert library.names() == ["rte-seed1", "sst2-seed0"]


def test_models_that_only_their_names_tell_apart_are_not_mixed(tmp_path):
    library = Library(tmp_path)
    library.add(entry("sst2-seed0", model={"source": "t5_small"}))
    library.add(entry("rte-seed0", model={"source": "t5_small"}))
    with pytest.raises(ValueError, match="model is t5_base, the library's t5_small"):
        library.add(entry("cb-seed0", model={"source": "t5_base"}))


def test_one_model_may_have_been_read_from_two_places(library):
    elsewhere = {"fingerprint": entry().model["fingerprint"], "source": "/a/copy"}
    library.add(entry("cb-seed0", model=elsewhere))
    assert "cb-seed0" in library.names()


def of_shape(*shape):
    """Returns changes of an entry that has an array of this shape alone."""
    return dict(prompt=soft(np.zeros(shape)), embedding=None, embedding_step=None)


ADDED = everywhere(5).replace(hidden_mode="add")


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (dict(prompt=PromptBundle(np.zeros((5, 4)))), "float64.*not float32"),
        (dict(prompt=soft(np.full((5, 4), np.nan))), "not finite.*earlier prompt"),
        (dict(embedding=soft(np.full((5, 4), np.inf))), "embedding of .*finite"),
        (dict(embedding=soft(np.zeros((4, 4)))), r"embedding.*\[4, 4\].*\[5, 4\]"),
        (dict(prompt=PromptBundle()), "prompt of .* is nothing"),
        (of_shape(20), r"\[20\].*\[prompt, d_model\]"),
        (of_shape(1, 5, 4), r"\[1, 5, 4\].*each is one prompt"),
        (dict(embedding=everywhere(5)), "embedding.*enc_hidden.*the same sites"),
        (
            dict(prompt=ADDED, embedding=ADDED.replace(hidden_mode="replace")),
            "the same sites, shapes and modes",
        ),
        (dict(model={}), "does not say of which model.*fingerprint"),
        (
            dict(prompt=soft(np.zeros((5, 4)))),
            "The prompt of sst2-seed0 has a vector of zeros, which no training gives",
        ),
        (
            dict(embedding=soft(np.eye(5, 4))),
            "The embedding of sst2-seed0 has a vector of zeros",
        ),
        (
            dict(prompt=soft(np.eye(5, 4)), embedding=None),
            "The prompt of sst2-seed0 has a vector of zeros",
        ),
        (dict(name="x" * 300), "cannot be the name"),
        (dict(name="a\nb"), "cannot be the name"),
        (dict(name="../evil"), "cannot be the name.*--name"),
        (dict(name=".hidden"), "cannot be the name"),
        (dict(name=""), "cannot be the name"),
        (dict(name="library.json"), "cannot be the name"),
    ],
)
def test_an_entry_that_is_unusable_is_refused(changes, match, tmp_path):
    library = Library(tmp_path / "library")
    with pytest.raises(ValueError, match=match):
        library.add(entry(**changes))
    assert not library.folder.exists()


def test_a_folder_that_is_empty_or_absent_has_a_cure(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        empty = Library(folder)
        assert empty.names() == []
        with pytest.raises(ValueError, match="holds no prompts.*spot_jax library add"):
            empty.entries()
        with pytest.raises(ValueError, match="no prompt 'a'; it holds nothing"):
            empty.read("a")
    assert "holds no prompts" in Library(tmp_path).verify()[0]
    with pytest.raises(ValueError, match="There is no folder"):
        Library(tmp_path / "none").verify()


def test_a_wrong_name_is_told_the_right_ones(library):
    for name in ("sst2", "..", "", "library.json"):
        with pytest.raises(ValueError, match="it holds rte-seed1, sst2-seed0"):
            library.read(name)


def change(path, find, put):
    data = path.read_bytes()
    assert find in data
    path.write_bytes(data.replace(find, put))


DAMAGES = {
    "a changed score": lambda f: change(f / "entry.json", b"90.0", b"95.0"),
    "half a story": lambda f: (f / "entry.json").write_text("{"),
    "no story": lambda f: (f / "entry.json").unlink(),
    "another story": lambda f: (f / "entry.json").write_text("[]"),
    "no prompt": lambda f: (f / "prompt.safetensors").unlink(),
    "no embedding": lambda f: (f / "embedding.safetensors").unlink(),
    "a changed header": lambda f: change(f / "prompt.safetensors", b"gs:", b"xx:"),
    "a cut prompt": lambda f: (f / "prompt.safetensors").write_bytes(
        (f / "prompt.safetensors").read_bytes()[:-1]
    ),
    "two files exchanged": lambda f: (f / "embedding.safetensors").write_bytes(
        (f / "prompt.safetensors").read_bytes()
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_and_named(damage, library):
    folder = library.folder / "sst2-seed0"
    DAMAGES[damage](folder)
    with pytest.raises(ValueError, match="Copy it again from another copy") as error:
        library.read(folder.name)
    assert str(folder) in str(error.value)
    assert library.verify() == [str(error.value)]
    with pytest.raises(ValueError):
        library.entries()
    library.read("rte-seed1")


def rewritten(folder, **values):
    """Gives an entry other values, and the checksum that belongs to them."""
    path = folder / "entry.json"
    told = json.loads(path.read_text())
    told |= values
    checksums = told.pop("checksums")
    told = {key: value for key, value in told.items() if value != LOST}
    checksums["entry.json"] = module.entry_folder._digest(told)
    path.write_text(json.dumps(told | {"checksums": checksums}))


LOST = "lost"


def test_a_key_of_a_later_version_is_passed_over(library):
    folder = library.folder / "sst2-seed0"
    rewritten(folder, teacher="t5_xxl", model=entry().model | {"bits": 8})
    change(library.folder / "library.json", b'"modes"', b'"new": 1, "modes"')
    found = library.read("sst2-seed0")
    assert (found.task, found.model["bits"]) == ("sst2", 8)
    assert library.verify() == []


@pytest.mark.parametrize(
    "values",
    [
        *({key: LOST} for key in ("name", "task", "model", "results", "provenance")),
        *({"model": model} for model in (None, "t5", {"fingerprint": 3}, [])),
        *({"results": results} for results in ([], {"a": 1.0}, {"a": {"b": "c"}})),
        *({"name": name} for name in (None, 3, "", "..", "../rte-seed1", "a\nb")),
        *({"task": task} for task in (None, 3, "a\x1b[2J", "a\nimport os")),
        *({"seed": seed} for seed in ("0", 1.5, True, [0])),
        *({"score": score} for score in ("90", True, [])),
        {"configuration": None},
        {"configuration": ["import os"]},
        {"provenance": []},
    ],
    ids=str,
)
def test_an_entry_of_other_types_is_a_message_whatever_its_checksum(values, library):
    rewritten(library.folder / "sst2-seed0", **values)
    with pytest.raises(InputError, match="Copy|cannot name a file"):
        library.read("sst2-seed0")
    (problem,) = library.verify()
    assert str(library.folder / "sst2-seed0") in problem and "\x1b" not in problem
    library.read("rte-seed1")


@pytest.mark.parametrize(
    "checksums", [None, [], {}, {"entry.json": 3}, {"../library.json": "OWN"}]
)
def test_checksums_are_of_the_files_that_an_entry_has(checksums, library):
    path = library.folder / "sst2-seed0" / "entry.json"
    told = json.loads(path.read_text())
    if checksums:
        shared = (library.folder / "library.json").read_bytes()
        own = {"OWN": hashlib.sha256(shared).hexdigest()}
        more = {name: own.get(value, value) for name, value in checksums.items()}
        checksums = told["checksums"] | more
    path.write_text(json.dumps(told | {"checksums": checksums}))
    with pytest.raises(InputError, match="Copy it again"):
        library.read("sst2-seed0")


def test_an_entry_with_nan_of_an_earlier_version_is_read(library):
    folder = library.folder / "sst2-seed0"
    rewritten(folder, results={"a": {"x": float("nan")}}, score=float("nan"))
    assert "NaN" in (folder / "entry.json").read_text()
    found = library.read("sst2-seed0")
    assert np.isnan(found.results["a"]["x"]) and found.score is None
    # And is what an entry with NaN of today is.
    library.add(entry(results={"a": {"x": float("nan")}}, score=float("nan")))


def test_what_is_written_is_json_for_every_program(tmp_path):
    library = Library(tmp_path)
    library.add(entry(results={"a": {"x": float("nan")}}))
    for path in tmp_path.rglob("*.json"):
        json.loads(path.read_text(), parse_constant=pytest.fail)


def test_a_folder_that_was_renamed_is_named(library):
    (library.folder / "sst2-seed0").rename(library.folder / "sst2-seed1")
    [problem] = library.verify()
    assert "sst2-seed1 was written as sst2-seed0. Rename the folder back" in problem


def test_values_that_are_not_finite_are_found_whatever_the_checksum_says(
    library, monkeypatch
):
    monkeypatch.setattr(module.entry_folder, "check", lambda entry: None)
    bad = soft(np.full((5, 4), np.nan))
    library.add(entry("bad-seed0", prompt=bad))
    assert "not finite" in library.verify()[0]


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_text("{}"),
        lambda path: path.write_text("[1]"),
        lambda path: path.write_bytes(b"\xff"),
        lambda path: change(path, b"library 2", b"library 3"),
        lambda path: path.write_text("2"),
        lambda path: path.write_text(
            '{"format": "spot_jax library 2", "model": null, "sites": {}, "modes": {}}'
        ),
        lambda path: path.write_text(
            '{"format": "spot_jax library 1", "model": {}, "shape": "5, 4"}'
        ),
    ],
)
def test_without_its_first_file_a_library_is_not_guessed(damage, library):
    damage(library.folder / "library.json")
    for work in (
        lambda: library.read("sst2-seed0"),
        lambda: library.add(entry("new-seed0")),
    ):
        with pytest.raises(InputError, match=r"library\.json .*(?s:.*)add the"):
            work()
    assert len(library.verify()) == 2


def test_what_a_killed_add_left_is_named_and_not_read(library):
    left = library.folder / ".cb-seed0.7-abc.tmp"
    left.mkdir()
    assert library.names() == ["rte-seed1", "sst2-seed0"]
    assert library.verify() == [
        f"{left} was left by an add that was killed, unless one is running now. "
        "Delete it."
    ]


def test_a_folder_that_cannot_be_written_is_an_error_with_a_cure(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="could not be added .*Not a directory.*again"):
        Library(tmp_path / "file").add(entry())


@pytest.mark.parametrize("what", ["killed", "together", "cramped"])
def test_processes(what, tmp_path):
    """See writers.py, which asserts."""
    done = subprocess.run(
        [sys.executable, str(WRITERS), what, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


def test_a_run_gives_all_its_prompts(tmp_path):
    run = write_run(tmp_path / "run", "sst2-seed0", "rte-seed1")
    found = from_run(run)
    assert [one.name for one in found] == ["rte-seed1", "sst2-seed0"]
    sst2 = found[1]
    assert sst2.is_same(entry())
    assert sst2.provenance["run"] == {"git_commit": "abc"}
    assert sst2.provenance["prompt"].endswith("run/prompts/sst2-seed0/best.safetensors")
    library = Library(tmp_path / "library")
    for one in found:
        library.add(one)
    assert library.names() == ["rte-seed1", "sst2-seed0"]


def test_a_run_shorter_than_the_embedding_step_gives_none(tmp_path):
    [found] = from_run(write_run(tmp_path, "sst2-seed0", kinds=("best", "last")))
    assert found.embedding is None and found.embedding_step is None


def test_a_prompt_that_diverged_is_told(tmp_path, caplog):
    run = write_run(tmp_path, "sst2-seed0", "rte-seed1")
    last = run / "prompts/rte-seed1/last.safetensors"
    prompt = files.read(last)
    files.write(last, prompt.bundle, {**prompt.story, "diverged": 7})
    assert len(from_run(run)) == 2
    [said] = caplog.messages
    assert said.startswith("rte-seed1 diverged at step 7; its best prompt of before")


def test_a_run_that_is_not_finished_is_refused(tmp_path):
    run = write_run(tmp_path, "a-seed0", "b-seed0", kinds=("best", "embedding"))
    with pytest.raises(ValueError, match="not finished: a-seed0, b-seed0.*goes on"):
        from_run(run)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no prompts/NAME.*MODEL_DIR"):
        from_run(tmp_path)


def test_library_json_says_what_all_share(library):
    shared = json.loads((library.folder / "library.json").read_text())
    assert shared == {
        "format": "spot_jax library 2",
        "model": entry().model,
        "sites": {"enc_input": [5, 4]},
        "modes": {},
    }
