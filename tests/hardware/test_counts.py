"""What a step does, counted in the text of programs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from spot_jax.hardware import counts
from spot_jax.hardware.counts import Collective


def compiled(function, *arguments) -> counts.Counts:
    text = jax.jit(function).lower(*arguments).compile().as_text()
    return counts.count(text, trips=7, chips=8)


def floats(*shape: int, sharding=None) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32, sharding=sharding)


def test_a_product_counts_twice_its_multiplications():
    found = compiled(lambda a, b: a @ b, floats(16, 32), floats(32, 64))
    assert found.products == 2 * 16 * 32 * 64


def test_a_product_over_a_batch_counts_once_a_member():
    found = compiled(
        lambda a, b: jnp.einsum("bij,bjk->bik", a, b), floats(5, 16, 8), floats(5, 8, 4)
    )
    assert found.products == 2 * 5 * 16 * 8 * 4


def test_the_body_of_a_loop_counts_as_often_as_it_runs():
    def several(weights, x):
        return jax.lax.scan(lambda x, w: (jnp.tanh(x @ w), None), x, weights)[0]

    found = compiled(several, floats(6, 32, 32), floats(16, 32))
    assert found.products == 6 * 2 * 16 * 32 * 32


def test_a_loop_in_a_loop_counts_as_often_as_both_run():
    def inner(x):
        return jax.lax.fori_loop(0, 3, lambda _, x: jnp.tanh(x @ x), x)

    found = compiled(
        lambda x: jax.lax.fori_loop(0, 4, lambda _, x: inner(x), x), floats(16, 16)
    )
    assert found.products == 12 * 2 * 16**3


def test_a_loop_that_may_end_early_counts_as_its_longest():
    def written(x):
        def unfinished(state):
            return (state[0] < 9) & (state[1].sum() > 0)

        def step(state):
            return state[0] + 1, jnp.tanh(state[1] @ state[1])

        return jax.lax.while_loop(unfinished, step, (jnp.int32(0), x))[1]

    assert compiled(written, floats(16, 16)).products == 9 * 2 * 16**3


def test_collectives_are_counted_with_what_a_ring_of_chips_sends():
    mesh = Mesh(np.reshape(jax.devices(), (2, 4)), ("data", "model"))
    rows = NamedSharding(mesh, PartitionSpec("data", "model"))
    columns = NamedSharding(mesh, PartitionSpec("model"))
    found = compiled(
        lambda a, b: a @ b,
        floats(16, 32, sharding=rows),
        floats(32, 64, sharding=columns),
    )
    size = 8 * 64 * 4
    assert found.collectives == {"all-reduce": Collective(1, size, 2 * size * 3 / 4)}
    assert found.products == 2 * 8 * 8 * 64


# As compilers for TPUs write them, cut to what is read.
TPU = """
HloModule jit_step, is_scheduled=true

%add.1 (a: bf16[], b: bf16[]) -> bf16[] {
  %a = bf16[]{:T(512)} parameter(0)
  %b = bf16[]{:T(512)} parameter(1)
  ROOT %c = bf16[]{:T(512)} add(%a, %b)
}

%fused (p: bf16[5,64,64], i: s32[]) -> bf16[64,64] {
  %p = bf16[5,64,64]{2,1,0:T(8,128)(2,1)} parameter(0)
  %i = s32[]{:T(128)} parameter(1)
  ROOT %one = bf16[1,64,64]{2,1,0:T(8,128)} dynamic-slice(%p, %i), sizes={1,64,64}
}

%condition (state: (s32[], bf16[4,64,64])) -> pred[] {
  %limit = s32[]{:T(128)} constant(5)
  %state = (s32[]{:T(128)}, bf16[4,64,64]{2,1,0:T(8,128)(2,1)S(1)}) parameter(0)
  %at = s32[]{:T(128)} get-tuple-element(%state), index=0
  ROOT %less = pred[]{:T(512)} compare(%at, %limit), direction=LT
}

%body (state.1: (s32[], bf16[4,64,64])) -> (s32[], bf16[4,64,64]) {
  %state.1 = (s32[]{:T(128)}, bf16[4,64,64]{2,1,0:T(8,128)(2,1)S(1)}) parameter(0)
  %all = bf16[5,64,64]{2,1,0:T(8,128)(2,1)} custom-call(), custom_call_target="Buffer"
  %at.1 = s32[]{:T(128)} get-tuple-element(%state.1), index=0
  %x = bf16[4,64,64]{2,1,0:T(8,128)(2,1)S(1)} get-tuple-element(%state.1), index=1
  %w = bf16[64,64]{1,0:T(8,128)(2,1)S(1)} fusion(%all, %at.1), kind=kLoop, calls=%fused
  %y = bf16[4,64,64]{2,1,0:T(8,128)(2,1)S(1)} convolution(%x, %x), CONVOLVED
  %sum = bf16[4,64,64]{2,1,0:T(8,128)(2,1)S(1)} all-reduce(%y), GROUPS
  ROOT %next = (s32[]{:T(128)}, bf16[4,64,64]{2,1,0:T(8,128)S(1)}) tuple(%at.1, %sum)
}

