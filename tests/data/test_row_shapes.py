"""The rows of a step: which cost least, and when others would."""

import json

import numpy as np
import pytest

from spot_jax.data import dividing, row_shapes
from spot_jax.data.dividing import Shape, Size
from spot_jax.data.packing import Example
from spot_jax.data.row_shapes import Plan, Room


def cost(inputs, targets):
    """A position costs 1, and as much again for every 100 that it attends to."""
    return inputs * (1 + inputs / 100) + targets


def batches_of(lengths, count=20, size=32, targets=2, prompts=1, seed=0):
    rng = np.random.default_rng(seed)
    return [
        [
            Size(int(n), targets, i % prompts)
            for i, n in enumerate(rng.choice(lengths, size))
        ]
        for _ in range(count)
    ]


ROOM = Room(longest=512, targets=8)


@pytest.mark.parametrize("lengths", [[40], [30, 50, 70], range(20, 200)], ids=str)
def test_no_other_length_costs_less(lengths):
    batches = batches_of(list(lengths))
    found = row_shapes.plan(batches, ROOM, cost)
    assert found.usual.row_length % ROOM.multiple == 0
    least = row_shapes.cost_of(found, batches, ROOM, cost)
    for length in range(8, 513, 8):
        rows = [
            dividing.divided([s for s in b if s.inputs <= length], length, 8)
            for b in batches
        ]
        shape = Shape(max(1, *map(len, rows)), length, 8)
        longer = [[s for s in b if s.inputs > length] for b in batches]
        most = max(len(dividing.divided(own, 512, 256)) for own in longer)
        by_hand = np.mean(
            [
                shape.rows * cost(*shape[1:]) + bool(own) * most * cost(512, 2)
                for own in longer
            ]
        )
        # Row lengths are tried in steps, and one that was not may be a little better.
        assert least <= 1.05 * by_hand, length


def test_examples_of_one_length_leave_nothing_to_waste():
    batches = batches_of([64], size=16)
    found = row_shapes.plan(batches, ROOM, cost)
    assert found.usual == Shape(16, 64, 2)
    shares = row_shapes.useful(batches[0], [found.usual], cost)
    assert shares == pytest.approx({"positions": 1.0, "flops": 1.0})


def test_the_few_that_are_long_have_rows_of_their_own():
    batches = batches_of([40] * 99 + [480])
    found = row_shapes.plan(batches, ROOM, cost)
    assert found.usual.row_length < 200 and found.longer.row_length == 512
    assert found.longer.rows <= 3
    ids = np.zeros(480, np.int32)
    examples = [Example(ids[:40], ids[:2]), Example(ids, ids[:2])]
    short, longer = row_shapes.divided(examples, 0, found.usual)
    assert (short, longer) == ([examples[0]], [examples[1]])


def test_rows_are_as_many_as_a_mesh_divides_and_as_long_as_a_device_likes():
    room = ROOM._replace(rows_multiple=6, multiple=128, longest=640)
    found = row_shapes.plan(batches_of(range(20, 600)), room, cost)
    for shape in found:
        assert shape.rows % 6 == 0 and shape.row_length % 128 == 0


def test_prompts_that_do_not_mix_have_rows_of_their_own():
    batches = batches_of([30], size=8, prompts=8)
    apart = row_shapes.plan(batches, ROOM._replace(mixes=False), cost)
    assert apart.usual == Shape(8, 32, 2)


def test_what_is_learned_beside_the_input_is_as_long_as_it():
    found = row_shapes.plan(batches_of([30, 60]), ROOM._replace(beside=True), cost)
    for shape in found:
        assert shape.target_row_length == shape.row_length


def test_another_plan_is_taken_where_it_is_clearly_better():
    before = row_shapes.plan(batches_of([40]), ROOM, cost)
    assert row_shapes.better(before, batches_of([40], seed=1), ROOM, cost) is None
    later = row_shapes.better(before, batches_of([300]), ROOM, cost)
    assert later.usual.row_length >= 300
    again = row_shapes.better(before, batches_of([300]), ROOM, cost)
    assert again == later, "the same sizes, the same plan"


def test_a_checkpoint_tells_a_plan_also_to_another_mesh():
    found = Plan(Shape(5, 64, 4), Shape(1, 512, 8))
    recent = [[Size(3, 2, 0), Size(4, 1, 1)], [Size(5, 5, 0)]]
    told = json.loads(json.dumps(row_shapes.kept(found, recent)))
    assert row_shapes.of_kept(told, ROOM) == found
    assert row_shapes.recent_of(told) == recent
    wide = row_shapes.of_kept(told, ROOM._replace(rows_multiple=4))
    assert wide == Plan(Shape(8, 64, 4), Shape(4, 512, 8))


def test_of_large_banks_few_batches_and_lengths_are_looked_at(monkeypatch):
    packed = []
    divided = dividing.divided
    monkeypatch.setattr(
        dividing,
        "divided",
        lambda sizes, *a: packed.append(len(sizes)) or divided(sizes, *a),
    )
    for size, most in ((32, 40_000), (1536, 400_000)):
        count = row_shapes.enough(size)
        packed.clear()
        batches = batches_of(range(100, 300), count, size, prompts=48)
        assert row_shapes.plan(batches, ROOM, cost).usual.rows > 1
        assert sum(packed) < most, size
    assert row_shapes.enough(32) == 20 and row_shapes.enough(10**6) == 3
