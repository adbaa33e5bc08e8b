"""TPU slices that are not there: which there are, and devices to compile for."""

import pytest

from spot_jax.errors import InputError
from spot_jax.hardware import topologies
from spot_jax.hardware.chips import TPUS


@pytest.mark.parametrize(
    ("name", "chips"),
    [("v5e:4x4", 16), ("v4:2x2x1", 4), ("v5p:4x4x8", 128), ("v6e:1x1", 1)],
)
def test_a_topology_tells_its_chip_and_their_number(name, chips):
    assert topologies.known(name) == (TPUS[name.partition(":")[0]], chips)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("v9:2x2", "v4, v5e, v5p, v6e"),
        ("v5e", "v5e:4x4"),
        ("v5e:3x3", "v5e:1x1, v5e:2x2, v5e:2x4, v5e:4x4"),
        ("v4:4x4", "v4:2x2x1"),
        ("", "v5e:4x4"),
    ],
)
def test_an_unknown_topology_is_answered_with_those_that_there_are(name, said):
    with pytest.raises(InputError, match=said):
        topologies.known(name)


def test_without_libtpu_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(topologies.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"spot_jax\[tpu-compile\]"):
        topologies.devices_of("v5e:2x2")


@pytest.mark.parametrize(
    "name",
    [
        f"{kind}:{shape}"
        for kind, all_of in topologies.SHAPES.items()
        for shape in all_of
    ],
)
def test_a_topology_has_as_many_devices_as_chips(name):
    pytest.importorskip("libtpu", reason="only libtpu compiles for TPUs")
    devices = topologies.devices_of(name)
    assert len(devices) == topologies.known(name)[1]
    assert devices[0].platform == "tpu"
