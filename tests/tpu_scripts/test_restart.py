"""What goes on until a run has ended well, and what is deleted on the way."""

import pytest

WHEEL = "spot_jax-0.1.0-py3-none-any.whl"


def restart(play, command, *flags, **options):
    wheel = play.folder / WHEEL
    wheel.touch()
    flags = ["--yes=my-tpu", f"--wheel={wheel}", *flags]
    return play.run("restart.sh", *flags, "--", "bash", "-c", command, **options)


# As MODEL_DIR on gs:// it outlives the workers.
ONCE_MORE = 'echo "$HOSTNAME" >>"$PLAY/model_dir"'
FROM_NOTHING = ["create", "scp", "install", "start"]


def test_it_brings_a_run_from_nothing_to_its_end(play):
    done = restart(play, ONCE_MORE)
    assert done.returncode == 0, done.stderr
    assert play.verbs() == FROM_NOTHING
    assert "ended well on all workers" in done.stderr and "costs" in done.stderr


@pytest.mark.parametrize("lost", ["SUSPENDED", "ACTIVE\nSUSPENDING\nSUSPENDED"])
def test_a_preempted_tpu_is_deleted_and_made_again_and_the_run_goes_on(play, lost):
    """Its workers may have ended before its state tells why."""
    for number in (1, 2):
        (play.folder / f"at_start-{number}").write_text(lost)
    third_time = f'{ONCE_MORE}; [[ $(wc -l <"$PLAY/model_dir") -gt 4 ]] || exit 143'
    done = restart(play, third_time, "--failures=0")
    assert done.returncode == 0, done.stderr
    again = ["delete", *FROM_NOTHING]
    assert play.verbs() == [*FROM_NOTHING, *again, *again]
    deleted = next(call for call in play.calls() if "delete" in call)
    assert deleted[2:6] == ["queued-resources", "delete", "my-tpu", "--force"]
    starts = [w for call in play.calls() for w in call if " start " in w]
    assert len(starts) == 3 and len(set(starts)) == 1


def test_a_node_that_is_lost_under_an_active_request_is_seen(play):
    play.become("ACTIVE", "PREEMPTED")
    done = restart(play, ONCE_MORE)
    assert done.returncode == 0, done.stderr
    assert play.verbs() == ["delete", *FROM_NOTHING]


def test_a_plain_tpu_vm_is_made_again_as_one(play):
    play.become("BROKEN", "PREEMPTED")
    done = restart(play, ONCE_MORE, "--plain")
    assert done.returncode == 0, done.stderr
    assert play.verbs() == ["delete", *FROM_NOTHING]
    assert not [call for call in play.calls() if "queued-resources" in call]


def test_a_run_that_is_going_on_is_left_alone(ready):
    ready.well("run.sh", "--", "bash", "-c", "sleep 0.3")
    before = ready.verbs()
    done = restart(ready, "sleep 0.3", TPU_POLL="0")
    assert done.returncode == 0, done.stderr
    assert ready.verbs() == before


def test_a_failure_is_tried_again_until_there_were_too_many(play):
    done = restart(play, "exit 1", "--failures=2")
    assert done.returncode == 1
    again = ["scp", "install", "start"]
    assert play.verbs() == [*FROM_NOTHING, *again, *again]
    assert "failure 3; 2 are tried again" in done.stderr
    assert "[worker 0] run: exited 1" in done.stdout


def test_one_worker_that_failed_makes_all_start_again(play):
    fails_once = (
        'if [[ $HOSTNAME == *-1 && ! -e $PLAY/failed ]]; then touch "$PLAY/failed"; '
        "exit 137; fi"
    )
    done = restart(play, fails_once)
    assert done.returncode == 0, done.stderr
    assert play.verbs().count("start") == 2


@pytest.mark.parametrize("code", [2, 127])
def test_what_no_restart_mends_is_not_tried_again(play, code):
    done = restart(play, f"echo TRAIN_STEPS is missing; exit {code}")
    assert done.returncode == 1 and "no restart mends that" in done.stderr
    assert play.verbs() == FROM_NOTHING
    assert "| TRAIN_STEPS is missing" in done.stdout


