#!/usr/bin/env bash
# Copies the project to every worker of a TPU and installs it there with jax[tpu].
#
#   setup.sh --name NAME --zone ZONE --project PROJECT
#     [--lean]              without TensorFlow: rows of your own and tokenized data only
#     [--ref REF]           a commit, tag or branch, instead of the files as they are
#     [--wheel FILE]        a built wheel of spot_jax, instead of the project
#     [--then COMMAND]      what each worker runs afterwards, as 'make t5x'
#     [--internal_ips] [--dry_run]

# shellcheck source=tpu_scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

read_flags "$WHERE internal_ips lean ref wheel then" "$@"
check_where
[[ -z ${TPU_REF-} || -z ${TPU_WHEEL-} ]] ||
  refuse "--ref and --wheel are two sources; give one."
need_gcloud
extent=whole
[[ -z ${TPU_LEAN-} ]] || extent=lean

# The files as they are: what git knows, and what is new and not ignored.
list_files() {
  local file
  git -C "$ROOT" ls-files -z --cached --others --exclude-standard |
    while IFS= read -r -d '' file; do
      # What was removed, and not committed yet, is in git's list.
      [[ ! -e $ROOT/$file && ! -L $ROOT/$file ]] || printf '%s\0' "$file"
    done
}

pack() { # FILE
  if [[ -n ${TPU_WHEEL-} ]]; then
    COPYFILE_DISABLE=1 tar -czf "$1" -C "$(dirname "$TPU_WHEEL")" \
      "$(basename "$TPU_WHEEL")" \
      -C "$ROOT" lean.txt constraints.txt
  elif [[ -n ${TPU_REF-} ]]; then
    git -C "$ROOT" archive --format=tar.gz -o "$1" "$TPU_REF"
  else
    list_files | COPYFILE_DISABLE=1 tar -czf "$1" -C "$ROOT" --null -T -
  fi
}

if [[ -n ${TPU_WHEEL-} ]]; then
  [[ -f $TPU_WHEEL && $TPU_WHEEL == *.whl ]] ||
    refuse "--wheel is ${TPU_WHEEL@Q}, and no wheel is there."
  what=$TPU_WHEEL
else
  git -C "$ROOT" rev-parse --git-dir >/dev/null 2>&1 ||
    refuse "$ROOT is no git checkout; give a built wheel with --wheel."
  [[ -z ${TPU_REF-} ]] ||
    git -C "$ROOT" rev-parse -q --verify --end-of-options "$TPU_REF^{commit}" \
      >/dev/null ||
    refuse "--ref is ${TPU_REF@Q}, which git does not know."
  what="${TPU_REF:-the files as they are} of $ROOT"
fi

bundle=$(mktemp -d)
trap 'rm -rf "$bundle"' EXIT
if [[ -n $DRY_RUN ]]; then
  bundle=/tmp/bundle
  trap - EXIT
  note "$bundle/spot_jax.tar.gz holds $what."
else
  pack "$bundle/spot_jax.tar.gz"
  cp "$HERE/worker.sh" "$bundle/$WORKER"
  say "$TPU_NAME: copying $what ($(($(wc -c <"$bundle/spot_jax.tar.gz") / 1000)) kB)."
fi

address=()
[[ -z ${TPU_INTERNAL_IPS-} ]] || address=(--internal-ip)
tpus tpu-vm scp "$bundle/spot_jax.tar.gz" "$bundle/$WORKER" "$TPU_NAME:" --worker=all \
  ${address[@]+"${address[@]}"} || {
  say "setup.sh: The project did not reach every worker. Where gcloud speaks of" \
    "ssh-agent: ssh-add ~/.ssh/google_compute_engine"
  exit 1
}
say "$TPU_NAME: installing ($extent)."
worker install "$extent" ${TPU_THEN:+"$TPU_THEN"} || {
  say "setup.sh: At least one worker could not install it; its messages are above." \
    "setup.sh again goes on."
  exit 1
}
