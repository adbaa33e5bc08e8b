"""What of a study's kind of prompts is found before anything is tuned."""

import functools

import numpy as np
import pytest

from spot_jax.campaign import kind
from spot_jax.campaign.cost import Sizes
from spot_jax.errors import InputError
from spot_jax.prompts import init
from spot_jax.prompts.base import empty
from spot_jax.prompts.deep_kv import DeepKV
from spot_jax.prompts.deep_prompt import DeepPrompt
from spot_jax.prompts.entry import LibraryEntry
from spot_jax.prompts.library import Library
from spot_jax.prompts.p_tuning import PTuning
from spot_jax.prompts.prefix_mlp import PrefixMLP
from spot_jax.prompts.soft import SoftPrompt
from spot_jax.t5 import T5Config
from tests.prompts import entries

MODEL = T5Config(d_model=12, heads=3, d_mlp=8, encoder_layers=3, decoder_layers=2)


def sizes(kind, length=5) -> Sizes:
    return Sizes(MODEL, length, 4, {"inputs": 8, "targets": 4}, kind=kind)


labelled = functools.partial(init.class_labels, labels=["good", "bad", "neither"])
told = functools.partial(init.harvested, text="a text of some words")


@pytest.mark.parametrize(
    ("of_kind", "start"),
    [
        (SoftPrompt, init.sampled_vocabulary),
        (SoftPrompt, init.class_labels),
        (SoftPrompt, labelled),
        (DeepKV, init.drawn),
        (DeepKV, told),
        (DeepPrompt, init.drawn),
        (DeepPrompt, labelled),
        (DeepPrompt, told),
    ],
)
def test_a_start_of_the_kind_is_taken(of_kind, start):
    kind.check_starts({"TARGET_START": (start, ["rte", "cb"])}, sizes(of_kind))


@pytest.mark.parametrize(
    ("of_kind", "start", "words"),
    [
        (
            SoftPrompt,
            init.drawn,
            "TARGET_START .*, of cb: .* enc_input alone; .* nothing",
        ),
        (
            DeepKV,
            init.class_labels,
            "TARGET_START .*, of cb: P-Tuning v2 is .* enc_input",
        ),
        (DeepKV, labelled, "the start has enc_input: it is of another kind"),
        (
            functools.partial(DeepKV, sites=["enc_self"]),
            functools.partial(init.from_file, path="nowhere.safetensors"),
            "There is no prompt file nowhere",
        ),
        (
            SoftPrompt,
            [init.drawn],
            "TARGET_START .* is a list of 1 starts, and a study",
        ),
    ],
)
def test_a_start_of_another_kind_is_refused_and_its_macro_named(of_kind, start, words):
    with pytest.raises(InputError, match=words):
        kind.check_starts({"TARGET_START": (start, ["rte", "cb"])}, sizes(of_kind))


@pytest.mark.parametrize(
    ("of_kind", "length", "words"),
    [
        (functools.partial(PrefixMLP, width=4), 5, "width 4 cannot begin.*of 5"),
        (PTuning, 13, "width 12 cannot begin at a prompt of 13.*PROMPT_LENGTH"),
        (functools.partial(DeepKV, layers="16:24"), 5, "^The layers '16:24'"),
        (DeepKV, 0, "PROMPT_LENGTH is 0; give a number from 1 on"),
        (DeepKV, -3, "PROMPT_LENGTH is -3"),
    ],
)
def test_a_kind_that_no_transfer_could_begin_with_is_refused(of_kind, length, words):
    """Its sources would be tuned, and its baselines."""
    with pytest.raises(InputError, match=words):
        kind.check_starts(
            {"TARGET_START": (init.drawn, ["rte"])}, sizes(of_kind, length)
        )


def test_a_prompt_too_short_for_the_labels_of_one_task_is_refused():
    starts = {"TARGET_START": (init.class_labels, ["rte", "stsb", "cb"])}
    with pytest.raises(InputError, match="of stsb: 26 labels do not fit .* of 20"):
        kind.check_starts(starts, sizes(SoftPrompt, 20))
    kind.check_starts(starts, sizes(SoftPrompt, 32))


def kept() -> LibraryEntry:
    """A prompt of P-Tuning v2."""
    rng = np.random.default_rng(0)
    source = DeepKV(5, MODEL)
    prompt = source.apply({"params": source.parameters_of(empty(), rng)})
    return entries.entry(prompt=prompt, embedding=prompt)


OTHERS = {
    "a soft prompt": (SoftPrompt, 5, r"tunes enc_input \[5, 12\]"),
    "another length": (DeepKV, 6, r"enc_self \[3, 2, 6, \d+\]"),
    "another bias": (
        functools.partial(DeepKV, bias_mode="contiguous"),
        5,
        "bias_mode contiguous",
    ),
    "some layers": (functools.partial(DeepKV, layers="1:"), 5, "layers 1:"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_a_library_of_another_kind_is_refused(case, tmp_path):
    Library(tmp_path).add(kept())
    of_kind, length, words = OTHERS[case]
    with pytest.raises(InputError, match=f"{tmp_path} holds .*{words}.*STUDY_DIR"):
        kind.check_library(tmp_path, sizes(of_kind, length))
    kind.check_library(tmp_path, sizes(DeepKV))
    kind.check_library(tmp_path / "none", sizes(of_kind, length))
