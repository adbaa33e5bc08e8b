"""A prompt goes there and back: the adapter of PEFT is the same prompt here."""

import functools

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")

from spot_jax import library_program, t5  # noqa: E402
from spot_jax.prompts import files  # noqa: E402
from spot_jax.prompts.base import PromptBundle  # noqa: E402
from spot_jax.prompts.library import Library  # noqa: E402
from tests.bundles import soft  # noqa: E402
from tests.prompts.entries import entry  # noqa: E402

pytestmark = pytest.mark.parity

PROMPT_LENGTH = 20


@functools.partial(jax.jit, static_argnums=0)
def our_logits(config, params, inputs, targets, prompt):
    bundle = PromptBundle(enc_input=prompt)
    return t5.T5(config).apply({"params": params}, inputs, targets, prompt=bundle)


# PEFT's own default for a seq2seq model (None) stores twice as many rows.
@pytest.mark.parametrize("submodules", [1, None])
def test_a_prompt_of_peft_gives_its_logits(submodules, make_pair, tmp_path):
    pair = make_pair("1.1 untied")
    config = peft.PromptTuningConfig(
        task_type="SEQ_2_SEQ_LM",
        num_virtual_tokens=PROMPT_LENGTH,
        num_transformer_submodules=submodules,
    )
    adapted = peft.get_peft_model(pair.theirs, config).eval()
    rows = adapted.prompt_encoder["default"].embedding.weight
    assert len(rows) == PROMPT_LENGTH * (submodules or 2)
    torch.nn.init.normal_(rows, std=3.0)
    adapted.save_pretrained(tmp_path)

    rng = np.random.default_rng(0)
    inputs = rng.integers(2, 32000, (3, 30)) * (np.arange(30) < [[30], [11], [4]])
    targets = rng.integers(2, 32000, (3, 10))
    ids = torch.tensor(inputs)
    with torch.no_grad():
        wanted = adapted(
            input_ids=ids,
            attention_mask=(ids > 0).long(),
            decoder_input_ids=torch.tensor(targets),
        ).logits.numpy()

    saved = files.read(tmp_path)
    assert saved.bundle.enc_input.shape == (PROMPT_LENGTH, pair.config.d_model)
    found = our_logits(
        pair.config, pair.params, inputs, targets, saved.bundle.enc_input
    )
    difference = np.abs(found - wanted).max()
    print(f"logits: largest difference {difference:.1e}")
    assert difference < 1e-4
    without = our_logits(
        pair.config, pair.params, inputs, targets, 0 * saved.bundle.enc_input
    )
    assert np.abs(without - wanted).max() > 0.1


@pytest.mark.parametrize("is_told", [True, False])
def test_an_exported_prompt_finds_its_model_by_itself(is_told, tmp_path, capsys):
    """AutoPeftModel loads the folder, and answers as the T5 with this prompt."""
    shape = dict(vocab_size=64, d_model=16, d_kv=8, d_ff=32, num_heads=2, num_layers=1)
    torch.manual_seed(0)
    base = transformers.T5ForConditionalGeneration(transformers.T5Config(**shape))
    base.save_pretrained(tmp_path / "t5")
    rows = np.random.default_rng(0).standard_normal((5, 16)).astype(np.float32)
    # What the header of a prompt says that was trained on this folder, or elsewhere.
    source = str(tmp_path / "t5") if is_told else "/elsewhere/checkpoint_1"
    told = {"fingerprint": "0123456789abcdef", "source": source}
    kept = entry(prompt=soft(rows), embedding=None, model=told)
    Library(tmp_path / "library").add(kept)
    out = tmp_path / "adapter"
    argv = ["export", str(tmp_path / "library"), kept.name, str(out)]
    more = [] if is_told else ["--base_model", str(tmp_path / "t5")]
    library_program.main([*argv, "--format", "peft", *more])

    adapted = peft.AutoPeftModelForSeq2SeqLM.from_pretrained(out).eval()
    assert adapted.peft_config["default"].task_type == "SEQ_2_SEQ_LM"
    ids, targets = torch.tensor([[5, 6, 7, 1]]), torch.tensor([[0, 9]])
    mask = torch.ones_like(ids)
    with torch.no_grad():
        found = adapted(
            input_ids=ids, attention_mask=mask, decoder_input_ids=targets
        ).logits
        embedded = base.eval().shared(ids)
        embedded = torch.cat([torch.tensor(rows)[None], embedded], dim=1)
        wanted = base(inputs_embeds=embedded, decoder_input_ids=targets).logits
    assert torch.allclose(found, wanted, atol=1e-5)
