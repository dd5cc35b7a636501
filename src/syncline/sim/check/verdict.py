"""What a checker returns: violations of a named property. No violation means that it held."""

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from syncline.model.value import Key, Row

Tables: TypeAlias = Mapping[str, Mapping[Key, Row]]  # collection -> key -> row
States: TypeAlias = Mapping[str, Tables]  # by peer
Where: TypeAlias = tuple[str, Key]  # collection and key


class Violation(msgspec.Struct, frozen=True):
    """A property that did not hold, and the evidence."""

    rule: str  # P1, P2...
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"
