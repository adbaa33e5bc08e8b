"""What is checked before gcloud is asked for anything."""

import os
import shutil

import pytest

ALL = ["create", "setup", "run", "watch", "stop", "fetch", "restart", "delete"]


def refused(play, script, *arguments, **environment):
    """The message with which a script refuses, having asked gcloud nothing."""
    done = play.run(f"{script}.sh", *arguments, **environment)
    assert done.returncode == 2, done.stderr
    assert not play.calls()
    assert done.stderr.startswith(f"{script}.sh: ") and done.stderr.count("\n") == 1
    return done.stderr


@pytest.mark.parametrize("script", ALL)
def test_a_flag_that_is_not_there_is_refused_with_those_that_are(play, script):
    message = refused(play, script, "--nmae", "x")
    assert "no flag --nmae" in message and "--name --zone --project" in message


@pytest.mark.parametrize("script", ["fetch", "restart"])
@pytest.mark.parametrize("rest", [[], [""], ["--dry_run"]])
def test_a_flag_without_its_value_is_refused(play, script, rest):
    assert "--name needs a value" in refused(play, script, "--name", *rest)


def test_a_switch_takes_no_value(play):
    assert "--spot takes no value" in refused(play, "create", "--spot=yes")
    assert "1 or not set" in refused(play, "create", TPU_SPOT="no")


def test_a_word_that_is_no_flag_is_refused(play):
    message = refused(play, "run", "spot_jax", "train")
    assert "'spot_jax' is no flag" in message and "after --" in message


@pytest.mark.parametrize("script", ["create", "run", "delete"])
@pytest.mark.parametrize("missing", ["NAME", "ZONE", "PROJECT"])
def test_without_a_place_nothing_is_done(play, script, missing):
    message = refused(play, script, **{f"TPU_{missing}": ""})
    assert f"--{missing.lower()} is missing" in message and f"TPU_{missing}" in message


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        *(("name", name) for name in ["My-TPU", "a-", "1a", "a b", "-x", "a\nb"]),
        *(("name", name) for name in ["a" * 64, "ä", "$(reboot)"]),
        *(("zone", zone) for zone in ["us-west4", "uswest4-a", "us-west4-A", "a b"]),
        *(
            ("project", project)
            for project in ["p", "My-Project", "a b c d e", "1abcdef"]
        ),
    ],
)
def test_a_name_of_another_form_is_refused(play, flag, value):
    assert f"--{flag} is " in refused(play, "delete", f"--{flag}={value}")


@pytest.mark.parametrize("kind", ["v5e-17", "v6e-512", "v3-8", "v5e", "v5p-130"])
def test_an_accelerator_that_is_not_known_is_refused(play, kind):
    message = refused(play, "create", "--type", kind)
    assert "--type is" in message and ("N is one of" in message or "v6e-N" in message)


@pytest.mark.parametrize(
    ("kind", "name", "version", "chips"),
    [
        ("v5e-16", "v5litepod-16", "v2-alpha-tpuv5-lite", 16),
        ("v5litepod-256", "v5litepod-256", "v2-alpha-tpuv5-lite", 256),
        ("v6e-8", "v6e-8", "v2-alpha-tpuv6e", 8),
        ("v5p-32", "v5p-32", "v2-alpha-tpuv5", 16),
        ("v5p-12288", "v5p-12288", "v2-alpha-tpuv5", 6144),
        ("v4-384", "v4-384", "tpu-ubuntu2204-base", 192),
    ],
)
def test_a_type_has_its_software_and_its_chips(play, kind, name, version, chips):
    done = play.run("create.sh", "--dry_run", "--type", kind)
    assert f"--accelerator-type={name} " in done.stdout
    assert f"--runtime-version={version} " in done.stdout
    assert f"{chips} chips" in done.stderr
    other = play.well("create.sh", "--dry_run", "--type", kind, "--version", "v2-x")
    assert "--runtime-version=v2-x " in other


def test_a_flag_wins_over_the_variable(play):
    text = play.well("delete.sh", "--dry_run", "--name=other")
    assert " delete other " in text and "my-tpu" not in text


def test_without_gcloud_it_is_said_where_it_comes_from(play):
    (play.folder / "bin/gcloud").unlink()
    # As PATH has it a machine with the SDK would have another.
    for name in ("bash", "dirname", "sed", "mktemp", "cat", "grep", "rm"):
        os.symlink(shutil.which(name), play.folder / "bin" / name)
    for script in ("create", "watch", "delete"):
        message = refused(play, script, PATH=str(play.folder / "bin"))
        assert "gcloud is not on the PATH" in message and "cloud.google.com" in message


def test_a_run_needs_a_command_and_a_name_that_is_one(play):
    assert "after --" in refused(play, "run")
    assert "--run is" in refused(play, "run", "--run", "a b", "--", "true")
    assert "--run is" in refused(play, "run", "--run", "../x", "--", "true")


@pytest.mark.parametrize("folder", ["gs://Bucket/x", "gs://bucket/a b", "-x", "a;b"])
def test_a_model_dir_of_another_form_is_refused(play, folder):
    message = refused(play, "fetch", "--to=/tmp/x", f"--model_dir={folder}")
    assert "--model_dir is" in message


def test_two_sources_are_one_too_many(play):
    assert "give one" in refused(play, "setup", "--ref=main", "--wheel=x.whl")
    assert "git does not know" in refused(play, "setup", "--ref=no-such-ref")
    assert "no wheel" in refused(play, "setup", "--wheel=/no/such.whl")


@pytest.mark.parametrize("word", ["--gin.MODEL_DIR=/tmp/x", "--gin.STUDY_DIR='/x'"])
def test_what_a_preemption_would_lose_is_refused(play, word):
    assert "let it be on gs://" in refused(play, "restart", "--", "spot_jax", word)
    safe = ["--gin.MODEL_DIR='gs://bucket/x'", "--gin.TOKENIZED_DATA_DIR=/x"]
    play.well("restart.sh", "--dry_run", "--", "spot_jax", *safe)


def test_what_would_lose_the_logs_is_refused(play):
    message = refused(play, "restart", "--delete_when_done", "--", "true")
    assert "--to" in message
