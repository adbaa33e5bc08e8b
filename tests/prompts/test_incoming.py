"""A prompt's file becomes an entry: what it says, and what is given besides."""

import pytest
from safetensors.numpy import save_file

from spot_jax.prompts import files, peft
from spot_jax.prompts.incoming import from_files
from tests.bundles import assert_same
from tests.prompts.entries import entry, write_run

PROMPT = entry().prompt
GIVEN = {
    "name": "sst2",
    "task": "sst2",
    "seed": 3,
    "model": {"source": "t5_1_1_base"},
    "step": 30_000,
    "score": 95.07,
}


@pytest.fixture
def ours(tmp_path):
    """The folder of a prompt that a run left."""
    return write_run(tmp_path, "sst2-seed0") / "prompts" / "sst2-seed0"


def test_a_file_of_ours_says_everything(ours):
    best, early = ours / "best.safetensors", ours / "embedding.safetensors"
    found = from_files(best, early, {})
    assert found.is_same(entry())
    assert found.provenance == {
        "prompt": str(best),
        "embedding": str(early),
        "said": {},
    }


def test_other_words_of_a_header_are_kept(tmp_path):
    run = write_run(tmp_path, "sst2-seed0", weights={"a": 0.5})
    found = from_files(run / "prompts/sst2-seed0/best.safetensors", None, {})
    assert found.provenance["said"] == {"weights": {"a": 0.5}}


def test_the_name_alone_may_differ_from_the_file(ours):
    found = from_files(ours / "best.safetensors", None, {"name": "again"})
    assert found.name == "again" and found.embedding is None


def test_what_is_given_may_repeat_the_file(ours):
    given = {"task": "sst2", "seed": 0, "step": 200, "score": 90.0, "name": None}
    model = {"fingerprint": "0123456789abcdef", "source": "given"}
    found = from_files(ours / "best.safetensors", None, given | {"model": model})
    assert found.is_same(entry(embedding=None, embedding_step=None))


@pytest.mark.parametrize(
    "given",
    [
        {"task": "rte"},
        {"seed": 1},
        {"step": 5},
        {"score": 95.0},
        {"model": {"source": "gs://bucket/checkpoint_1100000"}},
        {"model": {"fingerprint": "f" * 16}},
    ],
)
def test_what_is_given_may_not_contradict_the_file(given, ours):
    [key] = given
    with pytest.raises(ValueError, match=f"its {key} is .*, not .*Leave that out"):
        from_files(ours / "best.safetensors", None, given)


def test_an_embedding_of_another_prompt_is_refused(tmp_path):
    run = write_run(tmp_path, "sst2-seed0", "rte-seed1")
    best, early = (
        run / "prompts" / name / f"{kind}.safetensors"
        for name, kind in (("sst2-seed0", "best"), ("rte-seed1", "embedding"))
    )
    with pytest.raises(ValueError, match="embedding.safetensors says that its task"):
        from_files(best, early, {})


@pytest.mark.parametrize("kind", ["npy", "peft"])
def test_files_of_others_are_told_the_rest(kind, tmp_path):
    path = tmp_path / kind
    if kind == "npy":
        files.write_numpy(path, PROMPT)
    else:
        path.mkdir()
        for name, data in peft.contents(PROMPT.enc_input).items():
            (path / name).write_bytes(data)
    found = from_files(path, path, GIVEN | {"embedding_step": 10_000})
    assert_same(found.prompt, PROMPT)
    assert_same(found.embedding, PROMPT)
    assert (found.name, found.task, found.seed) == ("sst2", "sst2", 3)
    assert (found.prompt_step, found.embedding_step) == (30_000, 10_000)
    assert found.model == {"source": "t5_1_1_base"}
    assert (found.score, found.results, found.configuration) == (95.07, {}, "")


def test_all_that_is_missing_is_named_at_once(tmp_path):
    files.write(tmp_path / "start.safetensors", PROMPT, {"kind": "start"})
    with pytest.raises(ValueError, match="say its name, task, model. Give --name, --t"):
        from_files(tmp_path / "start.safetensors", None, {"seed": 0})


@pytest.mark.parametrize(
    "file", ["sst2.npy", "sst2", "sst2.safetensors", "sst2/adapter_model.safetensors"]
)
def test_a_file_that_says_nothing_is_called_like_its_file(file, tmp_path):
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    if "adapter" in file:
        for name, data in peft.contents(PROMPT.enc_input).items():
            (path.parent / name).write_bytes(data)
    elif file.endswith("safetensors"):
        save_file({"enc_input": PROMPT.enc_input}, path, {"format": "pt", "by": "me"})
    else:
        files.write_numpy(path, PROMPT)
    found = from_files(path, None, {"model": GIVEN["model"]})
    assert (found.name, found.task, found.seed) == ("sst2", "sst2", None)
    assert (found.prompt_step, found.score, found.embedding) == (None, None, None)
    named = from_files(path, None, {"model": GIVEN["model"], "name": "cb"})
    assert (named.name, named.task) == ("cb", "cb")


@pytest.mark.parametrize("results", [{"sst2": {}}, {"sst2": {"f1": float("nan")}}])
def test_results_without_a_number_have_no_score(results, tmp_path):
    run = write_run(tmp_path, "sst2-seed0", kinds=("last",), results=results)
    found = from_files(run / "prompts/sst2-seed0/last.safetensors", None, {})
    assert found.score is None and found.results.keys() == results.keys()
