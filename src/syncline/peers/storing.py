"""What every kind does on the way from values to what its driver binds: by columns, and one by one where a value needs care."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from syncline.model.change import Refusal
from syncline.model.value import ABSENT, Tagged, Value
from syncline.model.write import Op, Write

T = TypeVar("T")
Target = TypeVar("Target")


class Unstorable(Exception):
    """A value that this column cannot hold exactly; `reason` is a sentence for people."""

    def __init__(self, code: str, reason: str) -> None:
        self.code, self.reason = code, reason
        super().__init__(reason)


class Job(msgspec.Struct, Generic[Target], frozen=True):
    """One row of a write, and the table that it is for."""

    write: Write
    place: int
    target: Target

    def refusal(self, code: str, reason: str) -> Refusal:
        """Why it is left out."""
        return Refusal(self.write.collection, self.write.keys[self.place], code, reason)


def noun(value: Value) -> str:
    """A value as sentences name it."""
    match value:
        case bytes():
            return "a blob"
        case Tagged(kind, text):
            return f"the {kind} {text[:40]}"
        case int() | str():
            return f"the {'number' if isinstance(value, int) else 'text'} {str(value)[:40]!r}"
        case _:
            return "a value that was not sent"


def columns_of(write: Write, key_parts: int) -> list[Sequence[Value]]:
    """The values to bind, by columns: the key's, where an update needs them, then the row's."""
    if write.series:
        return [one.values for one in write.series]
    keys: list[Sequence[Value]] = list(zip(*write.keys, strict=True)) if write.keys else [()] * key_parts
    if write.op is Op.DELETE:
        return keys
    rows: list[Sequence[Value]] = list(zip(*write.rows, strict=True))
    return rows if write.op is Op.UPSERT else keys + rows


def one_by_one(column: Sequence[Value], store: Callable[[Value], T], odd: set[int]) -> list[T | None]:
    """A column value by value; the places of those that are not sent or cannot be stored go to `odd`."""
    ready: list[T | None] = []
    for place, value in enumerate(column):
        native: T | None = None
        try:
            if value is ABSENT:
                odd.add(place)
            else:
                native = store(value)
        except Unstorable:
            odd.add(place)
        ready.append(native)
    return ready
