#!/usr/bin/env bash
# Starts a command on all workers of a TPU and leaves it running: connections may break.
# It runs in the project's folder, with the programs of its environment.
#
#   run.sh --name NAME --zone ZONE --project PROJECT [--run RUN] [--internal_ips]
#     [--dry_run] -- spot_jax train --gin_file=gin/runs/prompt_tune.gin ...

# shellcheck source=tpu_scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

read_flags "$WHERE internal_ips run" "$@"
check_where
check_run
((${#COMMAND[@]})) ||
  refuse "Give the command after --, as in -- spot_jax train --gin_file=..."
need_gcloud

say "$TPU_NAME: starting $TPU_RUN: $(quoted "${COMMAND[@]}")"
worker start "$TPU_RUN" "${COMMAND[@]}" || {
  say "run.sh: $TPU_RUN did not start on every worker; messages are above. Those that" \
    "did wait for the others: stop.sh ends them. Before the first run: setup.sh."
  exit 1
}
