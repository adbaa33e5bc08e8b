r"""Program: what a run needs of a machine, told before the machine is rented.

    spot_jax compile --gin_file=gin/models/t5_1_1_xxl.gin \
      --gin_file=gin/prompts/class_labels.gin --gin_file=gin/runs/prompt_tune.gin \
      --gin.TASK_FEATURE_LENGTHS="{'inputs': 512, 'targets': 8}" \
      --topology v5e:4x4

The steps of training and evaluation that `spot_jax train` would run are compiled for a
TPU that need not be there, or for the devices that are; no weight, vocabulary or data
is read. It says what each chip needs and has, how long a step takes at the chip's
published rates and what it waits for, and how long the study takes. Where the run does
not fit, it looks for settings that do.
"""

import argparse
import logging
import types
from collections.abc import Mapping, Sequence
from typing import Any

import jax

from spot_jax import config
from spot_jax.campaign.plan import Study
from spot_jax.config.bound import bound_to
from spot_jax.errors import InputError
from spot_jax.hardware import chips, topologies
from spot_jax.model import sharding
from spot_jax.model.automatic import Place
from spot_jax.proof import mesh as meshes
from spot_jax.proof import programs, search, told
from spot_jax.proof import run as runs
from spot_jax.proof.told import Proof
from spot_jax.reading import as_json
from spot_jax.rows import flags as rows_flags
from spot_jax.text.lengths import parse_lengths
from spot_jax.train import train

logger = logging.getLogger(__name__)

# Nothing is written, and where gin states a shape no weights are needed. In gin's long
# form, which files that have no use for a macro may leave unused.
_UNSAID = (
    "MODEL_DIR/gin.macro.value=unused",
    "INITIAL_CHECKPOINT_PATH/gin.macro.value=None",
)


def compile_run(
    arguments: Mapping[str, Any],
    study: Study,
    *,
    topology: str | None = None,
    bank: int | None = None,
    expected: Mapping[str, int] | None = None,
) -> tuple[Proof, Proof | None]:
    """Compiles a run's programs, and others where these do not fit.

    Args:
        arguments: of `train`.
        study: whose hours are told.
        topology: e.g. "v5e:4x4"; None: the devices that are there.
        bank: how many prompts; None: as many as the settings have.
        expected: how long a usual example is; None: as long as any may be.

    Returns:
        What was asked for; and, where that does not fit, what does, or None.

    Raises:
        InputError: for anything wrong that is known before compiling.
    """
    run = runs.of(arguments, bank, expected)
    if topology:
        chip, count = topologies.known(topology)
        where = f"{topology} ({count} chip{'s' * (count > 1)})"
    else:
        chip, count = chips.chip_of(jax.devices()[0]), jax.device_count()
        where = f"{count} x {chip.name}"
    platform = "tpu" if topology else jax.default_backend()
    run = run.on(Place(platform, count, chip.memory, chip.name))
    meshes.check_rows(run, count)
    devices = topologies.devices_of(topology) if topology else jax.devices()
    mesh = sharding.make_mesh(run.model.num_partitions, devices)
    logger.info("Compiling the steps of training and evaluation for %s.", where)
    costs = programs.compiled(run, mesh)
    asked = Proof(run, where, chip, count, costs, study)
    if asked.fits:
        return asked, None
    found = search.cheapest(run, devices, chip, costs)
    fitting = found and Proof(found[0], where, chip, count, found[1], study)
    # Each program may fit alone, and not beside the other.
    return asked, fitting if fitting and fitting.fits else None


def main(argv: Sequence[str]) -> None:
    """Runs `spot_jax compile`."""
    if not any(flag.startswith("--gin_file") for flag in argv):
        argv = ["--gin_file=gin/runs/prompt_tune.gin", *argv]
    study = None
    if not {"-h", "--help", "--macros"} & {*argv}:
        # Parsed first, for a run's configuration takes its place.
        config.parse(["gin/runs/study.gin"], ["STUDY_DIR=unused"])
        study = config.configured(Study)()
    more = types.SimpleNamespace(add_to=_add_flags, bindings=_bindings)
    flags = config.parse_flags("compile", argv, more)
    if flags.topology:
        topologies.known(flags.topology)
        # A GPU that is there has other things to do.
        jax.config.update("jax_platforms", "cpu")
    arguments = bound_to(train)
    if not arguments:
        raise InputError(
            "These gin files are of no training run: add one, as in "
            "--gin_file=gin/runs/prompt_tune.gin."
        )
    study = config.configured(Study)() if bound_to(Study) else study
    asked, fitting = compile_run(
        arguments,
        study,
        topology=flags.topology,
        bank=flags.bank,
        expected=flags.lengths,
    )
    print(_as_json(asked, fitting) if flags.json else _as_text(asked, fitting))


def _as_text(asked: Proof, fitting: Proof | None) -> str:
    text = told.as_text(asked)
    if asked.fits:
        return text
    if fitting is None:
        return f"{text}No setting fits: take more chips, or chips with more memory.\n"
    run = fitting.run
    return (
        f"{text}These settings fit: --gin.NUM_PARTITIONS={run.model.num_partitions} "
        f"--gin.REMAT_POLICY={run.config.remat_policy} "
        f"--gin.MICROBATCHES={run.training.microbatches} "
        f"--gin.EVAL_BATCH_SIZE={run.evaluation.rows}\n\n{told.as_text(fitting)}"
    )


def _as_json(asked: Proof, fitting: Proof | None) -> str:
    numbers = {"asked": told.as_numbers(asked)}
    return as_json(numbers | {"fitting": fitting and told.as_numbers(fitting)})


def _add_flags(parser: argparse.ArgumentParser) -> None:
    flag = parser.add_argument
    flag(
        "--topology",
        metavar="KIND:SHAPE",
        help="a TPU slice such as v5e:4x4 (left out: the devices that are there)",
    )
    flag("--bank", metavar="N", help="train so many prompts (as the settings say)")
    flag(
        "--lengths",
        metavar="inputs=N,targets=N",
        help="tokens of a usual example, of which several share a row "
        "(TASK_FEATURE_LENGTHS: one a row)",
    )
    flag("--json", action="store_true", help="all numbers, as JSON")
    rows_flags.add_to(parser)


def _bindings(flags: argparse.Namespace) -> list[str]:
    flags.bank = _count(flags.bank)
    if flags.lengths:
        flags.lengths = parse_lengths(flags.lengths)
    return [*_UNSAID, *rows_flags.bindings(flags)]


def _count(given: str | None) -> int | None:
    if given is None:
        return None
    if not given.isdecimal() or int(given) < 1:
        raise InputError(f"--bank {given}: give a number of prompts, from 1 on.")
    return int(given)
