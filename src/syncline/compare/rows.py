"""Row differences: which keys differ between copies of a range, and in which fields. Pure."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from syncline.model.value import ABSENT, Key, Row, Value

T = TypeVar("T")


def differing_keys(copies: Sequence[Mapping[Key, T]]) -> list[Key]:
    """The keys that are not the same in all copies of a range, by their rows or the digests of these."""
    keys = dict.fromkeys(key for copy in copies for key in copy)
    return [key for key in keys if any(copy.get(key) != copies[0].get(key) for copy in copies[1:])]


def differing_fields(columns: Sequence[str], rows: Sequence[Row | None]) -> tuple[str, ...]:
    """The fields in which the rows differ; all columns if some copy has no row."""
    present = [row for row in rows if row is not None]
    if len(present) < len(rows):
        return tuple(columns)
    if not present:
        return ()
    first, width = present[0], len(columns)
    if all(len(row) == width for row in present):
        odd = {at for row in present[1:] for at, one in enumerate(row) if one != first[at] or type(one) is not type(first[at])}
        return tuple([columns[place] for place in sorted(odd)])
    return tuple(name for place, name in enumerate(columns) if len({_cell(row, place) for row in present}) > 1)


def _cell(row: Row, place: int) -> tuple[type, Value]:
    value = row[place] if place < len(row) else ABSENT
    return type(value), value
