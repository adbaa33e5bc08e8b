"""A bank: the prompts that one run trains over one frozen model.

Every prompt has its own task, seed, starting value, length, learning rate, data order,
optimizer state, metrics and best checkpoint; trained in a bank it equals itself trained
alone, but for the noise of dropout, which the rows of a batch draw together.
"""

import collections
import dataclasses
import functools
import itertools
import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import PyTree

from spot_jax.data import head_targets, loading
from spot_jax.errors import InputError
from spot_jax.model import sharding
from spot_jax.model.weights import LoadedModel
from spot_jax.optim import Optimizer
from spot_jax.prompts import heads, init
from spot_jax.prompts.base import PromptBundle, PromptSource
from spot_jax.prompts.heads import Headed
from spot_jax.prompts.init import Start, Surroundings
from spot_jax.prompts.starting import shape_of
from spot_jax.settings import Data, Prompts
from spot_jax.t5 import T5Config
from spot_jax.training import harvest, rehearsal

logger = logging.getLogger(__name__)

# A prompt of a BANK: its task, its seed, the file it starts from.
Row = tuple[str, int, str | None]
# A prompt's length, and the classes of its head.
Shape = tuple[int, tuple[str, ...]]


@dataclasses.dataclass(frozen=True)
class Entry:
    """One prompt of a bank.

    Attributes:
        name: of its folder and its lines in the metrics.
        task: the SeqIO task or mixture it learns.
        seed: decides its data order and what its starting value samples.
        start: its starting value; None of a model that is tuned.
        length: how many vectors it has; 0 of a model.
        rate: its learning rate, the largest where that changes; None where the schedule
            does not tell.
        classes: of its head, where it has one; see `with_classes`.
    """

    name: str
    task: str
    seed: int
    start: Start | None = None
    length: int = 0
    rate: float | None = None
    classes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, tuple[str, ...]]:
        """What decides the shapes of its parameters: its length, and its classes."""
        return self.length, self.classes


def entries(
    names: Sequence[str], prompts: Prompts, rates: Sequence[float | None] = (None,)
) -> list[Entry]:
    """Lists every task with every seed, start, length and rate, or the rows of BANK.

    Args:
        names: the tasks.
        prompts: everything else.
        rates: the learning rates, at least one.

    Raises:
        InputError: when a task, a seed, a length or a row is there twice, or BANK does
            not fit.
    """
    given = {"task": names, "seed": prompts.seeds, "length": prompts.lengths}
    for what, values in given.items():
        if len(set(values)) < len(values):
            raise InputError(
                f"The bank has a {what} twice, in {list(values)}; their prompts would "
                "have one name. Name each once."
            )
    if prompts.bank is not None and len(prompts.lengths) * len(rates) > 1:
        # Whoever writes a BANK knows its prompts by `prompt_names`.
        raise InputError(
            f"BANK lists its prompts one by one; with it PROMPT_LENGTH and "
            f"LEARNING_RATE are one each (they are {prompts.length} and "
            f"{list(rates)}). Leave BANK out, or give one of each."
        )
    if prompts.shared and (prompts.bank is not None or len(names) < 2):
        raise InputError(
            "SHARED_PROMPT makes one prompt for several tasks, which MIXTURE_OR_TASK_"
            f"NAME lists (it is {list(names)}) without a BANK. List them, or leave it "
            "out."
        )
    listed = _every(names, prompts) if prompts.bank is None else _listed(names, prompts)
    of_length = "-length{}" if len(prompts.lengths) > 1 else ""
    of_rate = "-rate{}" if len(rates) > 1 else ""
    return [
        dataclasses.replace(
            entry,
            name=entry.name + of_length.format(length) + of_rate.format(rate),
            length=length,
            rate=rate,
        )
        for entry in listed
        for length, rate in itertools.product(prompts.lengths, rates)
    ]


