"""Heads are kept with their prompts, and tell each task its own classes."""

import json
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from spot_jax.errors import InputError
from spot_jax.prompts import algebra, export, files, heads
from spot_jax.prompts.base import PromptBundle, misfit, mixes_in_rows
from spot_jax.prompts.entry import LibraryEntry
from spot_jax.prompts.heads import ENDS, Head, Headed
from spot_jax.prompts.soft import SoftPrompt
from spot_jax.text.tagging import TAGS
from tests.bundles import MODEL, assert_same, everywhere, soft

OPINION = ("bad", "good")
TOPIC = ("film", "food", "other")


def head_of(names, kind="cls", seed=0, d_model=MODEL.d_model) -> Head:
    rng = np.random.default_rng(seed)
    drawn = heads.new(names, kind, d_model, rng)
    bias = rng.normal(size=len(names)).astype(np.float32)
    return drawn.replace(bias=bias)


def headed(names, kind="cls", seed=0, length=3) -> PromptBundle:
    return everywhere(length, seed).replace(head=head_of(names, kind, seed))


def scored(head, states, rows) -> np.ndarray:
    given = jax.tree.map(jnp.asarray, (head, states, rows))
    return np.asarray(heads.logits(*given))


def assert_same_head(found: Head, wanted: Head) -> None:
    assert (found.kind, found.names) == (wanted.kind, wanted.names)
    for one, other in ((found.kernel, wanted.kernel), (found.bias, wanted.bias)):
        one = np.asarray(one)
        assert one.dtype == np.float32
        np.testing.assert_array_equal(one, np.asarray(other))


CLASSES = {"cls": TOPIC, "token": TAGS, "span": ENDS}


@pytest.mark.parametrize("kind", CLASSES)
def test_a_file_gives_back_a_prompt_with_its_head(kind, tmp_path):
    bundle = headed(CLASSES[kind], kind)
    files.write(tmp_path / "p.safetensors", bundle, {"name": "p"})
    found = files.read(tmp_path / "p.safetensors")
    assert_same(found.bundle, bundle)
    assert_same_head(found.bundle.head, bundle.head)
    assert found.story == {"name": "p"}
    assert not misfit(found.bundle, MODEL)


def test_a_prompt_without_a_head_has_none_in_its_file(tmp_path):
    files.write(tmp_path / "p.safetensors", soft(np.ones((2, 4))), {})
    assert files.read(tmp_path / "p.safetensors").bundle.head is None
    assert "head" not in _header(tmp_path / "p.safetensors")


def _header(path) -> dict:
    with safetensors.safe_open(path, framework="numpy") as file:
        return dict(file.metadata())


def _rewritten(path, change, drop=()):
    """Writes a file of head and header as `change` has it, by another program."""
    arrays = safetensors.numpy.load_file(path)
    said = {k: v for k, v in _header(path).items() if k not in ("checksum", *drop)}
    arrays, said = change(arrays, said)
    safetensors.numpy.save_file(arrays, path, said)


def _classes(kind, names):
    def change(arrays, said):
        return arrays, said | {"head": json.dumps({"kind": kind, "classes": names})}

    return change


def _array(name, change):
    def changed(arrays, said):
        new = change(arrays.pop(name))
        return arrays | ({} if new is None else {name: new}), said

    return changed


DAMAGE = {
    "a class more": _classes("cls", ["film", "food", "other", "more"]),
    "a class less": _classes("cls", ["film", "food"]),
    "a class twice": _classes("cls", ["film", "food", "food"]),
    "no class": _classes("cls", []),
    "an unknown kind": _classes("list", list(TOPIC)),
    "tags that are none": _classes("token", list(TOPIC)),
    "ends that are none": _classes("span", list(TOPIC)),
    "no kernel": _array("head/kernel", lambda _: None),
    "no bias": _array("head/bias", lambda _: None),
    "a kernel turned": _array("head/kernel", lambda x: np.ascontiguousarray(x.T)),
    "a bias cut": _array("head/bias", lambda x: x[:2].copy()),
    "no word of it": lambda arrays, said: (arrays, said | {"head": "null"}),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_head_and_a_header_that_do_not_belong_together_are_refused(damage, tmp_path):
    path = tmp_path / "p.safetensors"
    files.write(path, headed(TOPIC), {"name": "p"})
    _rewritten(path, DAMAGE[damage])
    with pytest.raises(InputError, match="do not belong together") as error:
        files.read(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"kind": 3, "classes": []}', "head"),
        ('{"kind": "cls"}', "head"),
        ("[", "head"),
        ('{"kind": "cls", "classes": "ab"}', "head"),
    ],
)
def test_a_header_that_is_no_head_is_refused(text, told, tmp_path):
    path = tmp_path / "p.safetensors"
    files.write(path, headed(TOPIC), {})
    _rewritten(path, lambda arrays, said: (arrays, said | {"head": text}))
    with pytest.raises(InputError, match=told):
        files.read(path)


