"""Prompt files: ours keep their story, others' are read, bad ones are named."""

import json
import pathlib
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
import safetensors
from safetensors.numpy import save_file

from spot_jax.errors import InputError
from spot_jax.model_dir import storage
from spot_jax.prompts import files
from spot_jax.prompts.base import SITES, PromptBundle, modes, sites
from tests.bundles import assert_same, everywhere, soft

FIXTURES = (
    pathlib.Path(__file__).resolve().parents[2] / "../shared/fixtures"
).resolve()
PROMPT = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
STORY = {
    "model": {"fingerprint": "0123456789abcdef", "source": "gs://bucket/checkpoint"},
    "task": "sst2",
    "step": 10_000,
    "scores": {"accuracy": 95.07, "loss": None},
    "words": ["déjà", "vu"],
}


def test_a_prompt_comes_back_with_its_story(tmp_path):
    path = tmp_path / "new" / "folder" / "prompt.safetensors"
    files.write(path, soft(PROMPT), STORY)
    saved = files.read(path)
    np.testing.assert_array_equal(saved.bundle.enc_input, PROMPT)
    assert saved.bundle.enc_input.dtype == np.float32
    assert saved.story == STORY
    assert saved.path == str(path)


def test_any_program_can_read_the_file(tmp_path):
    path = tmp_path / "prompt.safetensors"
    # A view that is not contiguous, and not float32.
    files.write(path, soft(PROMPT.astype(np.float64).T), {"task": "rte"})
    with safetensors.safe_open(path, framework="numpy") as file:
        said = file.metadata()
        assert said.pop("checksum")
        assert said == {"format": files.FORMAT, "task": '"rte"'}
        assert list(file.keys()) == ["enc_input"]
        np.testing.assert_array_equal(file.get_tensor("enc_input"), PROMPT.T)


@pytest.mark.parametrize("read", [files.read, files.read_all])
def test_a_path_of_nothing_or_a_folder_is_no_prompt(read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    with pytest.raises(InputError, match="The path of a prompt is empty"):
        read("")
    for folder in (".", "run", str(tmp_path)):
        with pytest.raises(InputError, match=rf"^{folder} is a folder, and no PEFT"):
            read(folder)
    files.write("run/best.safetensors", soft(PROMPT), {})
    with pytest.raises(InputError, match=r"Give a file: run/best.safetensors, say"):
        read("run")


def test_the_same_prompt_is_the_same_bytes_in_every_process(tmp_path):
    path = tmp_path / "prompt.safetensors"
    found = set()
    for _ in range(8):
        files.write(path, everywhere(5), STORY)
        found.add(path.read_bytes())
    assert len(found) == 1
    # The arrays begin at a multiple of 8, and the header's words are in order.
    (data,) = found
    length = int.from_bytes(data[:8], "little")
    words = json.loads(data[8 : 8 + length])["__metadata__"]
    assert length % 8 == 0 and list(words) == sorted(words)


def test_a_prompt_that_has_changed_since_it_was_written_is_refused(tmp_path):
    path = tmp_path / "prompt.safetensors"
    files.write(path, soft(PROMPT), STORY)
    data = path.read_bytes()
    for place in (data.index(b"sst2"), len(data) - 3):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        path.write_bytes(changed)
        refused(path, "not what was written, by its checksum.*Copy it again")


def test_a_home_folder_may_be_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    files.write("~/prompt.safetensors", soft(PROMPT), {})
    assert (tmp_path / "prompt.safetensors").is_file()
    assert files.read("~/prompt.safetensors").path == f"{tmp_path}/prompt.safetensors"


def test_a_write_replaces_the_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "prompt.safetensors"
    for step in (1, 2):
        files.write(path, soft(PROMPT * step), {"step": step})
    assert files.read(path).story == {"step": 2}
    assert [p.name for p in tmp_path.iterdir()] == ["prompt.safetensors"]


def test_a_process_killed_before_the_rename_leaves_the_old_file(tmp_path):
    path = tmp_path / "prompt.safetensors"
    files.write(path, soft(PROMPT), STORY)
    program = """
import os, signal, sys
import numpy as np
from spot_jax.prompts import files
from spot_jax.prompts.base import PromptBundle

os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
files.write(sys.argv[1], PromptBundle(enc_input=np.zeros((5, 4))), {"step": 2})
"""
    killed = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert killed.returncode == -9
    saved = files.read(path)
    np.testing.assert_array_equal(saved.bundle.enc_input, PROMPT)
    assert saved.story == STORY


def test_a_write_that_fails_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "prompt.safetensors"
    files.write(path, soft(PROMPT), STORY)

    def disk_full(*_):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", disk_full)
        with pytest.raises(OSError, match="No space left"):
            files.write(path, soft(PROMPT * 2), {})
    assert files.read(path).story == STORY
    assert [p.name for p in tmp_path.iterdir()] == ["prompt.safetensors"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_numpy_file_needs_no_suffix(dtype, tmp_path):
    path = tmp_path / "encoder.prompt.prompt.prompt"
    with open(path, "wb") as file:
        np.save(file, PROMPT.astype(dtype))
    saved = files.read(str(path))
    np.testing.assert_array_equal(saved.bundle.enc_input, PROMPT)
    assert saved.bundle.enc_input.dtype == np.float32
    assert saved.story == {}


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("prompt_tuning_test_data/prompt_5x256.npy", (5, 256)),
        ("prompt_tuning_pretrained_prompts/t5_1_1_lm100k_base/sst2.npy", (100, 768)),
    ],
)
def test_published_prompts_are_read(name, shape):
    if not FIXTURES.exists():
        pytest.skip("the shared fixtures are not here")
    saved = files.read(FIXTURES / name)
    assert saved.bundle.enc_input.shape == shape
    assert saved.bundle.enc_input.dtype == np.float32


