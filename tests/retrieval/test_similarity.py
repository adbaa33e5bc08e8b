"""Closed forms equal the double loop, and real prompts find their kind."""

import numpy as np
import pytest

from spot_jax.prompts import algebra
from spot_jax.prompts.base import PromptBundle
from spot_jax.retrieval.similarity import MEASURES, average_tokens, per_token
from tests.bundles import MODEL, everywhere, soft

RNG = np.random.default_rng(0)
MEASURE = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
KINDS = {
    "sentiment": "IMDB SST2 laptop movierationales restaurant tweetevalsentiment",
    "inference": "MNLI QNLI snli",
    "paraphrase": "MRPC QQP",
    "ethics": "ethicsdeontology ethicsjustice",
    "summarization": "multi_news samsum",
    "questions": "nq_open squad",
}
KIND = {name: kind for kind, names in KINDS.items() for name in names.split()}


def prompts(*lengths: int, width: int = 6) -> list[np.ndarray]:
    return [RNG.standard_normal((length, width)) + 0.3 for length in lengths]


def bundles(matrices) -> list[PromptBundle]:
    """Returns [prompt, d_model] matrices as prompts, of the precision they have."""
    return [PromptBundle(enc_input=matrix) for matrix in matrices]


def cosine(a, b) -> float:
    return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))


def naive_per_token(a, b) -> float:
    return float(np.mean([[cosine(x, y) for y in b] for x in a]))


def naive_average_tokens(a, b) -> float:
    return cosine(a.mean(axis=0), b.mean(axis=0))


@pytest.mark.parametrize(
    "measure, naive",
    [(per_token, naive_per_token), (average_tokens, naive_average_tokens)],
)
@pytest.mark.parametrize("lengths", [(4, 4, 4), (1, 7, 3)])
def test_the_closed_form_is_the_double_loop(measure, naive, lengths):
    first, second = prompts(*lengths), prompts(5, 2)
    expected = [[naive(a, b) for b in second] for a in first]
    found = measure(bundles(first), bundles(second))
    assert found.dtype == np.float64 and found.shape == (3, 2)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)


def matrices_of(prompt: PromptBundle) -> list[np.ndarray]:
    """Returns the matrices of a prompt at every site, each by its own indices."""
    encoder, decoder = range(MODEL.encoder_layers), range(MODEL.decoder_layers)
    found = [prompt.enc_input, *(prompt.enc_hidden[layer] for layer in encoder)]
    for array, layers in (
        (prompt.enc_self, encoder),
        (prompt.dec_self, decoder),
        (prompt.cross, decoder),
    ):
        found += [array[layer, which] for layer in layers for which in (0, 1)]
    return [matrix.astype(np.float64) for matrix in found]


def test_several_matrices_are_one_long_average_or_the_mean_of_their_pairs():
    first = [everywhere(length, seed) for seed, length in enumerate((4, 1, 6))]
    second = [everywhere(length, seed) for seed, length in enumerate((5, 2), 3)]
    averages, pairs = np.empty((3, 2)), np.empty((3, 2))
    for n, one in enumerate(map(matrices_of, first)):
        for m, other in enumerate(map(matrices_of, second)):
            averages[n, m] = cosine(
                *(np.concatenate([x.mean(axis=0) for x in two]) for two in (one, other))
            )
            pairs[n, m] = np.mean(
                [naive_per_token(a, b) for a, b in zip(one, other, strict=True)]
            )
    found = average_tokens(first, second)
    np.testing.assert_allclose(found, averages, rtol=1e-12, atol=1e-14)
    found = per_token(first, second)
    np.testing.assert_allclose(found, pairs, rtol=1e-12, atol=1e-14)


