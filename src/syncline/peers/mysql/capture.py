"""Capture: the binary log of a server as a stream of transactions. The server pushes; a commit is told within a millisecond."""

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final, NamedTuple

from syncline.model.change import Transaction
from syncline.model.errors import CodecError, PeerChanged, PeerRestored, PeerUnreachable, PeerUnsafe
from syncline.model.stamp import Micros, Position
from syncline.peers.asked import Asked
from syncline.peers.mysql import history
from syncline.peers.mysql.assemble import Assembler, Begun, Unprepared
from syncline.peers.mysql.connect import Connection, Place, Session, fetch
from syncline.peers.mysql.ddl import Damage
from syncline.peers.mysql.decode import Decoder
from syncline.peers.mysql.features import STATE, Server
from syncline.peers.mysql.footprint import examine
from syncline.peers.mysql.history import FIRST, Spot, file_number, major_of, spot_of, watermark_of
from syncline.peers.mysql.layout import Layout, load_layouts, note_damage
from syncline.peers.mysql.wire import OFFSET_MAX, Dump, DumpRefused

PASS_BYTES: Final = 16 * 1024 * 1024  # of log without anything of ours, or another file, after which the place is told
_LOOK_SECONDS: Final = 0.5
_EXISTS_SQL: Final = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s"
_PLAIN_SQL: Final = (
    "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS "
    "WHERE TABLE_SCHEMA = DATABASE() AND DATA_TYPE IN ('uuid', 'inet4', 'inet6')"
)


class _Known(NamedTuple):
    """What the server and our own tables say when a stream begins."""

    layouts: dict[str, Layout]  # by the name of the table
    plain: dict[tuple[str, str], str]
    created: dict[int, int]
    start: Spot
    end: Spot
    oldest: Spot
    damage: PeerChanged | None
    ahead: Micros  # by how much the server's clock is before ours


class Capture:
    """One stream."""

    def __init__(self, place: Place, reader: Session) -> None:
        self._place, self._reader = place, reader
        self._dump: Dump | None = None
        self.asked = Asked()
        self._told = Position(0)
        self._after = Position(0)
        self._damage: PeerChanged | None = None  # what is wrong with a table now
        self._damage_at = 0  # the end of history when that was found: what stands before is told

    def ask(self, where: Position) -> None:
        """Tell when everything up to here was given out."""
        if where > self._told and self.asked.add(where) and self._dump is not None:
            self._dump.news.set()

    async def stream(self, after: Position | None) -> AsyncIterator[Transaction]:
        """See the protocol. Never ends by itself."""
        self._after = self._told = after or Position(0)
        known = await self._reader.run(lambda connection: _begin(connection, self._place, self._reader.server, after))
        end = Position(major_of(file_number(known.end.file), known.end.offset), 0, f"{0:016x} {known.end.file}")
        self._damage, self._damage_at = known.damage, end.major
        self.asked.begin(self._after, max(end, self._after))
        spot, searched = known.start, False
        while True:
            assembler = self._assembler(known, spot)
            try:
                async with aclosing(self._read(assembler, known, spot)) as read:  # type: ignore[type-var]
                    async for transaction in read:
                        yield transaction
            except Unprepared as missing:
                if searched:
                    what, why = (
                        "changes of a table were not captured",
                        "an XA transaction was prepared before the oldest binary log",
                    )
                    raise await self._break(known, Damage("", what, f"{why}: {missing}", True)) from missing
                spot, searched = known.oldest, True  # what was prepared stands further back; nothing is told twice
            self._after = max(self._told, self._after)

    def _assembler(self, known: _Known, spot: Spot) -> Assembler:
        place = self._place
        mariadb = self._reader.server.mariadb
        decoder = Decoder(place.peer, place.database, known.layouts, known.plain, mariadb=mariadb)
        context = watermark_of(self._after)
        return Assembler(
            place.peer, place.database, known.layouts, decoder,
            spot.file, spot.offset, self._after, context, known.created, self.asked,
        )  # fmt: skip

    async def _read(self, assembler: Assembler, known: _Known, spot: Spot) -> AsyncIterator[Transaction]:
        """Read until the server, or what it says, ends it."""
        first = True
        self._dump = dump = await Dump.open(self._place, spot)
        try:
            while True:
                batch = await self._receive(dump)
                assembler.now = _now() + known.ahead
                for found in assembler.feed(batch):
                    if isinstance(found, Begun):
                        await self._note_file(known, found)
                        continue
                    first = False
                    self._told = found.position
                    yield found
                if assembler.damage is not None:
                    raise await self._break(known, assembler.damage)
                for transaction in self._reached(assembler, first=first):
                    first = False
                    yield transaction
                if not assembler.inside and assembler.end - self._told.major > PASS_BYTES and not first:
                    self._told = assembler.position  # T9: what is passed over may be purged
                    yield Transaction(self._place.peer, self._told, assembler.context, _now())
                if assembler.altered:
                    assembler.altered = False
                    await self._look_at_tables()
                if self._damage is not None and not assembler.inside and assembler.end >= self._damage_at:
                    raise self._damage
        except CodecError as damage:
            hint = f"let it join again by compare-and-merge: 'syncline resume {self._place.peer} --rejoin'"
            raise PeerUnsafe(damage.what, why=damage.why, hint=hint, **self._place.where) from damage
        except PeerRestored as other:
            await self._note_broken(other.why)
            raise
        finally:
            self._dump = None
            assembler.close()
            await dump.close()

    async def _receive(self, dump: Dump) -> list[bytes]:
        try:
            return await dump.receive(_LOOK_SECONDS)
        except DumpRefused as refused:
            after, server = self._told if self._told.text else self._after, self._reader.server
            why = await self._reader.run(
                lambda connection: history.trouble(connection, server, after) or history.misplaced(connection, after)
            )
            if why:
                await self._note_broken(why)
                raise _restored(self._place, why) from refused
            hint = "look at the server's own messages; it goes on by itself"
            what = "the server cannot send its binary log"
            raise PeerUnreachable(what, why=str(refused), hint=hint, **self._place.where) from refused

    async def _look_at_tables(self) -> None:
        if self._damage is None:
            place, server = self._place, self._reader.server
            self._damage = await self._reader.run(lambda connection: examine(connection, server, place))
            end = await self._reader.run(lambda connection: history.end_of(connection, server))
            self._damage_at = major_of(file_number(end.file), end.offset) if end is not None else 0

    async def _note_file(self, known: _Known, begun: Begun) -> None:
        first = min(file_number(known.start.file), begun.number)
        known.created[begun.number] = begun.created
        await self._reader.run(lambda connection: history.note_created(connection, known.created, first))

    async def _note_broken(self, why: str) -> None:
        await self._reader.run(lambda connection: history.note_broken(connection, why))

    async def _break(self, known: _Known, damage: Damage) -> PeerChanged:
        """What the stream saw happen is remembered: nobody shall go on as if it had not."""
        layout = known.layouts.get(damage.table)
        if damage.lost:
            await self._note_broken(f"{damage.what}: {damage.why}")
            hint = f"let it join again by compare-and-merge: 'syncline resume {self._place.peer} --rejoin'"
        else:
            hint = "if its rows are as they should be, remove Syncline's footprint and let it join again: 'syncline teardown'"
            if layout is not None:
                collection = layout.collection
                await self._reader.run(lambda connection: note_damage(connection, collection, f"{damage.what}: {damage.why}"))
        where = {"collection": layout.collection, "table": layout.name} if layout is not None else {}
        return PeerChanged(damage.what, why=damage.why, hint=hint, peer=self._place.peer, **where)

    def _reached(self, assembler: Assembler, *, first: bool) -> list[Transaction]:
        """News that everything up to what was asked for has been given out, as empty transactions."""
        found: list[Transaction] = []
        for asked in self.asked.reached(assembler.end):
            if (asked.major, asked.minor) > (self._told.major, self._told.minor) or (first and not found):
                file = spot_of(asked).file
                where = Position(asked.major, asked.minor, f"{assembler.context:016x} {file}")
                same = [one for one in (asked, self._after) if (one.major, one.minor) == (asked.major, asked.minor)]
                where = max(where, *same, key=lambda one: one.text)
                self._told = where
                found.append(Transaction(self._place.peer, where, assembler.context, _now()))
        return found