def test_a_published_prompt_is_written_byte_for_byte(tmp_path):
    path = FIXTURES / "prompt_tuning_pretrained_prompts/t5_1_1_lm100k_base/sst2.npy"
    if not path.exists():
        pytest.skip("the shared fixtures are not here")
    # Under exactly this name: numpy would put .npy behind it.
    copy = tmp_path / "new" / "encoder.prompt.prompt.prompt"
    files.write_numpy(copy, files.read(path).bundle)
    assert copy.read_bytes() == path.read_bytes()
    assert [p.name for p in copy.parent.iterdir()] == [copy.name]


def test_a_numpy_file_is_contiguous_float32_whatever_is_given(tmp_path):
    files.write_numpy(tmp_path / "prompt", soft(PROMPT.astype(np.float64).T))
    found = np.load(tmp_path / "prompt")
    assert found.dtype == np.float32 and found.flags.c_contiguous
    np.testing.assert_array_equal(found, PROMPT.T)


def test_a_new_folder_appears_when_it_is_full(tmp_path):
    path = tmp_path / "deep" / "folder"
    with storage.new_folder(path) as folder:
        (folder / "file").write_text("all of it")
        assert not path.exists()
    assert (path / "file").read_text() == "all of it"
    assert list(path.parent.iterdir()) == [path]


def test_a_new_folder_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(KeyError), storage.new_folder(tmp_path / "folder") as folder:
        (folder / "file").write_text("half of")
        raise KeyError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_folder", [True, False])
def test_what_is_there_already_is_left_alone(is_folder, tmp_path):
    path = tmp_path / "taken"
    kept = path / "file" if is_folder else path
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("kept")
    with pytest.raises(FileExistsError), storage.new_folder(path) as folder:
        (folder / "file").write_text("new")
    assert kept.read_text() == "kept"
    assert list(tmp_path.iterdir()) == [path]


def write_peft(folder, rows, config, dtype=np.float32):
    folder.mkdir(exist_ok=True)
    save_file({"prompt_embeddings": rows.astype(dtype)}, folder / PEFT_FILE)
    (folder / "adapter_config.json").write_text(config)
    return folder


PEFT_FILE = "adapter_model.safetensors"
PEFT_CONFIG = json.dumps({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 5})


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_the_first_rows_of_a_peft_adapter_are_the_prompt(times, dtype, tmp_path):
    rows = np.concatenate([PROMPT, PROMPT + 1])[: 5 * times]
    folder = write_peft(tmp_path / "adapter", rows, PEFT_CONFIG, dtype)
    for path in (folder, folder / PEFT_FILE):
        found = files.read(path).bundle.enc_input
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, PROMPT.astype(dtype).astype(np.float32))


def refused(path, match):
    with pytest.raises(ValueError, match=match) as error:
        files.read(path)
    assert str(path) in str(error.value)


def test_a_peft_adapter_without_its_config_is_refused(tmp_path):
    folder = write_peft(tmp_path, PROMPT, PEFT_CONFIG)
    (folder / "adapter_config.json").unlink()
    refused(folder, "adapter_config.json is not beside it.*whole folder")


