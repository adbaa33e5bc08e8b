"""A prefix of PEFT gives the same logits, and torch's networks the same prompts."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")

from spot_jax import t5  # noqa: E402
from spot_jax.errors import InputError  # noqa: E402
from spot_jax.prompts import files  # noqa: E402
from spot_jax.prompts.base import PromptBundle  # noqa: E402
from spot_jax.prompts.keys_values import as_rows, of_rows  # noqa: E402
from spot_jax.prompts.prefix_mlp import PrefixMLP  # noqa: E402
from spot_jax.t5 import T5Config  # noqa: E402
from tests.parity.conftest import our_parameters, their_model  # noqa: E402

pytestmark = pytest.mark.parity

LENGTH = 5
# As wide as its heads together: PEFT has room for no other.
SHAPE = T5Config(
    d_model=64,
    heads=4,
    d_head=16,
    d_mlp=128,
    encoder_layers=4,
    decoder_layers=4,
    vocab_size=500,
)


@pytest.fixture(scope="module", params=[4, 3], ids=["4 layers", "3 layers"])
def config(request):
    layers = request.param
    return dataclasses.replace(SHAPE, encoder_layers=layers, decoder_layers=layers)


@functools.partial(jax.jit, static_argnums=0)
def our_logits(config, params, inputs, targets, prompt=None):
    return t5.T5(config).apply({"params": params}, inputs, targets, prompt=prompt)


def as_peft_feeds_it(rows, layers):
    """Its table [prompt, 2 * layers * joined], doubled and cut in fours.

    Layer i reads the blocks 4i and 4i + 1, modulo 2 * layers, as keys and values: where
    layers are even, those of the other half of the stack a second time.
    """
    blocks = rows.reshape(len(rows), 2 * layers, -1)
    pairs = [[4 * i % (2 * layers), (4 * i + 1) % (2 * layers)] for i in range(layers)]
    return np.stack([blocks[:, pair].transpose(1, 0, 2) for pair in pairs])


@pytest.mark.parametrize("projection", [False, True], ids=["table", "MLP"])
def test_a_prefix_of_peft_gives_its_logits_when_contiguous(projection, config):
    theirs = their_model(config)
    params = our_parameters(theirs)
    layers = config.decoder_layers
    adapted = peft.get_peft_model(
        theirs,
        peft.PrefixTuningConfig(
            task_type="SEQ_2_SEQ_LM",
            num_virtual_tokens=LENGTH,
            prefix_projection=projection,
            encoder_hidden_size=24,
        ),
    ).eval()
    encoder = adapted.prompt_encoder["default"]
    torch.manual_seed(1)
    torch.nn.init.normal_(encoder.embedding.weight, std=2.0)
    rows = encoder(torch.arange(LENGTH)[None])[0].detach().numpy()

    rng = np.random.default_rng(0)
    inputs = rng.integers(2, 500, (3, 12)) * (np.arange(12) < [[12], [7], [4]])
    targets = rng.integers(2, 500, (3, 6))
    ids = torch.tensor(inputs)
    with torch.no_grad():
        wanted = adapted(
            input_ids=ids,
            attention_mask=(ids > 0).long(),
            decoder_input_ids=torch.tensor(targets),
        ).logits.numpy()

    def difference(prompt):
        found = our_logits(config, params, inputs, targets, prompt)
        return np.abs(found - wanted).max()

    dec_self = as_peft_feeds_it(rows, layers)
    prompt = PromptBundle(dec_self=dec_self, bias_mode="contiguous")
    found = difference(prompt)
    print(f"logits: largest difference {found:.1e}")
    assert found < 1e-4
    # Not with the bias of a set, nor with the blocks in the order they are kept in.
    assert difference(prompt.replace(bias_mode="zero")) > 0.01
    in_order = np.asarray(of_rows(rows, layers))
    assert difference(prompt.replace(dec_self=in_order)) > 0.01
    assert difference(None) > 0.1


def test_the_network_is_that_of_torch(config):
    """The same embedding and MLP give the same keys and values, in the same columns."""
    source = PrefixMLP(LENGTH, config, sites=["dec_self"], width=24)
    ours = source.parameters_of(PromptBundle(), np.random.default_rng(0))["dec_self"]
    theirs = peft.tuners.prefix_tuning.PrefixEncoder(
        peft.PrefixTuningConfig(
            task_type="SEQ_2_SEQ_LM",
            num_virtual_tokens=LENGTH,
            prefix_projection=True,
            encoder_hidden_size=24,
            token_dim=config.d_model,
            num_layers=config.decoder_layers,
        )
    )
    given = {"embedding.weight": ours["embedding"]}
    for number, name in ((0, "mlp_0"), (2, "mlp_1")):
        given[f"transform.{number}.weight"] = ours[name]["kernel"].T
        given[f"transform.{number}.bias"] = ours[name]["bias"]
    theirs.load_state_dict({k: torch.tensor(v) for k, v in given.items()})
    wanted = theirs(torch.arange(LENGTH)[None])[0].detach().numpy()
    bundle = source.apply({"params": {"dec_self": ours}})
    np.testing.assert_allclose(as_rows(bundle.dec_self), wanted, atol=1e-5)


def test_a_prefix_of_peft_is_no_soft_prompt(config, tmp_path):
    adapted = peft.get_peft_model(
        their_model(config),
        peft.PrefixTuningConfig(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=LENGTH),
    )
    adapted.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="PREFIX_TUNING.*keys and values"):
        files.read(tmp_path)


def test_a_bi_lstm_is_that_of_torch():
    """With the weights of torch, of whose two biases ours is the sum."""
    from spot_jax.prompts.p_tuning import PTuning

    width, length = 12, 6
    shape = dict(d_model=width, heads=1, d_mlp=8, encoder_layers=1, decoder_layers=1)
    source = PTuning(length, T5Config(**shape))
    ours = source.parameters_of(PromptBundle(), np.random.default_rng(0))
    lstm = torch.nn.LSTM(width, width // 2, num_layers=2, bidirectional=True)
    given = {}
    for layer in (0, 1):
        for way, suffix in (("fwd", ""), ("bwd", "_reverse")):
            cell = ours[f"lstm_{layer}_{way}"]
            gates = ["i", "f", "g", "o"]
            name = f"l{layer}{suffix}"
            given[f"weight_ih_{name}"] = np.concatenate(
                [cell[f"i{gate}"]["kernel"].T for gate in gates]
            )
            given[f"weight_hh_{name}"] = np.concatenate(
                [cell[f"h{gate}"]["kernel"].T for gate in gates]
            )
            bias = np.concatenate([cell[f"h{gate}"]["bias"] for gate in gates])
            given[f"bias_ih_{name}"], given[f"bias_hh_{name}"] = (
                0.25 * bias,
                0.75 * bias,
            )
    lstm.load_state_dict({k: torch.tensor(v) for k, v in given.items()})
    with torch.no_grad():
        x = lstm(torch.tensor(ours["embedding"])[:, None])[0][:, 0].numpy()
    first, last = ours["mlp_0"], ours["mlp_1"]
    x = np.maximum(x @ first["kernel"] + first["bias"], 0)
    wanted = x @ last["kernel"] + last["bias"]
    found = source.apply({"params": ours}).enc_input
    np.testing.assert_allclose(found, wanted, atol=1e-5)
