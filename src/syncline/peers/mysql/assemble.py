"""Puts the events of a binary log together into transactions, in commit order.

A transaction of ours begins by writing the watermark: it yields only context, and its rows are not even decoded. What may
still be rolled back, or is prepared (XA), is held as it came. A large transaction is given out in parts, cut by what is in it
alone, so that a restart cuts it in the same way; its parts stand where it begins, so that reading can go on in the middle.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from struct import Struct
from typing import Final, NamedTuple

from syncline.model.change import Change, Transaction
from syncline.model.errors import CodecError, PeerChanged, PeerRestored, SynclineError
from syncline.model.limits import BATCH_BYTES_MAX, INGEST_ROWS_MAX, TRANSACTION_ROWS_MAX
from syncline.model.stamp import Micros, Offset, Position
from syncline.peers.asked import Asked
from syncline.peers.images import flat
from syncline.peers.mysql import events
from syncline.peers.mysql.ddl import Damage, damage_of, words, xa_name
from syncline.peers.mysql.decode import Decoder, Mark
from syncline.peers.mysql.footprint import REFUSALS
from syncline.peers.mysql.grouping import Ready, by_columns, together, transaction_of
from syncline.peers.mysql.held import Held, Row
from syncline.peers.mysql.history import file_number, gtids_of, major_of, position

PART_ROWS: Final = INGEST_ROWS_MAX  # at least, of a part: it ends with an event
WHOLE_BYTES: Final = 256 * 1024  # of row events that cannot be more than TRANSACTION_ROWS_MAX rows
PREPARED_BYTES: Final = 64 * 1024  # of a prepared transaction's row events that stay in memory
_PLACE: Final = Struct("<IH").unpack_from
_PASSED_OVER: Final = frozenset({3, 5, 13, 14, 17, 28, 29, 35, 36, 37, 41, 160, 161, events.START_ENCRYPTION})
_IGNORABLE: Final = 0x80
_BACK: Final = 2**31  # a step that is longer goes back


class Begun(NamedTuple):
    """A file of the binary log begins, or is read for the first time."""

    number: int
    created: int


class Unprepared(Exception):
    """An XA transaction was committed that was prepared before reading began."""


class Assembler:
    """Fed with events in order.

    `after`: where giving out goes on; reading may begin before. `context`: the watermark there. `created`: when the files that
    are known were made. `damage`: what happened that the log does not tell. `altered`: tables may look
    different now. `now`: the server's clock as the next events come.
    """

    def __init__(
        self, peer: str, schema: str, tables: Collection[str], decoder: Decoder,
        file: str, offset: int, after: Position, context: Offset, created: dict[int, int], asked: Asked,
    ) -> None:  # fmt: skip
        self._peer, self._schema, self._tables, self._decoder = peer, schema, tables, decoder
        self._file, self._number, self._offset = file, file_number(file), offset
        self._after, self.context, self._created, self._asked = after, context, created, asked
        self._gtids = gtids_of(after)
        self._own_gtid: tuple[int, str] | None = None
        self.damage: Damage | None = None
        self.now: Micros = 0
        self.inside = self.altered = False
        self._standalone = self._skip = self._xa = False
        self._begin, self._time, self._part = 0, 0, 0
        self._mark: Mark | None = None
        self._held = Held()
        self._savepoints: dict[str, int] = {}
        self._prepared: dict[str, Held] = {}
        self._rows: list[Row] = []
        self._ready: list[Ready] = []
        self._large: Held | None = None
        self._handlers: dict[int, Callable[[bytes], None]] = {
            events.GTID: self._on_gtid, events.XID: self._on_xid, events.QUERY: self._on_query,
            events.QUERY_COMPRESSED: self._on_query, events.XA_PREPARE: self._on_prepare, events.ROTATE: self._on_rotate,
            events.GTID_LIST: self._on_gtid_list, events.HEARTBEAT: self._on_heartbeat, events.INCIDENT: self._on_incident,
            **dict.fromkeys(events.MYSQL_GTIDS, self._on_mysql_gtid), 18: self._on_loaded_file,
            events.ROWS_PARTIAL: self._on_partial_rows,
        }  # fmt: skip

    @property
    def end(self) -> int:
        """The major part of the position up to which everything is given out."""
        return self._begin if self.inside else major_of(self._number, self._offset)

    @property
    def position(self) -> Position:
        """Where reading can go on, between transactions."""
        return self._here()

    def feed(self, batch: Sequence[bytes]) -> Iterator[Transaction | Begun]:
        """Take events; yield what is complete by now. Stops early where `damage` is set.

        Raises PeerChanged where rows of a captured table cannot be read, PeerRestored for a file that is not the one known
        by its name, Unprepared, CodecError.
        """
        try:
            for event in batch:
                if (news := self._follow(event)) is not None:
                    yield from news
                if self.damage is not None:
                    break
        except (SynclineError, Unprepared):
            yield from self._flush()  # what stands before is told
            raise
        yield from self._flush()

    def _follow(self, event: bytes) -> Iterator[Transaction | Begun] | None:
        """One event: what is to be told at once, None for nothing."""
        kind = event[4]
        end, flags = _PLACE(event, 13)
        if end and not flags & events.ARTIFICIAL and kind != events.HEARTBEAT:
            step = (end - self._offset) & 0xFFFFFFFF  # T11: the place in a file has more bits than its events tell
            if step >= _BACK:
                raise CodecError("the binary log goes back", why=f"from {self._offset} to {end} in {self._file}")
            if kind in _BEGINS and not self.inside:
                self._begin = major_of(self._number, self._offset)
            self._offset += step
        if kind == events.FORMAT:
            return self._on_format(event)
        if kind == events.PAYLOAD:
            return self._on_payload(event)
        return self._take(event, kind, flags)

    def _take(self, event: bytes, kind: int, flags: int) -> Iterator[Transaction | Begun] | None:
        if kind in events.ROWS:
            if not self._skip or self._xa:
                self._on_rows(event)
        elif kind == events.TABLE_MAP:
            self._decoder.table(event)
        elif (handler := self._handlers.get(kind)) is not None:
            handler(event)
            if self._large is not None:
                return self._tell_large()
        elif kind not in _PASSED_OVER and not flags & _IGNORABLE:
            raise CodecError(f"the binary log has an event of a kind that is not known: {kind}")
        return None

    def _on_payload(self, event: bytes) -> Iterator[Transaction | Begun]:
        for inner in events.payload(event):
            if (news := self._take(inner, inner[4], _PLACE(inner, 13)[1])) is not None:
                yield from news

    def _tell_large(self) -> Iterator[Transaction]:
        yield from self._flush()
        held, self._large = self._large, None
        if held is not None:
            yield from self._cut(held)

    def close(self) -> None:
        """Give back what is held."""
        for held in (self._held, self._large, *self._prepared.values()):
            if held is not None:
                held.close()

    # -- what begins and ends -------------------------------------------------------------------------------------------

    def _on_gtid(self, event: bytes) -> None:
        found = events.gtid(event)
        self._open()
        self._own_gtid = found.domain, f"{found.domain}-{found.server}-{found.sequence}"
        self._standalone = bool(found.flags & events.STANDALONE)
        self._xa = bool(found.flags & events.PREPARED_XA)

    def _on_mysql_gtid(self, event: bytes) -> None:
        self._open()
        self._standalone = True  # until it says BEGIN

    def _open(self) -> None:
        self.inside, self._mark, self._xa = True, None, False
        self._skip = self._begin < self._after.major
        self._decoder.at = self._begin
        self._savepoints.clear()

    def _on_rows(self, event: bytes) -> None:
        relation = self._decoder.relation(event)
        if relation is None:
            return
        if relation.layout is not None:
            if self._mark is None:
                self._held.add(relation, event)
        elif (mark := self._decoder.mark(relation, event)) is not None:
            self._mark = mark

    def _on_xid(self, event: bytes) -> None:
        self._close(event, self._held)

    def _close(self, event: bytes, held: Held | None) -> None:
        """A group of events ends. `held`: what is committed by it."""
        if self._own_gtid is not None:
            domain, text = self._own_gtid
            self._gtids[domain], self._own_gtid = text, None
        self.inside = self._standalone = self._xa = False
        self._time = events.commit_time(event, self.now)
        if held is None or self._skip:
            self._held.close()
        elif self._mark is not None:
            self.context = self._mark.watermark
            refused = REFUSALS.decode(self._mark.refused) if self._mark.refused else ()
            self._ready.append(Ready(0, self._here(), self.context, self._time, refused))
            held.close()
        elif held.size > WHOLE_BYTES or held.is_filed:
            self._large, self._part = held, 0
            self._held = Held() if held is self._held else self._held
        elif len(held):
            self._rows += held.all()
            self._ready.append(Ready(len(held), self._here(), self.context, self._time, ()))
            held.close()

    def _here(self, part: int = 0) -> Position:
        offset = self._begin & 0xFFFFFFFFFF if part else self._offset
        gtids = () if part else self._gtids.values()
        return position(self._file, offset, self.context, gtids, part, self._created.get(self._number, 0))

    # -- XA: prepared now, committed whenever ---------------------------------------------------------------------------

    def _on_prepare(self, event: bytes) -> None:
        name, one_phase = events.prepared(event)
        if one_phase:
            self._close(event, self._held)
            return
        held, self._held = self._held, Held()
        if held.size > PREPARED_BYTES:
            held.spill()
        self._prepared[name] = held
        self._close(event, None)

    def _on_xa(self, event: bytes, text: str) -> None:
        """XA COMMIT and XA ROLLBACK by name."""
        found = [token.text for token in words(text)]
        verb = found[1].upper()
        if verb not in ("COMMIT", "ROLLBACK"):
            self._xa = self._xa or verb == "START"  # MySQL: what follows is being prepared
            self._standalone = False
            return
        name = xa_name(found[2:])
        held = self._prepared.pop(name, None)
        if verb == "COMMIT" and held is None and not self._skip:
            raise Unprepared(name)
        self._close(event, held if verb == "COMMIT" else None)
        if held is not None and held is not self._large:
            held.close()

    # -- statements -----------------------------------------------------------------------------------------------------

    def _on_query(self, event: bytes) -> None:
        query = events.query(event)
        first = query.text.lstrip()[:10].upper().split(None, 1)[:1]
        word = first[0].rstrip(";") if first else ""
        match word:
            case "BEGIN":
                if not self.inside:
                    self._open()
                self._standalone = False
            case "COMMIT":
                self._close(event, self._held)
            case "ROLLBACK":
                names = [token.text for token in words(query.text)]
                if len(names) > 2 and names[1].upper() == "TO":
                    self._held.back_to(self._savepoints.get(names[-1], 0), self._decoder.relations)
                else:
                    self._close(event, None)
            case "SAVEPOINT":
                self._savepoints[[token.text for token in words(query.text)][-1]] = len(self._held)
            case "XA":
                self._on_xa(event, query.text)
            case _:
                self._on_statement(event, query)

    def _on_statement(self, event: bytes, query: events.Query) -> None:
        skip = self._skip if self.inside else self.end <= self._after.major
        if self._standalone or not self.inside:
            self._close(event, self._held)
        if not skip:
            self.damage = damage_of(query, self._schema, self._tables)
            self.altered = self.altered or self._schema in (query.schema, *query.text.split("`"))

    def _on_loaded_file(self, event: bytes) -> None:
        if not self._skip and self._schema.encode() in event:
            what, why = "changes were logged as a statement, not as rows", "a session with another binlog_format loaded a file"
            self.damage = Damage("", what, why, True)

    def _on_partial_rows(self, event: bytes) -> None:
        if not self._skip and self._decoder.relation(event) is not None:
            raise PeerChanged(
                "rows are not complete", why="binlog_row_value_options was PARTIAL_JSON in the session that wrote them",
                hint="SET GLOBAL binlog_row_value_options = ''; then let the peer join again", peer=self._peer,
            )  # fmt: skip

    def _on_incident(self, _event: bytes) -> None:
        if self.end > self._after.major:
            self.damage = Damage("", "the binary log is not whole", "the server says that events were lost", True)

    # -- files ----------------------------------------------------------------------------------------------------------

    def _on_rotate(self, event: bytes) -> None:
        self._offset, self._file = events.rotate(event)
        self._number = file_number(self._file)
        self._decoder.forget()

    def _on_format(self, event: bytes) -> Iterator[Transaction | Begun]:
        yield from self._flush()
        found = events.file_format(event)
        known = self._created.get(self._number)
        if known is not None and known != found.created:
            why = f"{self._file} was made at {found.created}, the one that is known at {known}: reset, or restored"
            hint = f"let it join again by compare-and-merge: 'syncline resume {self._peer} --rejoin'"
            raise PeerRestored("this is not the history that the log knows", why=why, hint=hint, peer=self._peer)
        self._created[self._number] = found.created
        if self.inside:  # the server died while it wrote what stands before: that was never committed
            self._held.close()
            self.inside = False
        if known is None:
            yield Begun(self._number, found.created)

    def _on_gtid_list(self, event: bytes) -> None:
        self._gtids = events.gtid_list(event)

    def _on_heartbeat(self, event: bytes) -> None:
        (end, _) = _PLACE(event, 13)
        step = (end - self._offset) & 0xFFFFFFFF
        if end and step < _BACK and not self.inside and event[events.HEAD :].startswith(self._file.encode()):
            self._offset += step

    # -- giving out -----------------------------------------------------------------------------------------------------

    def _flush(self) -> Iterator[Transaction]:
        """Decode what is ready, all of it together."""
        ready, rows = self._ready, self._rows
        if not ready:
            return
        self._ready, self._rows = [], []
        while ready and not self._asked.alone:
            count = together(ready, self._asked)
            events = sum([one.events for one in ready[:count]])
            found = by_columns(self._peer, self._decoder, ready[:count], rows[:events])
            if found is None:
                break
            yield from found
            ready, rows = ready[count:], rows[events:]
        try:
            items = self._decoder.parts(rows) if rows else []
        except PeerChanged:  # tell what stands before it
            at = 0
            for one in ready:
                yield transaction_of(self._peer, one, self._decoder.changes(rows[at : at + one.events]))
                at += one.events
            raise
        at = 0
        for one in ready:
            if one.events == 1:
                changes = flat(items[at])
            else:
                changes = [change for part in items[at : at + one.events] for change in flat(part)]
            at += one.events
            if changes or not one.events:
                yield transaction_of(self._peer, one, changes)

    def _cut(self, held: Held) -> Iterator[Transaction]:
        """Give out a transaction that may be too large to be held at once: whole, or in parts that stand at its beginning."""
        waiting: list[list[Change]] = []
        part: list[Change] = []
        rows = size = 0
        large = False
        for piece in held.pieces(self._decoder.relations):
            for (_, event), items in zip(piece, self._decoder.parts(piece), strict=True):
                waiting.append(flat(items))
                rows += len(waiting[-1])
                size += len(event)
                if not large and rows < TRANSACTION_ROWS_MAX and size <= BATCH_BYTES_MAX:
                    continue
                large = True
                for changes in waiting:
                    part += changes
                    if len(part) >= PART_ROWS or size > BATCH_BYTES_MAX:
                        yield from self._give(part)
                        part, size = [], 0
                waiting.clear()
        held.close()
        part += [change for changes in waiting for change in changes]
        if part:
            yield Transaction(self._peer, self._here(), self.context, self._time, tuple(part))

    def _give(self, part: list[Change]) -> Iterator[Transaction]:
        self._part += 1
        where = self._here(self._part)
        if part and (where.major, where.minor) > (self._after.major, self._after.minor):
            yield Transaction(self._peer, where, self.context, self._time, tuple(part))


_BEGINS: Final = frozenset({events.GTID, events.QUERY, events.QUERY_COMPRESSED, events.PAYLOAD, *events.MYSQL_GTIDS})
