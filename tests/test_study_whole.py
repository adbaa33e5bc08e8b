"""A whole study with its training: killed, continued and shared by two processes."""

import subprocess
import sys

import pytest

from tests import runs, study_process

pytestmark = pytest.mark.slow


def start(study_dir, model, *flags: str, killed_in: str = "") -> subprocess.Popen:
    given = study_process.arguments(study_dir, model)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.study_process", killed_in, *given, *flags],
        env=runs.environment() | {"XLA_FLAGS": "--xla_backend_optimization_level=0"},
        cwd=runs.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen, code: int = 0) -> None:
    said, _ = process.communicate(timeout=3600)
    assert process.returncode == code, said


def test_two_workers_one_of_them_killed_do_the_same_study(demo_model, tmp_path):
    whole, shared = tmp_path / "whole", tmp_path / "shared"
    finish(start(whole, demo_model))
    second = start(shared, demo_model, "--worker=2/2")
    killed = start(shared, demo_model, "--worker=1/2", killed_in="transfers-000")
    finish(killed, code=-9)
    assert (shared / "runs/transfers-000/checkpoints").exists()
    finish(start(shared, demo_model, "--worker=1/2"))
    finish(second)
    for name in ("scores.csv", "curves.csv", "similarities.csv"):
        assert (whole / name).read_text() == (shared / name).read_text(), name
    scores = (whole / "scores.csv").read_text().splitlines()
    assert len(scores) == 1 + 4 + 8 + 4 + 8 + 4
