"""Layouts: which collection, table and columns are captured, and the replica identities to give back. Kept in the database."""

from collections.abc import Mapping

import msgspec

from syncline.model.schema import Collection
from syncline.peers.postgres.connect import Connection
from syncline.peers.postgres.features import LAYOUT, quote


class Layout(msgspec.Struct, frozen=True):
    """One captured table. `identities`: table (quoted, with schema) -> the clause that gives its replica identity back.

    `widths`: up to an LSN, only so many of the columns were captured.
    """

    collection: str
    schema: str
    name: str
    oid: int
    columns: tuple[str, ...]
    key: tuple[str, ...]
    identities: Mapping[str, str]
    widths: tuple[tuple[int, int], ...] = ()

    @property
    def table(self) -> str:
        """The table's name as SQL has it."""
        return f"{quote(self.schema)}.{quote(self.name)}"

    @property
    def key_places(self) -> tuple[int, ...]:
        """The indexes of the key columns in a row."""
        return tuple(self.columns.index(name) for name in self.key)

    def width_at(self, lsn: int) -> int:
        """How many columns were captured at a place of history."""
        return next((count for upto, count in self.widths if lsn < upto), len(self.columns))

    def is_for(self, collection: Collection) -> bool:
        """Whether changes of this collection, as it is now, look like this."""
        return (self.columns, self.key) == (collection.columns, collection.key)


async def load_layouts(connection: Connection) -> dict[str, Layout]:
    """Every layout by its collection."""
    sql = f"SELECT collection, schema, name, oid, columns, key, identities, widths FROM {LAYOUT} ORDER BY collection"
    rows = await (await connection.execute(sql.encode())).fetchall()
    return {row[0]: _layout(*row) for row in rows}


def _layout(
    collection: str, schema: str, name: str, oid: int, columns: list[str], key: list[str], identities: str, widths: str
) -> Layout:
    clauses = msgspec.json.decode(identities, type=dict[str, str])
    known = msgspec.json.decode(widths, type=tuple[tuple[int, int], ...])
    return Layout(collection, schema, name, oid, tuple(columns), tuple(key), clauses, known)


async def save_layout(connection: Connection, layout: Layout) -> None:
    """Write a layout, over the one of its collection if there is one."""
    sql = (
        f"INSERT INTO {LAYOUT} (collection, schema, name, oid, columns, key, identities, widths) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (collection) DO UPDATE SET schema = EXCLUDED.schema, "
        "name = EXCLUDED.name, oid = EXCLUDED.oid, columns = EXCLUDED.columns, key = EXCLUDED.key, "
        "identities = EXCLUDED.identities, widths = EXCLUDED.widths"
    )
    identities = msgspec.json.encode(dict(layout.identities)).decode()
    widths = msgspec.json.encode(layout.widths).decode()
    names = (list(layout.columns), list(layout.key))
    row = (layout.collection, layout.schema, layout.name, layout.oid, *names, identities, widths)
    await connection.execute(sql.encode(), row)


async def drop_layout(connection: Connection, collection: str) -> None:
    """Forget a layout."""
    await connection.execute(f"DELETE FROM {LAYOUT} WHERE collection = %s".encode(), (collection,))