def _every(names: Sequence[str], prompts: Prompts) -> list[Entry]:
    many = len(prompts.starts) > 1
    return [
        Entry(
            f"{task}-seed{seed}" + (f"-start{number}" if many else ""),
            task,
            seed,
            start,
        )
        for task, (number, start), seed in itertools.product(
            names, enumerate(prompts.starts), prompts.seeds
        )
    ]


def _listed(names: Sequence[str], prompts: Prompts) -> list[Entry]:
    rows = [_checked(row) for row in prompts.bank]
    if not rows or len(set(rows)) < len(rows):
        raise InputError(
            f"BANK holds {len(rows)} prompts, {len(set(rows))} different ones; list at "
            "least one, and each once."
        )
    tasks = {task for task, _, _ in rows}
    if tasks != set(names) or len(prompts.starts) > 1:
        raise InputError(
            f"BANK trains {', '.join(sorted(tasks))}. With it MIXTURE_OR_TASK_NAME "
            f"lists the same tasks (it is {list(names)}), and PROMPT_START is one "
            f"start (there are {len(prompts.starts)})."
        )
    return [
        Entry(name, task, seed, _start(path) or prompts.starts[0])
        for name, (task, seed, path) in zip(prompt_names(rows), rows, strict=True)
    ]


def _checked(row: Row) -> Row:
    # Of which types it is has been checked, as of every setting.
    if row[1] < 0:
        raise InputError(
            f"BANK holds {row!r}; a prompt is (task, seed, file), e.g. ('sst2', 0, "
            "'a/best.safetensors'), and seeds are numbers from 0 on."
        )
    return tuple(row)


def _start(path: str | None) -> Start | None:
    return functools.partial(init.from_file, path=path) if path is not None else None


def prompt_names(rows: Sequence[Row]) -> list[str]:
    """Names the prompts of a BANK, by task and seed, numbered where these repeat.

    [("a", 0, None), ("b", 1, "x"), ("b", 1, "y")] -> ["a-seed0", "b-seed1-start0",
    "b-seed1-start1"].
    """
    count = collections.Counter(row[:2] for row in rows)
    seen: collections.Counter = collections.Counter()
    names = []
    for task, seed, _ in rows:
        many = f"-start{seen[task, seed]}" if count[task, seed] > 1 else ""
        names.append(f"{task}-seed{seed}{many}")
        seen[task, seed] += 1
    return names


def with_classes(
    bank: Sequence[Entry],
    prompts: Prompts | None,
    data: Data,
    labels: Sequence[str] | None = None,
) -> list[Entry]:
    """Returns a bank whose prompts know the classes of their heads.

    Args:
        bank: the prompts.
        prompts: what kind of head they have, if any.
        data: the tasks, which are known by now.
        labels: CLASS_LABELS, of tasks that have none.

    Raises:
        InputError: when a task has no classes, or a mixture's are not one set.
    """
    if not prompts or prompts.head is None:
        return list(bank)

    @functools.cache
    def classes(name: str) -> tuple[str, ...]:
        members = loading.task_names(name, data)
        found = {
            head_targets.classes_of(
                prompts.head, loading.labels_of(member) or labels or (), member
            )
            for member in members
        }
        if len(found) > 1:
            raise InputError(
                f"{name} is a mixture of tasks with other classes, which one head "
                "cannot tell apart. List its tasks, each with a head of its own: "
                f'--gin.MIXTURE_OR_TASK_NAME="{list(members)}" '
                "--gin.SHARED_PROMPT=True."
            )
        return found.pop()

    return [dataclasses.replace(e, classes=classes(e.task)) for e in bank]


def ties(bank: Sequence[Entry], prompts: Prompts | None) -> list[list[int]]:
    """Returns which prompts of a bank are one prompt (SHARED_PROMPT), by number."""
    if not prompts or not prompts.shared:
        return []
    found: dict[tuple, list[int]] = {}
    for number, entry in enumerate(bank):
        key = entry.seed, id(entry.start), entry.length, entry.rate
        found.setdefault(key, []).append(number)
    return list(found.values())


