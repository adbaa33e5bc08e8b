"""One GPU here, and many of a cluster."""

import shlex

import pytest


def stand_in(play, name, text):
    path = play.folder / "bin" / name
    path.write_text(f"#!/usr/bin/env bash\n{text}\n")
    path.chmod(0o755)
    return str(path)


# It records what it is asked; what it runs on is the variable DEVICE.
PYTHON = """
printf '%s\\n' "$CUDA_VISIBLE_DEVICES ${XLA_PYTHON_CLIENT_PREALLOCATE-unset}" \\
  "${XLA_CLIENT_MEM_FRACTION-unset}" "$@" >>"$PLAY/asked"
[[ $1 != -c || $DEVICE == gpu ]]
"""


@pytest.fixture
def card(play):
    stand_in(
        play, "nvidia-smi", 'echo "1, NVIDIA Toy, ${DRIVER-580.65}, 80 GiB, 3 GiB"'
    )
    play.environment["GPU_PYTHON"] = stand_in(play, "toy_python", PYTHON)
    play.environment["DEVICE"] = "gpu"
    return play


def test_a_short_run_trains_on_the_one_gpu(card):
    done = card.run("gpu_debug.sh", "--gpu=1", "--", "--gin.BATCH_SIZE=8")
    assert done.returncode == 0, done.stderr
    assert "NVIDIA Toy" in done.stderr and "GPU 1 trains" in done.stderr
    asked = (card.folder / "asked").read_text()
    train = asked.partition("\n-m\nspot_jax\ntrain\n")[2].splitlines()
    assert "--gin.INITIAL_CHECKPOINT_PATH=spot_tiny" in train
    assert train[-1] == "--gin.BATCH_SIZE=8"
    assert asked.startswith("1 false\nunset\n-c\n")


def test_memory_is_taken_at_once_where_a_fraction_is_given(card):
    card.well("gpu_debug.sh", "--memory=.5", "--model=/models/t5", "--steps=3")
    asked = (card.folder / "asked").read_text()
    assert asked.startswith("0 unset\n.5\n")
    assert "--gin.INITIAL_CHECKPOINT_PATH=/models/t5\n--gin.TRAIN_STEPS=3\n" in asked


@pytest.mark.parametrize(
    ("driver", "hint"),
    [("580.1", "cuda13"), ("535.2", "cuda12"), ("470.9", "driver of")],
)
def test_a_jax_without_cuda_is_told_which_wheels_it_needs(card, driver, hint):
    done = card.run("gpu_debug.sh", DEVICE="cpu", DRIVER=driver)
    assert done.returncode == 2 and hint in done.stderr
    assert "spot_jax" not in (card.folder / "asked").read_text()


def test_a_machine_without_a_driver_says_so(play):
    stand_in(play, "nvidia-smi", "echo No devices were found; exit 6")
    done = play.run("gpu_debug.sh")
    assert done.returncode == 2 and "No devices were found" in done.stderr


@pytest.mark.parametrize("memory", ["1", "0", "1.5", "half", "0.0"])
def test_a_fraction_is_one(card, memory):
    done = card.run("gpu_debug.sh", f"--memory={memory}")
    assert done.returncode == 2 and "--memory is" in done.stderr


JOB = {
    "SLURM_JOB_ID": "7",
    "SLURM_JOB_NUM_NODES": "2",
    "SLURM_NTASKS": "16",
    "SLURM_GPUS_ON_NODE": "8",
}
RECORD = 'printf "%s\\n" "${JAX_LOCAL_DEVICE_IDS-unset}" "$@" >"$PLAY/srun"'


@pytest.mark.parametrize(
    ("processes", "devices"), [("16", "unset"), ("2", "0,1,2,3,4,5,6,7")]
)
def test_a_cluster_runs_one_process_on_each_gpu_or_each_node(play, processes, devices):
    """JAX's detection gives a process one GPU, unless it is told of more."""
    stand_in(play, "srun", RECORD)
    job = JOB | {"SLURM_NTASKS": processes, "SLURM_SUBMIT_DIR": str(play.folder)}
    command = ["spot_jax", "train", "--gin.X={'a': \"b c\"}"]
    printed = play.well("gpu_cluster.sbatch", *command, **job)
    got = (play.folder / "srun").read_text().splitlines()
    assert got[0] == devices and got[-3:] == command
    assert shlex.split(printed)[-3:] == command
    assert "--output=logs/%j-%t.log" in got and (play.folder / "logs").is_dir()


@pytest.mark.parametrize(
    ("job", "says"),
    [
        ({}, "submit it with sbatch"),
        (JOB | {"SLURM_NTASKS": "8"}, "4 processes on a node with 8 GPUs"),
        (JOB | {"SLURM_NTASKS": "3"}, "evenly"),
        (JOB | {"SLURM_GPUS_ON_NODE": ""}, "no GPUs"),
    ],
)
def test_a_job_of_another_shape_is_refused(play, job, says):
    stand_in(play, "srun", RECORD)
    done = play.run("gpu_cluster.sbatch", "spot_jax", "train", **job)
    assert done.returncode == 2 and says in done.stderr
    assert not (play.folder / "srun").exists()


def test_a_job_without_a_command_is_refused_and_a_dry_run_runs_nothing(play):
    done = play.run("gpu_cluster.sbatch", **JOB)
    assert done.returncode == 2 and "Give the command" in done.stderr
    job = JOB | {"SLURM_SUBMIT_DIR": str(play.folder)}
    assert play.well("gpu_cluster.sbatch", "--dry_run", "true", **job).startswith(
        "srun "
    )
    assert not (play.folder / "logs").exists()
