"""One command line: `python -m spot_jax PROGRAM`, or `spot_jax PROGRAM`."""

import importlib
import sys

PROGRAMS = {
    "train": "learn prompts (or tune a model) on tasks or mixtures",
    "evaluate": "score saved prompts on whole splits",
    "infer": "write predictions for a task split or your own text",
    "inspect_tasks": "list tasks and mixtures, or look into one",
    "convert": "turn rows or publishers' files into data the tasks read",
    "demo": "see prompts transfer in a few minutes on a laptop",
}


def main(argv: list[str] | None = None) -> None:
    """Runs a program; what is wrong with its input is one message and exit code 2."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: spot_jax PROGRAM [options]   (spot_jax PROGRAM --help)\n")
        for name, purpose in PROGRAMS.items():
            print(f"  {name:14} {purpose}")
        return
    program, rest = argv[0], argv[1:]
    if program not in PROGRAMS:
        _fail(f"There is no program {program!r}; choose {', '.join(PROGRAMS)}.")
    try:
        importlib.import_module(f"spot_jax.{program}").main(rest)
    except ValueError as error:
        if "SPOT_JAX_TRACEBACK" in __import__("os").environ:
            raise
        _fail(str(error))


def _fail(message: str) -> None:
    print(f"spot_jax: {message}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
