"""Closed forms equal the double loop, and real prompts find their kind."""

import numpy as np
import pytest

from spot_jax.retrieval.similarity import MEASURES, average_tokens, per_token

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
    found = measure(first, second)
    assert found.dtype == np.float64 and found.shape == (3, 2)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)


@MEASURE
def test_a_bank_is_its_pairs_one_by_one_to_the_last_bit(measure):
    bank = np.stack(prompts(*[8] * 9, width=64)).astype(np.float32)
    together = measure(bank, bank)
    for i, j in [(0, 0), (3, 7), (8, 1)]:
        assert together[i, j] == measure(bank[i : i + 1], bank[j : j + 1])[0, 0]
    np.testing.assert_array_equal(together, together.T)


@MEASURE
def test_it_ignores_scale_and_the_order_of_vectors(measure):
    first, second = prompts(4, 6), prompts(5)
    once = measure(first, second)
    for scale in (1e-300, 1e-30, 1e30, 1e300):
        np.testing.assert_allclose(
            measure([p * scale for p in first], second), once, rtol=1e-12
        )
    np.testing.assert_allclose(
        measure([p[::-1] for p in first], second), once, rtol=1e-13
    )


def test_a_prompt_and_itself():
    (prompt,) = prompts(5)
    np.testing.assert_allclose(average_tokens([prompt], [prompt]), 1)
    np.testing.assert_allclose(average_tokens([prompt], [-prompt]), -1)
    assert 0 < per_token([prompt], [prompt]).item() < 1
    np.testing.assert_allclose(per_token([prompt[:1]], [prompt[:1]]), 1)


def test_one_long_vector_outweighs_the_average_but_not_the_pairs():
    short, long = np.eye(2)[:1], 100 * np.eye(2)[1:]
    mixed = np.concatenate([short, short, short, long])
    np.testing.assert_allclose(per_token([mixed], [short]), 0.75)
    np.testing.assert_allclose(average_tokens([mixed], [short]), 0.03, atol=1e-3)


@MEASURE
@pytest.mark.parametrize(
    "bad, message",
    [
        (np.full((3, 6), np.nan), "Prompt 1 of the bank .* not finite"),
        (np.full((3, 6), np.inf), "Prompt 1 of the bank .* not finite"),
        (np.zeros((3, 6)), "Prompt 1 of the bank is zero"),
        (np.ones(6), r"shape \(6,\)"),
        (np.ones((0, 6)), r"shape \(0, 6\)"),
        (np.ones((3, 5)), r"widths \[5, 6\]"),
    ],
)
def test_what_has_no_cosine_is_refused(measure, bad, message):
    (good,) = prompts(3)
    with pytest.raises(ValueError, match=message):
        measure([good, bad], [good])
    with pytest.raises(ValueError, match=message):
        measure([good], [good, bad])


def test_one_vector_of_zeros_has_no_cosine_with_others():
    (good,) = prompts(3)
    holed = good.copy()
    holed[1] = 0
    with pytest.raises(ValueError, match="is zero, in a vector"):
        per_token([holed], [good])
    assert np.isfinite(average_tokens([holed], [good])).all()
    with pytest.raises(ValueError, match="on average"):
        average_tokens([np.stack([good[0], -good[0]])], [good])


@MEASURE
def test_nothing_is_compared_with_nothing(measure):
    with pytest.raises(ValueError, match="at least one on each side"):
        measure([], prompts(3))


def test_seventeen_real_tasks_find_their_kind(shared):
    """Figures of Prompt-Transferability's prompts for T5-small."""
    path = shared / "fixtures/prompt_transferability_t5/t5_small.npz"
    with np.load(path) as file:
        names, bank = sorted(file), [file[name] for name in sorted(file)]
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
    mrpc, rte, sst2 = (np.load(folder / f"{n}.npy") for n in ("mrpc", "rte", "sst2"))
    found = average_tokens([mrpc, sst2, sst2], [rte, rte, mrpc])
    assert found[0, 0] == pytest.approx(0.565, abs=5e-4)
    assert found[1, 0] == pytest.approx(0.518, abs=5e-4)
    assert found[2, 2] == pytest.approx(0.496, abs=5e-4)
    own = np.diag(per_token([mrpc, rte, sst2], [mrpc, rte, sst2]))
    assert (own > 0.0295).all() and (own < 0.0405).all()
    pair = per_token([mrpc[:20]], [rte[:30]]).item()
    assert pair == pytest.approx(naive_per_token(mrpc[:20], rte[:30]), abs=1e-7)
