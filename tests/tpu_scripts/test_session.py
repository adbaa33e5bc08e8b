"""From nothing to results, each step on its own."""

import os
import subprocess
import sys
import tarfile
import time

import pytest

TPU = ["--zone=us-west4-a", "--project=my-project", "--quiet"]


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def has_ended(play, run="run"):
    folder = f"spot_jax/runs/{run}/exit"
    return lambda: all((play.worker(n) / folder).exists() for n in range(2))


def test_create_asks_for_a_queued_request_and_waits_until_it_is_there(play):
    done = play.run("create.sh", "--spot", "--network=my-net", "--internal_ips")
    assert done.returncode == 0, done.stderr
    made = next(call for call in play.calls() if "create" in call)
    kind = ["--accelerator-type=v5litepod-16", "--spot", "--internal-ips"]
    assert made == [
        *("compute", "tpus", "queued-resources", "create", "my-tpu"),
        *("--node-id=my-tpu", *kind, "--network=my-net"),
        *("--runtime-version=v2-alpha-tpuv5-lite", *TPU),
    ]
    assert "WAITING_FOR_RESOURCES" in done.stderr and "READY" in done.stderr


def test_create_makes_a_tpu_vm_at_once_where_that_is_asked_for(play):
    play.become("BROKEN", "ABSENT")
    play.well("create.sh", "--plain")
    made = next(call for call in play.calls() if "create" in call)
    assert made[2:5] == ["tpu-vm", "create", "my-tpu"]
    assert "--version=v2-alpha-tpuv5-lite" in made
    assert not [call for call in play.calls() if "queued-resources" in call]


@pytest.mark.parametrize(
    ("queued", "node", "says"),
    [
        ("ACTIVE", "READY", "there already (READY)"),
        ("SUSPENDED", "ABSENT", "there already (SUSPENDED)"),
        ("BROKEN", "READY", "could not be asked"),
        ("ACTIVE", "BROKEN", "could not be asked"),
    ],
)
def test_create_makes_nothing_beside_what_may_be_there(play, queued, node, says):
    play.become(queued, node)
    done = play.run("create.sh")
    assert done.returncode == 2 and says in done.stderr
    assert play.verbs() == []


def test_create_says_when_a_request_will_not_be_filled(play):
    (play.folder / "no_quota").touch()
    done = play.run("create.sh")
    assert done.returncode == 1 and "Quota" in done.stderr


def test_setup_brings_the_files_as_they_are(play):
    play.become("ACTIVE")
    play.well("setup.sh")
    assert play.verbs() == ["scp", "install"]
    for number in range(2):
        home = play.worker(number)
        project = home / "spot_jax/project"
        assert (project / "spot_jax/__main__.py").exists()
        assert (project / "gin/runs/prompt_tune.gin").exists()
        assert not (project / ".git").exists() and not (project / ".venv").exists()
        pip = (home / "pip").read_text().splitlines()
        quiet = "install --quiet --disable-pip-version-check"
        assert pip == [
            f"{quiet} -c constraints.txt jax[tpu] -e .",
            f"{quiet} --no-deps --force-reinstall -e .",
        ]


def test_setup_brings_a_commit_without_tensorflow(play):
    play.become("ACTIVE")
    play.well("setup.sh", "--ref", "HEAD", "--lean", "--then", 'echo "it\'s" >after')
    project = play.worker(1) / "spot_jax/project"
    assert (project / "spot_jax/__main__.py").exists()
    pip = (play.worker(1) / "pip").read_text().splitlines()
    assert pip[0].endswith("-c constraints.txt jax[tpu] -r lean.txt")
    assert pip[1].endswith("--no-deps --force-reinstall -e .")
    assert (project / "after").read_text() == "it's\n"


def test_setup_brings_a_wheel(play):
    play.become("ACTIVE")
    wheel = play.folder / "spot_jax-0.1.0-py3-none-any.whl"
    wheel.touch()
    play.well("setup.sh", "--wheel", str(wheel))
    pip = (play.worker(0) / "pip").read_text().splitlines()
    assert pip[0].endswith(f"-c constraints.txt jax[tpu] ./{wheel.name}")
    assert pip[1].endswith(f"--force-reinstall ./{wheel.name}")
    with tarfile.open(play.worker(0) / "spot_jax.tar.gz") as packed:
        assert sorted(packed.getnames()) == ["constraints.txt", "lean.txt", wheel.name]


