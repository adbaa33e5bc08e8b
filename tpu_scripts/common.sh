#!/usr/bin/env bash
# What the scripts share: flags, checks, gcloud, and the state of a TPU. It is sourced.
#
# Every flag is a variable as well, --zone is TPU_ZONE, so that `export` says once what
# every command needs, and one script hands all of them on to the next.
# shellcheck disable=SC2034  # those who source it use the variables.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(dirname "$HERE")

say() { printf '%s\n' "$*" >&2; }

# What the user can mend: one message, exit 2, as the programs of spot_jax have it.
refuse() {
  say "${0##*/}: $*"
  exit 2
}

if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
  refuse "bash 4.4 or newer is needed, not $BASH_VERSION (on a Mac: brew install bash)."
fi

# What --dry_run says between commands.
note() { [[ -z $DRY_RUN ]] || printf '# %s\n' "$*"; }

# Words as a shell reads them back, whatever is in them.
quoted() {
  local word line=""
  for word; do
    if [[ $word =~ ^[A-Za-z0-9_./:=@%+,-]+$ ]]; then
      line+=" $word"
    else
      line+=" ${word@Q}"
    fi
  done
  printf '%s\n' "${line# }"
}

# --- Flags ------------------------------------------------------------------------

# Those without a value; as variables they are 1, or not set.
SWITCHES="plain spot internal_ips no_wait lean checkpoints delete_when_done dry_run"
WHERE="name zone project plain dry_run"
# What follows -- on the command line.
COMMAND=()
# Not empty: commands are printed, none is run.
DRY_RUN=""

usage() { sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; }

