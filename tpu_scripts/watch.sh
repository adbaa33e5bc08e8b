#!/usr/bin/env bash
# Shows the state of a TPU, how a run is on every worker, and the last lines of its
# logs. With --every it goes on until the run has ended on all: exit 0 if well on all.
#
#   watch.sh --name NAME --zone ZONE --project PROJECT [--run RUN] [--lines 5]
#     [--every SECONDS] [--plain] [--internal_ips] [--dry_run]

# shellcheck source=tpu_scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

read_flags "$WHERE internal_ips run lines every" "$@"
check_where
check_run
TPU_LINES=${TPU_LINES:-5}
check_number TPU_LINES
[[ -z ${TPU_EVERY-} ]] || check_number TPU_EVERY
need_gcloud

if [[ -n $DRY_RUN ]]; then
  print_questions
  worker state "$TPU_RUN" "$TPU_LINES"
  exit 0
fi
while true; do
  state=$(tpu_state)
  printf '%s %s: %s\n' "$(date +%T)" "$TPU_NAME" "$state"
  case $(phase_of "$state") in
    ready)
      look_at_run "$TPU_LINES"
      printf '%s\n' "$SHOWN"
      [[ $IS != unseen ]] || say "watch.sh: not every worker could be asked."
      ;;
    absent | lost)
      say "watch.sh: $TPU_NAME is gone ($state); restart.sh brings it and its run back."
      exit 1
      ;;
    *) IS=unseen ;;
  esac
  [[ -n ${TPU_EVERY-} ]] || exit 0
  case $IS in
    done) exit 0 ;;
    failed | refused | absent) exit 1 ;;
  esac
  sleep "$TPU_EVERY"
done
