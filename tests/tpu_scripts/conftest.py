"""A stand-in for gcloud, with a TPU of two workers in a temporary folder."""

import os
import pathlib
import shutil
import signal
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
SCRIPTS = HERE.parents[1] / "tpu_scripts"
WHERE = {
    "TPU_NAME": "my-tpu",
    "TPU_ZONE": "us-west4-a",
    "TPU_PROJECT": "my-project",
    "TPU_TYPE": "v5e-16",
}


class Play:
    """What one test sees: its folder, its scripts, and what gcloud was asked.

    Attributes:
        folder: where the stand-in keeps its states and its workers.
        environment: that of the scripts.
    """

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        (folder / "bin").mkdir()
        shutil.copy(HERE / "gcloud", folder / "bin")
        for name in ("python3", "python3.13"):
            shutil.copy(HERE / "python", folder / "bin" / name)
        outside = {k: v for k, v in os.environ.items() if k[:4] not in ("TPU_", "GPU_")}
        path = f"{folder / 'bin'}:{os.environ['PATH']}"
        play = {"PLAY": str(folder), "WORKERS": "2", "PATH": path}
        self.environment = {**outside, **WHERE, **play, "TPU_POLL": "0"}
        self.become("ABSENT")

    def become(self, queued: str, node: str = "READY") -> None:
        (self.folder / "queued").write_text(f"{queued}\n")
        (self.folder / "node").write_text(f"{node}\n")

    def run(self, script: str, *arguments: str, typed: str = "", **environment: str):
        """Runs a script; both streams are text, `typed` is what a person types."""
        return subprocess.run(
            ["bash", SCRIPTS / script, *arguments],
            env=self.environment | environment,
            input=typed,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def well(self, script: str, *arguments: str, **options: str) -> str:
        """What a script prints that has to end well."""
        done = self.run(script, *arguments, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def calls(self) -> list[list[str]]:
        """The arguments of every call of gcloud."""
        path = self.folder / "calls"
        text = path.read_text() if path.exists() else ""
        return [call.split("\x1f")[:-1] for call in text.split("\x1e")[:-1]]

    def verbs(self) -> list[str]:
        """What the calls did, without looks: 'create', 'scp', 'install', ..."""
        found = []
        for call in self.calls():
            sent = [word for word in call if word.startswith("--command=")]
            found.append(sent[0].split()[2] if sent else call[3])
        return [verb for verb in found if verb not in ("describe", "state")]

    def worker(self, number: int) -> pathlib.Path:
        return self.folder / f"worker-{number}"

    def end_all(self) -> None:
        for path in self.folder.glob("worker-*/spot_jax/runs/*/pid"):
            try:
                os.killpg(int(path.read_text()), signal.SIGKILL)
            except (ProcessLookupError, ValueError):
                pass


@pytest.fixture
def play(tmp_path):
    playing = Play(tmp_path)
    yield playing
    playing.end_all()


@pytest.fixture
def ready(play):
    """A TPU that is there, whose workers have what setup.sh brings."""
    play.become("ACTIVE")
    for number in range(2):
        (play.worker(number) / "spot_jax/project").mkdir(parents=True)
        script = play.worker(number) / "spot_jax_worker.sh"
        shutil.copy(SCRIPTS / "worker.sh", script)
    return play
