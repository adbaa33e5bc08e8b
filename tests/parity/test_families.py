"""The folder of every T5 alone answers as transformers does, and no shape is given."""

import functools
import json

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from spot_jax import t5  # noqa: E402
from spot_jax.model import weights  # noqa: E402
from spot_jax.settings import Model  # noqa: E402
from spot_jax.t5 import beam, decode  # noqa: E402

pytestmark = pytest.mark.parity

SIZES = dict(d_model=24, d_kv=8, num_heads=4, d_ff=40, num_layers=2)
GATED = dict(feed_forward_proj="gated-gelu", tie_word_embeddings=False)
SILU = GATED | dict(feed_forward_proj="gated-silu")
MULTILINGUAL = dict(vocab_size=250_112)
# transformers 4 wrote no such keys, and meant by ties what scale_decoder_outputs is.
_OF_VERSION_5 = ("scale_decoder_outputs", "is_gated_act", "dense_act_fn")


def as_version_4(folder, **config):
    path = folder / "config.json"
    saved = json.loads(path.read_text())
    kept = {key: saved[key] for key in saved if key not in _OF_VERSION_5}
    path.write_text(json.dumps(kept | {"transformers_version": "4.57.6"} | config))


UNTIED, TIED = {"tie_word_embeddings": False}, {"tie_word_embeddings": True}
# The class, its configuration, whether its output layer is its own, and what
# config.json says where transformers 4 wrote it.
FAMILIES = {
    "T5 1.0": ("T5", {}, False, TIED),
    "T5 1.0 of version 5": ("T5", {}, False, None),
    "T5 1.1, LM-adapted, flan-T5": ("T5", GATED, True, UNTIED),
    "T5 1.1 of version 5": ("T5", GATED, True, None),
    "T5 1.1 tied and unscaled": ("T5", GATED, False, None),
    "mT5": ("MT5", MULTILINGUAL, True, UNTIED),
    "mT5 of version 5": ("MT5", MULTILINGUAL, True, None),
    "umT5": ("UMT5", MULTILINGUAL | UNTIED, True, UNTIED),
    "umT5 of version 5": ("UMT5", MULTILINGUAL | UNTIED, True, None),
    "umT5 tied and scaled": ("UMT5", {"vocab_size": 96}, False, TIED),
    "UL2, flan-UL2": ("T5", SILU, True, UNTIED),
    "UL2 of version 5": ("T5", SILU, True, None),
    "ByT5": ("T5", GATED | dict(vocab_size=384, num_decoder_layers=1), True, UNTIED),
    "another epsilon": ("T5", {"layer_norm_epsilon": 0.01}, False, None),
}


def their_model(name, config, has_own):
    """A model of weights in which no detail is too small to miss."""
    torch.manual_seed(0)
    made = getattr(transformers, f"{name}Config")(
        **{"vocab_size": 32128} | SIZES | config, decoder_start_token_id=0
    )
    model = getattr(transformers, f"{name}ForConditionalGeneration")(made).eval()
    if has_own:
        own = torch.empty_like(model.shared.weight)
        model.lm_head.weight = torch.nn.Parameter(own)
    with torch.no_grad():
        for weight_name, weight in model.named_parameters():
            kind = weight_name.split(".")[-2]
            if kind.endswith("layer_norm"):
                weight.uniform_(0.5, 1.5)
            elif kind in ("shared", "relative_attention_bias"):
                weight.normal_(std=1.0 if has_own or kind != "shared" else 0.3)
            else:
                weight.normal_(std=weight.shape[1] ** -0.5)
        # EOS is scored high at times, so that some texts end early.
        model.lm_head.weight[1] *= 4
    return model


@pytest.fixture(scope="module", params=FAMILIES)
def pair(request, tmp_path_factory):
    name, config, has_own, of_version_4 = FAMILIES[request.param]
    folder = tmp_path_factory.mktemp("folder")
    theirs = their_model(name, config, has_own)
    theirs.save_pretrained(folder)
    if of_version_4 is not None:
        as_version_4(folder, **of_version_4)
    ours = weights.load(Model(checkpoint=str(folder)), jax.devices()[:1])
    # Nothing of the random model was lost by saving it.
    again = type(theirs).from_pretrained(folder).eval()
    return again, ours


def texts(seed, rows=4, length=20, vocabulary=96):
    rng = np.random.default_rng(seed)
    sizes = np.array([length, *rng.integers(3, length, rows - 1)])
    tokens = rng.integers(2, vocabulary, (rows, length))
    tokens[np.arange(rows), sizes - 1] = decode.EOS_ID
    return tokens * (np.arange(length) < sizes[:, None])


def as_theirs(tokens):
    ids = torch.tensor(tokens)
    return {"input_ids": ids, "attention_mask": (ids > 0).long()}


def test_logits_are_theirs(pair):
    theirs, ours = pair
    # Longer than the distance from which all positions share a bucket.
    inputs, targets = texts(0, length=150), texts(1, length=30)
    with torch.no_grad():
        logits = theirs(**as_theirs(inputs), decoder_input_ids=torch.tensor(targets))
    wanted = logits.logits.numpy()
    found = jax.jit(t5.T5(ours.config).apply)({"params": ours.params}, inputs, targets)
    difference = np.abs(found - wanted).max()
    print(f"logits: largest difference {difference:.1e} of {np.abs(wanted).max():.1f}")
    assert difference < 1e-4


@functools.partial(jax.jit, static_argnames=("config", "search"))
def our_text(config, params, tokens, search):
    return decode.generate(config, params, tokens, max_length=12, search=search)


@pytest.mark.parametrize("beams", [1, 4])
def test_texts_are_theirs(pair, beams):
    theirs, ours = pair
    inputs = texts(2)
    options = {}
    search = decode.greedy
    if beams > 1:
        options = dict(length_penalty=0.6, early_stopping="never")
        search = functools.partial(
            beam.beam_search, beams=beams, alpha=0.6, penalty=decode.power_penalty
        )
    with torch.no_grad():
        written = theirs.generate(
            **as_theirs(inputs),
            max_new_tokens=12,
            do_sample=False,
            num_beams=beams,
            **options,
        ).numpy()[:, 1:]
    wanted = np.pad(written, ((0, 0), (0, 12 - written.shape[1])))
    is_eos = wanted == decode.EOS_ID
    wanted = np.where(np.cumsum(is_eos, axis=1) > is_eos, decode.PAD_ID, wanted)
    found, _ = our_text(ours.config, ours.params, inputs, search=search)
    np.testing.assert_array_equal(found, wanted)
