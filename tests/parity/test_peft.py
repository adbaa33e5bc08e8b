"""A prompt of PEFT, read from its folder, is the same prompt here."""

import functools

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")

from spot_jax import t5  # noqa: E402
from spot_jax.prompts import files  # noqa: E402
from spot_jax.prompts.base import PromptBundle  # noqa: E402

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
