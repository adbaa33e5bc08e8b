"""A prompt becomes an adapter that PEFT loads, and an adapter becomes a prompt."""

import functools
import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from spot_jax.errors import InputError
from spot_jax.prompts import files, peft

PROMPT = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)


def write_folder(folder, enc_input):
    folder.mkdir(exist_ok=True)
    for name, data in peft.contents(enc_input).items():
        (folder / name).write_bytes(data)
    return folder


def test_what_is_written_is_read_back(tmp_path):
    # A view that is not contiguous, and not float32.
    saved = files.read(write_folder(tmp_path, PROMPT.astype(np.float64)[:, ::-1]))
    np.testing.assert_array_equal(saved.bundle.enc_input, PROMPT[:, ::-1])


def test_the_configuration_is_for_a_prompt_of_the_encoder_alone(tmp_path):
    config = json.loads(peft.contents(PROMPT)[peft.CONFIG_FILE])
    assert config["num_virtual_tokens"] == 5 and config["token_dim"] == 4
    assert config["num_transformer_submodules"] == 1
    assert config["task_type"] == "SEQ_2_SEQ_LM"
    assert config["base_model_name_or_path"] is None
    config = json.loads(peft.contents(PROMPT, "google/a")[peft.CONFIG_FILE])
    assert config["base_model_name_or_path"] == "google/a"


@pytest.mark.parametrize(
    "kind", ["PREFIX_TUNING", "MULTITASK_PROMPT_TUNING", "LORA", None]
)
def test_other_kinds_of_adapters_are_refused(kind, tmp_path):
    save_file({peft.ARRAY: PROMPT}, tmp_path / peft.MODEL_FILE)
    config = {"peft_type": kind, "num_virtual_tokens": 5}
    (tmp_path / peft.CONFIG_FILE).write_text(json.dumps(config))
    with pytest.raises(InputError, match=f"kind {kind}, not a soft prompt.*train"):
        files.read(tmp_path)


@pytest.mark.parametrize("kind", ["LORA", "PREFIX_TUNING"])
def test_an_adapter_of_another_kind_is_named_and_not_its_arrays(kind, tmp_path):
    layers = {f"base_model.layer.{n}.lora_A.weight": PROMPT for n in range(96)}
    save_file(layers, tmp_path / peft.MODEL_FILE)
    (tmp_path / peft.CONFIG_FILE).write_text(json.dumps({"peft_type": kind}))
    with pytest.raises(InputError, match=f"kind {kind}, not a soft prompt") as error:
        files.read(tmp_path / peft.MODEL_FILE)
    assert "lora_A" not in str(error.value)


@pytest.mark.parametrize("shape", [(), (20,), (5, 2, 2)])
def test_an_array_that_has_no_rows_is_refused(shape, tmp_path):
    array = np.ones(shape, np.float32)
    save_file({peft.ARRAY: array}, tmp_path / peft.MODEL_FILE)
    config = {"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 1}
    (tmp_path / peft.CONFIG_FILE).write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"of shape \[.*they do not belong together"):
        files.read(tmp_path)


@pytest.mark.parametrize(
    ("length", "words"),
    [
        *((length, "they do not belong together") for length in (0, -2, 6)),
        *((length, "num_virtual_tokens.*whole folder") for length in (True, "5")),
    ],
)
def test_a_length_that_is_none_of_its_rows_is_refused(length, words, tmp_path):
    save_file({peft.ARRAY: PROMPT}, tmp_path / peft.MODEL_FILE)
    config = {"peft_type": "PROMPT_TUNING", "num_virtual_tokens": length}
    (tmp_path / peft.CONFIG_FILE).write_text(json.dumps(config))
    with pytest.raises(InputError, match=words):
        files.read(tmp_path)


@pytest.mark.parametrize("text", [b"[1]", b"{}", b"{", b"\xff\xfe"])
def test_a_configuration_of_something_else_is_refused(text, tmp_path):
    save_file({peft.ARRAY: PROMPT}, tmp_path / peft.MODEL_FILE)
    (tmp_path / peft.CONFIG_FILE).write_bytes(text)
    with pytest.raises(InputError, match="adapter_config.json is n.*whole folder"):
        files.read(tmp_path)


def test_an_adapter_of_an_old_version_is_named(tmp_path):
    (tmp_path / peft.CONFIG_FILE).write_text("{}")
    (tmp_path / "adapter_model.bin").write_bytes(b"")
    with pytest.raises(ValueError, match="adapter_model.bin. Load it with PEFT and"):
        files.read(tmp_path)


# Against the library itself.


