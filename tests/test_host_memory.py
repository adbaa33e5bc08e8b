"""Memory of a step is kept for the next one; counted in page faults of a process."""

import importlib.util
import os
import pathlib
import platform
import subprocess
import sys

import pytest

from spot_jax import host_memory

# A thread takes 96 MiB, writes it and gives it back, as the threads of XLA do.
_STEPS = """
import resource, sys, threading
from spot_jax import host_memory

if sys.argv[1] == "keep":
    assert host_memory.keep_freed_memory()

def faults_of(steps):
    def run():
        for _ in range(steps):
            bytearray(96 * 2**20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults_of(1)
print(faults_of(4))
"""


def _kernel_gives_huge_pages() -> bool:
    """A fault then brings 2 MiB, and says little of how often memory is asked for."""
    path = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled")
    return path.exists() and "[always]" in path.read_text()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="sets glibc's malloc")
@pytest.mark.skipif(_kernel_gives_huge_pages(), reason="pages are huge here")
def test_a_step_takes_the_memory_of_the_step_before_it():
    pages = 96 * 2**20 // os.sysconf("SC_PAGE_SIZE")
    assert _faults("keep") < pages / 10
    assert _faults("return") >= 4 * pages


def _faults(what: str) -> int:
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", _STEPS, what]
    shown = subprocess.run(
        command,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return int(shown.stdout)


def test_nothing_is_changed_where_jax_may_use_an_accelerator(monkeypatch):
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: object() if name == "libtpu" else None
    )
    assert not host_memory.keep_freed_memory()
