"""Every output layer that transformers writes answers here as it does there."""

import dataclasses
import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from spot_jax import pretrained, t5  # noqa: E402
from spot_jax.errors import InputError  # noqa: E402
from spot_jax.pretrained import config_json  # noqa: E402
from spot_jax.t5 import T5Config  # noqa: E402

pytestmark = pytest.mark.parity

# Two heads of 24 and three of 16 have arrays of one shape; 40 is no power of 2, whose
# root would be exact.
SIZES = dict(vocab_size=96, d_model=40, d_kv=16, num_heads=3, d_ff=64, num_layers=2)
OURS = T5Config(
    vocab_size=96,
    d_model=40,
    d_head=16,
    heads=3,
    d_mlp=64,
    encoder_layers=2,
    decoder_layers=2,
)
INPUTS = np.random.default_rng(0).integers(2, 96, (3, 20))
TARGETS = np.random.default_rng(1).integers(2, 96, (3, 7))


def their_model(name, has_own, **config):
    """A model of random weights, with an output layer of its own or tied."""
    torch.manual_seed(0)
    kind = getattr(transformers, f"{name}Config")
    made = kind(**SIZES, decoder_start_token_id=0, **config)
    model = getattr(transformers, f"{name}ForConditionalGeneration")(made).eval()
    if has_own:
        own = torch.randn_like(model.shared.weight)
        model.lm_head.weight = torch.nn.Parameter(own)
    return model


def logits_of(model):
    with torch.no_grad():
        return model(
            input_ids=torch.tensor(INPUTS), decoder_input_ids=torch.tensor(TARGETS)
        ).logits.numpy()


def load(path, config):
    shapes, _ = t5.parameter_shapes(config)
    return pretrained.load(str(path), shapes, dataclasses.asdict(config)).params


def is_loadable(path, config):
    try:
        load(path, config)
    except InputError:
        return False
    return True


@pytest.mark.parametrize("has_own", [True, False], ids=["own", "tied"])
@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("T5", {"feed_forward_proj": "relu"}),
        ("T5", {"feed_forward_proj": "gated-gelu"}),
        # A fresh T5 1.1: tied, and not scaled.
        ("T5", {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}),
        ("T5", {"feed_forward_proj": "relu", "tie_word_embeddings": False}),
        ("MT5", {}),
        ("MT5", {"tie_word_embeddings": False}),
    ],
)
def test_what_transformers_saves_answers_alike(name, config, has_own, tmp_path):
    theirs = their_model(name, has_own, **config)
    theirs.save_pretrained(tmp_path)
    wanted = logits_of(theirs)
    again = type(theirs).from_pretrained(tmp_path).eval()
    np.testing.assert_array_equal(logits_of(again), wanted)
    is_gated = theirs.config.is_gated_act
    every = [
        dataclasses.replace(
            OURS, logits_via_embedding=is_tied, mlp_activations=activations
        )
        for is_tied, activations in itertools.product(
            (True, False), (("gelu", "linear"), ("relu",))
        )
    ]
    (fitting,) = [config for config in every if is_loadable(tmp_path, config)]
    assert fitting.mlp_activations == (("gelu", "linear") if is_gated else ("relu",))
    found = t5.T5(fitting).apply({"params": load(tmp_path, fitting)}, INPUTS, TARGETS)
    difference = np.abs(found - wanted).max()
    print(f"logits: largest difference {difference:.1e} of {np.abs(wanted).max():.1f}")
    assert difference < 1e-4 * max(1, np.abs(wanted).max())


@pytest.mark.parametrize(
    ("config", "setting"),
    [
        ({"d_kv": 24, "num_heads": 2}, {"d_head": 24, "heads": 2}),
        ({"relative_attention_max_distance": 10}, {"relpos_max_distance": 10}),
        ({"num_decoder_layers": 1}, {"decoder_layers": 1}),
        ({"layer_norm_epsilon": 0.01}, {"norm_epsilon": 0.01}),
    ],
)
def test_what_changes_logits_is_a_setting_that_is_compared(config, setting, tmp_path):
    config = {"feed_forward_proj": "relu"} | config
    torch.manual_seed(0)
    model = transformers.T5ForConditionalGeneration(
        transformers.T5Config(**SIZES | config)
    ).eval()
    model.save_pretrained(tmp_path)
    shape = dataclasses.replace(
        OURS, mlp_activations=("relu",), logits_via_embedding=True
    )
    with pytest.raises(InputError) as error:
        load(tmp_path, shape)
    assert all(
        f"--gin.T5Config.{k}={v}" in str(error.value) for k, v in setting.items()
    )
    fitting = dataclasses.replace(shape, **setting)
    found = t5.T5(fitting).apply({"params": load(tmp_path, fitting)}, INPUTS, TARGETS)
    assert np.abs(found - logits_of(model)).max() < 1e-4


@pytest.mark.parametrize("kind", ["T5", "MT5", "UMT5"])
def test_the_defaults_are_the_librarys(kind):
    theirs = getattr(transformers, f"{kind}Config")()
    ours = getattr(config_json, f"{kind}Json")()
    for field in dataclasses.fields(ours):
        if field.name in ("tie_word_embeddings", "scale_decoder_outputs"):
            continue
        if field.name in ("num_decoder_layers", "transformers_version"):
            continue
        if value := getattr(ours, field.name):
            assert getattr(theirs, field.name) == value, field.name


@pytest.mark.parametrize(
    "config",
    [
        {"feed_forward_proj": "gated-tanh"},
        {"feed_forward_proj": "gelu"},
    ],
)
def test_what_is_computed_otherwise_is_refused(config, tmp_path):
    transformers.T5Config(**SIZES, **config).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="and the answers would be others"):
        config_json.parse((tmp_path / "config.json").read_bytes(), "config.json")
