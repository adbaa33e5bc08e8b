"""The tasks of a study, looked up before anything is tuned on them."""

from collections.abc import Sequence

from spot_jax.campaign.plan import Study
from spot_jax.data import own_rows
from spot_jax.errors import InputError
from spot_jax.settings import Data
from spot_jax.tasks import catalog


def check_tasks(study: Study, data: Data) -> None:
    """Looks the tasks up: in rows of one's own, the catalog, files of tasks/, modules.

    Args:
        study: names them.
        data: rows and modules.

    Raises:
        InputError: when one is unknown or a mixture, the nearest names are listed; when
            rows cannot be right, or are of no task of the study.
    """
    names = (*study.sources, *study.targets)
    for name in data.rows:
        if name not in names:
            raise InputError(
                f"The rows of {name} are neither among SOURCES nor among TARGETS: "
                f"--gin.TARGETS=[{name}], say."
            )
    own_rows.set_up(data)
    for name in data.rows:
        if "train" not in catalog.get(name).splits:
            raise InputError(f"{name} has no rows to learn: --rows train=FILE.")
    if data.modules or any(name not in catalog.TASKS for name in names):
        # TensorFlow comes in here, which a plan of the catalog's tasks does without.
        from spot_jax import tasks

        tasks.register_all()
        tasks.use_modules(data.modules)
        _check_told(names)
    for name in names:
        if catalog.get(name).kind != "task":
            raise InputError(f"{name} is a mixture; SOURCES and TARGETS name tasks.")


def _check_told(names: Sequence[str]) -> None:
    """Refuses names of no task, and tasks that a module registers and tells nothing of.

    Mixtures draw by their sizes, and starts and evaluations ask for their labels.
    """
    from spot_jax.text import checks

    for name in names:
        if name not in catalog.TASKS | catalog.MIXTURES:
            checks.member_tasks(name)
            raise InputError(
                f"SeqIO has {name}, of whose size and labels nothing is known. Let its "
                "module say them: spot_jax.tasks.catalog.add(TaskInfo("
                f"{name!r}, 'own', tfds='generated', train_examples=..., labels=...))."
            )
