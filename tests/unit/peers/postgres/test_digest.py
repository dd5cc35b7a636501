"""Digests and fences are made by the server, for any key, any name and any range, and are those of the rows that are read."""

from collections.abc import Mapping, Sequence
from itertools import pairwise, product
from typing import Any

import pytest
from tests.servers.postgres import shared
from tests.unit.peers.postgres.database import Database, collection_of, database, story
from tests.unit.peers.postgres.test_ranges import BOUNDS, KEYS

from syncline.demo.servers.postgres_programs import installed
from syncline.model.canonical import SHA256, Way, classes_of, digest_rows, total_of
from syncline.model.key import order
from syncline.model.schema import Collection, Kind
from syncline.model.value import Key, Row, Tagged, Value
from syncline.peers.digest import sample
from syncline.peers.postgres import PostgresPeer, digest
from syncline.peers.postgres.connect import Connection
from syncline.peers.protocol import Digest, Range

WAY = Way(SHA256, "0123456789abcdef")
LOOKUP3 = "lookup3"
UNKNOWN = Collection("t", ("id",), ("id",))  # a key of any kind
LOOKUP3_SAMPLE = "2fb71ab8dcf5bc39d9f4b8c64269a16c"
TEXTS = "'', 'a', 'B', 'b', 'a b', 'ab', 'é', 'e', '😀', 'Z', 'z', '-', 'a-b'"


def expected(collection: Collection, rows: Sequence[Row]) -> Digest:
    """What model.canonical makes of these rows."""
    return Digest(len(rows), total_of(digest_rows(rows, classes_of(collection), WAY)))


def inside(rows: Sequence[tuple[Key, Row]], one: Range) -> list[Row]:
    """The rows of a range, as model.key.order has it."""
    low, high = (None if key is None else order(key) for key in one)
    return [row for key, row in rows if (low is None or order(key) > low) and (high is None or order(key) <= high)]


async def opened(base: Database, table: str = "t") -> tuple[PostgresPeer, Collection]:
    """A connected peer, and a collection of all that a table has."""
    peer = base.peer()
    await peer.connect()
    return peer, collection_of((await peer.inspect())[table])


async def rows_of(peer: PostgresPeer, collection: Collection) -> list[tuple[Key, Row]]:
    """All rows, as they are read."""
    return list((await peer.chunk(collection, None, 100_000)).rows)


def forbid_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on no peer gives rows."""

    def refuse(*_: object) -> None:
        raise AssertionError("rows were read")

    monkeypatch.setattr(PostgresPeer, "chunk", refuse)
    monkeypatch.setattr(PostgresPeer, "rows", refuse)


async def same_in_all_ways(
    peer: PostgresPeer, collection: Collection, ranges: Sequence[Range], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digests of these ranges, and of their keys, are those of the rows that are read."""
    rows = await rows_of(peer, collection)
    wanted = [expected(collection, inside(rows, one)) for one in ranges]
    groups = [[row_key for row_key, row in rows if row in inside(rows, one)] for one in ranges]
    with monkeypatch.context() as patched:
        forbid_reading(patched)
        assert list((await peer.digests(collection, ranges, WAY)).parts) == wanted
        assert list((await peer.digests_of(collection, groups, WAY)).parts) == wanted
        hashes = await peer.hashes(collection, ranges, WAY)
        assert [Digest(len(one), total_of(one.values())) for one in hashes] == wanted
        other = Way(LOOKUP3, WAY.salt)
        one, two = (
            (await peer.digests(collection, ranges, other)).parts,
            (await peer.digests_of(collection, groups, other)).parts,
        )
        assert one == two
        assert [part.count for part in one] == [part.count for part in wanted]


@pytest.mark.parametrize("major", installed())
def test_every_version_digests_alike_and_says_so(major: int) -> None:
    async def work() -> None:
        server = shared(major)
        base = Database(server, server.database())
        peer = base.peer()
        await peer.connect()
        assert await peer.ways(UNKNOWN) == {SHA256: sample(), LOOKUP3: LOOKUP3_SAMPLE}
        await peer.close()
        server.forget(base.name)

    story(work)


