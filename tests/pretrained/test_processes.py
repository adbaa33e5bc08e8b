"""Two processes each read their part, and name the model alike."""

import json
import socket
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from spot_jax import pretrained
from spot_jax.pretrained.save import save_t5x

PROCESS = """
    import json, sys
    import jax, numpy as np
    from jax.sharding import NamedSharding, PartitionSpec
    from spot_jax import pretrained

    rank, port, path, reference = sys.argv[1:]
    jax.config.update("jax_num_cpu_devices", 4)
    jax.distributed.initialize(f"127.0.0.1:{port}", 2, int(rank))
    devices = np.array(jax.devices()).reshape(2, 4)
    mesh = jax.sharding.Mesh(devices, ("data", "model"))
    whole = np.load(reference)
    results = []
    for axes in [("data", "model"), ("model",), (None, "data"), ()]:
        sharding = NamedSharding(mesh, PartitionSpec(*axes))
        leaf = jax.ShapeDtypeStruct(whole.shape, np.float32, sharding=sharding)
        loaded = pretrained.load(path, {"w": leaf})
        for shard in loaded.params["w"].addressable_shards:
            np.testing.assert_array_equal(shard.data, whole[shard.index])
        results.append(loaded.fingerprint)
    print(json.dumps(results))
"""


@pytest.mark.slow
def test_two_processes_load_their_shards_and_agree_on_the_fingerprint(tmp_path):
    values = np.random.default_rng(0).standard_normal((64, 128)).astype(np.float32)
    save_t5x(str(tmp_path / "c"), {"w": values}, step=0)
    np.save(tmp_path / "w.npy", values)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    files = [port, str(tmp_path / "c"), str(tmp_path / "w.npy")]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(PROCESS), rank, *files],
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    found = {name for o in outputs for name in json.loads(o.splitlines()[-1])}
    assert found == {pretrained.fingerprint({"w": values})}
