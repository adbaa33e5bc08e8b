import functools

import pytest

from spot_jax import optim
from spot_jax.model_dir.described import as_gin, described
from spot_jax.prompts import init
from spot_jax.settings import Prompts, Training


def test_settings_are_told_field_by_field():
    text = described(Training(3), None, Prompts(5, init.class_labels), seed=[0, 1])
    assert "Training.steps = 3\n" in text and "seed = [0, 1]\n" in text
    assert "Prompts.starts = [spot_jax.prompts.init.class_labels]\n" in text
    assert "Prompts.kind = spot_jax.prompts.soft.SoftPrompt\n" in text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (optim.constant(0.3), optim.constant(0.1)),
        (optim.linear_warmup(0.3, 100), optim.linear_warmup(0.3, 5)),
        (optim.linear_warmup_decay(0.3, 1, 9), optim.linear_warmup_decay(0.3, 1, 8)),
        (optim.reciprocal_square_root(1, 5), optim.linear_warmup_rsqrt(1, 5)),
    ],
)
def test_optimizers_of_different_rates_are_told_apart(one, other):
    texts = [
        described(optimizer=functools.partial(optim.adafactor, rate))
        for rate in (one, other)
    ]
    assert texts[0] != texts[1]


def test_what_has_no_name_is_refused():
    for function in (lambda base_step: None, type("Callable", (), {"__call__": id})()):
        with pytest.raises(ValueError, match="no name by which a run could be told"):
            described(optimizer=function)


def test_it_is_no_gin():
    assert as_gin(described(seed=0)) == ""
    assert as_gin("A = 1\n") == "A = 1\n"
