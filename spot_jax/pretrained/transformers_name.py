"""What the transformers library calls a frozen model."""

import re

from spot_jax.pretrained.published import HUGGING_FACE, PUBLISHED
from spot_jax.reading import path_of

# Published names and the places they stand for, in the order of both lists.
_PUBLISHED = dict(zip(PUBLISHED, HUGGING_FACE, strict=True)) | dict(
    zip(PUBLISHED.values(), HUGGING_FACE, strict=True)
)
# Who publishes T5s there.
_HUB = re.compile(r"(google|google-t5)/[\w.-]+")


def transformers_name(source: str | None) -> str | None:
    """Returns the name or folder by which transformers loads a model.

    Args:
        source: what a prompt's file says of its model: a folder, a file in one, a
            published name or its gs:// path.

    Returns:
        A name of the hub or a folder in full; None where it is neither.
    """
    if not source:
        return None
    if source in _PUBLISHED or _HUB.fullmatch(source):
        return _PUBLISHED.get(source, source)
    if "://" in source:
        return None
    path = path_of(source).absolute()
    # Weights may be named by their file.
    for folder in (path, path.parent):
        if (folder / "config.json").is_file():
            return str(folder)
    return None