def test_a_peft_adapter_with_the_config_of_another_is_refused(tmp_path):
    folder = write_peft(tmp_path, PROMPT[:4], PEFT_CONFIG)
    refused(folder, r"shape \[4, 4\], and num_virtual_tokens is 5.*whole folder")


def test_no_file_is_refused(tmp_path):
    refused(tmp_path / "none.safetensors", "There is no prompt file.*PEFT adapter")


def damaged(kind, data):
    return {"cut": data[: len(data) - 7], "header": data[:9], "empty": b""}[kind]


@pytest.mark.parametrize("kind", ["cut", "header", "empty"])
def test_a_damaged_file_of_ours_is_refused(kind, tmp_path):
    path = tmp_path / "prompt.safetensors"
    files.write(path, soft(PROMPT), STORY)
    path.write_bytes(damaged(kind, path.read_bytes()))
    refused(path, "damaged.*Copy it again")


@pytest.mark.parametrize("kind", ["cut", "header"])
def test_a_damaged_numpy_file_is_refused(kind, tmp_path):
    path = tmp_path / "prompt.npy"
    np.save(path, PROMPT)
    path.write_bytes(damaged(kind, path.read_bytes()))
    refused(path, "damaged.*Copy it again")


def test_numpy_objects_are_never_unpickled(tmp_path):
    path = tmp_path / "prompt.npy"
    np.save(path, np.array([{"a": 1}], object), allow_pickle=True)
    refused(path, "holds Python objects, a pickle, which can run code.*numpy.save")


def test_a_file_of_other_arrays_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"shared.weight": PROMPT, "lm_head.weight": PROMPT}, path)
    refused(path, "holds lm_head.weight, shared.weight; .*'enc_input'")
    save_file({f"layer.{n}": PROMPT for n in range(96)}, path)
    refused(path, "holds layer.0, layer.1, layer.10, .* and 91 more; ")


@pytest.mark.parametrize("shape", [(20,), (1, 5, 4)])
def test_an_array_that_is_no_prompt_is_refused(shape, tmp_path):
    path = tmp_path / "prompt.npy"
    np.save(path, PROMPT.reshape(shape))
    refused(path, r"\[prompt, d_model\]")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(value, tmp_path):
    diverged = PROMPT.copy()
    diverged[2, 1] = value
    path = tmp_path / "prompt.safetensors"
    files.write(path, soft(diverged), {})
    refused(path, "not finite.*earlier prompt")


def test_a_prompt_of_bfloat16_is_read(tmp_path):
    save_file({"enc_input": PROMPT.astype(ml_dtypes.bfloat16)}, tmp_path / "half")
    np.testing.assert_allclose(
        files.read(tmp_path / "half").bundle.enc_input, PROMPT, 1e-2
    )


@pytest.mark.parametrize(
    "array", [np.array([["a", "b"]]), np.ones((2, 3), int), np.ones((0, 4))]
)
def test_what_holds_no_vectors_of_numbers_is_refused(array, tmp_path):
    np.save(tmp_path / "prompt.npy", array)
    with pytest.raises(ValueError, match="at least one vector of floating point"):
        files.read(tmp_path / "prompt.npy")


def test_a_prompt_of_every_site_comes_back_bit_for_bit(tmp_path):
    path = tmp_path / "prompt.safetensors"
    modes = {"hidden_mode": "add", "bias_mode": "contiguous", "layers": "-2:"}
    prompt = everywhere(5).replace(**modes)
    files.write(path, prompt, STORY)
    saved = files.read(path)
    assert_same(saved.bundle, prompt)
    assert saved.story == STORY
    with safetensors.safe_open(path, framework="numpy") as file:
        header = file.metadata()
        assert set(file.keys()) == set(SITES)
    assert header.pop("hidden_mode") == '"add"'
    assert header.pop("bias_mode") == '"contiguous"'
    assert header.pop("layers") == '"-2:"'
    assert set(header) == {"format", "checksum", *STORY}


@pytest.mark.parametrize("site", SITES)
def test_a_prompt_of_one_site_comes_back_with_its_modes_alone(site, tmp_path):
    path = tmp_path / "prompt.safetensors"
    prompt = PromptBundle(**{site: getattr(everywhere(5), site)})
    files.write(path, prompt, {})
    assert_same(files.read(path).bundle, prompt)
    with safetensors.safe_open(path, framework="numpy") as file:
        assert set(file.metadata()) - {"format", "checksum"} == set(modes(prompt))


