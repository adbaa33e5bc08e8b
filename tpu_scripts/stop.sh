#!/usr/bin/env bash
# Ends a run on all workers: it is asked to, which writes a checkpoint, and the same
# command continues it later. What has not ended after a while is ended at once. A
# restart.sh that keeps it going would start it again: end that first.
#
#   stop.sh --name NAME --zone ZONE --project PROJECT [--run RUN] [--patience 300]
#     [--internal_ips] [--dry_run]

# shellcheck source=tpu_scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

read_flags "$WHERE internal_ips run patience" "$@"
check_where
check_run
TPU_PATIENCE=${TPU_PATIENCE:-300}
check_number TPU_PATIENCE
need_gcloud

worker stop "$TPU_RUN" "$TPU_PATIENCE"
