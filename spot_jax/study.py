"""Program: the transfer study, SPoT §3: which prompts help which tasks.

    spot_jax study --gin_file=gin/runs/study.gin --gin.STUDY_DIR=/tmp/study

Source prompts, target baselines, every source prompt to every target, the prompts that
retrieval combines and controls are tuned as banks, run after run. What is finished is
never done again: the same command continues a study that was stopped. In STUDY_DIR:

    config.gin              what is studied
    runs/NAME/              the runs, each a MODEL_DIR of `spot_jax train`
    library/                the source prompts, for `spot_jax transfer`
    study.json, scores.csv, curves.csv, similarities.csv    for `spot_jax report`

With --worker i/n on each of n machines that share STUDY_DIR the runs are dealt out;
worker 1 writes the library and the tables, when all are done.
"""

import argparse
import dataclasses
import functools
import logging
import os
import pathlib
import re
import shlex
import time
import types
from collections.abc import Sequence

import jax

import spot_jax.tasks
from spot_jax import buckets, config, text
from spot_jax.campaign import cost, estimate, kind
from spot_jax.campaign.diary import Diary
from spot_jax.campaign.plan import STAGES, Run, Study, asked_for
from spot_jax.campaign.runs import Bank, FinishedRuns, check_stages, prepare_bank
from spot_jax.campaign.tables import write_summary, write_tables
from spot_jax.campaign.tasks import check_tasks
from spot_jax.errors import InputError
from spot_jax.miniature import DATASETS
from spot_jax.miniature import folder as miniature_folder
from spot_jax.model import architecture
from spot_jax.model_dir import claim, storage
from spot_jax.prompts import init
from spot_jax.prompts.init import Start
from spot_jax.prompts.library import Library, from_run
from spot_jax.reading import path_of
from spot_jax.rows import flags as rows_flags
from spot_jax.settings import Data, Model
from spot_jax.tasks import catalog
from spot_jax.train import train

logger = logging.getLogger(__name__)

# Where sources and mixtures begin, and baselines of targets.
_STARTS = "SOURCE_START", "TARGET_START"


def study(
    *,
    study_dir: str,
    plan: Study,
    model: Model,
    data: Data,
    sizes: cost.Sizes,
    miniature: bool,
    start: Start | None = None,
    source_start: Start | None = None,
    target_start: Start | None = None,
    poll_seconds: float = 10,
    worker: tuple[int, int] = (1, 1),
    dry_run: str | None = None,
    command: str = "",
) -> None:
    """Does what is missing of a study, as one of its workers.

    Args:
        study_dir: STUDY_DIR, where everything is written.
        plan: what is studied.
        model: the frozen model, for its shape; the runs read the macros themselves.
        data: rows of one's own, and modules that register tasks.
        sizes: of the model, its prompts and its batches.
        miniature: MINIATURE, whether data is made where TFDS_DATA_DIR names none.
        start: PROMPT_START, of all prompts, as the file of a kind of prompts says it.
        source_start: SOURCE_START, of sources and mixtures; None: PROMPT_START, or else
            sampled vocabulary (SPoT §2.1.4).
        target_start: TARGET_START, of baselines; None: PROMPT_START, or else class
            labels (SPoT, appendix C).
        poll_seconds: how often to look whether other workers have finished.
        worker: (i, n), i from 1.
        dry_run: a machine of cost.MACHINES: only runs and its hours are printed.
        command: the command line.

    Raises:
        InputError: for anything wrong, where possible before anything is tuned.
    """
    check_tasks(plan, data)
    folder = path_of(study_dir)
    done, runs = FinishedRuns(folder, plan), asked_for(plan, worker)
    check_stages(plan, done)
    if sizes.config is None:
        shape = architecture.resolved(model).config
        sizes = dataclasses.replace(sizes, config=shape)
    sources, targets = _starts(start, source_start, target_start)
    begin = [(sources, plan.sources), (targets, plan.targets)]
    kind.check_starts(dict(zip(_STARTS, begin, strict=True)), sizes)
    if dry_run:
        print(estimate.describe(runs, done, sizes, dry_run), end="")
        return
    kind.check_library(folder / "library", sizes)
    configuration = config.text()  # The runs will change it.
    claim.check(study_dir, configuration, "STUDY_DIR")
    missing = [run for run in runs if not done.has(run)]
    if missing:
        open_data(folder, plan, data, miniature)
    diary = Diary(folder, worker, command)
    _remove_leftovers(folder, diary)
    wait_for = functools.partial(_wait_for, done, worker, poll_seconds)
    _write(folder, plan, done, diary)
    for number, run in enumerate(missing, 1):
        wait_for(STAGES[run.stage].needs)
        claim.check(study_dir, configuration, "STUDY_DIR")
        logger.info("Run %d of %d: %s.", number, len(missing), run.name)
        bank = prepare_bank(folder, run, plan, done)
        if bank.rows:
            tune(run, bank, done.folder_of(run))
        # Not before: a mistake that is found and mended is not another study.
        claim.claim(folder, configuration)
        _write(folder, plan, done, diary)
    if diary.is_first:
        wait_for(plan.stages)
        _write(folder, plan, done, diary)


