"""What a kind of prompt costs: numbers trained and saved, seconds of a step."""

import pathlib
import statistics
from collections.abc import Iterable, Mapping, Sequence

import jax

from spot_jax import config
from spot_jax.config.bound import bound_to
from spot_jax.model_dir import records
from spot_jax.t5 import T5Config, parameter_shapes
from spot_jax.train import train
from spot_jax.workshop.kinds import Kind, is_model
from spot_jax.workshop.measuring import of_task, trained

# Steps of a turn, of which the first, that is compiled, does not count; and turns.
STEPS, TURNS = 10, 3
_TASK = "mnli"
_QUICK = (
    *("LOG_PERIOD=1000", "EVAL_PERIOD=1000", "CHECKPOINT_PERIOD=1000"),
    *("EVALUATOR_NUM_EXAMPLES=8", "EMBEDDING_STEP=1000"),
)


def parameters_of(kind: Kind) -> tuple[int, int]:
    """Returns how many numbers are trained, and how many of them are saved."""
    config.parse(kind.files, [*kind.bindings, of_task(_TASK), "MODEL_DIR=unused"])
    shape, prompts = config.configured(T5Config)(), bound_to(train)["prompts"]
    if prompts is None:
        everything = _size(parameter_shapes(shape)[0])
        return everything, everything
    source = prompts.kind(length=prompts.length, model=shape)
    bundle, variables = jax.eval_shape(source.init_with_output, jax.random.key(0))
    return _size(variables["params"]), _size(bundle)


def _size(tree) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def seconds_of(
    kinds: Mapping[str, Kind], folder: pathlib.Path, banks: Sequence[int]
) -> dict[tuple[str, int], float]:
    """Times steps of every kind in turns, so that all meet what else a machine does.

    Args:
        kinds: by name.
        folder: where their runs are; those that are there go on.
        banks: how many prompts a step trains; a model alone is tuned.

    Returns:
        {(kind, bank): the median over the turns of the median over steps}.
    """
    runs = [
        (name, bank)
        for name, kind in kinds.items()
        for bank in banks
        if bank == 1 or not is_model(kind)
    ]
    for turn in range(1, TURNS + 1):
        for name, bank in runs:
            seed = 0 if bank == 1 else list(range(bank))
            given = [of_task(_TASK), f"RANDOM_SEED={seed}", *_QUICK]
            given += [*kinds[name].bindings, f"TRAIN_STEPS={STEPS * turn}"]
            trained(kinds[name].files, folder / f"{name} {bank}", given)
    return {
        run: statistics.median(_told(folder / "{} {}".format(*run))) for run in runs
    }


def _told(model_dir: pathlib.Path) -> Iterable[float]:
    """Returns the medians that a run wrote, one for each turn."""
    lines = records.read_metrics(model_dir)
    return [line["seconds_per_step"] for line in lines if "seconds_per_step" in line]


def markdown(
    kinds: Mapping[str, Kind], seconds: Mapping[tuple[str, int], float]
) -> str:
    """Returns the table: a line a kind."""
    banks = sorted({bank for _, bank in seconds})
    heads = ["kind", "trained", "saved", *(f"ms a step, bank of {n}" for n in banks)]
    lines = [f"| {' | '.join(heads)} |", "|---" + "|--:" * (len(heads) - 1) + "|"]
    for name, kind in kinds.items():
        cells = [name, *(f"{count:,}" for count in parameters_of(kind))]
        for bank in banks:
            found = seconds.get((name, bank))
            cells.append("" if found is None else f"{found * 1000:.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
