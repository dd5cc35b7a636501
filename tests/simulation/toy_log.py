"""A minimal log on SQLite, for the simulator's own tests: one row per entry. `careless`: it does not sync."""

from collections.abc import AsyncIterator, Sequence

import apsw

from syncline.model.codec import decode_entries, encode_entries
from syncline.model.entry import Entry
from syncline.model.errors import LogBusy, LogError, LogFenced, LogFull
from syncline.model.stamp import Offset


class ToyLog:
    """The log's protocol, as far as a toy hub needs it."""

    def __init__(self, vfs: str, *, careless: bool = False) -> None:
        self._vfs, self._careless = vfs, careless
        self._database: apsw.Connection | None = None
        self.head: Offset = 0
        self.floor: Offset = 0

    async def open(self) -> Offset:
        try:
            database = apsw.Connection("/toy", vfs=self._vfs)
            mode = "OFF" if self._careless else "FULL"
            for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = TRUNCATE", f"synchronous = {mode}"):
                database.execute(f"PRAGMA {pragma}").fetchall()
            database.execute("CREATE TABLE IF NOT EXISTS entry (number INTEGER PRIMARY KEY, body BLOB NOT NULL)")
            self.head = int(str(database.execute("SELECT coalesce(max(number), 0) FROM entry").fetchall()[0][0]))
        except apsw.BusyError as error:
            raise LogBusy("another hub has this log") from error
        except apsw.FullError as error:
            raise LogFull("no space") from error
        except apsw.Error as error:
            raise LogError("the log cannot be opened", why=str(error)) from error
        self._database = database
        return self.head

    async def append(self, entries: Sequence[Entry], expected: Offset) -> Offset:
        assert self._database is not None
        if expected != self.head:
            raise LogFenced("somebody else appended")
        try:
            with self._database:
                for entry in entries:
                    self._database.execute("INSERT INTO entry VALUES (?, ?)", (entry.offset, encode_entries((entry,))))
        except apsw.FullError as error:
            raise LogFull("no space") from error
        except apsw.Error as error:
            raise LogError("the log cannot be written", why=str(error)) from error
        self.head = entries[-1].offset
        return self.head

    async def read(self, after: Offset, upto: Offset | None = None) -> AsyncIterator[tuple[Entry, ...]]:
        assert self._database is not None
        bounds = (after, self.head if upto is None else upto)
        try:
            sql = "SELECT body FROM entry WHERE number > ? AND number <= ? ORDER BY number"
            bodies = self._database.execute(sql, bounds).fetchall()
        except apsw.Error as error:
            raise LogError("the log cannot be read", why=str(error)) from error
        for (body,) in bodies:
            assert isinstance(body, bytes)
            yield decode_entries(body)

    def read_notes(self, after: Offset) -> AsyncIterator[tuple[Entry, ...]]:
        return self.read(after)

    async def trim(self, upto: Offset) -> Offset:
        return self.floor

    async def compact(self) -> int:
        return 0

    async def close(self) -> None:
        if self._database is not None:
            self._database.close()
