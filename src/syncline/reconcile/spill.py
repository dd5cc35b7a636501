"""Rows that are too many for memory: a private table on the disk, gone with its connection. Decides nothing.

Holds for each key of a collection what a peer has of it and what the log tells of it (rollback), until all is read.
"""

import math
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, Final

import apsw

from syncline.model.change import Change
from syncline.model.codec import decode_row, encode_row
from syncline.model.key import order
from syncline.model.stamp import Offset
from syncline.model.value import Key, Row
from syncline.reconcile.rollback import Past, State, Told, Unknown, as_of, look_back, tell

_GONE: Final = b""
_UNSURE: Final = "lost NOT NULL OR own_lost NOT NULL OR doubted"
_CACHE_KIB: Final = 32 * 1024
_TABLE: Final = (
    "CREATE TABLE held (key BLOB PRIMARY KEY, rank BLOB, base BLOB, told BLOB, past BLOB, lost TEXT, own BLOB, own_lost TEXT, "
    "doubted INT)"
)


class Spill:
    """One collection's keys. `width`: how many columns it had at the offset."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._db = apsw.Connection("")
        for statement in ("PRAGMA journal_mode = OFF", f"PRAGMA cache_size = -{_CACHE_KIB}", _TABLE, "BEGIN"):
            self._db.execute(statement).fetchall()

    def close(self) -> None:
        """Forget everything."""
        self._db.close()

    def __enter__(self) -> "Spill":
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __len__(self) -> int:
        return int(self._all("SELECT count(*) FROM held")[0][0])

    def _all(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return self._db.execute(sql, values).fetchall()

    # -- taking in ----------------------------------------------------------------------------------------------------------

    def hold(self, rows: Iterable[tuple[Key, Row]]) -> None:
        """Rows as a peer has them."""
        values = ((encode_row(key), _rank(key), encode_row(row)) for key, row in rows)
        sql = "INSERT INTO held (key, rank, base) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET base = excluded.base"
        self._db.executemany(sql, values)

    def doubt(self, key: Key) -> None:
        """What the peer has of this key is not the space's row."""
        self._put(key, "doubted", 1)

    def tell(self, change: Change) -> None:
        """A change up to the offset."""
        told = self._told(change.key)
        self._put(change.key, "told", _encode(tell(told, change).row))

    def look_back(self, change: Change, offset: Offset, *, guess: bool) -> None:
        """A change after the offset."""
        self._look_back(change, offset, "past", "lost", guess=guess)

    def look_back_own(self, change: Change) -> None:
        """A change that the peer made itself and that the log does not have."""
        self._look_back(change, 0, "own", "own_lost", guess=False)

    def _look_back(self, change: Change, offset: Offset, column: str, lost: str, *, guess: bool) -> None:
        known = self._past(change.key, column, lost)
        past = look_back(known, change, offset, self.width, guess=guess)
        if past is not known:
            self._put(change.key, column, _encode(past.row))
            self._put(change.key, lost, " ".join(map(str, (past.hidden, *past.lost))) if past.lost else None)

    # -- what it comes to ---------------------------------------------------------------------------------------------------

    def changed(self, after: bytes, limit: int) -> list[tuple[bytes, Key, Told, Past]]:
        """Some keys that changes on both sides tell of, in a steady order, after a mark; each with its own mark."""
        sql = "SELECT key FROM held WHERE key > ? AND told NOT NULL AND past NOT NULL ORDER BY key LIMIT ?"
        marks = [row[0] for row in self._all(sql, after, limit)]
        found = []
        for mark in marks:
            key = decode_row(mark)
            told, past = self._told(key), self._past(key, "past", "lost")
            if told is not None and past is not None:
                found.append((mark, key, told, past))
        return found

    def untold(self, limit: int) -> list[Key]:
        """Keys that a change wrote without telling what it replaced, and of which nothing older is told; at most so many."""
        sql = f"SELECT key FROM held WHERE ({_UNSURE}) AND told IS NULL LIMIT ?"
        return [decode_row(key) for (key,) in self._all(sql, limit)]

    def unknown(self) -> Iterator[tuple[Key, Unknown]]:
        """The rows that are not known in full as of the offset."""
        for key, state in self._states(f"WHERE {_UNSURE}"):
            if isinstance(state, Unknown):
                yield key, state

    def outcome(self) -> Iterator[tuple[Key, State]]:
        """Every key's row as of the offset, in key order."""
        return self._states("ORDER BY rank, key")

    def _states(self, which: str) -> Iterator[tuple[Key, State]]:
        columns = "key, base, told, past, lost, own, own_lost, doubted"
        for key, base, told, past, lost, own, own_lost, doubted in self._db.execute(f"SELECT {columns} FROM held {which}"):
            held = None if doubted else Told(_decode(base if base is not None else _GONE))
            if own is not None and held is not None:
                before = as_of(held, None, _read_past(own, own_lost), self.width)
                held = None if isinstance(before, Unknown) else Told(before)
            word = Told(_decode(told)) if told is not None else None
            yield decode_row(key), as_of(held, word, _read_past(past, lost), self.width)

    # -- cells --------------------------------------------------------------------------------------------------------------

    def _put(self, key: Key, column: str, value: object) -> None:
        sql = f"INSERT INTO held (key, rank, {column}) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET {column} = excluded.{column}"
        self._db.execute(sql, (encode_row(key), _rank(key), value))

    def _cells(self, key: Key, columns: str) -> tuple[Any, ...]:
        rows = self._all(f"SELECT {columns} FROM held WHERE key = ?", encode_row(key))
        return rows[0] if rows else (None, None)

    def _told(self, key: Key) -> Told | None:
        cell = self._cells(key, "told")[0]
        return None if cell is None else Told(_decode(cell))

    def _past(self, key: Key, column: str, lost: str) -> Past | None:
        return _read_past(*self._cells(key, f"{column}, {lost}"))


def _encode(row: Row | None) -> bytes:
    return _GONE if row is None else encode_row(row)


def _decode(cell: bytes) -> Row | None:
    return None if cell == _GONE else decode_row(cell)


def _read_past(cell: bytes | None, lost: str | None) -> Past | None:
    if cell is None:
        return None
    hidden, *places = map(int, lost.split()) if lost else [0]
    return Past(_decode(cell), tuple(places), hidden)


def _rank(key: Key) -> bytes:
    """Bytes that sort as the key does; numbers that differ far behind the point may share theirs."""
    parts = []
    for kind, value in order(key):
        if isinstance(value, bytes):
            parts.append(bytes([kind]) + value.replace(b"\0", b"\0\xff") + b"\0\0")
        else:
            parts.append(bytes([kind]) + _number(value))
    return b"".join(parts)


def _number(value: float | int | Decimal) -> bytes:
    bound = 2**79
    if value >= bound:
        return b"\xff" * 14
    if value < -bound:
        return b"\0" * 14
    floor = math.floor(value)
    part = int((Decimal(value) - floor) * 2**32) if not isinstance(value, int) else 0
    return (floor + bound).to_bytes(10) + min(part, 2**32 - 1).to_bytes(4)
