"""The plan of a transfer study: which prompts are tuned, in which runs (SPoT §3).

The plan follows from the configuration alone, so that machines that share a folder
agree on it without talking.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

from spot_jax.errors import InputError
from spot_jax.retrieval import controls
from spot_jax.retrieval.similarity import MEASURES, USUAL_MEASURE


@dataclasses.dataclass(frozen=True)
class Stage:
    """One part of a study.

    Attributes:
        method: what its prompts are called in the tables, or how that begins.
        needs: stages whose prompts it starts from or is chosen by.
        is_source: whether it tunes as sources are: how long and from what.
        is_longer: whether it tunes for the steps of a source and a target together.
    """

    method: str
    needs: tuple[str, ...] = ()
    is_source: bool = False
    is_longer: bool = False


# Those that came later stand at the end: the numbers of the runs before stay.
STAGES = {
    "sources": Stage("source", is_source=True),
    "baselines": Stage("baseline"),
    "transfers": Stage("transfer", ("sources",)),
    "averages": Stage("average", ("sources", "baselines")),
    "mixtures": Stage("mixture_source", ("sources", "baselines"), is_source=True),
    "mixture_targets": Stage("mixture", ("sources", "baselines", "mixtures")),
    # Controls: what more steps bring by themselves, and where a source's gain ends.
    "longer_baselines": Stage("longer", is_longer=True),
    "longer_transfers": Stage("longer", ("sources", "baselines"), is_longer=True),
}


@dataclasses.dataclass(frozen=True)
class Study:
    """What is studied.

    Attributes:
        sources: SOURCES, tasks whose prompts are transferred.
        targets: TARGETS, tasks they are transferred to.
        seeds: SEEDS, of sources and of targets.
        stages: STAGES, which parts are done; the others may be there already.
        source_steps: SOURCE_STEPS, how long sources and mixtures are tuned.
        target_steps: TARGET_STEPS, how long targets are tuned; the longer ones of
            STAGES, which are controls, for both together.
        source_eval_period: SOURCE_EVAL_PERIOD, steps between evaluations of a source.
        target_eval_period: TARGET_EVAL_PERIOD, steps between those of a target.
        embedding_step: EMBEDDING_STEP, the step whose prompt embeds a task.
        best_ks: BEST_KS, the k of BEST OF TOP-k, which needs no tuning.
        average_ks: AVERAGE_KS, the k of TOP-k WEIGHTED AVERAGE.
        mixture_ks: MIXTURE_KS, the k of TOP-k MULTI-TASK MIXTURE.
        source_eval_examples: SOURCE_EVAL_EXAMPLES, how many evaluate a source; None: as
            many as a target.
        mixture_eval_examples: MIXTURE_EVAL_EXAMPLES, how many evaluate a mixture.
        measure: SIMILARITY, which ranks the sources of the latter two.
        bank_size: BANK_SIZE, how many prompts a run trains at once, at most.
    """

    sources: Sequence[str]
    targets: Sequence[str]
    seeds: Sequence[int]
    stages: Sequence[str]
    source_steps: int
    target_steps: int
    source_eval_period: int
    target_eval_period: int
    embedding_step: int
    best_ks: Sequence[int]
    average_ks: Sequence[int]
    mixture_ks: Sequence[int]
    source_eval_examples: int | None = None
    mixture_eval_examples: int | None = None
    measure: str = USUAL_MEASURE
    bank_size: int = 48

    def __post_init__(self):
        for field in ("sources", "targets", "stages"):
            object.__setattr__(self, field, _several(field, getattr(self, field), str))
        for field in ("seeds", "best_ks", "average_ks", "mixture_ks"):
            object.__setattr__(self, field, _several(field, getattr(self, field), int))
        for field in (
            *("source_steps", "target_steps", "embedding_step", "bank_size"),
            *("source_eval_period", "target_eval_period"),
        ):
            value = getattr(self, field)
            if type(value) is not int or value < 1:
                raise InputError(
                    f"{field.upper()} is {value!r}; give a number from 1 on."
                )
        _check_choices(self)
        _check_numbers(self)


def _several(field: str, values: object, kind: type) -> tuple:
    values = [values] if isinstance(values, kind) else values
    macro = field.upper()
    # Not isinstance: True is an int, and no seed.
    if not isinstance(values, Sequence) or not all(type(v) is kind for v in values):
        raise InputError(f"{macro} is {values!r}; give a list of {kind.__name__}.")
    if len(set(values)) < len(values):
        raise InputError(f"{macro} is {list(values)}: name each once.")
    # An empty list of k leaves a method out; any other leaves no study.
    if not values and not field.endswith("_ks"):
        raise InputError(f"{macro} is an empty list; name at least one.")
    return tuple(values)


def _check_choices(study: Study) -> None:
    for macro, given, known in (
        ("STAGES", study.stages, STAGES),
        ("SIMILARITY", (study.measure,), MEASURES),
    ):
        unknown = [name for name in given if name not in known]
        if unknown:
            raise InputError(
                f"{macro} has {', '.join(map(repr, unknown))}; choose from "
                f"{', '.join(known)}."
            )
    both = [name for name in study.sources if name in study.targets]
    if both:
        raise InputError(
            f"{', '.join(both)} is among SOURCES and among TARGETS. A target whose own "
            "prompt is a source is no transfer: take it out of one of them."
        )


def _check_numbers(study: Study) -> None:
    count = len(study.sources) * len(study.seeds)
    for macro in ("best_ks", "average_ks", "mixture_ks"):
        wrong = [k for k in getattr(study, macro) if not 1 <= k <= count]
        if wrong:
            raise InputError(
                f"{macro.upper()} has {', '.join(map(str, wrong))}; there are {count} "
                f"source prompts ({len(study.sources)} tasks, {len(study.seeds)} "
                f"seeds), so k goes from 1 to {count}."
            )
    if any(seed < 0 for seed in study.seeds):
        raise InputError(f"SEEDS is {list(study.seeds)}; seeds are numbers from 0 on.")
    steps = min(study.source_steps, study.target_steps)
    if study.embedding_step > steps:
        raise InputError(
            f"EMBEDDING_STEP is {study.embedding_step}, and tuning ends at step {steps}"
            f" (SOURCE_STEPS {study.source_steps}, TARGET_STEPS {study.target_steps}): "
            "there would be no task embeddings. Lower it, or tune longer."
        )


@dataclasses.dataclass(frozen=True)
class Tuning:
    """One prompt of a study.

    Attributes:
        method: of its stage.
        seed: its own.
        target: the task it is for; None for a source.
        source: the source task, of a source or a transfer; of "longer_similar" it is
            known when the embeddings are.
        source_seed: which of that task's prompts a transfer starts from.
        k: how many sources an average or a mixture is made of.
    """

    method: str
    seed: int
    target: str | None = None
    source: str | None = None
    source_seed: int | None = None
    k: int | None = None


@dataclasses.dataclass(frozen=True)
class Run:
    """Prompts that are tuned as one bank, by one `train`.

    Attributes:
        number: its place in the plan, from 0.
        name: its folder below STUDY_DIR/runs.
        stage: which part of the study it belongs to.
        steps: how long it is.
        eval_period: steps between evaluations.
        examples: how many evaluate a prompt; None: EVALUATOR_NUM_EXAMPLES.
        tunings: what is tuned.
    """

    number: int
    name: str
    stage: str
    steps: int
    eval_period: int
    examples: int | None
    tunings: tuple[Tuning, ...]


def tunings(stage: str, study: Study) -> Iterator[Tuning]:
    """Yields the prompts of a stage; those of one target stand together."""
    method = STAGES[stage].method
    match stage:
        case "sources":
            for source, seed in itertools.product(study.sources, study.seeds):
                yield Tuning(method, seed, source=source)
        case "baselines":
            for target, seed in itertools.product(study.targets, study.seeds):
                yield Tuning(method, seed, target)
        # Every source prompt is tuned once on a target, with its own seed: the 48
        # prompts of 16 tasks and 3 seeds are what SPoT §3.3 ranks.
        case "transfers":
            for target, source, seed in itertools.product(
                study.targets, study.sources, study.seeds
            ):
                yield Tuning(method, seed, target, source, source_seed=seed)
        case "longer_baselines":
            for target, seed in itertools.product(study.targets, study.seeds):
                yield Tuning(method, seed, target)
        case "longer_transfers":
            for target, seed in itertools.product(study.targets, study.seeds):
                yield from _longer_transfers(method, target, seed, study)
        case _:
            ks = study.average_ks if stage == "averages" else study.mixture_ks
            # k last: top-k and top-(k+1) are often the same mixture, tuned once.
            for target, seed, k in itertools.product(study.targets, study.seeds, ks):
                yield Tuning(method, seed, target, k=k)


def _longer_transfers(
    method: str, target: str, seed: int, study: Study
) -> Iterator[Tuning]:
    """Yields a target's transfers from the most similar source and from controls."""
    yield Tuning(f"{method}_similar", seed, target)
    prompts = list(itertools.product(study.sources, study.seeds))
    source, source_seed = controls.drawn(target, seed, prompts)
    yield Tuning(f"{method}_random", seed, target, source, source_seed)
    if source := controls.unrelated(target, study.sources):
        yield Tuning(f"{method}_unrelated", seed, target, source, source_seed=seed)


