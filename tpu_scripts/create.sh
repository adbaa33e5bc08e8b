#!/usr/bin/env bash
# Asks for a TPU and waits until it is there: a queued request or, with --plain, a TPU
# VM at once. It costs from then on, whether used or not; delete.sh ends that.
#
#   create.sh --name NAME --zone ZONE --project PROJECT --type v5e-16 [--spot]
#     [--plain] [--version VERSION] [--network NAME] [--service_account EMAIL]
#     [--internal_ips] [--no_wait] [--poll SECONDS] [--dry_run]

# shellcheck source=tpu_scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

read_flags "$WHERE type version spot network service_account internal_ips no_wait \
poll" "$@"
check_where
check_type
TPU_POLL=${TPU_POLL:-30}
check_number TPU_POLL
need_gcloud

more=("--accelerator-type=$TPU_TYPE")
[[ -z ${TPU_SPOT-} ]] || more+=(--spot)
[[ -z ${TPU_INTERNAL_IPS-} ]] || more+=(--internal-ips)
if [[ -n ${TPU_NETWORK-} ]]; then
  check TPU_NETWORK '[a-z0-9][a-z0-9/-]*' "a network's name"
  more+=("--network=$TPU_NETWORK")
fi
if [[ -n ${TPU_SERVICE_ACCOUNT-} ]]; then
  check TPU_SERVICE_ACCOUNT '[a-z0-9.-]+@[a-z0-9.-]+' \
    "a service account's e-mail address"
  more+=("--service-account=$TPU_SERVICE_ACCOUNT")
fi

if [[ -z $DRY_RUN ]]; then
  state=$(tpu_state)
  [[ $state != UNKNOWN ]] ||
    refuse "Whether $TPU_NAME exists could not be asked; gcloud says why, above."
  [[ $state == ABSENT ]] ||
    refuse "$TPU_NAME is there already ($state). Use it, delete it (delete.sh), or" \
      "choose another --name."
fi

say "$TPU_NAME: $TPU_TYPE is $TPU_CHIPS chips; each hour of it is $TPU_CHIPS" \
  "chip-hours."
if [[ -n ${TPU_PLAIN-} ]]; then
  tpus tpu-vm create "$TPU_NAME" "${more[@]}" "--version=$TPU_VERSION"
else
  tpus queued-resources create "$TPU_NAME" "--node-id=$TPU_NAME" "${more[@]}" \
    "--runtime-version=$TPU_VERSION"
fi
[[ -z ${TPU_NO_WAIT-} ]] || exit 0

if [[ -n $DRY_RUN ]]; then
  note "every $TPU_POLL s, until it is READY:"
  print_questions
  exit 0
fi
seen="" silent=0
while true; do
  state=$(tpu_state)
  [[ $state == "$seen" ]] || say "$TPU_NAME: $state"
  seen=$state
  case $(phase_of "$state") in
    ready) exit 0 ;;
    lost)
      say "create.sh: $TPU_NAME will not come ($state). delete.sh removes the" \
        "request; then ask again."
      exit 1
      ;;
    absent | unknown)
      # A moment's trouble of the network is none of the request's.
      silent=$((silent + 1))
      ((silent < 5)) ||
        refuse "$TPU_NAME could not be seen five times ($state). The request may" \
          "stand: watch.sh tells, delete.sh ends it."
      ;;
    *) silent=0 ;;
  esac
  sleep "$TPU_POLL"
done
