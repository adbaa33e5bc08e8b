"""Where compiled programs are kept."""

import os
import pathlib
import subprocess
import sys

import jax
import pytest

from spot_jax.model import compiled

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def as_before():
    before = jax.config.jax_compilation_cache_dir
    yield
    jax.config.update("jax_compilation_cache_dir", before)


def test_the_users_own_variable_is_heeded(monkeypatch):
    jax.config.update("jax_compilation_cache_dir", "/of/the/user")
    assert compiled.keep() == "/of/the/user"
    assert compiled.keep("/of/the/run") == "/of/the/run"
    assert jax.config.jax_compilation_cache_dir == "/of/the/run"


def test_it_is_a_folder_of_this_user_and_processor(monkeypatch, tmp_path):
    jax.config.update("jax_compilation_cache_dir", None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = pathlib.Path(compiled.keep())
    assert folder.parent == tmp_path / "spot_jax" / "compiled"
    # Nobody's processor is called nothing.
    assert len(folder.name) > 9


def test_nothing_is_kept_where_nothing_is_asked_for():
    assert compiled.keep("") is None
    assert jax.config.jax_compilation_cache_dir is None


def test_a_second_process_compiles_nothing(tmp_path):
    program = (
        "import jax, jax.numpy as jnp, logging, sys\n"
        "from spot_jax.model import compiled\n"
        f"compiled.keep({str(tmp_path)!r})\n"
        "found = []\n"
        "jax.monitoring.register_event_listener(lambda e, **_: found.append(e))\n"
        "jax.jit(lambda x: jnp.sin(x) @ x)(jnp.ones((4, 4))).block_until_ready()\n"
        "print(sum(e == '/jax/compilation_cache/cache_hits' for e in found))\n"
    )
    given = [sys.executable, "-c", program]
    # JAX's own shortest time is a second, which this program does not take.
    env = {k: v for k, v in os.environ.items() if "MIN_COMPILE_TIME" not in k}
    hits = [
        subprocess.run(
            given, capture_output=True, text=True, check=True, cwd=ROOT, env=env
        ).stdout
        for _ in range(2)
    ]
    assert int(hits[0]) == 0 < int(hits[1])
