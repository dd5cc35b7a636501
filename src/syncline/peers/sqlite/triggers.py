"""The capture triggers of one table, as text. Pure: from a layout and the table's catalog to CREATE TRIGGER statements.

Three write what was done, after it was done. Two more watch for rows that a statement may replace: SQLite tells nobody of a
row that REPLACE removes unless the writer set recursive_triggers (https://sqlite.org/lang_conflict.html), so before an
insert, or an update of unique columns, every row that stands in the way is recorded; what follows tells whether it went.
Only functions and syntax of old SQLite libraries are used: any program may be the writer.
"""

from collections.abc import Iterable, Sequence

from syncline.peers.sqlite.features import CHANGELOG, EVENTS, PREFIX, Event, quote
from syncline.peers.sqlite.inspect import Catalog, Unique
from syncline.peers.sqlite.layout import Layout

NOW = "julianday('now')"


def trigger_name(number: int, event: str) -> str:
    """The name of one of our triggers."""
    return f"{PREFIX}{number}_{event}"


def trigger_texts(layout: Layout, catalog: Catalog) -> dict[str, str]:
    """CREATE TRIGGER statements by name."""
    table = quote(layout.table)
    displacing = _displacing(layout, catalog)
    texts = {
        "insert": f"AFTER INSERT ON {table} BEGIN {_record(layout, Event.INSERT, 'VALUES(', new='NEW.')}); END",
        "update": f"AFTER UPDATE ON {table} BEGIN {_record(layout, Event.UPDATE, 'VALUES(', old='OLD.', new='NEW.')}); END",
        "delete": f"AFTER DELETE ON {table} BEGIN {_record(layout, Event.DELETE, 'VALUES(', old='OLD.')}); END",
        "replace": f"BEFORE INSERT ON {table} BEGIN {_hits(layout, catalog, '')} END",
        "displace": f"BEFORE UPDATE{displacing} BEGIN {_hits(layout, catalog, _not_itself(layout))} END",
    }
    names = {event: trigger_name(layout.number, event) for event in texts}
    return {names[event]: f"CREATE TRIGGER {names[event]} {text}" for event, text in texts.items()}


def _record(layout: Layout, event: Event, verb: str, *, old: str = "", new: str = "") -> str:
    """The INSERT of one changelog record, up to a FROM. `old`, `new`: what to put before a column's name for its images."""
    sides = [(letter, prefix) for letter, prefix in (("b", old), ("a", new)) if prefix]
    places = range(len(layout.columns))
    names = ",".join(f"{letter}{place}" for place in places for letter, _ in sides)
    values = ",".join(f"{prefix}{quote(layout.columns[place])}" for place in places for _, prefix in sides)
    return f"INSERT INTO {CHANGELOG}(kind,at,{names}) {verb}{layout.number * EVENTS + event},{NOW},{values}"


def _hits(layout: Layout, catalog: Catalog, others: str) -> str:
    """Records of every row that the new one may replace, one statement per unique constraint."""
    there = f"{PREFIX}row"  # an alias, since a table may be called "new" or "old"
    found = []
    for unique in catalog.uniques:
        event = Event.SAME_KEY if set(unique.columns) == set(layout.key) else Event.OTHER
        conditions = [*_meets(unique, catalog), others]
        if unique.is_rowid and event is Event.OTHER:
            conditions.append(f"NEW.{unique.terms[0]}<>-1")  # what an insert without it shows here
        where = " AND ".join(filter(None, conditions))
        record = _record(layout, event, "SELECT ", old=f"{there}.", new="NEW.")
        found.append(f"{record} FROM {quote(layout.table)} AS {there} WHERE {where};")
    return " ".join(found)


def _meets(unique: Unique, catalog: Catalog) -> Iterable[str]:
    """Conditions under which a row of the table and NEW are equal in the eyes of a unique constraint."""
    plain = len(unique.columns) == len(unique.terms)
    for term, collation in zip(unique.terms, unique.collations, strict=True):
        theirs = f"NEW.{term}" if plain else _of_new(f"({term})", catalog)
        yield f"{term}={theirs}" + ("" if unique.is_rowid else f" COLLATE {quote(collation)}")
    if unique.where:
        yield f"({unique.where})"
        yield _of_new(f"({unique.where})", catalog)


def _of_new(expression: str, catalog: Catalog) -> str:
    """An expression over the table's columns, taken of NEW."""
    names = [column.name for column in catalog.table.columns]
    columns = ",".join(f"NEW.{quote(name)} AS {quote(name)}" for name in names)
    return f"(SELECT {expression} FROM (SELECT {columns}))"


def _not_itself(layout: Layout) -> str:
    same = " AND ".join(f"{quote(name)} IS OLD.{quote(name)}" for name in layout.key)
    return f"NOT ({same})"


def _displacing(layout: Layout, catalog: Catalog) -> str:
    """When an update may push another row away: it names and changes a column that must be unique."""
    stored = set(catalog.stored)
    plain = all(unique.columns and not unique.where and stored.issuperset(unique.columns) for unique in catalog.uniques)
    named: Sequence[str] = catalog.stored
    if plain:
        named = list(dict.fromkeys(name for unique in catalog.uniques for name in unique.columns))
    changes = " OR ".join(f"NEW.{quote(name)} IS NOT OLD.{quote(name)} COLLATE BINARY" for name in named)
    rowid = ",rowid,oid,_rowid_" if catalog.alias and plain else ""
    columns = ",".join(map(quote, named)) + rowid if plain else ""
    of = f" OF {columns}" if plain else ""
    return f"{of} ON {quote(layout.table)} WHEN {changes}"
