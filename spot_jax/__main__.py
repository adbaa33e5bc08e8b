"""One command line: `python -m spot_jax PROGRAM`, or `spot_jax PROGRAM`."""

import errno
import importlib
import logging
import os
import signal
import sys

import tqdm

from spot_jax import config, host_memory, interrupts, processes
from spot_jax.errors import InputError, message_of
from spot_jax.reading import printable
from spot_jax.rows import flags

PROGRAMS = {
    "train": "learn prompts (or tune a model) on tasks or mixtures",
    "evaluate": "score saved prompts on whole splits",
    "infer": "write predictions for a task split or your own text",
    "library": "keep prompts of one model: add, list, show, verify, export",
    "transfer": "choose the prompts of a library that a task starts from",
    "study": "run SPoT's study: which prompts help which tasks",
    "report": "show what a study found, as a page, tables and figures",
    "inspect_tasks": "list tasks and mixtures, or look into one",
    "convert": "turn rows or publishers' files into data the tasks read",
    "tokenize": "turn a task into arrays that train reads without TensorFlow",
    "compile": "tell what a run needs of a TPU or GPU, before it is rented",
    "demo": "see prompts transfer in a few minutes on a laptop",
}
# Those of the folder workshop/, for who makes or measures the embedded model.
WORKSHOP = {
    "make_miniature": "write a small offline stand-in for every task's data",
    "make_spot_tiny": "pre-train the embedded model spot_tiny anew",
    "make_english": "pre-train a small T5 of real English, and study transfer with it",
    "measure_spot_tiny": "score it on the miniature: prompts, model tuning, baselines",
    "measure_kinds": "score every kind of prompt over spot_tiny, and what it costs",
    "time_steps": "measure memory and seconds of a step, by the size of the T5",
    "play_games": "see how well spot_tiny plays the games it was pre-trained on",
}
# Of each program one command that runs; those of rows of one's own one after another.
EXAMPLES = {
    "train": r"""
  spot_jax train --rows train=my.csv --input "mood: {text}" --target "{label}" \
    --name mood --gin_file=gin/prompts/class_labels.gin \
    --gin_file=gin/runs/prompt_tune.gin --gin.INITIAL_CHECKPOINT_PATH=spot_tiny \
    --gin.TRAIN_STEPS=20 --gin.EMBEDDING_STEP=10 --gin.PROMPT_LENGTH=20 \
    --gin.MODEL_DIR=runs/mood""",
    "evaluate": r"""
  spot_jax evaluate --rows validation=my.csv --gin_file=gin/runs/evaluate.gin \
    --gin.INITIAL_CHECKPOINT_PATH=spot_tiny --gin.EVAL_OUTPUT_DIR=runs/mood/scores \
    --gin.PROMPT_FILES=runs/mood/prompts/mood-seed0/best.safetensors""",
    "infer": r"""
  spot_jax infer --gin_file=gin/runs/infer.gin --gin.INITIAL_CHECKPOINT_PATH=spot_tiny \
    --gin.PROMPT_FILE=runs/mood/prompts/mood-seed0/best.safetensors \
    --gin.INFER_INPUT=texts.txt --gin.INFER_OUTPUT=answers.csv""",
    "library": "\n  spot_jax library add prompts runs/mood",
    "transfer": r"""
  spot_jax transfer prompts --target runs/other --method best --out runs/starts""",
    "study": r"""
  spot_jax study --gin_file=gin/runs/study_miniature.gin --gin.STUDY_DIR=runs/study""",
    "report": "\n  spot_jax report runs/study",
    "inspect_tasks": "\n  spot_jax inspect_tasks rte",
    "convert": r"""
  spot_jax convert sst2 --data_dir data --rows train=train.jsonl \
    --rows validation=dev.jsonl""",
    "tokenize": r"""
  spot_jax tokenize sst2 --lengths inputs=128,targets=8 --vocabulary spot_tiny \
    --output tokenized/sst2/train""",
    "compile": r"""
  spot_jax compile --gin_file=gin/prompts/class_labels.gin \
    --gin_file=gin/runs/prompt_tune.gin --gin.INITIAL_CHECKPOINT_PATH=spot_tiny \
    --gin.TASK_FEATURE_LENGTHS="{'inputs': 64, 'targets': 8}" \
    --gin.PROMPT_LENGTH=20 --gin.MODEL_DIR=runs/mood""",
    "demo": "\n  spot_jax demo --dir runs/demo",
}


