"""pgoutput messages -> changes, relation by relation. Pure: bytes in, what happened out.

Source: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

from collections.abc import Iterator, Mapping, Sequence
from struct import Struct
from typing import Final, NamedTuple

from syncline.model.block import Block, Series
from syncline.model.blocks import are_apart
from syncline.model.blocks import updated as updated_blocks
from syncline.model.change import Change
from syncline.model.errors import PeerChanged
from syncline.model.limits import VALUE_BYTES_MAX
from syncline.model.stamp import Micros
from syncline.model.value import ABSENT, Absent, Value
from syncline.peers.arrays import Indexes, np
from syncline.peers.images import Item, deleted, flat, inserted, updated
from syncline.peers.postgres.columns import ColumnReader, column_reader_of
from syncline.peers.postgres.convert import form_of, tag_of
from syncline.peers.postgres.layout import Layout
from syncline.peers.postgres.tuples import COUNT, LENGTH, Joined, Raw, columns_of, tuples_of

BEGIN: Final = Struct("!xQqI")
COMMIT: Final = Struct("!xBQQq")
_ATTRIBUTE: Final = Struct("!Ii")
INSERT, UPDATE, DELETE, _OLD = map(ord, "IUDO")
EPOCH_MICROS: Final = 946_684_800_000_000  # 2000-01-01 in Unix microseconds

_REJOIN: Final = "if its rows are as they should be, remove Syncline's footprint and let it join again: 'syncline teardown'"


class Relation(NamedTuple):
    """A table as the stream describes it. `places`: where each column of the collection stands in a tuple."""

    layout: Layout | None  # None: the state table
    places: tuple[int, ...]
    readers: tuple[ColumnReader, ...]
    forms: tuple[tuple[str, str], ...]  # of each column: the form and the tag of its series
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
        self._peer, self.state_oid, self._layouts, self._bases = peer, state_oid, layouts, bases
        self._relations: dict[int, Relation | None] = {}
        self.at = 0  # where in history the messages that come next stand

    def relation(self, message: bytes) -> None:
        """Learn how a table looks from here on. Raises PeerChanged if a captured column is gone."""
        (oid,) = LENGTH(message, 1)
        at = message.index(0, message.index(0, 5) + 1) + 2
        (count,) = COUNT(message, at)
        at += 2
        names, types = [], []
        for _ in range(count):
            end = message.index(0, at + 1)
            names.append(message[at + 1 : end].decode())
            types.append(_ATTRIBUTE.unpack_from(message, end + 1))
            at = end + 9
        layout = self._layouts.get(oid)
        if oid != self.state_oid and layout is None:
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
        oids = [self._bases.get(types[place][0], types[place][0]) for place in places]
        readers = tuple(map(column_reader_of, oids))
        forms = tuple([(form_of(one, types[place][1]), tag_of(*types[place])) for one, place in zip(oids, places, strict=True)])
        self._relations[oid] = Relation(layout, places, readers, forms, layout.key_places if layout else (), columns)

    def mark(self, message: bytes) -> Mark | None:
        """The watermark, if this is a write of the state table."""
        (oid,) = LENGTH(message, 1)
        relation = self._relations.get(oid)
        if oid != self.state_oid or relation is None or message[0] == DELETE:
            return None
        _, new = tuples_of(message)
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

    def blocks(self, messages: Joined, ages: Indexes | None = None) -> tuple[Block, ...] | None:
        """What row messages tell, by columns; None where it has to be told change by change. `ages`: see Block."""
        if int((messages.ends - messages.starts).max()) > VALUE_BYTES_MAX:
            return None
        found: list[Block] = []
        for places in _by_kind(messages.kinds.astype(np.int64) << 32 | messages.tables):
            alike = messages if places is None else messages.take(places)
            relation = self._relations.get(int(alike.tables[0]))
            if relation is None or relation.layout is None:
                continue
            theirs = ages if ages is None or places is None else ages[places]
            made = self._blocks(relation, relation.layout, alike, tuple(theirs.tolist()) if theirs is not None else ())
            if made is None:
                return None
            found += made
        return tuple(found) if len(found) == 1 or are_apart(found) else None

    def _blocks(self, relation: Relation, layout: Layout, messages: Joined, ages: tuple[Micros, ...]) -> list[Block] | None:
        kind = int(messages.kinds[0])
        if layout.widths or (kind != INSERT and (messages.octets(5) != _OLD).any()):
            return None
        old, new = messages.columns()
        name, places, forms = layout.collection, relation.places, relation.forms
        before: tuple[Series, ...] = ()
        if old is not None:
            before = tuple([Series(form, old[place], tag) for place, (form, tag) in zip(places, forms, strict=True)])
        if kind == DELETE:
            return [Block(name, relation.key_places, before, (), ages)]
        fresh = [_filled((new or [])[place], old[place] if old else ()) for place in places]
        after = tuple([Series(form, one, tag) for one, (form, tag) in zip(fresh, forms, strict=True)])
        if kind == INSERT:
            return [Block(name, relation.key_places, (), after, ages)]
        return updated_blocks(name, relation.key_places, before, after, ages)

    def as_now(self) -> "Decoder":
        """A decoder that knows the tables as they are described now, whatever comes later."""
        found = Decoder(self._peer, self.state_oid, self._layouts, self._bases)
        found._relations = dict(self._relations)
        return found

    def _alike(self, messages: Sequence[bytes]) -> Sequence[Item]:
        """The changes of messages of one kind about one table, by columns."""
        relation = self._relations.get(LENGTH(messages[0], 1)[0])
        if relation is None or relation.layout is None:
            return [None] * len(messages)
        layout, name = relation.layout, relation.layout.collection
        width = layout.width_at(self.at) if layout.widths else len(relation.places)
        places, readers = relation.places[:width], relation.readers[:width]
        kind = messages[0][0]
        if kind == INSERT:
            _, columns = columns_of(messages)
            after = [read((columns or [])[place]) for place, read in zip(places, readers, strict=True)]
            keys = list(zip(*[after[place] for place in relation.key_places], strict=True))
            return inserted(name, keys, list(zip(*after, strict=True)))
        if {message[5] for message in messages} != {_OLD}:
            why = "its replica identity is not FULL any more"
            raise self._changed(layout, "changes of a table have no before-images", why)
        olds, news = columns_of(messages)
        columns, fresh = olds or [], news or []
        before = [read(columns[place]) for place, read in zip(places, readers, strict=True)]
        keys = list(zip(*[before[place] for place in relation.key_places], strict=True))
        rows = list(zip(*before, strict=True))
        if kind == DELETE:
            return deleted(name, keys, rows)
        after = [
            _successors(columns[place], fresh[place], was, read)
            for place, was, read in zip(places, before, readers, strict=True)
        ]
        new_keys = list(zip(*[after[place] for place in relation.key_places], strict=True))
        return updated(name, keys, new_keys, rows, list(zip(*after, strict=True)))

    def truncated(self, message: bytes) -> PeerChanged | None:
        """What a TRUNCATE of captured tables means: rows went, and the log does not say which (D38)."""
        (count,) = LENGTH(message, 1)
        oids = [LENGTH(message, 6 + 4 * place)[0] for place in range(count)]
        layout = next((self._layouts[oid] for oid in oids if oid in self._layouts), None)
        if layout is None:
            return None
        what, why = "a captured table was truncated", "PostgreSQL's log does not say which rows it had"
        hint = f"let it join again by compare-and-merge: 'syncline resume {self._peer} --rejoin'"
        return self._changed(layout, what, why, hint)

    def _changed(self, layout: Layout | None, what: str, why: str, hint: str = _REJOIN) -> PeerChanged:
        where = {"collection": layout.collection, "table": layout.name} if layout is not None else {}
        return PeerChanged(what, why=why, hint=hint, peer=self._peer, **where)


def _by_kind(kinds: Indexes) -> Iterator[Indexes | None]:
    """The places of each kind of message, in the order of their first; None for all of them."""
    if (kinds == kinds[0]).all():
        yield None
        return
    _, firsts, which = np.unique(kinds, return_index=True, return_inverse=True)
    for kind in np.argsort(firsts).tolist():
        yield np.flatnonzero(which == kind)


def _successors(old: Sequence[Raw], new: Sequence[Raw], before: Sequence[Value], read: ColumnReader) -> Sequence[Value]:
    """A column after updates: what did not change is what was there; so is what was not sent because it did not change."""
    if old == new:
        return before
    return read(_filled(new, old))


def _filled(new: Sequence[Raw], old: Sequence[Raw]) -> Sequence[Raw]:
    """A column after updates, where what was not sent is what was there."""
    if Absent not in set(map(type, new)):
        return new
    return [was if now is ABSENT else now for was, now in zip(old, new, strict=True)]