def test_one_matrix_has_the_digits_of_the_closed_form():
    first, second = (
        [matrix.astype(np.float32) for matrix in prompts(*lengths, width=64)]
        for lengths in ((8, 3), (5, 8, 1))
    )

    def unit(vectors):
        scaled = vectors / np.abs(vectors).max(axis=-1, keepdims=True)
        return scaled / np.linalg.norm(scaled, axis=-1, keepdims=True)

    forms = {
        per_token: lambda matrix: unit(matrix.astype(np.float64)).mean(axis=0),
        average_tokens: lambda matrix: unit(matrix.astype(np.float64).mean(axis=0)),
    }
    for measure, form in forms.items():
        rows, columns = (np.stack([*map(form, side)]) for side in (first, second))
        expected = np.einsum("nd,md->nm", rows, columns)
        found = measure(bundles(first), bundles(second))
        np.testing.assert_array_equal(found, expected)


@MEASURE
@pytest.mark.parametrize(
    "other",
    [
        everywhere(3),
        PromptBundle(enc_hidden=everywhere(3).enc_hidden),
        PromptBundle(enc_hidden=everywhere(3).enc_hidden, hidden_mode="add"),
        PromptBundle(cross=everywhere(3).cross, bias_mode="contiguous"),
    ],
    ids=["every site", "hidden", "added", "contiguous"],
)
def test_prompts_of_different_kinds_are_not_compared(measure, other):
    kinds = [soft(np.ones((3, 4))), PromptBundle(cross=everywhere(3).cross)]
    kinds += [PromptBundle(enc_hidden=everywhere(3).enc_hidden)]
    strangers = [kind for kind in kinds if not is_alike(kind, other)]
    assert len(strangers) >= 2
    for stranger in strangers:
        with pytest.raises(ValueError, match="of different kinds"):
            measure([stranger], [other])
        with pytest.raises(ValueError, match="of different kinds"):
            measure([other, stranger], [other])


def is_alike(one, other) -> bool:
    try:
        algebra.check_alike([one, other])
    except ValueError:
        return False
    return True


@MEASURE
def test_a_bank_is_its_pairs_one_by_one_to_the_last_bit(measure):
    bank = [soft(matrix) for matrix in prompts(*[8] * 9, width=64)]
    together = measure(bank, bank)
    for i, j in [(0, 0), (3, 7), (8, 1)]:
        assert together[i, j] == measure(bank[i : i + 1], bank[j : j + 1])[0, 0]
    np.testing.assert_array_equal(together, together.T)


@MEASURE
def test_it_ignores_scale_and_the_order_of_vectors(measure):
    first, second = prompts(4, 6), prompts(5)
    second = bundles(second)
    once = measure(bundles(first), second)
    for scale in (1e-300, 1e-30, 1e30, 1e300):
        np.testing.assert_allclose(
            measure(bundles(p * scale for p in first), second), once, rtol=1e-12
        )
    np.testing.assert_allclose(
        measure(bundles(p[::-1] for p in first), second), once, rtol=1e-13
    )


def test_a_prompt_and_itself():
    (vectors,) = prompts(5)
    prompt, opposite, one = bundles([vectors, -vectors, vectors[:1]])
    np.testing.assert_allclose(average_tokens([prompt], [prompt]), 1)
    np.testing.assert_allclose(average_tokens([prompt], [opposite]), -1)
    assert 0 < per_token([prompt], [prompt]).item() < 1
    np.testing.assert_allclose(per_token([one], [one]), 1)


def test_one_long_vector_outweighs_the_average_but_not_the_pairs():
    short, long = np.eye(2)[:1], 100 * np.eye(2)[1:]
    mixed = np.concatenate([short, short, short, long])
    mixed, short = bundles([mixed, short])
    np.testing.assert_allclose(per_token([mixed], [short]), 0.75)
    np.testing.assert_allclose(average_tokens([mixed], [short]), 0.03, atol=1e-3)


