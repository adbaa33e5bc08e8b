"""What setup.py installs is what runs without the repository."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


def test_all_that_a_program_reads_is_installed(tmp_path):
    pytest.importorskip("setuptools")
    build = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=300)
    wanted = {
        path.relative_to(ROOT)
        for path in (ROOT / "spot_jax").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    for folder in ("gin", "tasks"):
        wanted |= {
            pathlib.Path("spot_jax", path.relative_to(ROOT))
            for path in (ROOT / folder).rglob("*")
            if path.suffix in (".gin", ".py")
        }
    found = {path.relative_to(tmp_path) for path in tmp_path.rglob("*")}
    assert wanted <= found, wanted - found
