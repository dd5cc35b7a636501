"""The collections that every simulation uses, and what kind of field each column is to the checkers."""

from enum import StrEnum
from typing import Final

import msgspec

from syncline.model.schema import Collection
from syncline.model.schema import Kind as ValueKind
from syncline.model.value import Key, Row, Value


class Field(StrEnum):
    """How a column's values are accounted for."""

    KEY = "key"
    REGISTER = "register"  # every write is a value of its own, so that it can be recognised everywhere
    COUNTER = "counter"
    SET = "set"  # a JSON array of texts
    TEXT = "text"  # lines, each unlike any other


ITEMS: Final = Collection(
    "items",
    ("id", "name", "owner", "quantity", "tags", "notes"),
    ("id",),
    (ValueKind.INTEGER, ValueKind.TEXT, ValueKind.TEXT, ValueKind.INTEGER, ValueKind.JSON, ValueKind.TEXT),
)
PAIRS: Final = Collection("pairs", ("id", "mark"), ("id",), (ValueKind.INTEGER, ValueKind.TEXT))
COLLECTIONS: Final = (ITEMS, PAIRS)

FIELDS: Final[dict[str, tuple[Field, ...]]] = {
    "items": (Field.KEY, Field.REGISTER, Field.REGISTER, Field.COUNTER, Field.SET, Field.TEXT),
    "pairs": (Field.KEY, Field.REGISTER),
}
PAIR_KEYS: Final[tuple[tuple[Key, Key], ...]] = (((1,), (2,)), ((3,), (4,)))  # rows that always carry the same mark


def set_items(value: Value) -> frozenset[str]:
    """The items of a set column; NULL and nonsense have none."""
    if not isinstance(value, str) or not value.startswith("["):
        return frozenset()
    return frozenset(msgspec.json.decode(value, type=list[str]))


def set_text(items: frozenset[str]) -> str:
    """A set column holding these items."""
    return msgspec.json.encode(sorted(items)).decode()


def registers(collection: str, row: Row | None) -> dict[int, Value]:
    """The register fields of a row by their place; nothing for a row that is not there. NULL counts as no value."""
    fields = FIELDS[collection]
    return {
        place: value
        for place, value in enumerate(row or ())
        if place < len(fields) and fields[place] is Field.REGISTER and value is not None
    }
