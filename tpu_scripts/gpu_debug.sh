#!/usr/bin/env bash
# Tells whether one GPU of this machine is ready, and tunes a prompt on it for 20 steps.
#
#   gpu_debug.sh [--gpu 0]   the number nvidia-smi gives it
#     [--model spot_tiny]    an INITIAL_CHECKPOINT_PATH
#     [--steps 20]
#     [--memory 0.9]         the fraction of its memory to take at once, in place of as
#                            much as is needed, when it is needed
#     [--python PYTHON]      the project's .venv, where there is one
#     [--dry_run]
#     [-- FLAG ...]          more for spot_jax train, such as a gin file of the model
#
# Every flag may also be a variable: --gpu is GPU_GPU, --model GPU_MODEL and so on.

FLAG_PREFIX=GPU
# shellcheck source=tpu_scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

read_flags "gpu model steps memory python dry_run" "$@"
GPU_GPU=${GPU_GPU:-0} GPU_MODEL=${GPU_MODEL:-spot_tiny} GPU_STEPS=${GPU_STEPS:-20}
check_number GPU_GPU
check_number GPU_STEPS
if [[ -z ${GPU_PYTHON-} ]]; then
  GPU_PYTHON=python3
  [[ ! -x $ROOT/.venv/bin/python ]] || GPU_PYTHON=$ROOT/.venv/bin/python
fi

# In the order of nvidia-smi; CUDA has its own otherwise.
environment=(CUDA_DEVICE_ORDER=PCI_BUS_ID "CUDA_VISIBLE_DEVICES=$GPU_GPU")
if [[ -n ${GPU_MEMORY-} ]]; then
  check GPU_MEMORY '0?\.[0-9]*[1-9]' "a fraction, such as 0.9"
  environment+=("XLA_CLIENT_MEM_FRACTION=$GPU_MEMORY")
else
  # JAX takes three quarters at its first step otherwise, and nvidia-smi tells no more.
  environment+=(XLA_PYTHON_CLIENT_PREALLOCATE=false)
fi

# JAX's installation page: CUDA 13 needs driver 580, CUDA 12 driver 525.
wheels_for() { # DRIVER
  if ((${1%%.*} >= 580)); then
    echo "$GPU_PYTHON -m pip install -c $ROOT/constraints.txt 'jax[cuda13]'"
  elif ((${1%%.*} >= 525)); then
    echo "$GPU_PYTHON -m pip install -c $ROOT/constraints.txt 'jax[cuda12]'"
  else
    echo "a driver of version 525 or newer, and then jax[cuda12]"
  fi
}

facts="index,name,driver_version,memory.total,memory.used"
query=(nvidia-smi "--id=$GPU_GPU" "--query-gpu=$facts" "--format=csv,noheader")
if [[ -z $DRY_RUN ]]; then
  command -v nvidia-smi >/dev/null ||
    refuse "There is no nvidia-smi here: no NVIDIA driver is installed, or this" \
      "container was started without its GPUs."
  card=$(run "${query[@]}") || refuse "nvidia-smi does not find GPU $GPU_GPU: ${card-}"
  say "GPU $card used"
  driver=$(cut -d, -f3 <<<"$card" | tr -d ' ')
else
  run "${query[@]}"
fi

look='
import sys, jax
device = jax.devices()[0]
print(f"JAX {jax.__version__} runs on {device.platform}: {device.device_kind}")
limit = (device.memory_stats() or {}).get("bytes_limit")
if limit:
    print(f"It may use {limit / 2**30:.1f} GiB of its memory.")
sys.exit(device.platform != "gpu")
'
run env "${environment[@]}" "$GPU_PYTHON" -c "$look" ||
  refuse "JAX of $GPU_PYTHON does not run on the GPU. What it needs:" \
    "$(wheels_for "${driver-580}")"

folder=/tmp/gpu_debug
if [[ -z $DRY_RUN ]]; then
  folder=$(mktemp -d)
  # Rows of its own: nothing has to be prepared, and no TensorFlow installed.
  {
    echo "text,label"
    for ((i = 0; i < 32; i++)); do printf 'a fine day %d,good\na poor day %d,bad\n' $i $i; done
  } >"$folder/rows.csv"
fi
cd "$ROOT"
run env "${environment[@]}" "$GPU_PYTHON" -m spot_jax train \
  --rows "train=$folder/rows.csv" --name mood --input "{text}" --target "{label}" \
  --gin_file=gin/prompts/class_labels.gin --gin_file=gin/runs/prompt_tune.gin \
  "--gin.INITIAL_CHECKPOINT_PATH=$GPU_MODEL" "--gin.TRAIN_STEPS=$GPU_STEPS" \
  --gin.PROMPT_LENGTH=20 --gin.LOG_PERIOD=5 "--gin.MODEL_DIR=$folder/run" \
  ${COMMAND[@]+"${COMMAND[@]}"} || {
  say "gpu_debug.sh: The run failed. Out of memory: nvidia-smi tells who else is" \
    "there; less is needed with --gin.BATCH_SIZE=8 after --."
  exit 1
}
[[ -n $DRY_RUN ]] || say "GPU $GPU_GPU trains. What it wrote is in $folder/run."