def main(argv: list[str] | None = None) -> None:
    """Runs a program; what is wrong with its input is one message and exit code 2."""
    if argv is None:
        # This process is the program's; code that calls it has handlers of its own.
        interrupts.listen()
        argv = sys.argv[1:]
    try:
        _run(argv)
        sys.stdout.flush()
    except InputError as error:
        _fail(message_of(error))
    except BrokenPipeError:
        # Whoever read what is printed has seen enough, as `head` has.
        _print_no_more()
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _print_no_more()
        what = error.filename or "What is printed"
        _fail(f"{what} cannot be written ({error.strerror}). Make room for it.")


def _run(argv: list[str]) -> None:
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: spot_jax PROGRAM [options]   (spot_jax PROGRAM --help)\n")
        for name, purpose in PROGRAMS.items():
            print(f"  {name:18} {purpose}")
        print("\nthe workshop of the embedded model:")
        for name, purpose in WORKSHOP.items():
            print(f"  {name:18} {purpose}")
        print(f"\n{processes.USAGE}")
        return
    program, rest = argv[0], argv[1:]
    if program not in PROGRAMS | WORKSHOP:
        known = ", ".join(PROGRAMS | WORKSHOP)
        _fail(f"There is no program {program!r}; choose {known}.")
    # Errors of TensorFlow's C++ libraries are shown, its looking for a GPU is not.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    host_memory.keep_freed_memory()
    _speak()
    if {"-h", "--help", "--macros"} & {*rest}:
        _help(program, rest)
    options, rest = processes.split(rest)
    processes.join(options)
    with processes.watched():
        importlib.import_module(_module_of(program)).main(rest)


def _help(program: str, rest: list[str]) -> None:
    """Lets a program show its help, and an example after it."""
    try:
        if program in ("train", "evaluate", "infer"):
            # They import JAX, which nobody waits for who asks for help.
            config.parse_flags(program, rest, flags)
        importlib.import_module(_module_of(program)).main(rest)
    except SystemExit as end:
        if not end.code and program in EXAMPLES and "--macros" not in rest:
            print(f"\nexample:{EXAMPLES[program]}")
        raise


def _module_of(program: str) -> str:
    # `spot_jax.library` is the function of that name; a module would hide it.
    file = "library_program" if program == "library" else program
    return f"spot_jax.workshop.{file}" if program in WORKSHOP else f"spot_jax.{file}"


class _BesideTheBar(logging.Handler):
    """Writes to stderr without tearing a progress bar that stands there."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.tqdm.write(self.format(record), file=sys.stderr)


class _Once(logging.Filter):
    """Lets a warning of other libraries pass, but not again, and no advice on use."""

    # Of SeqIO, to who draws from its own shuffled buffers: here orders are drawn anew.
    _ADVICE = "Using an uncached FunctionDataset"

    def __init__(self):
        super().__init__()
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        is_new = text not in self._said and not text.startswith(self._ADVICE)
        self._said.add(text)
        return is_new


def _speak() -> None:
    """Shows what spot_jax is doing on stderr, and of other libraries only warnings."""
    handler = _BesideTheBar()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("spot_jax")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
    if not logging.root.handlers:
        others = _BesideTheBar()
        others.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        others.addFilter(_Once())
        logging.root.addHandler(others)


def _print_no_more() -> None:
    """Keeps Python from trying to print the rest when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str) -> None:
    # What stands in a file may command a terminal.
    print(f"spot_jax: {printable(message)}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
