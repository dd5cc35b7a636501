"""Layouts: which collection, table and columns are captured. Kept in the database."""

import msgspec

from syncline.model.schema import Collection
from syncline.peers.mysql.connect import Connection, fetch
from syncline.peers.mysql.features import LAYOUT, quote


class Layout(msgspec.Struct, frozen=True):
    """One captured table. `widths`: up to a position (its major part), only so many of the columns were captured.

    `damage`: what the stream saw happen to the table, after which its changes cannot be trusted ('' if nothing did).
    """

    collection: str
    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    widths: tuple[tuple[int, int], ...] = ()
    damage: str = ""

    @property
    def table(self) -> str:
        """The table's name as SQL has it; the session's database is meant."""
        return quote(self.name)

    @property
    def key_places(self) -> tuple[int, ...]:
        """The indexes of the key columns in a row."""
        return tuple(self.columns.index(name) for name in self.key)

    def width_at(self, major: int) -> int:
        """How many columns were captured at a place of history."""
        return next((count for upto, count in self.widths if major < upto), len(self.columns))

    def is_for(self, collection: Collection) -> bool:
        """Whether changes of this collection, as it is now, look like this."""
        return (self.columns, self.key) == (collection.columns, collection.key)


def load_layouts(connection: Connection) -> dict[str, Layout]:
    """Every layout by its collection."""
    rows = fetch(connection, f"SELECT collection, name, columns, keys_, widths, damage FROM {LAYOUT} ORDER BY collection")
    return {row[0]: _layout(*row) for row in rows}


def _layout(collection: str, name: str, columns: str, key: str, widths: str, damage: str) -> Layout:
    names, keys = (msgspec.json.decode(text, type=tuple[str, ...]) for text in (columns, key))
    return Layout(collection, name, names, keys, msgspec.json.decode(widths, type=tuple[tuple[int, int], ...]), damage)


def save_layout(connection: Connection, layout: Layout) -> None:
    """Write a layout, over the one of its collection if there is one."""
    sql = f"REPLACE INTO {LAYOUT} (collection, name, columns, keys_, widths, damage) VALUES (%s, %s, %s, %s, %s, %s)"
    texts = [msgspec.json.encode(part).decode() for part in (layout.columns, layout.key, layout.widths)]
    fetch(connection, sql, (layout.collection, layout.name, *texts, layout.damage))


def drop_layout(connection: Connection, collection: str) -> None:
    """Forget a layout."""
    fetch(connection, f"DELETE FROM {LAYOUT} WHERE collection = %s", (collection,))


def note_damage(connection: Connection, collection: str, damage: str) -> None:
    """Remember what befell a captured table, so that nobody goes on with it as if nothing had."""
    fetch(connection, f"UPDATE {LAYOUT} SET damage = %s WHERE collection = %s AND damage = ''", (damage, collection))