def test_setup_says_which_step_failed_on_a_worker(play):
    play.become("ACTIVE")
    (play.folder / "broken-1").touch()
    done = play.run("setup.sh", "--ref=HEAD")
    assert done.returncode == 1 and "ssh-add" in done.stderr
    (play.folder / "broken-1").unlink()
    done = play.run("setup.sh", "--ref=HEAD", "--then", "exit 3")
    assert done.returncode == 1 and "could not install" in done.stderr


WORDS = [
    "a b",
    "it's",
    '"q"',
    "$HOME",
    "`x`",
    "",
    "a\nb",
    "*",
    "{'inputs': 512}",
    "é\\",
]


def test_a_command_arrives_word_for_word(ready):
    show = "import sys; print(sys.argv[1:])"
    ready.well("run.sh", "--", sys.executable, "-c", show, *WORDS)
    until(has_ended(ready))
    for number in range(2):
        log = (ready.worker(number) / "spot_jax/runs/run/log").read_text()
        assert f"\n{WORDS!r}\n" in log


def test_a_command_outlives_the_connection_that_started_it(ready):
    ready.well("run.sh", "--run=long", "--", "sleep", "60")
    pid = int((ready.worker(0) / "spot_jax/runs/long/pid").read_text())
    assert os.getsid(pid) == pid
    shown = ready.well("watch.sh", "--run=long")
    assert "my-tpu: READY" in shown
    assert "[worker 0] long: running" in shown and "[worker 1] long: running" in shown


def test_the_same_command_is_started_once_and_another_is_refused(ready):
    for _ in range(2):
        ready.well("run.sh", "--", "sleep", "60")
    logs = (ready.worker(0) / "spot_jax/runs/run/log").read_text()
    assert logs.count("--- ") == 1
    done = ready.run("run.sh", "--", "sleep", "61")
    assert done.returncode == 1 and "something else, which still runs" in done.stderr
    done = ready.run("setup.sh", "--ref=HEAD")
    assert done.returncode == 1 and "stop.sh first" in done.stderr


def test_stop_asks_a_command_to_end_and_says_how_it_did(ready):
    saves = "trap 'echo saved; exit 143' TERM; echo on; while :; do sleep 0.05; done"
    ready.well("run.sh", "--", "bash", "-c", saves)
    log = ready.worker(1) / "spot_jax/runs/run/log"
    until(lambda: log.read_text().endswith("on\n"))
    ready.well("stop.sh")
    shown = ready.well("watch.sh", "--lines=1")
    assert "[worker 1] run: exited 143\n[worker 1] | saved" in shown


def test_stop_ends_what_does_not_listen(ready):
    ready.environment["WORKERS"] = "1"
    deaf = "trap '' TERM; echo on; while :; do sleep 0.05; done"
    ready.well("run.sh", "--", "bash", "-c", deaf)
    log = ready.worker(0) / "spot_jax/runs/run/log"
    until(lambda: log.read_text().endswith("on\n"))
    ready.well("stop.sh", "--patience=0")
    assert "[worker 0] run: died" in ready.well("watch.sh")


def test_one_worker_that_cannot_be_reached_is_not_passed_over(ready):
    (ready.folder / "broken-1").touch()
    done = ready.run("run.sh", "--", "sleep", "60")
    assert done.returncode == 1
    assert "port 22" in done.stderr and "did not start on every worker" in done.stderr
    watched = ready.run("watch.sh")
    assert "[worker 0] run: running" in watched.stdout
    assert "not every worker" in watched.stderr


@pytest.mark.parametrize(("command", "code"), [("exit 0", 0), ("exit 7", 1)])
def test_watching_ends_with_the_run_and_tells_how(ready, command, code):
    ready.well("run.sh", "--", "bash", "-c", command)
    done = ready.run("watch.sh", "--every=0")
    assert done.returncode == code
    assert f"[worker 1] run: exited {command.split()[1]}" in done.stdout


