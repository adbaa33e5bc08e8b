#!/usr/bin/env bash
# Deletes a TPU, and with it what is on its workers. The name has to be typed: after
# --yes, or when it is asked for. What is on gs:// stays.
#
#   delete.sh --name NAME --zone ZONE --project PROJECT [--yes NAME] [--plain]
#     [--dry_run]

# shellcheck source=tpu_scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

read_flags "$WHERE yes" "$@"
check_where
need_gcloud

if [[ -z $DRY_RUN ]]; then
  state=$(tpu_state)
  case $state in
    ABSENT)
      refuse "There is no $TPU_NAME in $TPU_ZONE${TPU_PLAIN:+ as a TPU VM}. What was" \
        "created with --plain is deleted with --plain, and nothing else."
      ;;
    UNKNOWN) refuse "Whether $TPU_NAME exists could not be asked; gcloud says why," \
      "above." ;;
  esac
  say "$TPU_NAME in $TPU_ZONE of $TPU_PROJECT is $state."
fi
confirm_name delete
if [[ -n ${TPU_PLAIN-} ]]; then
  tpus tpu-vm delete "$TPU_NAME"
else
  # With its node, if there is one still.
  tpus queued-resources delete "$TPU_NAME" --force
fi