# read_flags "FLAG FLAG ..." "$@": sets TPU_FLAG (or ${FLAG_PREFIX}_FLAG) and COMMAND.
read_flags() {
  local allowed=$1 flag value variable
  shift
  # A name that is typed to delete comes from this command line, never from outside.
  unset TPU_YES
  while (($#)); do
    case $1 in
      -h | --help)
        usage
        exit 0
        ;;
      --)
        COMMAND=("${@:2}")
        break
        ;;
      --?*) ;;
      *) refuse "${1@Q} is no flag. What is to run stands after --, as in -- spot_jax" \
        "train." ;;
    esac
    flag=${1%%=*}
    flag=${flag#--}
    [[ " $allowed " == *" $flag "* ]] ||
      refuse "There is no flag --$flag here; there are --${allowed// / --}."
    if [[ " $SWITCHES " == *" $flag "* ]]; then
      [[ $1 != *=* ]] || refuse "--$flag takes no value."
      value=1
    elif [[ $1 == *=* ]]; then
      value=${1#*=}
    elif (($# > 1)) && [[ $2 != --* ]]; then
      value=$2
      shift
    else
      refuse "--$flag needs a value."
    fi
    [[ -n $value ]] || refuse "--$flag needs a value."
    shift
    variable=${FLAG_PREFIX-TPU}_${flag^^}
    printf -v "$variable" %s "$value"
    export "${variable?}"
  done
  for flag in $SWITCHES; do
    variable=${FLAG_PREFIX-TPU}_${flag^^}
    [[ ${!variable-} == "" || ${!variable} == 1 ]] ||
      refuse "$variable is ${!variable@Q}; it is 1 or not set."
  done
  variable=${FLAG_PREFIX-TPU}_DRY_RUN
  DRY_RUN=${!variable-}
}

# check VARIABLE PATTERN "what it is": refuses what is missing or of another form.
check() {
  local flag=${1#*_} LC_ALL=C
  [[ -n ${!1-} ]] || refuse "--${flag,,} is missing: $3; the variable $1 may give it."
  [[ ${!1} =~ ^($2)$ ]] || refuse "--${flag,,} is ${!1@Q}, but it is to be $3."
}

check_where() {
  check TPU_NAME '[a-z]([a-z0-9-]{0,61}[a-z0-9])?' \
    "a name of small letters, digits and hyphens, up to 63, a letter first"
  check TPU_ZONE '[a-z]+-[a-z]+[0-9]+-(ai[0-9])?[a-z]' "a zone such as us-west4-a"
  check TPU_PROJECT '([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]' \
    "the ID of a Google Cloud project"
}

check_run() {
  TPU_RUN=${TPU_RUN:-run}
  check TPU_RUN '[A-Za-z0-9][A-Za-z0-9._-]{0,62}' \
    "a name of letters, digits, dots, hyphens and underscores"
  export TPU_RUN
}

# A gs:// folder, or a path that stays one word in every shell between here and there.
check_model_dir() {
  check TPU_MODEL_DIR \
    'gs://[a-z0-9][a-z0-9._-]+(/[A-Za-z0-9._=/-]*)?|[~/A-Za-z0-9._][A-Za-z0-9._/=-]*' \
    "gs://BUCKET/FOLDER, or a folder on worker 0, of letters, digits and . _ - = /"
}

# Accelerator types by Cloud TPU's documentation ("TPU configurations"): v4 and v5p
# count cores, two a chip; v5e, which Google calls v5litepod, and v6e count chips. The
# versions are those of its page "TPU software versions" for JAX.
check_type() {
  local size cores="8 16 32 64" chips="1 4 8 16 32 64 128 256" most=0 version
  check TPU_TYPE '(v4|v5p|v5e|v5litepod|v6e)-[1-9][0-9]{0,4}' \
    "v4-N, v5e-N, v5p-N or v6e-N"
  TPU_TYPE=${TPU_TYPE/v5e-/v5litepod-}
  size=${TPU_TYPE#*-}
  TPU_CHIPS=$size
  case $TPU_TYPE in
    v4-*) most=4096 version=tpu-ubuntu2204-base ;;
    v5p-*) most=12288 version=v2-alpha-tpuv5 ;;
    v5litepod-*) version=v2-alpha-tpuv5-lite ;;
    v6e-*) version=v2-alpha-tpuv6e ;;
  esac
  if ((most)); then
    TPU_CHIPS=$((size / 2))
    [[ " $cores " == *" $size "* ]] || ((size % 128 == 0 && size <= most)) ||
      refuse "--type is ${TPU_TYPE@Q}, but N is one of $cores, or a multiple of 128" \
        "up to $most."
  else
    [[ " $chips " == *" $size "* ]] ||
      refuse "--type is ${TPU_TYPE@Q}, but N is one of $chips."
  fi
  TPU_VERSION=${TPU_VERSION:-$version}
  check TPU_VERSION '[a-z0-9][a-z0-9.-]*' "a TPU software version"
  export TPU_TYPE TPU_VERSION TPU_CHIPS
}

check_number() { check "$1" '[0-9]{1,6}' "a whole number"; }

# Nothing is deleted unless its name is typed: --yes NAME, or when asked.
confirm_name() {
  local typed=${TPU_YES-}
  if [[ -z $typed && -z $DRY_RUN ]]; then
    printf 'Type the name of the TPU to %s it: ' "$1" >&2
    read -r typed || true
    [[ -t 0 ]] || say ""
  fi
  [[ -n $DRY_RUN && -z $typed ]] || [[ $typed == "$TPU_NAME" ]] ||
    refuse "Nothing was deleted: ${typed@Q} is not ${TPU_NAME@Q}, its name."
  TPU_YES=$typed
}

# --- gcloud -----------------------------------------------------------------------

# Runs a command, or prints it with --dry_run.
run() {
  if [[ -n $DRY_RUN ]]; then
    quoted "$@"
  else
    # Nothing it runs may read what is typed for this script.
    "$@" </dev/null
  fi
}

need_gcloud() {
  [[ -n $DRY_RUN ]] || command -v gcloud >/dev/null ||
    refuse "gcloud is not on the PATH. Install the Google Cloud CLI" \
      "(cloud.google.com/sdk), then: gcloud auth login."
}

tpus() {
  run gcloud compute tpus "$@" "--zone=$TPU_ZONE" "--project=$TPU_PROJECT" --quiet
}

# on_workers WORKERS COMMAND WORD ...: runs it there, word for word.
on_workers() {
  local workers=$1 address=()
  shift
  [[ -z ${TPU_INTERNAL_IPS-} ]] || address=(--internal-ip)
  tpus tpu-vm ssh "$TPU_NAME" "--worker=$workers" ${address[@]+"${address[@]}"} \
    "--command=$(quoted "$@")"
}

# What setup.sh puts into the home of every worker.
WORKER=spot_jax_worker.sh
worker() { on_workers all bash "$WORKER" "$@"; }

# --- The state of a TPU -----------------------------------------------------------

# asked ARGUMENT ...: what gcloud answers; ABSENT where there is no such thing.
asked() {
  local answer errors
  errors=$(mktemp)
  if answer=$(tpus "$@" 2>"$errors"); then
    printf '%s\n' "${answer:-STATE_UNSPECIFIED}"
  elif grep -Eq 'NOT_FOUND|was not found' "$errors"; then
    echo ABSENT
  else
    cat "$errors" >&2
    echo UNKNOWN
  fi
  rm -f "$errors"
}

# With --dry_run: the questions that tpu_state asks.
print_questions() {
  [[ -n ${TPU_PLAIN-} ]] ||
    tpus queued-resources describe "$TPU_NAME" "--format=value(state.state)"
  tpus tpu-vm describe "$TPU_NAME" "--format=value(state)"
}

# One word: ABSENT; UNKNOWN, where gcloud could not tell; else as gcloud says it. That a
# queued request is ACTIVE says nothing of its node, which may have been lost since.
tpu_state() {
  local state=ACTIVE
  [[ -n ${TPU_PLAIN-} ]] ||
    state=$(asked queued-resources describe "$TPU_NAME" "--format=value(state.state)")
  if [[ $state == ACTIVE ]]; then
    state=$(asked tpu-vm describe "$TPU_NAME" "--format=value(state)")
    [[ $state != ABSENT || -n ${TPU_PLAIN-} ]] || state=PREEMPTED
  fi
  printf '%s\n' "$state"
}

# absent, waiting, ready, lost (delete it and ask again), or unknown.
phase_of() {
  case $1 in
    ABSENT) echo absent ;;
    READY) echo ready ;;
    PREEMPTED | SUSPENDED | FAILED | STOPPED | TERMINATED) echo lost ;;
    UNKNOWN) echo unknown ;;
    *) echo waiting ;;
  esac
}

# look_at_run LINES: sets SHOWN, what the workers say of the run, and IS, what it is.
look_at_run() {
  local code=0
  SHOWN=$(worker state "$TPU_RUN" "$1") || code=$?
  # A worker without our script is a new one.
  ((code != 127)) || SHOWN+=$'\n'"[worker ?] $TPU_RUN: absent"
  IS=unseen
  if ((code == 0 || code == 127)); then IS=$(run_state_of "$SHOWN"); fi
}

# run_state_of "WHAT worker state ANSWERED": absent, running, done, failed, refused (all
# workers ended over what no restart mends) or unseen.
run_state_of() {
  local states
  states=$(sed -n "s/^\[worker [^]]*\] $TPU_RUN: //p" <<<"$1")
  # 2: the input is wrong, as spot_jax says it; 126, 127: there is no such program.
  if [[ -z $states ]]; then
    echo unseen
  elif grep -qx running <<<"$states"; then
    echo running
  elif ! grep -qvx absent <<<"$states"; then
    echo absent
  elif ! grep -qvx 'exited 0' <<<"$states"; then
    echo "done"
  elif ! grep -qvxE 'exited (2|126|127)' <<<"$states"; then
    echo refused
  else
    echo failed
  fi
}
