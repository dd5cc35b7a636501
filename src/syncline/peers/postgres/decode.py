"""pgoutput messages -> changes, relation by relation. Pure: bytes in, what happened out.

Source: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

from collections.abc import Mapping, Sequence
from struct import Struct
from typing import Final, NamedTuple, TypeAlias

from syncline.model.change import Change, Verdict
from syncline.model.errors import PeerChanged
from syncline.model.value import ABSENT, Absent, Key, Row, Value
from syncline.peers.postgres.convert import Reader, reader_of
from syncline.peers.postgres.layout import Layout

_LENGTH: Final = Struct("!I").unpack_from
_COUNT: Final = Struct("!H").unpack_from
BEGIN: Final = Struct("!xQqI")
COMMIT: Final = Struct("!xBQQq")
_ATTRIBUTE: Final = Struct("!Ii")
EPOCH_MICROS: Final = 946_684_800_000_000  # 2000-01-01 in Unix microseconds

_REJOIN: Final = "if its rows are as they should be, remove Syncline's footprint and let it join again: 'syncline teardown'"

Raw: TypeAlias = bytes | Absent | None


class Relation(NamedTuple):
    """A table as the stream describes it. `places`: where each column of the collection stands in a tuple."""

    layout: Layout | None  # None: the state table
    places: tuple[int, ...]
    readers: tuple[Reader, ...]
    key_places: tuple[int, ...]
    names: tuple[str, ...]


class Mark(NamedTuple):
    """The watermark that a transaction wrote, and the blob of what was refused."""

    watermark: int
    refused: bytes | None


class Decoder:
    """Turns the messages of one stream into changes. `layouts` by table oid, `bases` from a domain's oid to its base type's."""

    def __init__(self, peer: str, state_oid: int, layouts: Mapping[int, Layout], bases: Mapping[int, int]) -> None:
        self._peer, self._state_oid, self._layouts, self._bases = peer, state_oid, layouts, bases
        self._relations: dict[int, Relation | None] = {}
        self.at = 0  # where in history the messages that come next stand

    def relation(self, message: bytes) -> None:
        """Learn how a table looks from here on. Raises PeerChanged if a captured column is gone."""
        (oid,) = _LENGTH(message, 1)
        at = message.index(0, message.index(0, 5) + 1) + 2
        (count,) = _COUNT(message, at)
        at += 2
        names, types = [], []
        for _ in range(count):
            end = message.index(0, at + 1)
            names.append(message[at + 1 : end].decode())
            types.append(_ATTRIBUTE.unpack_from(message, end + 1)[0])
            at = end + 9
        layout = self._layouts.get(oid)
        if oid != self._state_oid and layout is None:
            self._relations[oid] = None
            return
        columns = layout.columns if layout is not None else ("watermark", "refused")
        lost = [name for name in columns if name not in names]
        if (
            lost
            and lost == list(columns[-len(lost) :])
            and layout is not None
            and len(columns) - len(lost) >= layout.width_at(0)
        ):
            columns, lost = columns[: -len(lost)], []  # history of before they were added
        if lost:
            what, why = "columns of a captured table were dropped or renamed", f"there is no {', '.join(lost)} any more"
            raise self._changed(layout, what, why)
        places = tuple(names.index(name) for name in columns)
        readers = tuple(reader_of(self._bases.get(types[place], types[place])) for place in places)
        self._relations[oid] = Relation(layout, places, readers, layout.key_places if layout else (), columns)

    def mark(self, message: bytes) -> Mark | None:
        """The watermark, if this is a write of the state table."""
        (oid,) = _LENGTH(message, 1)
        relation = self._relations.get(oid)
        if oid != self._state_oid or relation is None or message[0] == 68:
            return None
        _, new = _tuples(message)
        watermark, refused = (new[place] for place in relation.places) if new is not None else (b"0", None)
        return Mark(int(watermark), bytes.fromhex(refused[2:].decode()) if isinstance(refused, bytes) else None)  # type: ignore[arg-type]

    def change(self, message: bytes, found: list[Change]) -> None:
        """Append what a row message tells: nothing, one change, or the two halves of a move. Raises PeerChanged."""
        relation = self._relations.get(_LENGTH(message, 1)[0])
        if relation is None:
            return
        layout, places, readers, key_places, _ = relation
        if layout is None:
            return
        if layout.widths:
            width = layout.width_at(self.at)
            places, readers = places[:width], readers[:width]
        old, new = _tuples(message)
        kind = message[0]
        if kind == 73:  # I
            after = _row(new, places, readers)  # type: ignore[arg-type]
            found.append(Change(layout.collection, tuple([after[place] for place in key_places]), None, after))
            return
        if old is None or message[5] == 75:  # no old tuple, or its key alone
            why = "its replica identity is not FULL any more"
            raise self._changed(layout, "changes of a table have no before-images", why)
        before = _row(old, places, readers)
        key = tuple([before[place] for place in key_places])
        if kind == 68:  # D
            found.append(Change(layout.collection, key, before, None))
            return
        after = _successor(old, new, before, places, readers)  # type: ignore[arg-type]
        if after == before:
            return
        new_key = tuple([after[place] for place in key_places])
        if new_key == key:
            found.append(Change(layout.collection, key, before, after))
        else:
            found += moved(layout.collection, key, new_key, before, after)

    def truncated(self, message: bytes) -> PeerChanged | None:
        """What a TRUNCATE of captured tables means: rows went, and the log does not say which (D38)."""
        (count,) = _LENGTH(message, 1)
        oids = [_LENGTH(message, 6 + 4 * place)[0] for place in range(count)]
        layout = next((self._layouts[oid] for oid in oids if oid in self._layouts), None)
        if layout is None:
            return None
        what, why = "a captured table was truncated", "PostgreSQL's log does not say which rows it had"
        hint = f"let it join again by compare-and-merge: 'syncline resume {self._peer} --rejoin'"
        return self._changed(layout, what, why, hint)

    def _changed(self, layout: Layout | None, what: str, why: str, hint: str = _REJOIN) -> PeerChanged:
        where = {"collection": layout.collection, "table": layout.name} if layout is not None else {}
        return PeerChanged(what, why=why, hint=hint, peer=self._peer, **where)


def moved(name: str, old_key: Key, new_key: Key, before: Row, after: Row) -> tuple[Change, Change]:
    """A change of key: its two halves know each other."""
    gone = Change(name, old_key, before, None, Verdict(moved=new_key))
    return gone, Change(name, new_key, None, after, Verdict(moved=old_key))


def _tuples(message: bytes) -> tuple[list[Raw] | None, list[Raw] | None]:
    """The old and the new tuple of a row message."""
    at, old, new = 5, None, None
    if message[at] != 78:  # N
        old, at = _tuple(message, at + 1)
    if at < len(message):
        new, _ = _tuple(message, at + 1)
    return old, new


def _tuple(message: bytes, at: int) -> tuple[list[Raw], int]:
    (count,) = _COUNT(message, at)
    at += 2
    found: list[Raw] = []
    add = found.append
    for _ in range(count):
        kind = message[at]
        if kind == 116:  # t
            start = at + 5
            at = start + _LENGTH(message, at + 1)[0]
            add(message[start:at])
        else:
            add(None if kind == 110 else ABSENT)  # n, else u: unchanged and stored elsewhere
            at += 1
    return found, at


def _row(raw: Sequence[Raw], places: Sequence[int], readers: Sequence[Reader]) -> Row:
    return tuple(
        [
            reader(value) if type(value) is bytes else value
            for reader, value in zip(readers, [raw[place] for place in places], strict=True)
        ]
    )


def _successor(old: Sequence[Raw], new: Sequence[Raw], before: Row, places: Sequence[int], readers: Sequence[Reader]) -> Row:
    """The row after an update: what did not change is what was there; so is what was not sent because it did not change."""
    after: list[Value] = []
    for place, reader, was in zip(places, readers, before, strict=True):
        value = new[place]
        if value is ABSENT or value == old[place]:
            after.append(was)
        else:
            after.append(reader(value) if type(value) is bytes else None)
    return tuple(after)
