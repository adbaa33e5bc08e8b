#!/usr/bin/env bash
# Keeps a run going until it has ended well: asks for the TPU where it is not there,
# sets it up, starts the command, and does all of it again after every pre-emption. The
# command goes on from its MODEL_DIR, which has to be on gs://, as disks go with their
# TPU.
#
#   restart.sh --yes NAME ... -- COMMAND
#
# with the flags of create.sh, setup.sh and run.sh, and
#
#     --yes NAME            the name again, since TPUs of that name will be deleted
#     --failures 3          starts after other failures than pre-emption
#     --to FOLDER           where logs and --model_dir gs://... are brought at the end
#     --delete_when_done    deletes the TPU at the end, well or not; needs --to
#     --poll 60             seconds between two looks
#
# Run it where it may stay for days, in tmux or with nohup. It can be ended and started
# again at any time: it looks what there is, and goes on from there.

# shellcheck source=tpu_scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

read_flags "$WHERE type version spot network service_account internal_ips poll \
lean ref wheel then run yes failures to model_dir checkpoints delete_when_done" "$@"
check_where
check_type
check_run
TPU_FAILURES=${TPU_FAILURES:-3}
TPU_POLL=${TPU_POLL:-60}
check_number TPU_FAILURES
check_number TPU_POLL
[[ -z ${TPU_MODEL_DIR-} ]] || check_model_dir
((${#COMMAND[@]})) ||
  refuse "Give the command after --, as in -- spot_jax train --gin_file=..."
for word in "${COMMAND[@]}"; do
  # What is on a disk of the TPU begins anew each time, and is lost in the end.
  [[ ! $word =~ ^(--gin\.)?(MODEL|STUDY)_DIR= || $word =~ _DIR=[\"\']?gs:// ]] ||
    refuse "The command has ${word@Q}; let it be on gs://, which outlives the TPU."
done
[[ -z ${TPU_DELETE_WHEN_DONE-} || -n ${TPU_TO-} ]] ||
  refuse "--delete_when_done deletes the logs as well; give --to, where they are" \
    "brought to before."
need_gcloud
confirm_name "delete and create"
# create.sh is not to wait: what is waited for here may be lost while it waits.
export TPU_NO_WAIT=1 TPU_POLL

create() { bash "$HERE/create.sh"; }
setup() { bash "$HERE/setup.sh"; }
start() { bash "$HERE/run.sh" -- "${COMMAND[@]}"; }
delete() { bash "$HERE/delete.sh" ${TPU_YES:+--yes "$TPU_YES"}; }

finish() { # EXIT_CODE
  local code=$1 state="as it was"
  [[ -n $DRY_RUN ]] || state=$(tpu_state)
  if [[ $state == ABSENT ]]; then
    say "restart.sh: There is no $TPU_NAME; nothing costs."
    exit "$code"
  fi
  if [[ -n ${TPU_TO-} ]] && ! bash "$HERE/fetch.sh"; then
    say "restart.sh: $TPU_NAME is kept ($state), since not all could be fetched. It" \
      "costs until delete.sh."
    exit 1
  fi
  if [[ -n ${TPU_DELETE_WHEN_DONE-} ]] && delete; then
    exit "$code"
  fi
  [[ -n $DRY_RUN ]] ||
    say "restart.sh: $TPU_NAME is still there ($state), and costs, until delete.sh."
  exit "$((code || ${TPU_DELETE_WHEN_DONE:-0}))"
}

failures=0
# Counts a failure, and says whether there may be another try.
failed() {
  failures=$((failures + 1))
  say "restart.sh: $1 (failure $failures; $TPU_FAILURES are tried again)."
  ((failures <= TPU_FAILURES)) || give_up "That was one failure too many."
}
give_up() {
  say "restart.sh: $1"
  # Its last lines say why, where there is still somebody to ask.
  worker state "$TPU_RUN" 20 || true
  finish 1
}

if [[ -n $DRY_RUN ]]; then
  note "what is there?"
  print_questions
  note "when it was pre-empted (PREEMPTED, SUSPENDED, FAILED, STOPPED, TERMINATED):"
  delete
  note "when it is not there:"
  create
  note "when it is READY and $TPU_RUN was not started:"
  setup
  start
  note "while it runs, every $TPU_POLL s:"
  worker state "$TPU_RUN" 0
  note "when it has ended:"
  finish 0
fi

seen="" silent=0
while true; do
  state=$(tpu_state)
  phase=$(phase_of "$state")
  IS=""
  [[ $phase != ready ]] || look_at_run 0
  [[ "$state $IS" == "$seen" ]] ||
    say "$(date +%T) $TPU_NAME: $state${IS:+, $TPU_RUN: $IS}"
  seen="$state $IS"
  [[ $phase != unknown && $IS != unseen ]] || silent=$((silent + 1))
  [[ $phase == unknown || $IS == unseen ]] || silent=0
  ((silent < 20)) ||
    give_up "$TPU_NAME could not be asked for 20 looks; it may still be there and cost."
  case $phase:$IS in
    absent:)
      create || failed "$TPU_NAME could not be asked for"
      ;;
    lost:)
      # A request that failed would fail again for ever: no quota, no such type here.
      [[ $state != FAILED ]] || failed "the request for $TPU_NAME failed"
      delete || failed "$TPU_NAME could not be deleted"
      ;;
    ready:absent)
      if ! setup || ! start; then failed "$TPU_RUN could not be started"; fi
      ;;
    ready:done)
      say "restart.sh: $TPU_RUN has ended well on all workers."
      finish 0
      ;;
    ready:refused)
      give_up "$TPU_RUN was refused by all workers; no restart mends that."
      ;;
    ready:failed)
      # Workers end a moment before their TPU is said to be pre-empted.
      sleep "$TPU_POLL"
      [[ $(tpu_state) == READY ]] || continue
      failed "$TPU_RUN ended on every worker, and not well on all"
      # A worker that was repaired has lost its disk.
      if ! setup || ! start; then failed "$TPU_RUN could not be started again"; fi
      ;;
  esac
  sleep "$TPU_POLL"
done
