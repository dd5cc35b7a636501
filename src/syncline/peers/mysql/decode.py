"""Row events -> changes, table by table, with the schema that the binlog has of each. Pure: bytes in, what happened out.

A plan of each table says where the columns of a row lie: runs of fixed width, each with the length of what follows it, are
taken by one struct. Columns are then read as a whole, and only those that are captured.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from struct import Struct, error
from typing import Any, Final, NamedTuple

from syncline.model.block import Block, Series
from syncline.model.blocks import are_apart
from syncline.model.blocks import updated as updated_blocks
from syncline.model.change import Change
from syncline.model.errors import CodecError, PeerChanged
from syncline.model.forms import PLAIN
from syncline.model.stamp import Micros
from syncline.model.value import Value
from syncline.peers.images import Item, deleted, flat, inserted, updated
from syncline.peers.mysql.events import DELETES, HEAD, INSERTS, ROWS_COMPRESSED, ROWS_V2, UPDATES, inflate, lenenc
from syncline.peers.mysql.features import STATE
from syncline.peers.mysql.fields import ColumnReader, Shape, passed_over, shape_of
from syncline.peers.mysql.layout import Layout
from syncline.peers.mysql.tables import TableMap, number_of, table_map

_PLANS_MAX: Final = 256  # patterns of NULLs that a table keeps its plans for
_INSERT, _UPDATE, _DELETE = range(3)
_OPS: Final = {
    **dict.fromkeys(INSERTS, _INSERT),
    **dict.fromkeys(UPDATES, _UPDATE),
    **dict.fromkeys(DELETES, _DELETE),
}
_REJOIN: Final = "if its rows are as they should be, remove Syncline's footprint and let it join again: 'syncline teardown'"
_MARK: Final = ("watermark", "refused")
_U16: Final = Struct("<H").unpack_from

_Run = tuple[Callable[[bytes, int], tuple[Any, ...]], int, bool]  # what takes it, its bytes, whether a length ends it


@lru_cache(256)
def _is_whole(present: bytes, count: int) -> bool:
    """Whether a bitmap names all columns. MySQL sets the bits beyond them, too; MariaDB does not."""
    whole = (1 << count) - 1
    return int.from_bytes(present, "little") & whole == whole


class _Plan(NamedTuple):
    """How rows with one pattern of NULLs lie."""

    runs: tuple[_Run, ...]
    gaps: tuple[int, ...]  # the columns that are NULL


class Relation:
    """A table of interest, as one table map describes it. `layout` is None for the state table."""

    __slots__ = ("_plans", "layout", "number", "places", "readers", "shapes")

    def __init__(self, number: int, layout: Layout | None, shapes: tuple[Shape, ...], places: tuple[int, ...]) -> None:
        self.number, self.layout, self.shapes, self.places = number, layout, shapes, places
        self.readers: tuple[ColumnReader, ...] = tuple(shapes[place].read for place in places)
        self._plans: dict[bytes, _Plan] = {}

    def rows(self, event: bytes) -> list[list[Any]]:
        """What lies in the rows of an event, images before and after one after the other. Raises CodecError."""
        kind, at = event[4], HEAD + 8
        if kind in ROWS_V2:
            at += _U16(event, at)[0]
        count, at = lenenc(event, at)
        width = (count + 7) // 8
        images = 2 if _OPS[kind] == _UPDATE else 1
        if count != len(self.shapes):
            raise CodecError("rows do not fit their table", why=f"they have {count} columns, it has {len(self.shapes)}")
        if not all(_is_whole(event[at + image * width : at + (image + 1) * width], count) for image in range(images)):
            raise CodecError("rows are not complete", why="binlog_row_image was not FULL in the session that wrote them")
        at += images * width
        if kind in ROWS_COMPRESSED:
            event, at = inflate(event[at:]), 0
        try:
            return self._walk(event, at, width)
        except error as short:
            raise CodecError("rows do not fit their table", why=str(short)) from short

    def _walk(self, data: bytes, at: int, width: int) -> list[list[Any]]:
        plans, end, found = self._plans, len(data), []
        while at < end:
            nulls = data[at : at + width]
            at += width
            plan = plans.get(nulls) or self._plan(nulls)
            row: list[Any] = []
            for take, size, lengthy in plan.runs:
                row += take(data, at)
                at += size
                if lengthy:
                    length = row[-1]
                    if type(length) is not int:
                        length = int.from_bytes(length, "little")
                    row[-1] = data[at : at + length]
                    at += length
            for gap in plan.gaps:
                row.insert(gap, None)
            found.append(row)
        if at != end:
            raise CodecError("rows do not fit their table", why=f"they end {at - end} bytes after their event")
        return found

    def _plan(self, nulls: bytes) -> _Plan:
        bits = int.from_bytes(nulls, "little")
        runs: list[_Run] = []
        codes = "<"
        for place, shape in enumerate(self.shapes):
            if bits >> place & 1:
                continue
            codes += shape.code
            if shape.length:
                runs.append(_run(codes, lengthy=True))
                codes = "<"
        if codes != "<":
            runs.append(_run(codes, lengthy=False))
        if len(self._plans) >= _PLANS_MAX:
            self._plans.clear()
        gaps = tuple(place for place in range(len(self.shapes)) if bits >> place & 1)
        plan = self._plans[nulls] = _Plan(tuple(runs), gaps)
        return plan


def _run(codes: str, *, lengthy: bool) -> _Run:
    struct = Struct(codes)
    return struct.unpack_from, struct.size, lengthy


class Mark(NamedTuple):
    """The watermark that a transaction wrote, and the blob of what was refused."""

    watermark: int
    refused: bytes | None


class Decoder:
    """Turns the row events of one stream into changes.

    `layouts` by the name of the table; `plain`: types that the binlog does not tell, by table and column. `mariadb`: or MySQL.
    """

    def __init__(
        self,
        peer: str,
        schema: str,
        layouts: Mapping[str, Layout],
        plain: Mapping[tuple[str, str], str] | None = None,
        *,
        mariadb: bool = True,
    ) -> None:
        self._mariadb = mariadb
        self._peer, self._layouts, self._plain = peer, layouts, plain or {}
        self._prefix = bytes([len(schema.encode())]) + schema.encode() + b"\0"
        self._known: dict[bytes, Relation | PeerChanged | None] = {}  # by what the map says
        self._current: dict[bytes, Relation | PeerChanged | None] = {}  # by the number that rows name it by
        self._turns = sorted({upto for layout in layouts.values() for upto, _ in layout.widths})
        self.relations: list[Relation] = []
        self.at = 0  # where in history the events that come next stand: the major part of a position

    def forget(self) -> None:
        """Another file begins: its numbers of tables are its own."""
        self._current.clear()

    def table(self, event: bytes) -> None:
        """Learn which table a number stands for from here on. What is wrong with it is raised by who asks for it."""
        if self._turns and self.at >= self._turns[0]:
            self._turns = [turn for turn in self._turns if turn > self.at]
            self._known.clear()
        content = event[HEAD + 8 :]
        if content in self._known:
            self._current[number_of(event)] = self._known[content]
        elif not content.startswith(self._prefix):
            self._current[number_of(event)] = None
        else:
            self._current[number_of(event)] = self._known[content] = self._find(event)

    def relation(self, event: bytes) -> Relation | None:
        """The table that a row event is about, None if nobody asks.

        Raises PeerChanged if a captured column is gone, and for a table that was not announced.
        """
        try:
            found = self._current[number_of(event)]
        except KeyError:
            raise self._changed(
                None, "the binary log cannot be read", "it has rows of a table that it did not describe"
            ) from None
        if isinstance(found, PeerChanged):
            raise found
        return found

    def _find(self, event: bytes) -> Relation | PeerChanged | None:
        try:
            return self._relation(table_map(event, mariadb=self._mariadb))
        except PeerChanged as damage:
            return damage

    def _relation(self, table: TableMap) -> Relation | None:
        layout = self._layouts.get(table.name)
        if layout is None and table.name != STATE:
            return None
        names = [field.name for field in table.fields]
        if "" in names:
            what, why = "the binary log does not name its columns", "binlog_row_metadata was not FULL when it was written"
            raise self._changed(layout, what, why, "SET GLOBAL binlog_row_metadata = FULL; then let the peer join again")
        columns = _captured(layout, names, self.at) if layout is not None else _MARK
        lost = [name for name in columns if name not in names]
        if lost:
            what, why = "columns of a captured table were dropped or renamed", f"there is no {', '.join(lost)} any more"
            raise self._changed(layout, what, why)
        try:
            shapes = tuple(
                shape_of(field, self._plain.get((table.name, field.name), "")) if field.name in columns else passed_over(field)
                for field in table.fields
            )
        except CodecError as unknown:
            why = f"{unknown.what} ({', '.join(map(str, unknown.where.values()))})"
            raise self._changed(layout, "changes of a table cannot be read", why) from unknown
        places = tuple(names.index(name) for name in columns)
        self.relations.append(Relation(len(self.relations), layout, shapes, places))
        return self.relations[-1]

    def mark(self, relation: Relation, event: bytes) -> Mark | None:
        """The watermark that a write of the state table tells; None if its row was only deleted."""
        if event[4] in DELETES:
            return None
        row = relation.rows(event)[-1]
        watermark, refused = (read([row[place]])[0] for place, read in zip(relation.places, relation.readers, strict=True))
        return Mark(int(watermark), refused if isinstance(refused, bytes) else None)  # type: ignore[arg-type]

    def changes(self, held: Sequence[tuple[Relation, bytes]]) -> list[Change]:
        """What row events tell, in order. Raises PeerChanged where they cannot be read."""
        return [change for items in self.parts(held) for change in flat(items)]

    def parts(self, held: Sequence[tuple[Relation, bytes]]) -> list[Sequence[Item]]:
        """What each row event tells. Those of one kind about one table are read together. Raises as `changes`."""
        groups: dict[tuple[int, int], list[int]] = {}
        for place, (relation, event) in enumerate(held):
            groups.setdefault((relation.number, _OPS[event[4]]), []).append(place)
        items: list[Sequence[Item]] = [()] * len(held)
        for places in groups.values():
            found, counts = self._alike([held[place] for place in places])
            start = 0
            for place, count in zip(places, counts, strict=True):
                items[place] = found[start : start + count]
                start += count
        return items

    def _alike(self, held: Sequence[tuple[Relation, bytes]]) -> tuple[Sequence[Item], list[int]]:
        """The changes of events of one kind about one table, by columns; and how many rows each event has."""
        relation, first = held[0]
        layout, kind = relation.layout, _OPS[first[4]]
        assert layout is not None
        with self._reading(layout):
            rows, counts = _rows(held)
            return (_items(layout, kind, *_images(relation, kind, rows)) if rows else []), counts

    def blocks(self, held: Sequence[tuple[Relation, bytes]], ages: Sequence[Micros] = ()) -> tuple[Block, ...] | None:
        """What row events tell, by columns; None where it has to be told change by change. `ages`: of each event, see Block."""
        groups: dict[tuple[int, int], list[int]] = {}
        for place, (relation, event) in enumerate(held):
            groups.setdefault((relation.number, _OPS[event[4]]), []).append(place)
        found: list[Block] = []
        for (_, kind), places in groups.items():
            relation = held[places[0]][0]
            layout = relation.layout
            if layout is None or layout.widths:
                return None
            with self._reading(layout):
                rows, counts = _rows([held[place] for place in places])
                old, new = _images(relation, kind, rows) if rows else ([], [])
            theirs = [ages[place] for place, count in zip(places, counts, strict=True) for _ in range(count)] if ages else []
            before, after = ([Series(PLAIN, one) for one in side] for side in (old, new))
            made: list[Block] | None = [Block(layout.collection, layout.key_places, tuple(before), tuple(after), tuple(theirs))]
            if kind == _UPDATE and rows:
                made = updated_blocks(layout.collection, layout.key_places, before, after, theirs)
            if made is None:
                return None
            found += made if rows else []
        return tuple(found) if len(found) == 1 or are_apart(found) else None

    @contextmanager
    def _reading(self, layout: Layout) -> Iterator[None]:
        try:
            yield
        except (CodecError, IndexError) as damage:
            why = f"{damage.what}: {damage.why}" if isinstance(damage, CodecError) else "a label that its table does not have"
            raise self._changed(layout, "changes of a table cannot be read", why) from damage

    def _changed(self, layout: Layout | None, what: str, why: str, hint: str = _REJOIN) -> PeerChanged:
        where = {"collection": layout.collection, "table": layout.name} if layout is not None else {}
        return PeerChanged(what, why=why, hint=hint, peer=self._peer, **where)


def _rows(held: Sequence[tuple[Relation, bytes]]) -> tuple[list[list[Any]], list[int]]:
    """The images in events of one kind about one table, and how many rows each event has."""
    relation, first = held[0]
    found = [relation.rows(event) for _, event in held]
    images = 2 if _OPS[first[4]] == _UPDATE else 1
    return found[0] if len(found) == 1 else [row for part in found for row in part], [len(part) // images for part in found]


def _images(relation: Relation, kind: int, rows: list[list[Any]]) -> tuple[list[Sequence[Value]], list[Sequence[Value]]]:
    """The columns before and after."""
    places, readers = relation.places, relation.readers
    columns = list(zip(*(rows[::2] if kind == _UPDATE else rows), strict=True))
    values = [read(columns[place]) for place, read in zip(places, readers, strict=True)]
    if kind == _INSERT:
        return [], values
    if kind == _DELETE:
        return values, []
    fresh = list(zip(*rows[1::2], strict=True))
    after = [
        _successors(columns[place], fresh[place], was, read) for place, was, read in zip(places, values, readers, strict=True)
    ]
    return values, after


def _items(layout: Layout, kind: int, before: list[Sequence[Value]], after: list[Sequence[Value]]) -> Sequence[Item]:
    """The changes that columns before and after tell."""
    name = layout.collection
    keys, new_keys = (
        list(zip(*[side[place] for place in layout.key_places], strict=True)) if side else [] for side in (before, after)
    )
    if kind == _INSERT:
        return inserted(name, new_keys, list(zip(*after, strict=True)))
    if kind == _DELETE:
        return deleted(name, keys, list(zip(*before, strict=True)))
    return updated(name, keys, new_keys, list(zip(*before, strict=True)), list(zip(*after, strict=True)))


def _captured(layout: Layout, names: Sequence[str], at: int) -> tuple[str, ...]:
    """The columns to read at a place of history: without those that are captured only since they were added at the end."""
    columns = layout.columns[: layout.width_at(at)]
    while columns and columns[-1] not in names and len(columns) > layout.width_at(0):
        columns = columns[:-1]
    return columns


def _successors(old: Sequence[Any], new: Sequence[Any], before: Sequence[Value], read: ColumnReader) -> Sequence[Value]:
    """A column after updates: where nothing of it changed, what was there."""
    return before if old == new else read(new)
