"""Digests, and the keys that cut a range, computed inside the server: one statement for all that one call asks for.

Where an index sorts keys as model.key.order does, each range is looked up in it. Where none does (texts of another collation
than "C"), the table is read once for all ranges that are in order, and each row finds its own by halving the list of bounds.
"""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

import psycopg

from syncline.model.canonical import CHAIN, SHA256, Class, Way, classes_of, combined
from syncline.model.limits import CHAIN_ROW_BYTES_MAX
from syncline.model.schema import Collection, Kind
from syncline.model.value import Key, Value
from syncline.peers.postgres.columns import column_reader_of
from syncline.peers.postgres.connect import Connection
from syncline.peers.postgres.convert import BOOL, BPCHAR, BYTEA, FLOAT4, FLOAT8, INTEGERS, NUMERIC, UUID, Type, store
from syncline.peers.postgres.digestsql import LOOKUP3, Hashed, halves_of, literal, read_sql, text_sql
from syncline.peers.postgres.ranges import compared, term
from syncline.peers.postgres.rangesql import Asked, column, escaped, is_indexed, sought, table, way_in
from syncline.peers.postgres.snapshot import Source
from syncline.peers.protocol import Digest, Range
from syncline.peers.storing import Unstorable

_SESSION_SQL: Final = (  # one proof takes one core at most, and statements of some milliseconds are not compiled
    b"SELECT pg_catalog.set_config('jit', 'off', false), pg_catalog.set_config('max_parallel_workers_per_gather', '0', false), "
    b"pg_catalog.current_setting('server_encoding')"
)
_SAMPLE: Final = (  # peers.digest.sample: the columns of a row, each with its type and its class
    ("'-12'::int8", Type(20, "int8"), Class.NUMBER),
    (literal("\u00e4 'b;\n") + "::text", Type(25, "text"), Class.TEXT),
    ("'0.5'::float8", Type(FLOAT8, "float8"), Class.ANY),
)
_SIZE_SQL: Final = (  # of a table with all its partitions: rows, bytes, and bytes of what does not fit into a row
    b"SELECT sum(GREATEST(c.reltuples, 0)), sum(pg_catalog.pg_table_size(c.oid)), "
    b"sum(CASE WHEN c.reltoastrelid = 0 THEN 0 ELSE pg_catalog.pg_relation_size(c.reltoastrelid) END) "
    b"FROM (SELECT %s::regclass AS root) AS r JOIN pg_catalog.pg_class AS c ON c.relkind <> 'p' "
    b"AND (c.oid = r.root OR c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree(r.root)))"
)
_SMALL_BYTES: Final = 16_000_000  # of a table whose rows need not be known
_TOO_LONG: Final = (psycopg.errors.ProgramLimitExceeded, psycopg.errors.InternalError_, psycopg.errors.OutOfMemory)
_NO_HASH: Final = (psycopg.errors.InternalError, psycopg.errors.NotSupportedError, psycopg.errors.ProgrammingError)
# types without a modifier or the checks of a domain, that keys of any peer can be cast to
_BARE: Final = {
    20: "int8", 21: "int2", 23: "int4", 26: "oid", FLOAT4: "float4", FLOAT8: "float8", BOOL: "bool", NUMERIC: "numeric",
    BYTEA: "bytea", BPCHAR: "bpchar", 25: "text", 1043: "text", 19: "name", 18: '"char"',
}  # fmt: skip
_DATED: Final = {UUID: "uuid", 1082: "date", 1083: "time", 1114: "timestamp", 1184: "timestamptz"}  # not every text is one


async def algorithms(connection: Connection) -> dict[str, str]:
    """The algorithms that this session's server can compute, each with a sample that it computed; prepares the session."""
    row: Any = await (await connection.execute(_SESSION_SQL)).fetchone()
    if row[2] != "UTF8":  # texts are digested as UTF-8
        return {}
    samples = {}
    for algorithm in (SHA256, LOOKUP3, CHAIN):
        hashed = Hashed([(f"c{place}", kind, one) for place, (_, kind, one) in enumerate(_SAMPLE)], Way(algorithm))
        values = ", ".join(f"{value} AS c{place}" for place, (value, _, _) in enumerate(_SAMPLE))
        sql = f"SELECT {', '.join(hashed.sums)} FROM (SELECT {hashed.row} AS h FROM (SELECT {values}) AS sample) AS row"
        try:
            halves: Any = await (await connection.execute(escaped(sql).encode())).fetchone()
        except _NO_HASH:  # forbidden here
            continue
        samples[algorithm] = f"{_digest([int(half) for half in halves]):0{16 * len(halves)}x}"
    return samples


