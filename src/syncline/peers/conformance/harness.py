"""What a kind of peer brings to the conformance suite: empty places, and a foreign program that writes to them.

The suite's tables are small and typed so that every kind can have them: see TABLES. Knows no kind.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, TypeAlias

import msgspec

from syncline.model.schema import Collection, Kind
from syncline.model.value import Key, Row, Value
from syncline.peers.protocol import Peer


class Insert(msgspec.Struct, frozen=True):
    """Insert a whole row."""

    collection: str
    row: Row


class Update(msgspec.Struct, frozen=True):
    """Set fields of the row of a key, which may be key fields."""

    collection: str
    key: Key
    values: Mapping[str, Value]


class Delete(msgspec.Struct, frozen=True):
    """Delete the row of a key."""

    collection: str
    key: Key


Statement: TypeAlias = Insert | Update | Delete

# people: `email` is unique, `age` has CHECK (age >= 0), `name` is NOT NULL. pairs: a key of two columns, not in column order.
PEOPLE: Final = Collection(
    "people",
    ("id", "name", "email", "age", "photo", "note"),
    ("id",),
    (Kind.INTEGER, Kind.TEXT, Kind.TEXT, Kind.INTEGER, Kind.BYTES, Kind.TEXT),
)
PAIRS: Final = Collection("pairs", ("b", "a", "amount"), ("a", "b"), (Kind.INTEGER, Kind.TEXT, Kind.INTEGER))
TABLES: Final = (PEOPLE, PAIRS)


def person(number: int, name: str = "", **fields: Value) -> Row:
    """A row of people with sensible defaults."""
    values: dict[str, Value] = {"name": name or f"name {number}", "email": None, "age": 30, "photo": b"", "note": ""}
    return tuple(({"id": number} | values | fields)[column] for column in PEOPLE.columns)


class Harness(Protocol):
    """What a kind supplies. A place is named by a label; opening it twice is a restart of Syncline, not of the database."""

    async def make(self, label: str) -> None:
        """A new place with the suite's tables, empty and without a footprint."""
        ...

    def open(self, label: str, *, captures: bool = True) -> Peer:
        """A peer on a place, not connected. What an earlier peer on it left open stays as a crash would leave it.

        `captures`: see syncline.peers.registry.
        """
        ...

    async def write(self, label: str, statements: Sequence[Statement]) -> None:
        """Run one transaction as a program that knows nothing of Syncline."""
        ...

    async def read(self, label: str, collection: Collection) -> dict[Key, Row]:
        """All rows, as that program sees them."""
        ...

    async def add_column(self, label: str, collection: Collection, name: str) -> None:
        """Add a nullable text column to a table."""
        ...

    async def drop_table(self, label: str, collection: Collection) -> None:
        """Drop a table and create it anew, empty."""
        ...

    async def traces(self, label: str) -> Sequence[str]:
        """The names of everything of Syncline's that is left in a place."""
        ...

    async def close(self) -> None:
        """Release everything."""
        ...