@MEASURE
@pytest.mark.parametrize(
    "bad, message",
    [
        (np.full((3, 6), np.nan), "Prompt 1 of the bank .* not finite"),
        (np.full((3, 6), np.inf), "Prompt 1 of the bank .* not finite"),
        (np.zeros((3, 6)), "Prompt 1 of the bank is zero"),
        (np.ones(6), "Prompt 1 of the bank has no vectors"),
        (np.ones((0, 6)), "Prompt 1 of the bank has no vectors"),
        (np.ones((3, 5)), r"widths \[5\] and \[6\]"),
    ],
)
def test_what_has_no_cosine_is_refused(measure, bad, message):
    good, bad = bundles([*prompts(3), bad])
    with pytest.raises(ValueError, match=message):
        measure([good, bad], [good])
    with pytest.raises(ValueError, match=message):
        measure([good], [good, bad])


def test_one_vector_of_zeros_has_no_cosine_with_others():
    (good,) = prompts(3)
    holed = good.copy()
    holed[1] = 0
    opposite = np.stack([good[0], -good[0]])
    holed, opposite, good = bundles([holed, opposite, good])
    with pytest.raises(ValueError, match="is zero, in a vector"):
        per_token([holed], [good])
    assert np.isfinite(average_tokens([holed], [good])).all()
    with pytest.raises(ValueError, match="on average"):
        average_tokens([opposite], [good])


@MEASURE
def test_nothing_is_compared_with_nothing(measure):
    with pytest.raises(ValueError, match="at least one on each side"):
        measure([], bundles(prompts(3)))


def test_seventeen_real_tasks_find_their_kind(shared):
    """Figures of Prompt-Transferability's prompts for T5-small."""
    path = shared / "fixtures/prompt_transferability_t5/t5_small.npz"
    with np.load(path) as file:
        names, bank = sorted(file), [soft(file[name]) for name in sorted(file)]
    assert set(names) == set(KIND)
    same_kind = np.array([[KIND[a] == KIND[b] for b in names] for a in names])
    others = ~np.eye(len(names), dtype=bool)
    for measure, right, same, other in (
        (average_tokens, 15, 0.587, 0.324),
        (per_token, 13, 0.047, 0.025),
    ):
        found = measure(bank, bank)
        nearest = np.where(others, found, -np.inf).argmax(axis=1)
        assert same_kind[np.arange(len(names)), nearest].sum() == right
        assert found[same_kind & others].mean() == pytest.approx(same, abs=5e-4)
        assert found[~same_kind].mean() == pytest.approx(other, abs=5e-4)


def test_the_published_prompts_of_three_tasks(shared):
    folder = shared / "fixtures/prompt_tuning_pretrained_prompts/t5_1_1_lm100k_base"
    arrays = [np.load(folder / f"{name}.npy") for name in ("mrpc", "rte", "sst2")]
    mrpc, rte, sst2 = bundles(arrays)
    found = average_tokens([mrpc, sst2, sst2], [rte, rte, mrpc])
    assert found[0, 0] == pytest.approx(0.565, abs=5e-4)
    assert found[1, 0] == pytest.approx(0.518, abs=5e-4)
    assert found[2, 2] == pytest.approx(0.496, abs=5e-4)
    own = np.diag(per_token([mrpc, rte, sst2], [mrpc, rte, sst2]))
    assert (own > 0.0295).all() and (own < 0.0405).all()
    one, other = arrays[0][:20], arrays[1][:30]
    pair = per_token(bundles([one]), bundles([other])).item()
    assert pair == pytest.approx(naive_per_token(one, other), abs=1e-7)


@MEASURE
def test_layers_and_widths_are_not_exchanged(measure):
    """Both have 12 numbers a position, and nothing in common."""
    ones = [np.ones((2, 3, 6), np.float32), np.ones((3, 3, 4), np.float32)]
    first, second = (PromptBundle(enc_hidden=array) for array in ones)
    with pytest.raises(ValueError, match=r"widths \[4, 4, 4\] and \[6, 6\]"):
        measure([first], [second])
