#!/usr/bin/env bash
# What runs on every worker; setup.sh copies it there as ~/spot_jax_worker.sh.
#
#   install whole|lean [COMMAND]   unpacks ~/spot_jax.tar.gz, installs it, runs COMMAND
#   start RUN COMMAND WORD ...     starts a command that outlives the connection
#   state RUN LINES                says how it is, and the last lines of its log
#   log RUN                        writes its whole log
#   stop RUN SECONDS               asks it to end, and ends it after so many seconds
#
# ~/spot_jax has project/, venv/ and runs/RUN/{command,log,pid,exit}.
set -euo pipefail

HOME_OF_ALL=$HOME/spot_jax
# A pod's machines are called ...-w-0, ...-w-1 and so on.
ME="worker ${HOSTNAME##*-w-}"

answer() { printf '[%s] %s\n' "$ME" "$*"; }
fail() {
  answer "$*" >&2
  exit 1
}

# A Python that JAX runs on: TPU images may come with an older one, uv brings another.
find_python() {
  local python good='import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))'
  for python in python3.13 python3.12 python3.11 python3; do
    if "$python" -c "$good" 2>/dev/null; then
      printf '%s\n' "$python"
      return
    fi
  done
  if ! {
    python3 -m pip install --quiet --user uv &&
      "$HOME/.local/bin/uv" python install 3.12
  } >&2; then
    fail "no Python 3.11 or newer is here, and uv could not bring one (no way out to" \
      "the internet?)."
  fi
  "$HOME/.local/bin/uv" python find 3.12
}

install() {
  local extent=$1 after=${2-} python pip limits=() project=(-e .) wheels run
  mkdir -p "$HOME_OF_ALL/runs"
  cd "$HOME_OF_ALL"
  for run in runs/*; do
    ! is_alive "${run#runs/}" ||
      fail "${run#runs/} runs from what would be replaced: stop.sh first."
  done
  rm -rf project
  mkdir project
  tar -xzf "$HOME/spot_jax.tar.gz" -C project
  if [[ ! -x venv/bin/python ]]; then
    python=$(find_python)
    "$python" -m venv venv
  fi
  pip=("$HOME_OF_ALL/venv/bin/python" -m pip install --quiet
    --disable-pip-version-check)
  cd project
  [[ ! -f constraints.txt ]] || limits=(-c constraints.txt)
  wheels=(./*.whl)
  [[ ! -f ${wheels[0]} ]] || project=("${wheels[0]}")
  if [[ $extent == lean ]]; then
    "${pip[@]}" ${limits[@]+"${limits[@]}"} 'jax[tpu]' -r lean.txt
  else
    "${pip[@]}" ${limits[@]+"${limits[@]}"} 'jax[tpu]' "${project[@]}"
  fi
  # Once more, and always: a wheel of the same version would be taken for installed.
  "${pip[@]}" --no-deps --force-reinstall "${project[@]}"
  if [[ -n $after ]]; then
    PATH=$HOME_OF_ALL/venv/bin:$PATH bash -euc "$after"
  fi
  answer "installed ($extent)."
}

is_alive() { # RUN
  local folder=$HOME_OF_ALL/runs/$1 pid
  [[ -f $folder/pid && ! -f $folder/exit ]] || return 1
  pid=$(<"$folder/pid")
  # Another process may have the number since the machine was restarted.
  tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF " $1 "
}

start() { # RUN COMMAND WORD ...
  local run=$1 folder=$HOME_OF_ALL/runs/$1 wanted
  shift
  wanted=$(printf '%q ' "$@")
  if is_alive "$run"; then
    # gcloud tries again when a connection breaks, even after the command came through.
    [[ $(<"$folder/command") == "$wanted" ]] ||
      fail "$run is something else, which still runs: stop.sh ends it, --run gives" \
        "another name."
    answer "$run runs already."
    return
  fi
  mkdir -p "$folder"
  rm -f "$folder/exit"
  printf '%s\n' "$wanted" >"$folder/command"
  printf -- '--- %s: %s\n' "$(date -u +%FT%TZ)" "$wanted" >>"$folder/log"
  # A session of its own: neither the connection nor its terminal end it.
  setsid nohup bash "$0" run_here "$run" "$@" >>"$folder/log" 2>&1 </dev/null &
  echo $! >"$folder/pid"
  answer "$run started."
}

run_here() { # RUN COMMAND WORD ...
  local run=$1 code=0
  shift
  # The signal is the command's; this shell waits for how it ends.
  trap : TERM INT
  cd "$HOME_OF_ALL/project"
  PATH=$HOME_OF_ALL/venv/bin:$PATH "$@" || code=$?
  echo "$code" >"$HOME_OF_ALL/runs/$run/exit.new"
  mv "$HOME_OF_ALL/runs/$run/exit.new" "$HOME_OF_ALL/runs/$run/exit"
}

state() { # RUN LINES
  local run=$1 lines=$2 folder=$HOME_OF_ALL/runs/$1 is text=""
  if [[ ! -d $folder ]]; then
    is="absent"
  elif [[ -f $folder/exit ]]; then
    is="exited $(<"$folder/exit")"
  elif is_alive "$run"; then
    is="running"
  else
    # Killed, or the machine was restarted.
    is="died"
  fi
  if ((lines)) && [[ -f $folder/log ]]; then
    # Progress bars return to the start of their line.
    text=$(tail -n "$lines" "$folder/log" | tr '\r' '\n' | tail -n "$lines" |
      sed "s/^/[$ME] | /")
  fi
  # In one piece: all workers write to one screen.
  printf '%s\n' "$(answer "$run: $is")${text:+$'\n'$text}"
}

log() { # RUN
  [[ -f $HOME_OF_ALL/runs/$1/log ]] || fail "there is no log of $1."
  cat "$HOME_OF_ALL/runs/$1/log"
}

stop() { # RUN SECONDS
  local run=$1 seconds=$2 pid signal
  is_alive "$run" || { answer "$run does not run."; return; }
  pid=$(<"$HOME_OF_ALL/runs/$run/pid")
  # The first lets it write a checkpoint, the second ends it at once.
  for signal in TERM TERM KILL; do
    kill -s "$signal" -- "-$pid" 2>/dev/null || true
    for ((i = 0; i <= seconds * 5; i++)); do
      sleep 0.2
      is_alive "$run" || { answer "$run ended."; return; }
    done
    seconds=$((seconds < 5 ? seconds : 5))
  done
  fail "$run could not be ended."
}

"$@"
