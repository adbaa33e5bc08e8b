"""The prompts of a run, in place of a library's."""

from spot_jax.errors import InputError
from spot_jax.model_dir.made_for import is_same_model, named
from spot_jax.prompts import entry as entry_folder
from spot_jax.prompts.base import described, shapes_of
from spot_jax.prompts.entry import LibraryEntry
from spot_jax.prompts.library import from_run


def entries_of_run(model_dir: str) -> list[LibraryEntry]:
    """Returns the prompts of a finished run as a library would have taken them.

    Raises:
        InputError: when the run is not finished, or its prompts are not of one model
            and shape, or two have one name.
    """
    entries = from_run(model_dir)
    first, called = entries[0], [entry.name for entry in entries]
    for entry in entries:
        entry_folder.check(entry)
        is_alike = shapes_of(entry.prompt) == shapes_of(first.prompt)
        is_of_one = is_same_model(entry.model, first.model) is not False
        if called.count(entry.name) > 1 or not (is_alike and is_of_one):
            raise InputError(
                f"{model_dir} holds {first.name}, {described(first.prompt)} of "
                f"{named(first.model)}, and {entry.name}, {described(entry.prompt)} of "
                f"{named(entry.model)}, which no one run leaves. Add what belongs "
                f"together to a library: spot_jax library add."
            )
    return entries
