"""A file with the capture footprint, driven by plain SQL, and what its changelog says: without engine, threads or polling."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from syncline.model.change import Change, Transaction
from syncline.model.schema import Collection
from syncline.model.value import Key, Row
from syncline.peers.sqlite.decode import decode
from syncline.peers.sqlite.features import CHANGELOG
from syncline.peers.sqlite.footprint import MILLIS, install, needs_refresh, refresh, width
from syncline.peers.sqlite.group import Grouper
from syncline.peers.sqlite.inspect import catalog
from syncline.peers.sqlite.layout import load_layouts
from syncline.peers.sqlite.reading import Source, read
from syncline.peers.sqlite.snapshot import source_of, with_keys

Tables = dict[tuple[str, Key], Row]


class CapturedFile:
    """An SQLite file (in memory by default) whose tables are captured; `sql` is any program that writes it."""

    def __init__(self, schema: str, collections: Sequence[Collection], path: Path | str = ":memory:", after: str = "") -> None:
        self.sql = sqlite3.connect(path, isolation_level=None)
        self.sql.executescript(schema)
        self.collections = collections
        install(self.sql, "here", collections, "incarnation", captures=True)
        self.sql.executescript(after)

    def refresh(self) -> None:
        """What a running peer does when the table's other triggers or constraints changed."""
        layouts = load_layouts(self.sql)
        assert needs_refresh(self.sql, layouts.values()) == any(
            catalog(self.sql, one.table).table.triggers for one in layouts.values()
        )
        for layout in layouts.values():
            refresh(self.sql, layout)
        assert not needs_refresh(self.sql, load_layouts(self.sql).values())

    def tables(self) -> Tables:
        """Every row of every collection."""
        found: Tables = {}
        for collection in self.collections:
            source = source_of(self.sql, collection, "here")
            rows = with_keys(collection, source, read(self.sql, source, "", ()).rows)
            found |= {(collection.name, key): row for key, row in rows}
        return found

    def transactions(self, rows_max: int = 10_000, *, backlog: bool = False) -> list[Transaction]:
        """The changelog, grouped. `backlog`: as nobody watched it."""
        names = ("seq", "kind", MILLIS, *(f"{side}{n}" for n in range(width(self.sql)) for side in "ba"))
        rows = read(self.sql, Source(CHANGELOG, names, ("seq",)), "ORDER BY seq", ()).rows
        layouts = load_layouts(self.sql)
        grouper = Grouper("here", 0, rows_max, layouts if backlog else None)
        made = [one for row in rows for one in grouper.feed(decode([row], layouts))] if rows_max == 1 else []
        made = made or list(grouper.feed(decode(rows, layouts)))
        return made + list(grouper.finish())

    def hurry(self) -> None:
        """Pretend that all of it happened in one millisecond, so that no pause tells one statement from the next."""
        self.sql.execute(f"UPDATE {CHANGELOG} SET at = 2460000.5")

    def changes(self) -> list[Change]:
        """All changes of the changelog, in order."""
        return [change for transaction in self.transactions() for change in transaction.changes]


def replay(start: Tables, changes: Sequence[Change], *, strict: bool = True, name: str = "") -> Tables:
    """The tables after the changes. `strict`: every before image must be what is there."""
    rows = dict(start)
    for change in changes:
        where = (change.collection, change.key)
        if strict:
            assert rows.get(where) == change.before, f"{change} found {rows.get(where)} {name}"
        if change.after is None:
            rows.pop(where, None)
        else:
            rows[where] = change.after
    return rows