@pytest.mark.parametrize("name", ["head/kernel", "head/bias"])
def test_a_head_that_diverged_or_changed_is_refused(name, tmp_path):
    path = tmp_path / "p.safetensors"
    files.write(path, headed(TOPIC), {})
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="checksum"):
        files.read(path)
    files.write(path, headed(TOPIC), {})
    _rewritten(path, _array(name, lambda x: x * np.float32(np.nan)))
    with pytest.raises(InputError, match="not finite"):
        files.read(path)


def test_the_checksum_covers_the_head_and_its_classes(tmp_path):
    path = tmp_path / "p.safetensors"
    files.write(path, headed(OPINION), {})
    swapped = json.dumps({"kind": "cls", "classes": ["good", "bad"]})
    arrays, said = safetensors.numpy.load_file(path), _header(path)
    safetensors.numpy.save_file(arrays, path, said | {"head": swapped})
    with pytest.raises(InputError, match="checksum"):
        files.read(path)


def test_heads_of_several_numbers_of_classes_share_a_bank():
    """Absent classes are as good as impossible, and are taken out again."""
    bundles = [headed(OPINION, seed=1), headed(TOPIC, seed=2, length=2)]
    bank = algebra.stack(bundles)
    assert bank.head.kernel.shape == (2, MODEL.d_model, 3)
    assert bank.head.names == (OPINION, TOPIC)
    states = np.random.default_rng(0).normal(size=(2, 1, MODEL.d_model))
    scores = scored(bank.head, states.astype(np.float32), np.arange(2))
    assert np.exp(scores[0, 0, 2]) == 0
    for number, bundle in enumerate(bundles):
        one = algebra.take(bank, number)
        assert_same(one, bundle)
        assert_same_head(one.head, bundle.head)
        alone = states[number] @ bundle.head.kernel + bundle.head.bias
        np.testing.assert_allclose(
            scores[number, :, : len(bundle.head.bias)], alone, atol=1e-5
        )


def test_banks_of_several_lengths_join_with_their_heads():
    one = algebra.stack([headed(OPINION, seed=1), headed(OPINION, seed=2)])
    two = algebra.stack([headed(TOPIC, seed=3, length=2)])
    banks = [jax.tree.map(jnp.asarray, b.replace(mask=None)) for b in (one, two)]
    joined = algebra.join(banks, [2, 0, 1])
    assert joined.head.names == (TOPIC, OPINION, OPINION)
    for number, (bank, place) in enumerate([(two, 0), (one, 0), (one, 1)]):
        found, wanted = algebra.take(joined, number), algebra.take(bank, place)
        assert_same(found, wanted)
        assert_same_head(found.head, wanted.head)


def test_each_row_is_scored_by_the_head_of_its_prompt():
    bank = heads.stack([head_of(TOPIC, seed=1), head_of(TOPIC, seed=2)])
    states = np.random.default_rng(0).normal(size=(3, 2, MODEL.d_model))
    states, rows = states.astype(np.float32), np.asarray([1, 0, 1])
    found = scored(bank, states, rows)
    for row, place in np.ndindex(3, 2):
        own = rows[row]
        wanted = states[row, place] @ bank.kernel[own] + bank.bias[own]
        np.testing.assert_allclose(found[row, place], wanted, atol=1e-5)


def test_a_head_of_one_prompt_is_that_of_a_bank_of_one():
    head = head_of(TOPIC)
    states = np.ones((2, 3, MODEL.d_model), np.float32)
    alone = scored(head, states, np.zeros(2, np.int32))
    banked = scored(heads.stack([head]), states, np.zeros(2, np.int32))
    np.testing.assert_allclose(alone, banked, atol=1e-6)


def test_a_head_that_diverged_does_not_reach_others():
    broken = head_of(TOPIC).replace(kernel=np.full((4, 3), np.nan, np.float32))
    bank = heads.stack([broken, head_of(TOPIC, seed=1)])
    states = np.ones((2, 1, MODEL.d_model), np.float32)
    found = scored(bank, states, np.arange(2))
    assert np.isnan(found[0]).all() and np.isfinite(found[1]).all()


def test_an_average_has_no_head_and_a_cut_or_continued_prompt_has_the_first():
    one, two = headed(OPINION, seed=1), headed(TOPIC, seed=2)
    assert algebra.weighted_average([one, two], [0.5, 0.5]).head is None
    assert_same_head(algebra.truncate(one, 2).head, one.head)
    assert_same_head(algebra.concatenate(one, two).head, one.head)