def rate_numbers(bank: Sequence[Entry], optimizer: Optimizer) -> list[int] | None:
    """Returns which of several learning rates each prompt has; None of one."""
    rates = optimizer.rates
    return [rates.index(entry.rate) for entry in bank] if len(rates) > 1 else None


def starting_values(
    bank: Sequence[Entry],
    sources: Mapping[Shape, PromptSource],
    model: LoadedModel,
    encode: Callable[[str], Sequence[int]],
    known: Sequence[PyTree | None] | None = None,
) -> list[PyTree]:
    """Computes where every prompt begins.

    Args:
        bank: the prompts.
        sources: {shape: the kind of prompt}, which makes its own parameters of a start.
        model: the frozen model, whose embedding most starting values use.
        encode: text -> ids without EOS.
        known: what `check_starts` found; None: nothing.

    Returns:
        The source's parameters of every prompt, on the host; of soft prompts
        {"enc_input": [prompt, d_model] float32}.

    Raises:
        InputError: when a starting value does not fit; see prompts/init.py.
    """
    activations = harvest.reader(model)

    def embed(ids: Sequence[int]) -> np.ndarray:
        # Weights may be held in fewer bits; what is trained is float32.
        return sharding.fetched(model.embedding(ids))

    def start(entry: Entry, parameters: PyTree | None) -> PyTree:
        source = sources[entry.shape]
        around = dataclasses.replace(
            _around(entry, source, model.config, encode),
            embed=embed,
            identity=model.story(),
            activations=activations,
        )
        # Also of what is known: whether a file's prompt is of this very model.
        bundle = entry.start(around)
        return parameters or _parameters(source, bundle, around.rng)

    return list(map(start, bank, known or [None] * len(bank)))


def check_starts(
    bank: Sequence[Entry],
    sources: Mapping[Shape, PromptSource],
    config: T5Config,
    encode: Callable[[str], Sequence[int]],
) -> list[PyTree | None]:
    """Refuses starts that fit no prompt of the bank, before the model is loaded.

    Of those that ask for the model no more than their sites is looked at.

    Args:
        bank: the prompts.
        sources: see `starting_values`.
        config: the frozen model.
        encode: text -> ids without EOS.

    Returns:
        The parameters of every prompt that needs no model to begin, as they may have
        taken a while to find; None of the others.

    Raises:
        InputError: see `starting_values`.
    """
    known: list[PyTree | None] = [None] * len(bank)
    for number, entry in enumerate(bank):
        source = sources[entry.shape]
        around = _around(entry, source, config, encode)
        start = rehearsal.found(entry.start, source, around)
        if start is not None:
            known[number] = _parameters(source, start, around.rng)
    return known


def _parameters(
    source: PromptSource, start: PromptBundle, rng: np.random.Generator
) -> PyTree:
    """Returns where a prompt begins, and says where it leaves a head behind."""
    if start.head is not None and not isinstance(source, Headed):
        logger.info(
            "The start has %s, which is left out: without HEAD the language model "
            "answers.",
            heads.told(start.head),
        )
    return source.parameters_of(start, rng)


def _around(
    entry: Entry,
    source: PromptSource,
    config: T5Config,
    encode: Callable[[str], Sequence[int]],
) -> Surroundings:
    """Returns what a starting value may draw on while there is no model."""
    return Surroundings(
        length=entry.length,
        model=config,
        vocab_size=config.vocab_size,
        # A prompt's own, so that it begins in any bank as it does alone.
        rng=np.random.default_rng(entry.seed),
        embed=rehearsal.nobody,
        encode=encode,
        labels=loading.labels_of(entry.task),
        identity={},
        kind=shape_of(source),
        activations=rehearsal.nobody,
    )
