"""Packed rows keep slots in front of every example."""

import numpy as np
import pytest

pytest.importorskip("t5x", reason="T5X is not installed: make t5x T5X=FOLDER")
pytestmark = pytest.mark.t5x

EXAMPLES = [([7, 9, 11, 1], [5, 1]), ([8, 1], [9, 3, 1]), ([4, 4, 4, 4, 1], [6, 1])]
LENGTHS = {"inputs": 9, "targets": 8}


def convert(pack: bool, slots: int) -> list[dict]:
    import tensorflow as tf

    from spot_jax.t5x_engine.rows import SlotConverter

    def examples():
        for inputs, targets in EXAMPLES:
            yield {"inputs": inputs, "targets": targets}

    shape = tf.TensorSpec([None], tf.int32)
    dataset = tf.data.Dataset.from_generator(
        examples, output_signature={"inputs": shape, "targets": shape}
    )
    converter = SlotConverter(slots, pack=pack)
    lengths = converter.get_model_feature_lengths(LENGTHS)
    rows = list(converter(dataset, LENGTHS).as_numpy_iterator())
    name = "encoder_input_tokens"
    assert {len(row[name]) for row in rows} == {lengths[name]}
    return rows


def test_packed_rows_have_slots():
    first, second = convert(pack=True, slots=2)
    row = [2, 2, 7, 9, 11, 1, 2, 2, 8, 1, 0]
    np.testing.assert_array_equal(first["encoder_input_tokens"], row)
    segments = [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 0]
    np.testing.assert_array_equal(first["encoder_segment_ids"], segments)
    positions = [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 0]
    np.testing.assert_array_equal(first["encoder_positions"], positions)
    targets = [5, 1, 9, 3, 1, 0, 0, 0]
    np.testing.assert_array_equal(first["decoder_target_tokens"], targets)
    assert second["encoder_input_tokens"][:7].tolist() == [2, 2, 4, 4, 4, 4, 1]


@pytest.mark.parametrize(("pack", "slots"), [(False, 2), (True, 0), (False, 0)])
def test_other_rows_are_seqios_own(pack, slots):
    rows = convert(pack, slots)
    assert all(len(row["encoder_input_tokens"]) == LENGTHS["inputs"] for row in rows)
    assert not any(row["encoder_input_tokens"][0] == 2 for row in rows)
