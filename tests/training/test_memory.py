"""How much memory a run has taken."""

import types

import jax
import pytest

from spot_jax.training import memory


def of_device(told: dict | None) -> types.SimpleNamespace:
    return types.SimpleNamespace(memory_stats=lambda: told)


@pytest.mark.parametrize(
    "told, peak",
    [
        ([{"peak_bytes_in_use": 2**30}, {"peak_bytes_in_use": 3 * 2**30}], 3.0),
        ([{"bytes_in_use": 1}, None], None),
    ],
)
def test_the_fullest_device_is_told_where_devices_tell(monkeypatch, told, peak):
    monkeypatch.setattr(jax, "local_devices", lambda: list(map(of_device, told)))
    found = memory.peaks()
    assert found.get("device_peak_gib") == peak
    # Of this very process, which holds JAX.
    assert 0.05 < found["host_peak_gib"] < 200
