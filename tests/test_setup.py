"""What setup.py installs is what runs without the repository."""

import pathlib
import re
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


def test_what_is_needed_without_tensorflow_is_said_once_more_for_pip():
    """pip installs a file of requirements, and no part of a package's own."""
    whole = (ROOT / "setup.py").read_text(encoding="utf-8")
    part = whole.partition("LEAN = [")[2].partition("]")[0]
    lines = (ROOT / "lean.txt").read_text(encoding="utf-8").splitlines()
    listed = [line for line in lines if not line.startswith("#")]
    assert listed == re.findall('"(.+)"', part)
    assert not [line for line in listed if "tensorflow" in line or "seqio" in line]
