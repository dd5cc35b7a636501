"""How a statement finds ranges of keys: each in an index that sorts as model.key.order does, or all by reading the table."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from syncline.model.value import Key
from syncline.peers.buckets import buckets_of
from syncline.peers.postgres.connect import Connection
from syncline.peers.postgres.features import quote
from syncline.peers.postgres.ranges import compared
from syncline.peers.postgres.snapshot import Source
from syncline.peers.protocol import Range

# whether an index has the key's columns first, in their order, and texts in the order of their bytes
_INDEXED_SQL: Final = (
    b"SELECT EXISTS (SELECT FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid "
    b"JOIN pg_catalog.pg_am AS m ON m.oid = c.relam "
    b"WHERE i.indrelid = %s::regclass AND m.amname = 'btree' AND i.indisvalid AND i.indpred IS NULL AND NOT EXISTS ("
    b"SELECT FROM unnest(%s::text[], %s::bool[]) WITH ORDINALITY AS k(name, is_text, part) "
    b"LEFT JOIN pg_catalog.pg_attribute AS a "
    b"ON a.attrelid = i.indrelid AND a.attname = k.name AND a.attnum = i.indkey[k.part::int4 - 1] "
    b"WHERE a.attnum IS NULL OR i.indoption[k.part::int4 - 1] <> 0 "
    b"OR (k.is_text AND i.indcollation[k.part::int4 - 1] <> 'pg_catalog.\"C\"'::regcollation)))"
)
_TEXTS: Final = frozenset({25, 1043})
_VALUES_MAX: Final = 60_000  # of bounds in one statement; the server takes 65,535


class Asked(NamedTuple):
    """Ranges that have the same conditions, but for the bounds' values: an SQL text, and what it needs of each range."""

    where: str
    upper: str  # its second half
    names: tuple[str, ...]
    places: list[int]
    values: list[list[str]]


def _condition(source: Source, key: Key, operator: str, before: str, after: str = "") -> tuple[str, list[str]]:
    """The key's columns beside a bound; what refers to a value of the bound is its number between `before` and `after`."""
    lefts: list[str] = []
    rights: list[str] = []
    values: list[str] = []
    for name, place, value in zip(source.key, source.key_places, key, strict=True):
        side = compared(column(name), value, source.types[place])
        lefts.append(escaped(side.term))
        ahead, placeholder, behind = side.bound.partition("%s")
        if placeholder and side.param is not None:
            rights.append(f"{escaped(ahead)}{before}{len(values)}{after}{escaped(behind)}")
            values.append(side.param)
        else:
            rights.append(escaped(side.bound))
    return f"({', '.join(lefts)}) {operator} ({', '.join(rights)})", values


def _asked(source: Source, ranges: Sequence[Range]) -> list[Asked]:
    found: dict[str, Asked] = {}
    for place, (after, upto) in enumerate(ranges):
        lower, low = ("true", []) if after is None else _condition(source, after, ">", "r.a")
        upper, high = ("true", []) if upto is None else _condition(source, upto, "<=", "r.b")
        where = f"{lower} AND {upper}"
        names = (*(f"a{number}" for number in range(len(low))), *(f"b{number}" for number in range(len(high))))
        group = found.setdefault(where, Asked(where, upper, names, [], []))
        group.places.append(place)
        group.values.append([*low, *high])
    return list(found.values())


def sought(source: Source, ranges: Sequence[Range], each: Callable[[Asked, str], str]) -> tuple[str, dict[str, object]]:
    """A statement for ranges that are looked up one by one: what `each` makes of those of one kind, which are r(n, ...)."""
    parts: list[str] = []
    params: dict[str, object] = {}
    for number, group in enumerate(_asked(source, ranges)):
        columns = [f"%(n{number})s::int4[]", *(f"%({name}_{number})s::text[]" for name in group.names)]
        params[f"n{number}"] = group.places
        for name, column in zip(group.names, zip(*group.values, strict=True), strict=True):
            params[f"{name}_{number}"] = list(column)
        bounds = f"unnest({', '.join(columns)}) AS r({', '.join(('n', *group.names))})"
        parts.append(f"({each(group, bounds)})")
    return " UNION ALL ".join(parts), params


class Halving(NamedTuple):
    """How a row finds its range: an SQL expression for its bucket, the rows to look at, and which range each bucket is."""

    number: str
    where: str
    params: dict[str, object]
    places: dict[int, int]


def _halving(source: Source, ranges: Sequence[Range]) -> Halving | None:
    """For ranges that follow one another, in order; rows between them are not among those to look at. None for others."""
    buckets = buckets_of(ranges)
    if buckets is None or len(buckets.bounds) * len(source.key) > _VALUES_MAX:
        return None
    params: dict[str, object] = {}
    beyond = []
    for number, bound in enumerate(buckets.bounds):
        condition, values = _condition(source, bound, ">", f"%(b{number}_", ")s")
        beyond.append(condition)
        params.update({f"b{number}_{part}": value for part, value in enumerate(values)})

    def either(bound: int, below: str, above: str) -> str:
        return f"CASE WHEN {beyond[bound]} THEN {above} ELSE {below} END"

    where = []
    first, last = buckets.ends
    if first > 0:
        where.append(beyond[0])
    if last < len(buckets.bounds):
        where.append(_condition(source, buckets.bounds[last], "<=", f"%(b{last}_", ")s")[0])
    where.append(buckets.inside("true", "false", either))
    return Halving(buckets.number(str, either), " AND ".join(where), params, buckets.places)


async def way_in(connection: Connection, source: Source, ranges: Sequence[Range]) -> Halving | None:
    """How ranges are found: None if by an index, or else one by one."""
    return None if await is_indexed(connection, source) else _halving(source, ranges)


async def is_indexed(connection: Connection, source: Source) -> bool:
    """Whether an index has the keys in the model's order."""
    kinds = [source.types[place] for place in source.key_places]
    if not all(kind.ordered or kind.oid in _TEXTS for kind in kinds):
        return False
    params = (source.table, list(source.key), [not kind.ordered for kind in kinds])
    row: Any = await (await connection.execute(_INDEXED_SQL, params)).fetchone()
    return bool(row[0])


# -- small things ---------------------------------------------------------------------------------------------------------


def column(name: str) -> str:
    """A column of the table that is read, quoted."""
    return f"t.{quote(name)}"


def table(source: Source) -> str:
    """The table that is read, as what columns are named after."""
    return f"{escaped(source.table)} AS t"


def escaped(sql: str) -> str:
    """SQL without placeholders, as part of a statement that has some."""
    return sql.replace("%", "%%")
