"""The kind of prompt of a study, looked at before anything is tuned."""

import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from spot_jax.campaign.cost import Sizes
from spot_jax.data import loading
from spot_jax.errors import InputError
from spot_jax.prompts import algebra
from spot_jax.prompts.base import PromptBundle, described, modes, shapes_of
from spot_jax.prompts.init import Start, Surroundings
from spot_jax.prompts.labels import UNKNOWN_ID
from spot_jax.prompts.library import Library
from spot_jax.training import rehearsal


def check_starts(
    starts: Mapping[str, tuple[Start, Sequence[str]]], sizes: Sizes
) -> None:
    """Refuses starts that no prompt can have: targets come after days of sources.

    So does a kind whose network could not begin at another's prompt.

    Args:
        starts: {macro: (a start, the tasks whose prompts begin there)}.
        sizes: of the model, which is known, and of the prompts.

    Raises:
        InputError: naming the macro and the task.
    """
    source = sizes.source
    for macro, (start, tasks) in starts.items():
        if not callable(start):
            raise InputError(
                f"{macro} (or PROMPT_START) is a list of {len(start)} starts, and a "
                "study takes one."
            )
        # Whose labels need most of a prompt.
        task = max(tasks, key=lambda task: len(loading.labels_of(task)))
        try:
            around = _around(task, sizes)
            known = rehearsal.found(start, source, around)
            if known is not None:
                source.parameters_of(known, around.rng)
        except InputError as error:
            raise InputError(
                f"{macro} (or PROMPT_START), of {task}: {error}"
            ) from error
    # Where transfers begin: at a prompt of the kind, which a network has to meet.
    rng = np.random.default_rng(0)
    another = algebra.map_sites(lambda _, s: rng.standard_normal(s.shape), sizes.prompt)
    source.parameters_of(another, rng)


def _around(task: str, sizes: Sizes) -> Surroundings:
    """Returns what a start may draw on while there is neither model nor vocabulary."""
    pieces: dict[str, int] = {}
    return Surroundings(
        length=sizes.prompt_length,
        model=sizes.config,
        vocab_size=sizes.config.vocab_size,
        rng=np.random.default_rng(0),
        embed=rehearsal.nobody,
        # A piece for each text: how many they are only the vocabulary tells.
        encode=lambda text: [pieces.setdefault(text, UNKNOWN_ID + 1 + len(pieces))],
        labels=loading.labels_of(task),
        identity={},
        kind=sizes.prompt,
    )


def check_library(folder: pathlib.Path, sizes: Sizes) -> None:
    """Refuses a library, in a study's folder, of other prompts than are tuned.

    Args:
        folder: STUDY_DIR/library, which need not be there.
        sizes: see `check_starts`.

    Raises:
        InputError: telling both.
    """
    library = Library(folder)
    for name in library.names()[:1]:
        kept, tuned = library.read(name).prompt, sizes.prompt
        if (shapes_of(kept), modes(kept)) != (shapes_of(tuned), modes(tuned)):
            raise InputError(
                f"{folder} holds prompts of {told(kept)}, and this study tunes "
                f"{told(tuned)}, which cannot be added to them. Choose another "
                "STUDY_DIR, or the kind of the library: a file of gin/prompts, and its "
                "PROMPT_LENGTH."
            )


def told(prompt: PromptBundle) -> str:
    """Returns what a prompt is: "enc_self [3, 2, 20, 128], bias_mode zero"."""
    said = [f"{mode} {value}" for mode, value in modes(prompt).items()]
    return ", ".join([described(prompt), *said])