def test_a_file_from_before_there_were_sites_is_read(tmp_path):
    path = tmp_path / "prompt.safetensors"
    header = {"format": "spot_jax prompt 1", "task": '"rte"', "step": "100"}
    save_file({"enc_input": PROMPT}, path, header)
    saved = files.read(path)
    assert_same(saved.bundle, soft(PROMPT))
    assert saved.story == {"task": "rte", "step": 100}
    # And what is written now is what was written then, with a checksum.
    files.write(tmp_path / "now", soft(PROMPT), saved.story)
    with safetensors.safe_open(tmp_path / "now", framework="numpy") as file:
        assert file.metadata().items() > header.items()
        assert list(file.keys()) == ["enc_input"]


@pytest.mark.parametrize(
    ("site", "shape", "axes"),
    [
        ("enc_input", (2, 5, 4), r"enc_input is \[prompt, d_model\]"),
        ("enc_hidden", (5, 4), r"enc_hidden is \[layers, prompt, d_model\]"),
        ("enc_hidden", (3, 2, 5, 4), r"enc_hidden is \[layers, prompt, d_model\]"),
        ("enc_self", (3, 5, 6), r"enc_self is \[layers, 2, prompt, width\]"),
        ("dec_self", (3, 2, 2, 5, 6), r"dec_self is \[layers, 2, prompt, width\]"),
        ("cross", (5, 6), r"cross is \[layers, 2, prompt, width\]"),
        ("cross", (3, 2, 0, 6), "at least one vector"),
    ],
)
def test_an_array_of_the_wrong_rank_for_its_site_is_refused(
    site, shape, axes, tmp_path
):
    path = tmp_path / "prompt.safetensors"
    save_file({site: np.ones(shape, np.float32)}, path)
    refused(path, axes)
    # Beside good ones as well.
    good = {"enc_input": PROMPT} if site != "enc_input" else {}
    save_file(good | {site: np.ones(shape, np.float32)}, path)
    refused(path, axes)


def test_values_that_are_not_finite_are_refused_at_every_site(tmp_path):
    path = tmp_path / "prompt.safetensors"
    prompt = everywhere(5)
    for site, array in sites(prompt).items():
        diverged = array.copy()
        diverged.flat[-1] = np.nan
        files.write(path, prompt.replace(**{site: diverged}), {})
        refused(path, "not finite.*earlier prompt")


def test_a_site_beside_something_else_is_refused(tmp_path):
    path = tmp_path / "prompt.safetensors"
    save_file({"enc_input": PROMPT, "encoder": PROMPT}, path)
    refused(path, "holds enc_input, encoder; .*other sites")


@pytest.mark.parametrize(
    "prompt", [everywhere(5), PromptBundle(cross=everywhere(5).cross), PromptBundle()]
)
def test_a_numpy_file_holds_vectors_in_front_of_the_input_alone(prompt, tmp_path):
    with pytest.raises(ValueError, match="a numpy file can do with .*alone"):
        files.write_numpy(tmp_path / "prompt.npy", prompt)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"format": "spot_jax prompt 9"}, "format 'spot_jax prompt 9', this version"),
        (
            {"bias_mode": '"sideways"'},
            "bias_mode 'sideways'; there are zero and",
        ),
        ({"hidden_mode": '"foo"'}, "hidden_mode 'foo'; there are replace and add"),
        ({"layers": '"foo"'}, "layers 'foo'; there are ranges such as '16:24'"),
        ({"layers": '"1:2:3"'}, "layers '1:2:3'; there are ranges"),
        ({"layers": "3"}, "layers in the header of"),
    ],
)
def test_a_header_that_cannot_be_is_refused(tmp_path, header, words):
    path = tmp_path / "prompt.safetensors"
    save_file({"enc_input": PROMPT}, path, header)
    refused(path, words)


def test_keys_without_values_are_refused(tmp_path):
    path = tmp_path / "prompt.safetensors"
    save_file({"cross": np.ones((5, 3, 2, 6), np.float32)}, path)
    refused(path, r"cross is \[layers, 2, prompt, width\]")


def test_a_story_does_not_say_how_a_prompt_enters(tmp_path):
    path = tmp_path / "prompt.safetensors"
    hidden = PromptBundle(enc_hidden=np.ones((2, 3, 4), np.float32), hidden_mode="add")
    files.write(path, hidden, {"hidden_mode": "replace", "task": "rte"})
    saved = files.read(path)
    assert saved.bundle.hidden_mode == "add" and saved.story == {"task": "rte"}
