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
        streamed: whether they come while a run goes on, which one of no use does not
            end: it is left out, counted, and told when its number is 1, 10, 100, ...
        pieces: how many ids the vocabulary has; None where nobody knows.
        seen: examples that came.
        empty: how many of them had no targets; a stream's alone are counted.
        unfit: how many were too long, or had none.
        cut: how many of each feature were too long.
        longest: the longest of each feature.
    """

    name: str
    lengths: Mapping[str, int]
    truncate: bool
    pieces: int | None = None
    streamed: bool = False
    seen: int = 0
    empty: int = 0
    unfit: int = 0
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

    def fit_or_leave_out(self, example: Mapping[str, Any]) -> dict[str, Any] | None:
        """Returns an example to learn from, cut to fit; None where it is left out.

        Raises:
            InputError: see `fit`; also for one without targets, if none is left out.
        """
        fitted = self.fit(example)
        is_empty = not len(fitted["targets"])
        is_cut = any(len(fitted[f]) < len(example[f]) for f in FEATURES)
        if is_empty and not self.streamed:
            raise InputError(
                f"{self.name}: example {self.seen} has no targets to learn. Mend the "
                "preprocessors of the task, or leave such rows out."
            )
        if not is_empty and not is_cut:
            return fitted
        self.empty += is_empty
        self.unfit += 1
        if self.streamed and str(self.unfit).strip("0") == "1":
            self.report()
        is_left_out = is_empty or (self.streamed and not self.truncate)
        return None if is_left_out else fitted

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
            InputError: when something is too long and may neither be cut nor left out.
        """
        too_long = {f: n for f, n in self.cut.items() if n}
        found = "; ".join(
            f"{count} of {self.seen} {feature} are longer than {self.lengths[feature]} "
            f"tokens (the longest has {self.longest[feature]})"
            for feature, count in too_long.items()
        )
        if found and not self.truncate and not self.streamed:
            raise InputError(
                f"{self.name}: {found}. Raise TASK_FEATURE_LENGTHS, or cut them with "
                "--gin.TRUNCATE=True."
            )
        if found:
            fate = "cut" if self.truncate else "left out"
            logger.warning("%s: %s; they are %s.", self.name, found, fate)
        if self.empty:
            about = "%s: %d of %d have no targets; they are left out."
            logger.warning(about, self.name, self.empty, self.seen)

    def conclude(self) -> None:
        """Says at the end of a run how many examples of a stream did not fit."""
        if self.unfit:
            self.report()
        elif self.seen:
            logger.info("%s: all %d examples that were read fit.", self.name, self.seen)