async def is_chained(connection: Connection, source: Source) -> bool:
    """Whether the rows of a range stand together in an index, and their texts fit into the server's memory."""
    row: Any = await (await connection.execute(_SIZE_SQL, (source.table,))).fetchone()
    rows, size, apart = (float(value or 0) for value in row)
    fits = size <= _SMALL_BYTES or size <= rows * CHAIN_ROW_BYTES_MAX
    return fits and not apart and await is_indexed(connection, source)


# -- digests --------------------------------------------------------------------------------------------------------------


def _rows(
    source: Source, collection: Collection, way: Way, first: str, tail: str, keys: str = "", kept: Sequence[str] = ()
) -> tuple[str, Hashed]:
    """A query for what is made of each row as h, after the expression `first`; and how that becomes digests.

    `keys`: columns that are selected beside it, under the names `kept`.
    """
    names = [f"c{place}" for place in range(len(source.columns))]
    hashed = Hashed(list(zip(names, source.types, classes_of(collection), strict=True)), way)
    read = [
        f"{escaped(read_sql(column(one), kind))} AS {name}"
        for one, kind, name in zip(source.columns, source.types, names, strict=True)
    ]
    # what OFFSET 0 stands behind is computed once, and kept for that: a digest of one half is used once anyway
    once = " OFFSET 0" if len(hashed.halves) > 1 else ""
    inner = f"SELECT {', '.join([f'{first} AS g', *read, *([keys] if keys else [])])} {tail} OFFSET 0"
    rows = f"SELECT {', '.join(['g', f'{escaped(hashed.row)} AS h', *kept])} FROM ({inner}) AS i{once}"
    return rows, hashed


def _sums(hashed: Hashed) -> str:
    return ", ".join(["pg_catalog.count(*)", *map(escaped, hashed.sums)])


async def digests(
    connection: Connection, source: Source, collection: Collection, ranges: Sequence[Range], way: Way
) -> list[Digest] | None:
    """The digest of each range. None where rows that are chained stand nowhere together, or have too long a text."""
    if not ranges:
        return []
    halving = await way_in(connection, source, ranges)
    if halving is not None:
        if way.algorithm == CHAIN:
            return None
        rows, hashed = _rows(source, collection, way, halving.number, f"FROM {table(source)} WHERE {halving.where}")
        found = await _fetch(connection, f"SELECT g, {_sums(hashed)} FROM ({rows}) AS h GROUP BY g", halving.params)
        return _parts(len(ranges), [(halving.places[row[0]], *row[1:]) for row in found])
    terms = (term(column(one), source.types[at]) for one, at in zip(source.key, source.key_places, strict=True))
    order = f" ORDER BY {escaped(', '.join(terms))}" if way.algorithm == CHAIN else ""

    def each(group: Asked, bounds: str) -> str:
        rows, hashed = _rows(source, collection, way, "0", f"FROM {table(source)} WHERE {group.where}{order}")
        return f"SELECT r.n, d.* FROM {bounds} CROSS JOIN LATERAL (SELECT {_sums(hashed)} FROM ({rows}) AS h) AS d"

    if way.algorithm != CHAIN:
        return _parts(len(ranges), await _fetch(connection, *sought(source, ranges, each)))
    try:
        async with connection.transaction():  # a savepoint
            return _parts(len(ranges), await _fetch(connection, *sought(source, ranges, each)))
    except _TOO_LONG:
        return None


async def hashes(
    connection: Connection, source: Source, collection: Collection, ranges: Sequence[Range], way: Way
) -> list[dict[Key, int]]:
    """The digest of each row of each range, by key."""
    way = way.each
    found: list[dict[Key, int]] = [{} for _ in ranges]
    if not ranges:
        return found
    kinds = [source.types[place] for place in source.key_places]
    names = [f"k{part}" for part in range(len(kinds))]
    keys = ", ".join(f"{escaped(column(one))} AS {name}" for one, name in zip(source.key, names, strict=True))

    def each(group: Asked, bounds: str) -> str:
        return one_reading("r.n", f"FROM {bounds} JOIN {table(source)} ON {group.where}")

    def one_reading(first: str, tail: str) -> str:
        rows, hashed = _rows(source, collection, way, first, tail, keys, names)
        return f"SELECT g, {', '.join([*map(escaped, hashed.halves), *names])} FROM ({rows}) AS h"

    halving = await way_in(connection, source, ranges)
    if halving is None:
        sql, params = sought(source, ranges, each)
    else:
        sql, params = one_reading(halving.number, f"FROM {table(source)} WHERE {halving.where}"), halving.params
    for (number, *halves), key in await _fetch_keys(connection, sql, params, kinds, 1 + halves_of(way)):
        found[number if halving is None else halving.places[number]][key] = _digest(halves)
    return found