def test_a_request_that_is_never_granted_is_given_up(play):
    (play.folder / "no_quota").touch()
    flags = ["--failures=1", "--delete_when_done", f"--to={play.folder / 'results'}"]
    done = restart(play, "true", *flags)
    assert done.returncode == 1 and done.stderr.count("Quota limit") == 2
    assert "nothing costs" in done.stderr
    assert "delete" not in play.verbs()


def test_a_question_without_an_answer_is_no_loss(play):
    play.become("BROKEN\nBROKEN\nACTIVE")
    done = restart(play, ONCE_MORE)
    assert done.returncode == 0, done.stderr
    assert "delete" not in play.verbs() and "create" not in play.verbs()
    play.become("BROKEN")
    done = restart(play, ONCE_MORE)
    assert done.returncode == 1 and "may still be there and cost" in done.stderr
    assert "delete" not in play.verbs()


def test_at_the_end_results_are_fetched_and_only_then_is_it_deleted(play):
    to = play.folder / "results"
    done = restart(play, "echo done", "--delete_when_done", f"--to={to}")
    assert done.returncode == 0, done.stderr
    assert play.verbs() == [*FROM_NOTHING, "log", "log", "delete"]
    assert "done\n" in (to / "logs/worker-1.log").read_text()


def test_a_tpu_that_could_not_be_deleted_at_the_end_is_said_to_cost(play):
    (play.folder / "no_delete").touch()
    flags = ["--delete_when_done", f"--to={play.folder / 'results'}"]
    done = restart(play, "true", *flags)
    assert done.returncode == 1 and "still there (READY), and costs" in done.stderr


def test_a_tpu_whose_results_could_not_be_fetched_is_kept(play):
    folder = play.folder / "results"
    folder.touch()
    done = restart(play, "true", "--delete_when_done", f"--to={folder}")
    assert done.returncode == 1 and "is kept" in done.stderr
    assert "delete" not in play.verbs()


@pytest.mark.parametrize("typed", ["", "my-tp\n", "my-tpu2\n", "yes\n", "MY-TPU\n"])
@pytest.mark.parametrize("script", ["delete.sh", "restart.sh"])
def test_nothing_is_deleted_unless_its_name_is_typed(play, script, typed):
    play.become("ACTIVE")
    command = ["--", "true"] if script == "restart.sh" else []
    done = play.run(script, *command, typed=typed)
    assert done.returncode == 2 and "Nothing was deleted" in done.stderr
    wrong = typed.strip() or "other"
    done = play.run(script, f"--yes={wrong}", *command)
    assert done.returncode == 2 and "Nothing was deleted" in done.stderr
    assert play.verbs() == []


def test_a_name_in_the_environment_is_not_typed(play):
    play.become("ACTIVE")
    assert play.run("delete.sh", TPU_YES="my-tpu").returncode == 2
    assert play.verbs() == []


@pytest.mark.parametrize("how", [{"typed": "my-tpu\n"}, {"flags": ["--yes", "my-tpu"]}])
def test_a_tpu_whose_name_is_typed_is_deleted_and_no_other(play, how):
    play.become("ACTIVE")
    done = play.run("delete.sh", *how.pop("flags", []), **how)
    assert done.returncode == 0, done.stderr
    assert "my-tpu in us-west4-a of my-project is READY" in done.stderr
    deleted = [call for call in play.calls() if "delete" in call]
    where = ["--zone=us-west4-a", "--project=my-project", "--quiet"]
    kind = ["queued-resources", "delete", "my-tpu", "--force"]
    assert deleted == [["compute", "tpus", *kind, *where]]


def test_what_is_not_there_is_not_deleted(play):
    done = play.run("delete.sh", "--yes=my-tpu")
    assert done.returncode == 2 and "There is no my-tpu" in done.stderr
    assert "--plain" in done.stderr and play.verbs() == []
