"""Nearest pieces: exact, whatever the chunk, and never a piece that text has not."""

import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax.scoring import nearest_pieces


def random_rows(count, width=16, seed=0):
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def test_the_nearest_row_of_a_row_is_itself_whatever_its_length():
    table = random_rows(50)
    chosen = [31, 4, 4, 17]
    scale = np.array([[0.01], [1], [30], [1]], np.float32)
    found, cosines = nearest_pieces.nearest_rows(
        table[chosen] * scale, table, range(50), 3
    )
    assert found[:, 0].tolist() == chosen
    np.testing.assert_allclose(cosines[:, 0], 1, atol=1e-6)


@pytest.mark.parametrize("chunk", [1, 7, 64, 1000])
def test_chunks_find_what_the_whole_table_holds(chunk, monkeypatch):
    monkeypatch.setattr(nearest_pieces, "_CHUNK", chunk)
    vectors, table, ids = random_rows(9, seed=1), random_rows(200), range(3, 200, 2)
    found, cosines = nearest_pieces.nearest_rows(vectors, jnp.asarray(table), ids, 5)
    whole = np.full((9, 200), -2.0)
    for row in ids:
        lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(table[row])
        whole[:, row] = vectors @ table[row] / lengths
    expected = np.argsort(-whole, axis=1)[:, :5]
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(
        cosines, np.take_along_axis(whole, expected, axis=1), atol=1e-6
    )


def test_equal_rows_come_in_their_order_and_zeros_are_like_nothing():
    table = np.ones((6, 4), np.float32)
    found, _ = nearest_pieces.nearest_rows(table[:1], table, [5, 2, 3], 2)
    assert found.tolist() == [[5, 2]]
    _, cosines = nearest_pieces.nearest_rows(table[:1] * 0, table, [5, 2, 3], 2)
    assert cosines.tolist() == [[0, 0]]


def test_real_prompts_find_their_own_vectors(shared):
    folder = shared / "fixtures/prompt_tuning_pretrained_prompts/t5_1_1_lm100k_base"
    prompts = {n: np.load(folder / f"{n}.npy") for n in ("sst2", "mrpc", "rte")}
    table = np.concatenate(list(prompts.values()))
    pieces = {
        index: f"{name} {row}"
        for index, (name, row) in enumerate((n, r) for n in prompts for r in range(100))
    }
    found = nearest_pieces.nearest_pieces(prompts, table, pieces, 5)
    for name, vectors in found.items():
        assert [v[0]["piece"] for v in vectors] == [f"{name} {r}" for r in range(100)]
        assert all(v[0]["cosine"] > v[1]["cosine"] for v in vectors)


def test_pieces_that_are_no_text_are_left_out(demo_model, shared):
    assert min(nearest_pieces.read_pieces(demo_model["VOCABULARY"])) == 3
    pieces = nearest_pieces.read_pieces(str(shared / "fixtures/t5_vocab/spiece.model"))
    assert len(pieces) == 32_000 - 3
    assert pieces[629] == "▁house"
    assert not {"<pad>", "</s>", "<unk>"} & set(pieces.values())


def test_what_cannot_be_found_is_refused():
    table = random_rows(10)
    with pytest.raises(ValueError, match="NEAREST_PIECES is 4, the vocabulary has 3"):
        nearest_pieces.nearest_rows(table, table, range(3), 4)
    with pytest.raises(ValueError, match="piece 11, the model's embedding 10 rows"):
        nearest_pieces.nearest_rows(table, table, range(12), 4)
    with pytest.raises(ValueError, match="NEAREST_PIECES is 0"):
        nearest_pieces.Nearest(0, "x")