def _digest(halves: Sequence[int]) -> int:
    """The digest of one half or two, the higher one first; each has any size and sign."""
    return combined(*halves) if len(halves) > 1 else combined(0, *halves)


def _parts(count: int, found: Sequence[tuple[Any, ...]]) -> list[Digest]:
    parts = [Digest(0, 0)] * count
    for place, rows, *halves in found:
        parts[place] = Digest(rows, _digest([int(half or 0) for half in halves]))
    return parts


async def digests_of(
    connection: Connection, source: Source, collection: Collection, groups: Sequence[Sequence[Key]], way: Way, *, plain: bool
) -> list[Digest]:
    """The digest of the rows of each group of keys. `plain`: keys are compared as text where a cast might be refused."""
    kinds = [source.types[place] for place in source.key_places]
    names = [f"k{part}" for part in range(len(kinds))]
    if len(kinds) == 1 and kinds[0].oid in INTEGERS:
        params = _integers(groups, kinds[0])
        arrays, matches = "%(g)s::int4[], %(k0)s::int8[]", [f"{column(source.key[0])} = k.k0"]
    else:
        params = _texts(groups, kinds, names)
        arrays = ", ".join(["%(g)s::int4[]", *(f"%({name})s::text[]" for name in names)])
        matches = [
            _match(column(one), f"k.{name}", kind, plain=plain)
            for one, name, kind in zip(source.key, names, kinds, strict=True)
        ]
    if params is None:
        return [Digest(0, 0)] * len(groups)
    same = escaped(" AND ".join(matches))
    if await is_indexed(connection, source):  # each key is looked up: for many the server would rather read the whole table
        found = f"CROSS JOIN LATERAL (SELECT * FROM {table(source)} WHERE {same} OFFSET 0) AS t"
    else:
        found = f"JOIN {table(source)} ON {same}"
    joined = f"FROM unnest({arrays}) AS k(g, {', '.join(names)}) {found}"
    rows, hashed = _rows(source, collection, way.each, "k.g", joined)
    return _parts(len(groups), await _fetch(connection, f"SELECT g, {_sums(hashed)} FROM ({rows}) AS h GROUP BY g", params))


def _integers(groups: Sequence[Sequence[Key]], kind: Type) -> dict[str, object] | None:
    """Keys that are one integer, as arrays written out: there may be many thousands. None if no row can have any of them."""
    low, high = INTEGERS[kind.oid]
    held = [
        (number, value)
        for number, group in enumerate(groups)
        for (value,) in dict.fromkeys(group)
        if isinstance(value, int) and low <= value <= high
    ]
    held.sort(key=itemgetter(1))  # as the index has them
    numbers, values = (",".join(map(str, one)) for one in zip(*held, strict=True)) if held else ("", "")
    return {"g": f"{{{numbers}}}", "k0": f"{{{values}}}"} if held else None


def _texts(groups: Sequence[Sequence[Key]], kinds: Sequence[Type], names: Sequence[str]) -> dict[str, object] | None:
    """Keys of any kind, as arrays of texts; None if no row can have any of them."""
    numbers: list[int] = []
    held: list[list[str]] = []
    for number, group in enumerate(groups):
        for key in dict.fromkeys(group):
            texts = [_held(value, kind) for value, kind in zip(key, kinds, strict=True)]
            if None not in texts:
                numbers.append(number)
                held.append([text for text in texts if text is not None])
    columns = {name: list(column) for name, column in zip(names, zip(*held, strict=True), strict=True)} if held else {}
    return {"g": numbers, **columns} if held else None


def _held(value: Value, kind: Type) -> str | None:
    """A key's text for the server; None if no row can have it."""
    try:
        text = store(value, kind)
    except Unstorable:
        return None
    if kind.oid in _DATED and compared("k", value, kind).term != "k":  # it has no such day or hour
        return None
    return text


