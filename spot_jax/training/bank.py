"""A bank: the prompts that one run trains over one frozen model.

Every prompt has its own task, seed, starting value, length, learning rate, number of
steps, data order, optimizer state, metrics and best checkpoint; trained in a bank it
equals itself trained alone, but for the noise of dropout, which the rows of a batch
draw together. One that is finished or has diverged leaves the bank, and the others go
on as if it had never been there.
"""

import collections
import dataclasses
import functools
import itertools
from collections.abc import Sequence

from spot_jax.data import head_targets, loading
from spot_jax.errors import InputError
from spot_jax.optim import Optimizer
from spot_jax.prompts import init
from spot_jax.prompts.init import Start
from spot_jax.settings import Data, Prompts

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
        steps: how many move it, where that is not all of the run.
    """

    name: str
    task: str
    seed: int
    start: Start | None = None
    length: int = 0
    rate: float | None = None
    classes: tuple[str, ...] = ()
    steps: int | None = None

    @property
    def shape(self) -> tuple[int, tuple[str, ...]]:
        """What decides the shapes of its parameters: its length, and its classes."""
        return self.length, self.classes


def entries(
    names: Sequence[str], prompts: Prompts, rates: Sequence[float | None] = (None,)
) -> list[Entry]:
    """Lists every task with every seed, start, length, rate and number of steps.

    Or the rows of BANK.

    Args:
        names: the tasks.
        prompts: everything else.
        rates: the learning rates, at least one.

    Raises:
        InputError: when a task, a seed, a length, a number of steps or a row is there
            twice, or BANK does not fit.
    """
    given = {"task": names, "seed": prompts.seeds, "length": prompts.lengths}
    given |= {"number of steps": prompts.step_counts}
    for what, values in given.items():
        if len(set(values)) < len(values):
            raise InputError(
                f"The bank has a {what} twice, in {list(values)}; their prompts would "
                "have one name. Name each once."
            )
    several = prompts.lengths, rates, prompts.step_counts
    if prompts.bank is not None and max(map(len, several)) > 1:
        # Whoever writes a BANK knows its prompts by `prompt_names`.
        raise InputError(
            "BANK lists its prompts one by one; with it PROMPT_LENGTH, LEARNING_RATE "
            f"and PROMPT_STEPS are one each (they are {prompts.length}, {list(rates)} "
            f"and {prompts.steps}). Leave BANK out, or give one of each."
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
    of_steps = "-steps{}" if len(prompts.step_counts) > 1 else ""
    return [
        dataclasses.replace(
            entry,
            name="".join(
                [
                    *(entry.name, of_length.format(length), of_rate.format(rate)),
                    of_steps.format(steps),
                ]
            ),
            length=length,
            rate=rate,
            steps=steps,
        )
        for entry in listed
        for length, rate, steps in itertools.product(*several)
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
        key = entry.seed, id(entry.start), entry.length, entry.rate, entry.steps
        found.setdefault(key, []).append(number)
    return list(found.values())


def rate_numbers(bank: Sequence[Entry], optimizer: Optimizer) -> list[int] | None:
    """Returns which of several learning rates each prompt has; None of one."""
    rates = optimizer.rates
    return [rates.index(entry.rate) for entry in bank] if len(rates) > 1 else None
