"""Whether examples are token ids, and fit TASK_FEATURE_LENGTHS."""

import dataclasses
import logging
from collections.abc import Container, Mapping
from typing import Any

import numpy as np

from spot_jax.data.ids import as_ids
from spot_jax.errors import InputError
from spot_jax.text.lengths import FEATURES, shorten

logger = logging.getLogger(__name__)


@dataclasses.dataclass
class LengthCheck:
    """Cuts what is too long, counts it, and says so.

    Attributes:
        name: of the task, for the message.
        lengths: TASK_FEATURE_LENGTHS, EOS included.
        truncate: whether they may be cut.
        pieces: how many ids the vocabulary has; None where nobody knows.
        seen: examples that passed.
        cut: how many of each feature were too long.
        longest: the longest of each feature.
    """

    name: str
    lengths: Mapping[str, int]
    truncate: bool
    pieces: int | None = None
    seen: int = 0
    cut: dict[str, int] = dataclasses.field(
        default_factory=lambda: dict.fromkeys(FEATURES, 0)
    )
    longest: dict[str, int] = dataclasses.field(
        default_factory=lambda: dict.fromkeys(FEATURES, 0)
    )

    def fit(self, example: Mapping[str, Any]) -> dict[str, Any]:
        """Returns an example whose inputs and targets, int32 [length], are cut to fit.

        Args:
            example: with inputs and targets, [length] ids; all else is kept.

        Raises:
            InputError: when one is missing, or is no row of ids of the vocabulary.
        """
        self.check_names(example)
        self.seen += 1
        names = {feature: f"{self.name}: {feature}" for feature in FEATURES}
        fitted = {
            feature: self(feature, as_ids(example[feature], name, self.pieces))
            for feature, name in names.items()
        }
        return {**example, **fitted}

    def check_names(self, names: Container[str]) -> None:
        """Raises InputError where inputs or targets are not among these names."""
        for feature in FEATURES:
            if feature not in names:
                raise InputError(
                    f"{self.name} gives no {feature}, and T5 reads inputs and learns "
                    "targets. Let its preprocessors make both; inputs may be empty."
                )

    def __call__(self, feature: str, tokens: np.ndarray) -> np.ndarray:
        """Returns tokens [length] cut to fit, the last token (EOS) kept."""
        limit = self.lengths[feature]
        self.longest[feature] = max(self.longest[feature], len(tokens))
        self.cut[feature] += len(tokens) > limit
        return shorten(tokens, limit)

    def report(self) -> None:
        """Raises or logs what was found so far.

        Raises:
            InputError: when something is too long and may not be cut.
        """
        too_long = {f: n for f, n in self.cut.items() if n}
        if not too_long:
            return
        found = "; ".join(
            f"{count} of {self.seen} {feature} are longer than {self.lengths[feature]} "
            f"tokens (the longest has {self.longest[feature]})"
            for feature, count in too_long.items()
        )
        if not self.truncate:
            raise InputError(
                f"{self.name}: {found}. Raise TASK_FEATURE_LENGTHS, or cut them with "
                "--gin.TRUNCATE=True."
            )
        logger.warning("%s: %s; they are cut.", self.name, found)