def test_a_tpu_that_was_not_set_up_has_no_run(play):
    play.become("ACTIVE")
    assert "run: absent" in play.well("watch.sh")
    done = play.run("run.sh", "--", "true")
    assert done.returncode == 1 and "setup.sh" in done.stderr


def test_watching_a_tpu_that_is_gone_says_what_brings_it_back(play):
    play.become("ACTIVE", "PREEMPTED")
    done = play.run("watch.sh", "--every=0")
    assert done.returncode == 1 and "restart.sh" in done.stderr


def test_results_come_back_with_the_log_of_every_worker(ready):
    ready.well("run.sh", "--", "bash", "-c", "echo I am ${HOSTNAME}")
    until(has_ended(ready))
    to = ready.folder / "results"
    ready.well("fetch.sh", "--to", str(to), "--model_dir", "gs://bucket/sst2")
    for number in range(2):
        assert (
            f"I am t1v-n-1-w-{number}\n"
            in (to / f"logs/worker-{number}.log").read_text()
        )
    assert ready.calls()[-1] == [
        *("storage", "rsync", "--recursive", "--exclude=(.*/)?checkpoints/.*"),
        *("gs://bucket/sst2", str(to), "--project=my-project"),
    ]
    ready.well("fetch.sh", "--to", str(to), "--model_dir", "runs/sst2")
    copied = ready.calls()[-1]
    assert copied[2:7] == ["tpu-vm", "scp", "--recurse", "my-tpu:runs/sst2", str(to)]


def test_a_log_that_cannot_be_fetched_is_named(ready):
    ready.well("run.sh", "--", "true")
    until(has_ended(ready))
    (ready.folder / "broken-0").touch()
    done = ready.run("fetch.sh", "--to", str(ready.folder / "results"))
    assert done.returncode == 1 and "the log of worker 0" in done.stderr
    assert (ready.folder / "results/logs/worker-1.log").read_text()


def test_a_python_that_is_too_old_is_replaced_or_said(play):
    """TPU images come with Python 3.10."""
    play.become("ACTIVE")
    for name in ("python3", "python3.13"):
        (play.folder / "bin" / name).write_text("#!/bin/sh\nexit 1\n")
    for name in ("python3.12", "python3.11"):
        path = play.folder / "bin" / name
        path.write_text("#!/bin/sh\nexit 1\n")
        path.chmod(0o755)
    done = play.run("setup.sh", "--ref=HEAD")
    assert done.returncode == 1
    assert "[worker 0] no Python 3.11 or newer is here" in done.stderr


def test_a_dry_run_prints_a_whole_session_and_does_nothing(play):
    flags = ["--dry_run", "--run=sst2"]
    printed = [play.well("create.sh", "--dry_run"), play.well("setup.sh", "--dry_run")]
    printed.append(play.well("run.sh", *flags, "--", "spot_jax", "train", *WORDS))
    printed += [play.well(f"{name}.sh", *flags) for name in ("watch", "stop")]
    printed.append(play.well("fetch.sh", *flags, "--to=x", "--model_dir=gs://bucket/x"))
    printed.append(play.well("restart.sh", *flags, "--", "spot_jax", "train"))
    printed.append(play.well("delete.sh", "--dry_run"))
    assert not play.calls() and not (play.folder / "x").exists()
    lines = "".join(printed).splitlines()
    commands = [line for line in lines if line.startswith(("gcloud ", "mkdir "))]
    notes = [line for line in lines if line.startswith("# ")]
    assert len(commands) + len(notes) == len(lines)
    # What it prints is what it would have run.
    script = "\n".join(line for line in commands if line.startswith("gcloud "))
    play.become("ACTIVE")
    subprocess.run(["bash", "-c", script], env=play.environment, capture_output=True)
    sent = [call for call in play.calls() if any("start sst2" in w for w in call)]
    ready_words = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {sent[0][6].removeprefix('--command=')}"],
        capture_output=True,
        text=True,
    ).stdout.split("\0")[:-1]
    assert ready_words[4:] == ["spot_jax", "train", *WORDS]
