"""Heads on our T5 are those of the transformers library: logits and losses."""

import functools

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from spot_jax.data import packing  # noqa: E402
from spot_jax.data.packing import Example  # noqa: E402
from spot_jax.model import objective  # noqa: E402
from spot_jax.model.binding import saved_prompts  # noqa: E402
from spot_jax.prompts import heads  # noqa: E402
from spot_jax.prompts.base import PromptBundle  # noqa: E402
from spot_jax.prompts.heads import ENDS  # noqa: E402
from spot_jax.settings import Loss  # noqa: E402
from spot_jax.t5 import T5, T5Config  # noqa: E402
from tests.parity.conftest import our_parameters, their_model  # noqa: E402

pytestmark = pytest.mark.parity

CONFIG = T5Config(
    d_model=64,
    heads=4,
    d_head=16,
    d_mlp=128,
    encoder_layers=2,
    decoder_layers=2,
    vocab_size=500,
    dropout_rate=0.0,
)
OPTIONS = Loss(z_loss=0.0, normalizing_factor="NUM_REAL_TARGET_TOKENS")
LENGTHS = (12, 7, 4)
TAGS = ("O", "B-X", "I-X", "B-Y", "I-Y")
CLASSES = {"cls": ("a", "b", "c"), "token": TAGS, "span": ENDS}


@pytest.fixture(scope="module")
def theirs():
    return their_model(CONFIG)


@pytest.fixture(scope="module")
def params(theirs):
    return our_parameters(theirs)


def head_of(kind):
    head = heads.new(CLASSES[kind], kind, CONFIG.d_model, np.random.default_rng(1))
    noise = np.random.default_rng(2).normal(size=head.bias.shape)
    return head.replace(kernel=head.kernel * 5, bias=noise.astype(np.float32))


def learned(kind):
    """Inputs, and what is learned of each."""
    rng = np.random.default_rng(0)
    inputs = [np.append(rng.integers(2, 500, n - 1), 1) for n in LENGTHS]
    if kind == "cls":
        return inputs, [np.asarray([n]) for n in (1, 3, 2)]
    if kind == "token":
        return inputs, [rng.integers(0, 1 + len(TAGS), n) for n in LENGTHS]
    marks = [np.zeros(n, int) for n in LENGTHS]
    for one, (first, last) in zip(marks, [(3, 8), (2, 2), (0, 1)], strict=True):
        one[first] |= 1
        one[last] |= 2
    return inputs, marks


def as_theirs(inputs):
    ids = torch.tensor(
        np.stack([np.pad(i, (0, max(LENGTHS) - len(i))) for i in inputs])
    )
    return {"input_ids": ids, "attention_mask": (ids > 0).long()}


def ours(kind, params):
    """Logits [rows, length, classes], and the loss, of a prompt of no vectors."""
    head, (inputs, targets) = head_of(kind), learned(kind)
    bank = PromptBundle(head=heads.stack([head]))
    examples = [Example(*pair) for pair in zip(inputs, targets, strict=True)]
    batch = packing.one_per_row(
        examples, prompt_length=0, row_length=max(LENGTHS), target_length=1, head=kind
    )
    apply = functools.partial(T5(CONFIG).apply, {"params": params}, prompt=bank)
    apply = functools.partial(apply, row_prompts=batch["row_prompts"])
    logits = jax.jit(lambda: objective.head_logits(apply, batch, bank))()
    binding = saved_prompts(1)
    loss = objective.make_loss(CONFIG, binding, OPTIONS, target_length=1)
    return np.asarray(logits), float(jax.jit(loss)(bank, params, batch, None)[0])


def put(linear, head):
    with torch.no_grad():
        linear.weight.copy_(torch.tensor(head.kernel.T))
        linear.bias.copy_(torch.tensor(head.bias))


def compare(found, wanted, lengths=LENGTHS):
    for row, length in enumerate(lengths):
        np.testing.assert_allclose(
            found[row, :length], wanted[row, :length].numpy(), atol=1e-4
        )
    assert wanted.numpy().std() > 0.1


@torch.no_grad()
def test_a_token_head_is_their_token_classification(theirs, params):
    inputs, targets = learned("token")
    config = theirs.config
    config.num_labels = len(TAGS)
    model = transformers.T5ForTokenClassification(config).eval()
    model.transformer.shared.load_state_dict(theirs.shared.state_dict())
    model.transformer.encoder.load_state_dict(theirs.encoder.state_dict())
    put(model.classifier, head_of("token"))
    labels = np.full((3, max(LENGTHS)), -100)
    for row, target in enumerate(targets):
        labels[row, : len(target)] = np.where(target, target - 1, -100)
    wanted = model(**as_theirs(inputs), labels=torch.tensor(labels))
    logits, loss = ours("token", params)
    compare(logits, wanted.logits)
    assert abs(loss - float(wanted.loss)) < 1e-4


@torch.no_grad()
def test_a_span_head_is_their_question_answering(theirs, params):
    """Their loss: half of that of where answers begin, and half of where they end."""
    inputs, marks = learned("span")
    asked = as_theirs(inputs)
    linear = torch.nn.Linear(CONFIG.d_model, 2)
    put(linear, head_of("span"))
    wanted = linear(theirs.encoder(**asked)[0])
    logits, loss = ours("span", params)
    compare(logits, wanted)
    hidden = wanted.masked_fill(asked["attention_mask"][..., None] == 0, -1e9)
    ends = [
        torch.tensor([int(np.flatnonzero(one & bit)[0]) for one in marks])
        for bit in (1, 2)
    ]
    entropy = torch.nn.functional.cross_entropy
    each = [entropy(hidden[..., n], end) for n, end in enumerate(ends)]
    assert abs(loss - float(sum(each) / 2)) < 1e-4


@torch.no_grad()
def test_a_cls_head_reads_the_first_state_of_their_decoder(theirs, params):
    inputs, targets = learned("cls")
    found = theirs(
        **as_theirs(inputs),
        decoder_input_ids=torch.zeros((3, 1), dtype=torch.long),
        output_hidden_states=True,
    )
    linear = torch.nn.Linear(CONFIG.d_model, 3)
    put(linear, head_of("cls"))
    wanted = linear(found.decoder_hidden_states[-1])
    logits, loss = ours("cls", params)
    compare(logits, wanted, lengths=[1, 1, 1])
    labels = torch.tensor(np.concatenate(targets) - 1)
    entropy = torch.nn.functional.cross_entropy(wanted[:, 0], labels)
    assert abs(loss - float(entropy)) < 1e-4