@pytest.mark.parametrize(
    "other", [None, head_of(TAGS, "token")], ids=["no head", "another kind"]
)
def test_prompts_that_answer_in_other_ways_are_no_bank(other):
    with pytest.raises(
        InputError,
        match="a cls head of 2 classes .bad, good.*no head|a token head of 9 classes",
    ):
        algebra.stack([headed(OPINION), everywhere(3).replace(head=other)])


def test_a_head_of_another_model_does_not_fit():
    wide = everywhere(3).replace(head=head_of(OPINION, d_model=5))
    assert "head reads 5 numbers, the model has 4" in misfit(wide, MODEL)


@pytest.mark.parametrize("kind", CLASSES)
def test_a_row_has_one_head(kind):
    bundle = soft(np.ones((2, 4)))
    assert mixes_in_rows(bundle)
    assert not mixes_in_rows(bundle.replace(head=head_of(CLASSES[kind], kind)))


@pytest.mark.parametrize("format", export.FORMATS)
def test_a_prompt_with_a_head_is_not_exported(format, tmp_path):
    bundle = soft(np.ones((2, 4))).replace(head=head_of(OPINION))
    with pytest.raises(InputError, match="with a cls head of 2 classes .bad, good"):
        export.write(tmp_path / "out", bundle, format)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("names", [TAGS[::-1], ("O", "B-X")])
def test_other_tags_than_conll_has_are_a_heads(names):
    assert heads.are_classes("token", names)


# Starts: a head of the same classes goes on, another is drawn.


def source(names, kind="cls") -> Headed:
    prompt = SoftPrompt(2, MODEL)
    return Headed(prompt, kind, tuple(names), MODEL.d_model)


def begun(names, head, kind="cls", seed=0):
    start = soft(np.full((2, 4), 0.5)).replace(head=head)
    made = source(names, kind)
    parameters = made.parameters_of(start, np.random.default_rng(seed))
    return made.apply({"params": parameters})


def test_a_start_of_the_same_classes_keeps_its_head(caplog):
    head = head_of(TOPIC, seed=3)
    with caplog.at_level(logging.INFO):
        bundle = begun(TOPIC, head)
    np.testing.assert_array_equal(bundle.enc_input, np.full((2, 4), 0.5))
    assert_same_head(bundle.head, head)
    assert not caplog.records


def test_classes_in_another_order_are_found_by_their_names():
    head = head_of(TOPIC, seed=3)
    bundle = begun(TOPIC[::-1], head)
    assert bundle.head.names == (TOPIC[::-1],)
    np.testing.assert_array_equal(bundle.head.kernel, head.kernel[:, ::-1])
    np.testing.assert_array_equal(bundle.head.bias, head.bias[::-1])


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (head_of(OPINION), "a cls head of 2 classes (bad, good); a cls head of 3"),
        (head_of(TAGS, "token"), "a token head of 9 classes (O, B-PER"),
        (None, None),
    ],
)
def test_another_head_is_drawn_anew_which_one_line_says(head, told, caplog):
    with caplog.at_level(logging.INFO):
        bundle = begun(TOPIC, head)
    np.testing.assert_array_equal(bundle.enc_input, np.full((2, 4), 0.5))
    assert bundle.head.names == (TOPIC,) and not bundle.head.bias.any()
    assert 0 < np.abs(bundle.head.kernel).max() < 0.2
    assert [told in r.getMessage() for r in caplog.records] == [True] * bool(told)
    again, other = begun(TOPIC, head), begun(TOPIC, head, seed=1)
    assert_same_head(again.head, bundle.head)
    assert np.abs(other.head.kernel - bundle.head.kernel).max() > 1e-3


def test_a_head_is_drawn_as_transformers_draws_it():
    head = heads.new(TOPIC, "cls", 4096, np.random.default_rng(0))
    assert abs(head.kernel.std() - 0.02) < 1e-3 and not head.bias.any()


def test_a_library_tells_prompts_by_their_heads():
    def entry(head):
        named = dict(name="a", task="a", seed=0, embedding=None)
        steps = dict(prompt_step=1, embedding_step=None, results={}, score=None)
        of = dict(model={"source": "x"}, configuration="", provenance={})
        return LibraryEntry(
            prompt=everywhere(3).replace(head=head), **named, **steps, **of
        )

    one = entry(head_of(OPINION))
    assert one.is_same(entry(head_of(OPINION)))
    for other in (None, head_of(OPINION, seed=1), head_of(OPINION[::-1])):
        assert not one.is_same(entry(other))


def test_an_unknown_head_is_refused():
    with pytest.raises(InputError, match="HEAD is 'words'; it is cls, token, span"):
        heads.check("words")
