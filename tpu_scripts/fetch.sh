#!/usr/bin/env bash
# Brings the logs of a run, of every worker, and what is in its MODEL_DIR to a folder
# here: TO/logs/worker-N.log and TO/MODEL_DIR's files, checkpoints only if asked for.
#
#   fetch.sh --name NAME --zone ZONE --project PROJECT --to FOLDER [--run RUN]
#     [--model_dir gs://BUCKET/FOLDER | FOLDER_ON_WORKER_0] [--checkpoints]
#     [--internal_ips] [--dry_run]

# shellcheck source=tpu_scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

read_flags "$WHERE internal_ips run to model_dir checkpoints" "$@"
check_where
check_run
[[ -n ${TPU_TO-} ]] || refuse "--to is missing (the folder here that is written to)."
[[ -z ${TPU_MODEL_DIR-} ]] || check_model_dir
need_gcloud

run mkdir -p "$TPU_TO/logs"
missing=""

# One worker after the other: gcloud fetches from several at once in no way.
count=("--format=value(networkEndpoints.len())")
if [[ -n $DRY_RUN ]]; then
  tpus tpu-vm describe "$TPU_NAME" "${count[@]}"
  note "for worker 0, and as many more as it says, into $TPU_TO/logs/worker-0.log:"
  on_workers 0 bash "$WORKER" log "$TPU_RUN"
else
  workers=$(asked tpu-vm describe "$TPU_NAME" "${count[@]}")
  if [[ ! $workers =~ ^[1-9][0-9]*$ ]]; then
    say "fetch.sh: $TPU_NAME has no workers to ask ($workers); their logs are gone" \
      "with them."
    missing=" the logs"
    workers=0
  fi
  for ((i = 0; i < workers; i++)); do
    on_workers "$i" bash "$WORKER" log "$TPU_RUN" >"$TPU_TO/logs/worker-$i.log" ||
      missing+=" the log of worker $i"
  done
fi

case ${TPU_MODEL_DIR-} in
  "") ;;
  gs://*)
    without=("--exclude=(.*/)?checkpoints/.*")
    [[ -z ${TPU_CHECKPOINTS-} ]] || without=()
    run gcloud storage rsync --recursive ${without[@]+"${without[@]}"} \
      "$TPU_MODEL_DIR" "$TPU_TO" "--project=$TPU_PROJECT" || missing+=" $TPU_MODEL_DIR"
    ;;
  *)
    address=()
    [[ -z ${TPU_INTERNAL_IPS-} ]] || address=(--internal-ip)
    tpus tpu-vm scp --recurse "$TPU_NAME:$TPU_MODEL_DIR" "$TPU_TO" --worker=0 \
      ${address[@]+"${address[@]}"} || missing+=" $TPU_MODEL_DIR"
    ;;
esac
if [[ -n $missing ]]; then
  say "fetch.sh: These could not be fetched:$missing."
  exit 1
fi