def _begin(connection: Connection, place: Place, server: Server, after: Position | None) -> _Known:
    """Who is there and what is captured. Raises PeerRestored for a position of another history, PeerChanged."""
    ((there,),) = fetch(connection, _EXISTS_SQL, (STATE,))
    if not there:
        raise PeerUnsafe("this peer is not set up", hint="run 'syncline run' once", peer=place.peer)
    if why := history.trouble(connection, server, after):
        history.note_broken(connection, why)
        raise _restored(place, why)
    layouts = {layout.name: layout for layout in load_layouts(connection).values()}
    damage = examine(connection, server, place)
    plain = {(table, column): kind for table, column, kind in fetch(connection, _PLAIN_SQL)}
    end = history.end_of(connection, server)
    first = next(iter(history.files(connection)), "")
    if end is None or not first:
        raise PeerUnsafe("there is no binary log", hint="start the server with log_bin", peer=place.peer)
    oldest = Spot(first, FIRST)
    start = spot_of(after) if after is not None and after.text else history.began(connection)
    if file_number(start.file) < file_number(first):
        start = oldest
    if start.offset > OFFSET_MAX:
        start = Spot(start.file, FIRST)  # a dump cannot begin there; what stands before is passed over (T11)
    created = history.created(connection)
    ((clock,),) = fetch(connection, "SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)")
    if after is not None and (made := history.made_of(after)):
        created[file_number(spot_of(after).file)] = made  # a database that was put back remembers what was then
    return _Known(layouts, plain, created, start, end, oldest, damage, clock - _now())


def _restored(place: Place, why: str) -> PeerRestored:
    hint = f"let it join again by compare-and-merge: 'syncline resume {place.peer} --rejoin'"
    return PeerRestored("this is not the history that the log knows", why=why, hint=hint, peer=place.peer)


def _now() -> Micros:
    return time.time_ns() // 1000
