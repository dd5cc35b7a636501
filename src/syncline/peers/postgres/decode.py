"""pgoutput messages -> changes, relation by relation. Pure: bytes in, what happened out.

Source: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

from collections.abc import Mapping, Sequence
from struct import Struct
from typing import Final, NamedTuple, TypeAlias

from syncline.model.change import Change
from syncline.model.errors import PeerChanged
from syncline.model.value import ABSENT, Absent, Value
from syncline.peers.images import Item, deleted, flat, inserted, updated
from syncline.peers.postgres.columns import ColumnReader, column_reader_of
from syncline.peers.postgres.layout import Layout

_LENGTH: Final = Struct("!I").unpack_from
_COUNT: Final = Struct("!H").unpack_from
BEGIN: Final = Struct("!xQqI")
COMMIT: Final = Struct("!xBQQq")
_ATTRIBUTE: Final = Struct("!Ii")
INSERT, DELETE, _OLD, _NEW, _TEXT, _NULL = map(ord, "IDONtn")
EPOCH_MICROS: Final = 946_684_800_000_000  # 2000-01-01 in Unix microseconds

_REJOIN: Final = "if its rows are as they should be, remove Syncline's footprint and let it join again: 'syncline teardown'"

Raw: TypeAlias = bytes | Absent | None


class Relation(NamedTuple):
    """A table as the stream describes it. `places`: where each column of the collection stands in a tuple."""

    layout: Layout | None  # None: the state table
    places: tuple[int, ...]
    readers: tuple[ColumnReader, ...]
    key_places: tuple[int, ...]
    names: tuple[str, ...]


class Mark(NamedTuple):
    """The watermark that a transaction wrote, and the blob of what was refused."""

    watermark: int
    refused: bytes | None


class Decoder:
    """Turns the messages of one stream into changes. `layouts` by table oid, `bases` from a domain's oid to its base type's."""

    def __init__(self, peer: str, state_oid: int, layouts: Mapping[int, Layout], bases: Mapping[int, int]) -> None:
        self.state_table = state_oid.to_bytes(4, "big")
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
        readers = tuple(column_reader_of(self._bases.get(types[place], types[place])) for place in places)
        self._relations[oid] = Relation(layout, places, readers, layout.key_places if layout else (), columns)

    def mark(self, message: bytes) -> Mark | None:
        """The watermark, if this is a write of the state table."""
        (oid,) = _LENGTH(message, 1)
        relation = self._relations.get(oid)
        if oid != self._state_oid or relation is None or message[0] == DELETE:
            return None
        _, new = _tuples(message)
        watermark, refused = (new[place] for place in relation.places) if new is not None else (b"0", None)
        return Mark(int(watermark), bytes.fromhex(refused[2:].decode()) if isinstance(refused, bytes) else None)  # type: ignore[arg-type]

    def changes(self, messages: Sequence[bytes]) -> list[Change]:
        """What row messages tell, in order. Raises PeerChanged where before-images are missing."""
        kinds = {(message[0], message[1:5]) for message in messages}
        if len(kinds) == 1:
            return flat(self._alike(messages))
        items: list[Item] = [None] * len(messages)
        for kind in kinds:
            places = [place for place, message in enumerate(messages) if (message[0], message[1:5]) == kind]
            for place, item in zip(places, self._alike([messages[place] for place in places]), strict=True):
                items[place] = item
        return flat(items)

    def _alike(self, messages: Sequence[bytes]) -> Sequence[Item]:
        """The changes of messages of one kind about one table, by columns."""
        relation = self._relations.get(_LENGTH(messages[0], 1)[0])
        if relation is None or relation.layout is None:
            return [None] * len(messages)
        layout, name = relation.layout, relation.layout.collection
        width = layout.width_at(self.at) if layout.widths else len(relation.places)
        places, readers = relation.places[:width], relation.readers[:width]
        kind = messages[0][0]
        if kind == INSERT:
            columns = list(zip(*[_tuple(message, 6)[0] for message in messages], strict=True))
            after = [read(columns[place]) for place, read in zip(places, readers, strict=True)]
            keys = list(zip(*[after[place] for place in relation.key_places], strict=True))
            return inserted(name, keys, list(zip(*after, strict=True)))
        if {message[5] for message in messages} != {_OLD}:
            why = "its replica identity is not FULL any more"
            raise self._changed(layout, "changes of a table have no before-images", why)
        pairs = [_tuples(message) for message in messages]
        columns = list(zip(*[old for old, _ in pairs], strict=True))
        before = [read(columns[place]) for place, read in zip(places, readers, strict=True)]
        keys = list(zip(*[before[place] for place in relation.key_places], strict=True))
        rows = list(zip(*before, strict=True))
        if kind == DELETE:
            return deleted(name, keys, rows)
        fresh = list(zip(*[new for _, new in pairs], strict=True))
        after = [
            _successors(columns[place], fresh[place], was, read)
            for place, was, read in zip(places, before, readers, strict=True)
        ]
        new_keys = list(zip(*[after[place] for place in relation.key_places], strict=True))
        return updated(name, keys, new_keys, rows, list(zip(*after, strict=True)))

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


def _successors(old: Sequence[Raw], new: Sequence[Raw], before: Sequence[Value], read: ColumnReader) -> Sequence[Value]:
    """A column after updates: what did not change is what was there; so is what was not sent because it did not change."""
    if old == new:
        return before
    if ABSENT in new:
        new = [was if now is ABSENT else now for was, now in zip(old, new, strict=True)]
    return read(new)


def _tuples(message: bytes) -> tuple[list[Raw] | None, list[Raw] | None]:
    """The old and the new tuple of a row message."""
    at, old, new = 5, None, None
    if message[at] != _NEW:
        old, at = _tuple(message, at + 1)
    if at < len(message):
        new, _ = _tuple(message, at + 1)
    return old, new


def _tuple(message: bytes, at: int) -> tuple[list[Raw], int]:
    (count,) = _COUNT(message, at)
    at += 2
    found: list[Raw] = []
    add, length = found.append, _LENGTH
    for _ in range(count):
        kind = message[at]
        if kind == _TEXT:
            start = at + 5
            at = start + length(message, at + 1)[0]
            add(message[start:at])
        else:
            add(None if kind == _NULL else ABSENT)  # else unchanged, and stored elsewhere
            at += 1
    return found, at