def _match(name: str, key: str, kind: Type, *, plain: bool) -> str:
    """That a column has exactly the value that a key's text stands for."""
    bare = _BARE.get(kind.oid)
    if kind.oid in (FLOAT4, FLOAT8):
        return f"{name} = {key}::{bare} AND {name}::text = {key}::{bare}::text"  # 0 is not -0
    if bare is not None and kind.kind is not Kind.TEXT:
        return f"{name} = {key}::{bare}"
    same = f'({text_sql(name, kind)}) COLLATE "C" = {key}'
    if plain and bare is None and kind.oid not in _DATED:
        return same
    return (
        f"{name} = {key}::{bare or _DATED.get(kind.oid, kind.name)} AND {same}"  # by the index, and no other text that is equal
    )


# -- fences ---------------------------------------------------------------------------------------------------------------


async def fences(connection: Connection, source: Source, ranges: Sequence[Range], size: int) -> list[list[Key]]:
    """The keys that cut each range into parts of about this size."""
    if not ranges:
        return []
    kinds = [source.types[place] for place in source.key_places]
    names = [f"k{part}" for part in range(len(kinds))]
    listed = ", ".join(names)
    keys = ", ".join(f"{escaped(column(one))} AS {name}" for one, name in zip(source.key, names, strict=True))
    halving = await way_in(connection, source, ranges)
    if halving is None:
        sql, params = sought(source, ranges, lambda group, bounds: _leaps(source, keys, names, group, bounds, size))
    else:
        params = halving.params
        over = f"PARTITION BY g ORDER BY {', '.join(term(name, kind) for name, kind in zip(names, kinds, strict=True))}"
        rows = f"SELECT {halving.number} AS g, {keys} FROM {table(source)} WHERE {halving.where} OFFSET 0"
        counted = f"SELECT g, pg_catalog.row_number() OVER ({over}) AS n, {listed} FROM ({rows}) AS i"
        sql = f"SELECT g, n, {listed} FROM ({counted}) AS f WHERE n %% {size} = 0"
    found: list[list[tuple[int, Key]]] = [[] for _ in ranges]
    for (number, number_of), key in await _fetch_keys(connection, sql, params, kinds, 2):
        place = number if halving is None else halving.places[number]
        if key != ranges[place][1]:
            found[place].append((number_of, key))
    return [[key for _, key in sorted(some, key=lambda pair: pair[0])] for some in found]


def _leaps(source: Source, keys: str, names: Sequence[str], group: Asked, bounds: str, size: int) -> str:
    """From each key to the one that is so many rows behind it: r.n, the number of the leap, the key."""
    kinds = (source.types[place] for place in source.key_places)
    terms = [escaped(term(column(one), kind)) for one, kind in zip(source.key, kinds, strict=True)]
    listed, uppers = ", ".join(names), "".join(f", {name}" for name in group.names if name.startswith("b"))

    def leap(where: str) -> str:
        sort = ", ".join(terms)
        return f"LATERAL (SELECT {keys} FROM {table(source)} WHERE {where} ORDER BY {sort} OFFSET {size - 1} LIMIT 1) AS c"

    further = f"({', '.join(terms)}) > ({', '.join(f'r.{name}' for name in names)}) AND {group.upper}"
    first = f"SELECT r.n, 1, c.*{uppers} FROM {bounds} CROSS JOIN {leap(group.where)}"
    more = f"SELECT r.n, r.leap + 1, c.*{uppers} FROM f AS r CROSS JOIN {leap(further)}"
    return f"WITH RECURSIVE f(n, leap, {listed}{uppers}) AS ({first} UNION ALL {more}) SELECT n, leap, {listed} FROM f"


async def _fetch_keys(
    connection: Connection, sql: str, params: Mapping[str, object], kinds: Sequence[Type], count: int
) -> list[tuple[tuple[int, ...], Key]]:
    """Rows of so many numbers and a key, which is read as chunks read it."""
    cursor = connection.cursor(binary=False)
    await cursor.execute(sql.encode(), params, prepare=False)
    result = cursor.pgresult
    if result is None or not result.ntuples:
        return []
    get, rows = result.get_value, range(result.ntuples)
    numbers = [[int(get(row, place) or b"0") for row in rows] for place in range(count)]
    columns = [column_reader_of(kind.oid)([get(row, place) for row in rows]) for place, kind in enumerate(kinds, count)]
    return list(zip(zip(*numbers, strict=True), zip(*columns, strict=True), strict=True))


# -- small things ---------------------------------------------------------------------------------------------------------


async def _fetch(connection: Connection, sql: str, params: Mapping[str, object]) -> list[tuple[Any, ...]]:
    return await (await connection.execute(sql.encode(), params, prepare=False)).fetchall()