@pytest.mark.parametrize("kind", KEYS)
def test_d27_ranges_of_any_key_between_any_bounds(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        values = ", ".join(f"({one}::{kind}, 1), ({one}::{kind}, 2)" for one in KEYS[kind].split(", "))
        async with database(f"CREATE TABLE t (k {kind}, n int4, PRIMARY KEY (k, n))", f"INSERT INTO t VALUES {values}") as base:
            peer, found = await opened(base)
            bounds = sorted(product(BOUNDS, (1, 2**40)), key=order)
            scattered: list[Range] = [one for bound in bounds for one in ((None, bound), (bound, None))]
            await same_in_all_ways(peer, found, scattered, monkeypatch)
            distinct = [bound for number, bound in enumerate(bounds) if not number or order(bound) > order(bounds[number - 1])]
            in_order: list[Range] = list(pairwise([None, *distinct, None]))
            await same_in_all_ways(peer, found, in_order, monkeypatch)
            await same_in_all_ways(peer, found, in_order[1:-1:3], monkeypatch)
            await same_in_all_ways(
                peer, found, [*in_order[5:], *in_order[:7], in_order[3], (distinct[4], distinct[2])], monkeypatch
            )

    story(work)


@pytest.mark.parametrize("collation", ['"C"', '"en-x-icu"', "loose", '"default"'])
def test_text_keys_of_any_collation(collation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loose = "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false)"
    values = TEXTS if collation != "loose" else "'', 'a', 'b', 'a b', '😀', 'Z', 'a-b'"

    async def work() -> None:
        table = f'CREATE TABLE t (b int4, k text COLLATE {collation}, v varchar(9) COLLATE "C", PRIMARY KEY (k, b))'
        insert = f"INSERT INTO t SELECT n, k, upper(k) FROM unnest(ARRAY[{values}]) AS k, generate_series(1, 3) AS n"
        async with database(loose, table, insert) as base:
            peer, found = await opened(base)
            keys = [key for key, _ in await rows_of(peer, found)]
            assert keys == sorted(keys, key=order)
            for step in (1, 5, 40):
                ranges: list[Range] = list(pairwise([None, *keys[::step], None]))
                for asked in (ranges, ranges[::2], ranges[1::3], ranges[::-1]):
                    await same_in_all_ways(peer, found, asked, monkeypatch)
            cut = [None, *keys[::7], None]
            fences = await peer.fences(found, list(pairwise(cut)), 3)
            assert fences == [cut_of(keys, one, 3) for one in pairwise(cut)]
            assert (await peer.digests_of(found, [[("A", 1), ("á", 2)]], WAY)).parts == (Digest(0, 0),)

    story(work)


def cut_of(keys: Sequence[Key], one: Range, size: int) -> list[Key]:
    """Every so many keys of a range."""
    low, high = (None if key is None else order(key) for key in one)
    some = [key for key in keys if (low is None or order(key) > low) and (high is None or order(key) <= high)]
    return [key for key in some[size - 1 :: size] if key != one[1]]


def test_names_of_every_kind_and_many_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that look like placeholders or like the statement's own, and more columns than a function has arguments."""
    names = ['q"uo"te', "50%", "%(n0)s", "%s", "r", "t", "n", "g", "h", "k0", "c0", "a0", "i", "d", "x;--", "ü" * 31, "select"]
    wide = [f"w{number}" for number in range(130)]
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]

    async def work() -> None:
        key = ", ".join((quoted[0], quoted[2], quoted[5], quoted[7]))
        columns = ", ".join([*(f"{name} int4" for name in quoted), *(f"{name} text" for name in wide)])
        table = f'CREATE TABLE "r%s""" ({columns}, PRIMARY KEY ({key}))'
        rows = [
            tuple(range(turn, turn + len(names))) + tuple(None if n % 3 else f"{turn};{n}" for n in range(130))
            for turn in range(9)
        ]
        async with database() as base:
            with base.server.connect(base.name) as program:
                program.execute(table.encode())
                for row in rows:
                    program.execute(f'INSERT INTO "r%%s""" VALUES ({", ".join(["%s"] * len(row))})'.encode(), row)
            peer, found = await opened(base, 'r%s"')
            forbid_reading(monkeypatch)
            keys: list[Key] = [tuple(row[place] for place in found.key_places) for row in rows]
            single: list[Range] = list(pairwise([None, *keys]))
            wanted = [expected(found, [row]) for row in rows]
            assert list((await peer.digests(found, single, WAY)).parts) == wanted
            assert list((await peer.digests_of(found, [[key] for key in keys], WAY)).parts) == wanted
            assert await peer.fences(found, [(None, None), (keys[0], keys[4])], 2) == [keys[1::2], [keys[2]]]

    story(work)


def test_no_row_one_row_and_nothing_but_nulls(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = [
        "int2",
        "float8",
        "numeric",
        "bool",
        "bytea",
        "text",
        "char(3)",
        "uuid",
        "jsonb",
        "timestamptz",
        "int4[]",
        "interval",
    ]
    columns = ", ".join(f"c{number} {kind}" for number, kind in enumerate(kinds))

    async def work() -> None:
        async with database(f"CREATE TABLE t (id int8 PRIMARY KEY, {columns})") as base:
            peer, found = await opened(base)
            whole: list[Range] = [(None, None)]
            for count in range(3):
                await same_in_all_ways(peer, found, [*whole, ((0,), (1,)), ((1,), None), ((5,), (4,))], monkeypatch)
                assert (await peer.digests(found, whole, WAY)).parts[0].count == count
                base.run(f"INSERT INTO t (id) VALUES ({count})")
            assert (await peer.digests(found, [], WAY)).parts == ()
            assert (await peer.digests_of(found, [], WAY)).parts == ()
            assert (await peer.digests_of(found, [[], []], WAY)).parts == (Digest(0, 0), Digest(0, 0))
            assert await peer.fences(found, [], 5) == []
            assert await peer.fences(found, whole, 5) == [[]]

    story(work)


def test_partitioned_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        statements = (
            "CREATE TABLE t (id int8 PRIMARY KEY, v text) PARTITION BY RANGE (id)",
            "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (MINVALUE) TO (100)",
            "CREATE TABLE t2 (v text, id int8 NOT NULL)",
            "ALTER TABLE t ATTACH PARTITION t2 FOR VALUES FROM (100) TO (MAXVALUE)",
            "INSERT INTO t SELECT n, 'v' || n FROM generate_series(1, 300) AS n",
        )
        async with database(*statements) as base:
            peer, found = await opened(base)
            bounds: list[Key | None] = [None, (50,), (99,), (100,), (250,), None]
            await same_in_all_ways(peer, found, list(pairwise(bounds)), monkeypatch)
            forbid_reading(monkeypatch)
            assert await peer.fences(found, [((10,), (250,))], 100) == [[(110,), (210,)]]

    story(work)


KEYS_OF = {
    "id int8 PRIMARY KEY": True,
    'id varchar(9) COLLATE "C" PRIMARY KEY': True,
    'id text COLLATE "C", n int4 DEFAULT 0, PRIMARY KEY (id, n)': True,
    "id int8, n int4 DEFAULT 0, PRIMARY KEY (n, id)": True,
    'id text COLLATE "en-x-icu" PRIMARY KEY': False,
}


@pytest.mark.parametrize("columns", KEYS_OF)
def test_each_range_is_looked_up_where_an_index_sorts_as_keys_are_sorted(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the table is read once for all ranges."""

    async def work() -> None:
        async with database(
            f"CREATE TABLE t ({columns})", "INSERT INTO t(id) SELECT generate_series(10000, 60000)", "ANALYZE t"
        ) as base:
            peer, found = await opened(base)
            told: list[tuple[str, Mapping[str, object]]] = []
            fetch = digest._fetch

            async def heard(connection: Connection, sql: str, params: Mapping[str, object]) -> list[tuple[Any, ...]]:
                told.append((sql, params))
                return await fetch(connection, sql, params)

            monkeypatch.setattr(digest, "_fetch", heard)
            ((*fences,),) = await peer.fences(found, [(None, None)], 5000)
            parts = (await peer.digests(found, list(pairwise(fences)), WAY)).parts
            assert [part.count for part in parts] == [5000] * 9
            ((sql, params),) = told
            plan = "\n".join(row[0] for row in base.run(f"EXPLAIN ANALYZE {sql}", values=params))  # type: ignore[arg-type]
            assert ("Index Cond" in plan) == KEYS_OF[columns], plan
            assert ("loops=9" in plan) == KEYS_OF[columns], plan

    story(work)


ODD_KEYS: dict[str, tuple[str, tuple[Value, ...], int]] = {  # a type, its rows, keys, how many of those are there
    "int2": ("(1), (2)", (1, 40_000, "1", b"1", Tagged("real", "1.5"), 2**70), 1),
    "float8": ("(0), ('NaN'), (1.5)", (Tagged("real", "-0.0"), Tagged("real", "nan"), 1, Tagged("real", "1e+300")), 1),
    "float4": ("('-0'), (0.1)", (Tagged("real", "-0.0"), Tagged("real", "0.1"), Tagged("real", "0.10000000149011612")), 2),
    "numeric(5,2)": ("(1.5), ('NaN')", (Tagged("real", "1.5"), 99_999_999, Tagged("real", "1.555"), Tagged("real", "nan")), 2),
    "char(3)": ("('a'), ('')", ("a", "a  ", "", "aaaa"), 2),
    "varchar(3)": ("('abc'), ('a ')", ("abcd", "abc", "a", "a\0", "\udc80"), 1),
    "name": (f"('{'x' * 63}')", ("x" * 64, "x" * 63), 1),
    "uuid": (
        "('6f9619ff-8b86-d011-b42d-00c04fc964ff')",
        ("6F9619FF-8B86-D011-B42D-00C04FC964FF", "x", "6f9619ff-8b86-d011-b42d-00c04fc964ff"),
        1,
    ),
    "date": ("('2024-02-29'), ('infinity')", ("2024-02-29", "2024-02-30", "0000-00-00", "infinity", "today"), 2),
    "timestamptz(0)": ("('2024-02-29 12:00:01+00')", ("2024-02-29 12:00:00.7+00", "2024-02-29 13:00:01+01"), 0),
    "colour": ("('red')", ("red", "blue"), 1),
    "colours": ("('red')", ("red", "green"), 1),
    "positive": ("(1)", (1, -1), 1),
    "inet": ("('::1')", ("::1", "::1/128", "nowhere"), 1),
    "bytea": (r"('\x00')", (b"\0", b"", "x"), 1),
}


@pytest.mark.parametrize("kind", ODD_KEYS)
def test_keys_that_a_column_cannot_hold_are_not_there(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor those that its type would read as another one's."""
    rows, keys, count = ODD_KEYS[kind]
    made = (
        "CREATE TYPE colour AS ENUM ('red', 'green')",
        "CREATE DOMAIN colours AS colour CHECK (VALUE <> 'green')",
        "CREATE DOMAIN positive AS int4 CHECK (VALUE > 0)",
    )

    async def work() -> None:
        async with database(*made, f"CREATE TABLE t (k {kind} PRIMARY KEY)", f"INSERT INTO t VALUES {rows}") as base:
            peer, found = await opened(base)
            held = dict(await rows_of(peer, found))
            there = [(key,) for key in keys if (key,) in held]
            assert len(there) == count
            forbid_reading(monkeypatch)
            parts = (await peer.digests_of(found, [[(key,) for key in keys] * 2, [(keys[-1],)]], WAY)).parts
            assert parts[0] == expected(found, [held[key] for key in there])

    story(work)


def test_fences_are_every_so_many_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        table = "CREATE TABLE t (a int4, b numeric(9,1), v text, PRIMARY KEY (b, a))"
        async with database(table, "INSERT INTO t SELECT n % 7, n / 10.0, 'x' FROM generate_series(1, 1000) AS n") as base:
            peer, found = await opened(base)
            keys = [key for key, _ in await rows_of(peer, found)]
            assert keys[0] == (Tagged("real", "0.1"), 1)
            forbid_reading(monkeypatch)
            ranges: list[Range] = [(None, None), (keys[10], keys[500]), (keys[499], None), (keys[5], keys[5]), (None, keys[99])]
            for size in (1, 10, 64, 999, 2000):
                assert await peer.fences(found, ranges, size) == [cut_of(keys, one, size) for one in ranges]

    story(work)


def test_a_server_that_forbids_sha256_has_its_rows_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        statements = (
            "CREATE TABLE t (id int8 PRIMARY KEY, v text)",
            "INSERT INTO t VALUES (1, 'a'), (2, NULL)",
            "REVOKE EXECUTE ON FUNCTION pg_catalog.sha256(bytea) FROM PUBLIC",
            "CREATE ROLE digester LOGIN",
            "GRANT SELECT ON t TO digester",
        )
        async with database(*statements) as base:
            try:
                peer = base.peer(user="digester")
                await peer.connect()
                found = Collection("t", ("id", "v"), ("id",), (Kind.INTEGER, Kind.TEXT))
                assert await peer.ways(UNKNOWN) == {SHA256: sample(), LOOKUP3: LOOKUP3_SAMPLE}
                wanted = expected(found, [(1, "a"), (2, None)])
                assert (await peer.digests(found, [(None, None)], WAY)).parts == (wanted,)
                assert (await peer.digests_of(found, [[(1,), (2,)]], WAY)).parts == (wanted,)
                forbid_reading(monkeypatch)
                assert (await peer.digests(found, [(None, None)], Way(LOOKUP3))).parts[0].count == 2
                with pytest.raises(AssertionError, match="rows were read"):
                    await peer.digests(found, [(None, None)], WAY)
            finally:
                await peer.close()
                base.run("DROP OWNED BY digester", "DROP ROLE digester")

    story(work)


def test_a_database_of_another_encoding_has_its_rows_read() -> None:
    async def work() -> None:
        server = shared()
        base = Database(server, "latin")
        with server.connect("postgres") as program:
            program.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        base.run("CREATE TABLE t (id int8 PRIMARY KEY, v text)", "INSERT INTO t VALUES (1, pg_catalog.chr(228))")
        peer, found = await opened(base)
        assert await peer.ways(UNKNOWN) == {SHA256: sample()}
        assert (await peer.digests(found, [(None, None)], WAY)).parts == (expected(found, [(1, "ä")]),)
        assert (await peer.digests_of(found, [[(1,)]], WAY)).parts == (expected(found, [(1, "ä")]),)
        await peer.close()
        server.forget("latin")

    story(work)


def test_sessions_opened_anew_are_asked_anew() -> None:
    """What is set for digests holds in the session of each connection."""

    async def work() -> None:
        async with database("CREATE TABLE t (id int8 PRIMARY KEY)") as base:
            peer, found = await opened(base)
            for _ in range(2):
                await peer.digests(found, [(None, None)], WAY)
                reader = peer._reader
                assert reader is not None
                shown = await (
                    await reader.execute("SELECT current_setting('jit'), current_setting('max_parallel_workers_per_gather')")
                ).fetchone()
                assert shown == ("off", "0")
                await peer.connect()

    story(work)
