"""A template with columns in braces: "mood: {text}" and a row make a text."""

import dataclasses
import string
from collections.abc import Container

from spot_jax.errors import InputError
from spot_jax.rows.files import Row


@dataclasses.dataclass(frozen=True)
class Template:
    """Text in which columns stand in braces; {{ and }} are braces themselves.

    Attributes:
        text: the template.
        option: how it is given, for messages.
    """

    text: str
    option: str

    def __post_init__(self):
        if not self.columns:
            raise InputError(
                f"{self.option} {self.text!r} has no column in braces, so that every "
                'row would be the same. Write one: "mood: {text}".'
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it names, each once."""
        return tuple(dict.fromkeys(name for _, name in self._parts() if name))

    def _parts(self) -> list[tuple[str, str | None]]:
        cure = "Write a column's name alone in braces, {{ for a brace."
        try:
            parts = list(string.Formatter().parse(self.text))
        except ValueError as error:
            raise InputError(f"{self.option} {self.text!r}: {error}. {cure}") from error
        for _, name, form, conversion in parts:
            if name == "" or form or conversion:
                raise InputError(f"{self.option} {self.text!r} is not clear. {cure}")
        return [(literal, name) for literal, name, _, _ in parts]

    def check(self, columns: Container[str], where: str) -> None:
        """Refuses a template whose columns a file does not have.

        Args:
            columns: those of the file.
            where: the file, for the message.

        Raises:
            InputError: naming the column and those that there are.
        """
        for name in self.columns:
            if name not in columns:
                raise InputError(
                    f"{self.option} {self.text!r} names the column {name!r}, and "
                    f"{where} has {', '.join(map(repr, columns))}. Name one of these."
                )

    def fill(self, row: Row) -> str:
        """Returns the text of a row.

        Raises:
            InputError: when a cell is empty (null) or holds no text or number.
        """
        return "".join(
            literal + ("" if name is None else _text(row, name))
            for literal, name in self._parts()
        )


def _text(row: Row, column: str) -> str:
    value = row.cells[column]
    if value is None or not isinstance(value, str | int | float):
        raise InputError(
            f"{row.where}: {column!r} is {value!r}; a text or a number is expected. "
            "Mend the row, or leave it out."
        )
    return str(value)
