"""Programs of XLA kept on disk, so that what was compiled once starts at once."""

import hashlib
import os
import pathlib
import platform

import jax
from jax.experimental.compilation_cache import compilation_cache

# A folder that gin does not name: of this user, as XDG has it.
_CACHE = "spot_jax/compiled"
# JAX keeps what compiled for a second; a start has dozens of small programs, which
# together take as long.
_SHORTEST = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"


def keep(folder: str | None = None) -> str | None:
    """Turns JAX's persistent compilation cache on.

    Args:
        folder: COMPILATION_CACHE_DIR, local or gs://. None: where JAX's own variable
            JAX_COMPILATION_CACHE_DIR says, or one of this user (~/.cache/spot_jax),
            apart for every kind of processor. "": nothing is kept.

    Returns:
        The folder; None where nothing is kept.
    """
    if folder is None:
        folder = jax.config.jax_compilation_cache_dir or str(_usual())
    if (folder or None) != jax.config.jax_compilation_cache_dir:
        # It stays the one that was opened first, otherwise.
        compilation_cache.reset_cache()
    jax.config.update("jax_compilation_cache_dir", folder or None)
    if _SHORTEST not in os.environ:
        jax.config.update(_SHORTEST.lower(), 0.0)
    return folder or None


def _usual() -> pathlib.Path:
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(home) / _CACHE / _processor()


def _processor() -> str:
    """Names this kind of processor, for a home may be shared with others.

    What is compiled for one may hold instructions that another does not have.
    """
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    told = sorted({line for line in lines if line.startswith(("flags", "Features"))})
    told = told or [platform.processor()]
    of_features = hashlib.sha256("\n".join(told).encode()).hexdigest()[:8]
    return f"{platform.machine()}-{of_features}"