def runs(study: Study) -> list[Run]:
    """Returns every run of the whole study, whatever its STAGES are, in order."""
    made: list[Run] = []
    # All stages: a run's number decides its worker and its dropout, which may not
    # depend on what is asked for now.
    for name in STAGES:
        its_own = tuple(tunings(name, study))
        for part, start in enumerate(range(0, len(its_own), study.bank_size)):
            chunk = its_own[start : start + study.bank_size]
            how = _steps_and_evaluations(name, study)
            made.append(Run(len(made), f"{name}-{part:03}", name, *how, chunk))
    return made


def _steps_and_evaluations(stage: str, study: Study) -> tuple[int, int, int | None]:
    """Returns the steps, those between evaluations, and the examples of one."""
    steps = study.source_steps
    if stage == "mixtures":
        # Of a mixture the final prompt counts (SPoT §3.3), not the best.
        return steps, steps, study.mixture_eval_examples
    if stage == "sources":
        return steps, study.source_eval_period, study.source_eval_examples
    if STAGES[stage].is_longer:
        steps += study.target_steps
        # Six times and more, and where the others end, so that curves can be drawn.
        parts = -(-6 * study.target_steps // steps)
        period = max(1, study.target_steps // parts)
        return steps, min(period, study.target_eval_period), None
    return study.target_steps, study.target_eval_period, None


def asked_for(study: Study, worker: tuple[int, int] = (1, 1)) -> list[Run]:
    """Returns the runs of STAGES that worker i of n has to do.

    Args:
        study: the study.
        worker: (i, n), i from 1: runs are dealt out by their numbers.
    """
    index, count = worker
    return [
        run
        for run in runs(study)
        if run.stage in study.stages and run.number % count == index - 1
    ]