ENTRY %main (start: (s32[], bf16[4,64,64])) -> (s32[], bf16[4,64,64]) {
  %start = (s32[]{:T(128)}, bf16[4,64,64]{2,1,0:T(8,128)(2,1)}) parameter(0)
  ROOT %end = (s32[], bf16[4,64,64]) while(%start), condition=%condition, body=%body
}
""".replace(
    "CONVOLVED", "window={size=4 stride=3 lhs_dilate=4}, dim_labels=0bf_0oi->0bf"
)
SIZE = 4 * 64 * 64 * 2


@pytest.mark.parametrize(
    ("groups", "chips"),
    [
        ("replica_groups=[2,4]<=[8]", 4),
        ("replica_groups={{0,1},{2,3},{4,5},{6,7}}", 2),
        ("replica_groups=mesh['data'=2,'model'=4] {'model'}", 4),
        ("replica_groups=mesh['data'=2,'model'=4] {'data','model'}", 8),
        ("replica_groups=mesh['a'=8] {'a':(2)4}", 4),
        ("replica_groups={}", 8),
    ],
)
def test_the_chips_of_a_collective_are_told_in_several_ways(groups, chips):
    found = counts.count(TPU.replace("GROUPS", groups), trips=99, chips=8)
    sent = 5 * 2 * SIZE * (chips - 1) / chips
    assert found.collectives == {"all-reduce": Collective(5, 5 * SIZE, sent)}


def test_a_tpus_products_over_a_batch_and_loops_are_understood():
    found = counts.count(TPU, trips=99, chips=8)
    assert found.products == 5 * 2 * 4 * 64**3


def test_what_is_kept_near_the_products_is_no_traffic_and_a_slice_is_not_the_whole():
    found = counts.count(TPU, trips=99, chips=8)
    allocated, one_layer = 5 * 64 * 64 * 2, 64 * 64 * 2
    assert found.traffic == 5 * (allocated + one_layer)


def test_the_products_of_a_gpus_library_count():
    axes = '"lhs_contracting_dimensions":["1"],"rhs_contracting_dimensions":["0"]'
    gemm = f'{{"gemm_backend_config":{{"dot_dimension_numbers":{{{axes}}}}}}}'
    text = f"""
ENTRY %main (a: f32[8,16], b: f32[16,32]) -> f32[8,32] {{
  %a = f32[8,16]{{1,0}} parameter(0)
  %b = f32[16,32]{{1,0}} parameter(1)
  ROOT %c = (f32[8,32]{{1,0}}, s8[4096]{{0}}) custom-call(%a, %b), backend_config={gemm}
}}
"""
    assert counts.count(text, trips=1, chips=1).products == 2 * 8 * 16 * 32


def test_an_attention_of_cudnn_is_not_taken_for_a_product():
    call = (
        'custom_call_target="__cudnn$fmhaScaleBiasSoftmax", backend_config={"cudnn_fmha'
        '_backend_config":{"bmm1_dot_dimension_numbers":{"lhs_contracting_dimensions":'
        '["3"]}}}'
    )
    text = f"""
HloModule attention, is_scheduled=true

ENTRY %main (a: bf16[2,128,4,64], b: bf16[2,128,4,64]) -> bf16[2,4,128,64] {{
  %a = bf16[2,128,4,64]{{3,2,1,0}} parameter(0)
  %b = bf16[2,128,4,64]{{3,2,1,0}} parameter(1)
  ROOT %c = (bf16[2,4,128,64]{{3,2,1,0}}, u8[0]{{0}}) custom-call(%a, %b), {call}
}}
"""
    assert counts.count(text, trips=1, chips=1).products == 0


def test_a_part_that_a_fusion_in_a_fusion_takes_is_all_that_is_read():
    text = """
HloModule nested, is_scheduled=true

%inner (a: f32[12,64,64], i: s32[]) -> f32[64,64] {
  %a = f32[12,64,64]{2,1,0} parameter(0)
  %i = s32[] parameter(1)
  %zero = s32[] constant(0)
  %part = f32[1,64,64]{2,1,0} dynamic-slice(%a, %i, %zero, %zero), SIZES
  ROOT %flat = f32[64,64]{1,0} bitcast(%part)
}

%outer (b: f32[12,64,64], j: s32[], x: f32[64,64]) -> f32[64,64] {
  %b = f32[12,64,64]{2,1,0} parameter(0)
  %j = s32[] parameter(1)
  %x = f32[64,64]{1,0} parameter(2)
  %taken = f32[64,64]{1,0} fusion(%b, %j), kind=kLoop, calls=%inner
  ROOT %sum = f32[64,64]{1,0} add(%taken, %x)
}

ENTRY %main (w: f32[12,64,64], k: s32[], y: f32[64,64]) -> f32[64,64] {
  %w = f32[12,64,64]{2,1,0} parameter(0)
  %k = s32[] parameter(1)
  %y = f32[64,64]{1,0} parameter(2)
  ROOT %out = f32[64,64]{1,0} fusion(%w, %k, %y), kind=kLoop, calls=%outer
}
"""
    one = 64 * 64 * 4
    # A layer of what is stacked, the other operand, and the result.
    assert counts.count(text, trips=1, chips=1).traffic == 3 * one