@pytest.fixture(scope="module")
def pair():
    """A T5 of transformers as wide as T5-small, and its weights as our parameters."""
    pytest.importorskip("peft")
    from spot_jax.t5 import T5Config
    from tests.parity.conftest import our_parameters, their_model

    config = T5Config(
        d_model=512,
        heads=6,
        d_head=64,
        d_mlp=256,
        encoder_layers=2,
        decoder_layers=2,
        vocab_size=500,
    )
    theirs = their_model(config)
    return config, theirs, our_parameters(theirs)


@pytest.fixture(scope="module")
def batch():
    """Inputs [3, 30], two of which end in padding, and targets [3, 10]."""
    rng = np.random.default_rng(0)
    inputs = rng.integers(2, 500, (3, 30)) * (np.arange(30) < [[30], [11], [4]])
    return inputs, rng.integers(2, 500, (3, 10))


def their_logits(adapted, batch):
    torch = pytest.importorskip("torch")
    ids, targets = (torch.tensor(tokens) for tokens in batch)
    mask = (ids > 0).long()
    with torch.no_grad():
        found = adapted(input_ids=ids, attention_mask=mask, decoder_input_ids=targets)
    return found.logits.numpy()


def our_logits(pair, batch, enc_input):
    import jax

    from spot_jax.prompts.base import PromptBundle
    from spot_jax.t5 import T5

    apply = jax.jit(functools.partial(T5(pair[0]).apply, {"params": pair[2]}))
    return apply(*batch, prompt=PromptBundle(enc_input=enc_input))


@pytest.fixture
def real_prompts(shared):
    """Two of the real prompts of T5-small, each [100, 512]."""
    path = shared / "fixtures/prompt_transferability_t5/t5_small.npz"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    with np.load(path) as found:
        return [found["SST2"], found["squad"]]


@pytest.mark.parity
@pytest.mark.filterwarnings("error::UserWarning")
def test_peft_loads_a_prompt_and_gives_our_logits(pair, batch, real_prompts, tmp_path):
    library = pytest.importorskip("peft")
    for number, prompt in enumerate(real_prompts):
        folder = write_folder(tmp_path / str(number), prompt)
        adapted = library.PeftModel.from_pretrained(pair[1], folder).eval()
        wanted = their_logits(adapted, batch)
        found = our_logits(pair, batch, prompt)
        difference = np.abs(found - wanted).max()
        print(f"logits: largest difference {difference:.1e} of {wanted.std():.2f}")
        assert difference < 1e-4
        assert np.abs(our_logits(pair, batch, 0 * prompt) - wanted).max() > 0.1
        again = tmp_path / "again"
        adapted.save_pretrained(again)
        np.testing.assert_array_equal(files.read(again).bundle.enc_input, prompt)


@pytest.mark.parity
def test_peft_writes_the_same_text_with_a_prompt(pair, batch, real_prompts, tmp_path):
    from spot_jax.prompts.base import PromptBundle
    from spot_jax.t5 import decode

    library = pytest.importorskip("peft")
    torch = pytest.importorskip("torch")
    config, theirs, params = pair
    folder = write_folder(tmp_path / "adapter", real_prompts[0])
    adapted = library.PeftModel.from_pretrained(theirs, folder).eval()
    ids = torch.tensor(batch[0])
    wanted = adapted.generate(
        input_ids=ids,
        attention_mask=(ids > 0).long(),
        max_new_tokens=8,
        do_sample=False,
    ).numpy()[:, 1:]
    prompt = PromptBundle(enc_input=real_prompts[0])
    found, _ = decode.generate(config, params, batch[0], max_length=8, prompt=prompt)
    np.testing.assert_array_equal(found[:, : wanted.shape[1]], wanted)


@pytest.mark.parity
def test_a_p_tuning_adapter_is_the_prompt_its_encoder_gave(pair, batch, tmp_path):
    library, torch = pytest.importorskip("peft"), pytest.importorskip("torch")
    torch.manual_seed(0)
    config = library.PromptEncoderConfig(
        task_type="SEQ_2_SEQ_LM", num_virtual_tokens=20, encoder_hidden_size=64
    )
    adapted = library.get_peft_model(pair[1], config).eval()
    adapted.save_pretrained(tmp_path)
    prompt = files.read(tmp_path).bundle.enc_input
    assert prompt.shape == (20, 512)
    difference = our_logits(pair, batch, prompt) - their_logits(adapted, batch)
    assert np.abs(difference).max() < 1e-4


@pytest.mark.parity
def test_a_prefix_of_peft_is_refused(pair, tmp_path):
    library = pytest.importorskip("peft")
    config = library.PrefixTuningConfig(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=4)
    library.get_peft_model(pair[1], config).save_pretrained(tmp_path)
    with pytest.raises(
        ValueError, match="PREFIX_TUNING, not a soft prompt.*keys and v"
    ):
        files.read(tmp_path)