def _starts(start: Start | None, *given: Start | None) -> list[Start]:
    """Returns where sources and targets begin, and sets the macros that runs read.

    PROMPT_START becomes that of each run, so what it says of all is read once.
    """
    of_kind = repr(config.value("PROMPT_START"))
    usual = init.sampled_vocabulary, init.class_labels
    found = []
    for macro, its_own, other in zip(_STARTS, given, usual, strict=True):
        text = of_kind if start else f"@init.{other.__name__}"
        if its_own is None:
            config.override([f"{macro}={text}"])
        found.append(its_own or start or config.configured(other))
    return found


def _remove_leftovers(folder: pathlib.Path, diary: Diary) -> None:
    """Removes what this worker left when it was killed, of what it alone writes."""
    written = [diary.path.name]
    if diary.is_first:
        written += ["scores.csv", "curves.csv", "similarities.csv", "study.json"]
    for name in written:
        storage.remove_leftovers(folder, diary.path.parent, of=name)


def open_data(folder: pathlib.Path, plan: Study, data: Data, miniature: bool) -> None:
    """Makes sure that all tasks of a study can be read.

    Args:
        folder: STUDY_DIR, where the data of the miniature is made.
        plan: the study.
        data: rows of one's own, which have been read.
        miniature: MINIATURE, whether it is made where TFDS_DATA_DIR names none.

    Raises:
        InputError: when the data of a task cannot be read.
    """
    tasks = [t for t in (*plan.sources, *plan.targets) if t not in data.rows]
    if not tasks:
        return
    # TensorFlow comes in here, which rows of one's own do without.
    spot_jax.tasks.register_all()
    if miniature and not os.environ.get("TFDS_DATA_DIR"):
        from spot_jax.text.registration import use_data_dir

        # What makes it, and TensorFlow, write and read on a disk.
        is_far = buckets.is_inside(folder)
        made = (storage.scratch() if is_far else folder.absolute()) / "data"
        every = [catalog.get(task) for task in DATASETS]
        miniature_folder.write_once(made, every, catalog.STUDY_LABELS)
        use_data_dir(str(made))
    for task in tasks:
        text.check_data(task)


def _wait_for(
    done: FinishedRuns, worker: tuple[int, int], seconds: float, stages: Sequence[str]
) -> None:
    """Waits until all runs of these stages are finished."""
    said = None
    while missing := done.missing(stages):
        if missing[0] != said:
            said = missing[0]
            owner = said.number % worker[1] + 1
            logger.info("Waiting for %s of worker %d/%d.", said.name, owner, worker[1])
        time.sleep(seconds)


def tune(run: Run, bank: Bank, folder: pathlib.Path) -> None:
    """Runs `spot_jax train` in this process, in the configuration of the study.

    Args:
        run: how long, how often evaluated.
        bank: what is trained.
        folder: the run's MODEL_DIR.
    """
    start = _STARTS[0 if STAGES[run.stage].is_source else 1]
    examples = run.examples or "%EVALUATOR_NUM_EXAMPLES"
    values = {
        "MODEL_DIR": str(folder),
        "MIXTURE_OR_TASK_NAME": list(dict.fromkeys(task for task, _, _ in bank.rows)),
        "MIXTURES": bank.mixtures,
        "BANK": bank.rows,
        "TRAIN_STEPS": run.steps,
        "EVAL_PERIOD": run.eval_period,
        # Dropout's; the prompts' own are in BANK.
        "RANDOM_SEED": run.number,
    }
    config.override(
        [
            *(f"{name}={value!r}" for name, value in values.items()),
            f"PROMPT_START=%{start}",
            f"RUN_EVAL_EXAMPLES={examples}",
        ]
    )
    config.configured(train)(configuration=config.text())
    # The next run's programs are others; a long study would collect them.
    jax.clear_caches()


def _write(folder: pathlib.Path, plan: Study, done: FinishedRuns, diary: Diary) -> None:
    """Writes what is known now; only the first worker writes what all share."""
    diary.write()
    if not diary.is_first:
        return
    library = Library(folder / "library")
    there = library.names()
    for run in done.finished():
        if run.stage == "sources":
            sound = {path.name for path in done.prompts(run).values()}
            for entry in from_run(done.folder_of(run)):
                if entry.name in sound and entry.name not in there:
                    library.add(entry)
    write_tables(folder, plan, done)
    write_summary(folder, plan, done)


def _parse_worker(given: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)/(\d+)", given)
    index, count = map(int, found.groups()) if found else (0, 0)
    if not 1 <= index <= count:
        raise InputError(
            f"--worker {given}: give i/n, this machine's number i from 1 to n and the "
            "number n of machines that share STUDY_DIR, e.g. 2/3."
        )
    return index, count


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--worker", default="1/1", metavar="i/n", help="do the i-th of n parts"
    )
    parser.add_argument(
        "--dry_run", action="store_true", help="print runs, prompts, FLOPs and hours"
    )
    parser.add_argument(
        "--machine",
        choices=cost.MACHINES,
        default="tpu-v3-8",
        help="whose hours are estimated (default: %(default)s)",
    )
    rows_flags.add_to(parser)


def _bindings(flags: argparse.Namespace) -> list[str]:
    flags.worker = _parse_worker(flags.worker)
    return rows_flags.bindings(flags)


def main(argv: Sequence[str]) -> None:
    """Runs `spot_jax study`."""
    of_study = types.SimpleNamespace(add_to=_add_flags, bindings=_bindings)
    flags = config.parse_flags("study", argv, of_study)
    config.configured(study)(
        worker=flags.worker,
        dry_run=flags.machine if flags.dry_run else None,
        command=shlex.join(["spot_jax", "study", *argv]),
    )
