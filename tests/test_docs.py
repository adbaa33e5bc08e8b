"""What stands in docs/ runs as it is, one block after the other."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


def blocks(name: str, language: str) -> list[str]:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.mark.slow
def test_python_md_runs(tmp_path):
    """In a process of its own, which sees the devices that a reader has."""
    learned = 'assert model.rank(texts, prompt=prompt) == ["yes", "no"]\n'
    program = "".join(blocks("python.md", "python")) + learned
    run([sys.executable, "-c", program], tmp_path)
    assert (tmp_path / "library/mood-seed0").is_dir()


@pytest.mark.slow
def test_own_rows_md_runs(tmp_path):
    done = run(["bash", "-euc", "".join(blocks("own_rows.md", "sh"))], tmp_path)
    assert '"prediction"' in done.stdout
    for made in ("scores/metrics.json", "data", "library", "sweep/metrics.jsonl"):
        assert (tmp_path / made).exists(), made


def run(command: list[str], folder: pathlib.Path) -> subprocess.CompletedProcess:
    """Runs a command in a folder, as where spot_jax is installed."""
    here = pathlib.Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{here}:{os.environ['PATH']}"}
    # Of conftest's, which pretends to have eight devices.
    environment.pop("XLA_FLAGS", None)
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("name", ["python.md", "own_rows.md"])
def test_every_block_of_the_docs_is_of_a_known_language(name):
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert set(re.findall(r"^```(\w+)", text, flags=re.MULTILINE)) <= {"python", "sh"}
