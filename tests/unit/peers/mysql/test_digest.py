"""What the server digests is what model.canonical makes of the rows as they are read: for every type, value, class and key."""

import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final

import pytest
from tests.servers.mysql import MysqlServer
from tests.types.mariadb_cases import CASES
from tests.unit.peers.mysql.database import (
    Database,
    collection_of,
    current,
    database,
    is_here,
    on_each_server,
    only_mariadb,
    story,
)
from tests.unit.peers.mysql.test_snapshot import KEYS
from tests.unit.peers.mysql.test_types import types_here

from syncline.model.canonical import Way, classes_of, digest_rows, total_of
from syncline.model.schema import Collection, Kind
from syncline.model.value import Key, Row
from syncline.peers.digest import ReadsDigests, sample
from syncline.peers.mysql import MysqlPeer
from syncline.peers.protocol import Digest, Range

WAY: Final = Way(salt="0123456789abcdef")
ANY_MODE: Final = "SET SESSION sql_mode = '', time_zone = '+00:00'"
KINDS: Final = (Kind.INTEGER, Kind.REAL, Kind.BYTES, Kind.TEXT, Kind.ANY)  # one of each class
MORE: Final = {
    "INT(10) ZEROFILL": ("0", "12", "4294967295"),
    "DECIMAL(10,3) ZEROFILL": ("0", "1.5", "1000.250"),
    "DECIMAL(10,2) ": ("0.00", "-0.001", "-0.00", "100", "-100.10", "1e-2"),
    "DECIMAL(3,3)": ("0.1", "-0.999", "0"),
    "DOUBLE(10,3)": ("0.125", "-1", "1000.5"),
    "DOUBLE ": ("-0e0", "1e-7", "123456789012345680", "0.1e0", "1.7976931348623157e308", "2.2250738585072014e-308"),
    "CHAR(9) CHARACTER SET latin1": ("'\u20ac'", "x'818d8f909d'", "'a  '", "''"),
    "VARCHAR(9) CHARACTER SET ascii": ("'ab c'", "''"),
    "VARCHAR(9) CHARACTER SET cp1251": ("'\u0430\u042fx'", "''"),
    "VARCHAR(9) CHARACTER SET utf16": ("'a\U0001f600'", "''"),
    "VARCHAR(9) CHARACTER SET ucs2": ("'a\u00df'", "''"),
    "VARCHAR(9) COLLATE utf8mb4_swedish_ci": ("'\u00c5'", "'a '"),
    "ENUM('\u00e9','x') CHARACTER SET latin1": ("'\u00e9'", "'x'", "'none of them'"),
    "SET('\u00f6','x') CHARACTER SET utf8mb3": ("'\u00f6,x'", "''"),
    "TIMESTAMP(3) NULL": ("'2024-02-29 12:00:00.120'", "'2024-02-29 12:00:10.000'", "'0000-00-00'"),
    "DATETIME(1)": ("'2024-02-29 12:00:00'", "'2024-02-29 12:00:20.1'"),
    "TEXT COMPRESSED": ("REPEAT('t\u00e4xt', 300)", "''"),
    "YEAR": ("0", "1901", "2024"),
}
CASE_VALUES: Final = {**{one.declared: one.values for one in CASES if not one.computed}, **MORE}
HUGE: Final = "1e400"  # a number in JSON that no double holds


def cases_here(*, more: bool) -> dict[str, tuple[str, ...]]:
    """The values of each type that the server at hand has. `more`: with those of MORE."""
    found = {name: values for name, values in CASE_VALUES.items() if is_here(name) and (more or name not in MORE)}
    if isinstance(current(), MysqlServer):
        found = {name: tuple(value for value in values if HUGE not in value) for name, values in found.items()}
    return found


def is_read(declared: str, kind: Kind) -> bool:
    """Whether SQL cannot write a column in a class: single floats never, doubles only as their bits, decimals not as such."""
    name = declared.upper()
    if name.startswith("FLOAT"):
        return True
    if name.startswith("DOUBLE"):
        return kind is not Kind.REAL
    return name.startswith("DECIMAL") and ",0)" not in name and kind is Kind.REAL


class Watched:
    """A peer that tells whether its rows were read."""

    def __init__(self, peer: MysqlPeer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reads = 0
        for name in ("chunk", "rows"):
            monkeypatch.setattr(peer, name, self._counted(getattr(peer, name)))

    def _counted(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            self.reads += 1
            return method(*args, **options)

        return counted


async def ready(base: Database, name: str = "t") -> tuple[MysqlPeer, Collection]:
    """A connected peer and the table as a collection."""
    peer = base.peer()
    await peer.connect()
    return peer, collection_of((await peer.inspect())[name])


async def agrees(peer: MysqlPeer, collection: Collection, ranges: Sequence[Range]) -> bool:
    """Whether the server's digests are those of rows that are read."""
    found = await peer.digests(collection, ranges, WAY)
    return found == await ReadsDigests.digests(peer, collection, ranges, WAY)


async def _each_column_agrees(peer: MysqlPeer, table: Collection, declared: dict[str, str], watched: Watched) -> None:
    rows = (await peer.chunk(table, None, 1000)).rows
    for place, name in enumerate(table.columns[1:], 1):
        for kind in dict.fromkeys([table.kinds[place], *KINDS]):
            column = Collection("t", ("id", name), ("id",), (Kind.INTEGER, kind))
            ranges: list[Range] = [(None, None)]
            watched.reads = 0
            found = await peer.digests(column, ranges, WAY)
            assert bool(watched.reads) is is_read(declared[name], kind), (declared[name], kind)
            expected = digest_rows([(row[0], row[place]) for _, row in rows], classes_of(column), WAY)
            assert found.parts == (Digest(len(rows), total_of(expected)),), (
                declared[name],
                kind,
                await _differing(peer, column),
            )


async def _differing(peer: MysqlPeer, column: Collection) -> list[tuple[Key, Row]]:
    """For whoever looks at a failure: the rows whose digests are others."""
    rows = (await peer.chunk(column, None, 1000)).rows
    ranges: list[Range] = list(pairwise([None, *(key for key, _ in rows)]))
    found, expected = await peer.digests(column, ranges, WAY), await ReadsDigests.digests(peer, column, ranges, WAY)
    return [row for row, one, other in zip(rows, found.parts, expected.parts, strict=True) if one != other]


@on_each_server
def test_d1_d4_d5_d8_d10_d11_d12_d13_d15_d16_d17_d19_d22_d28_every_type_and_value_is_digested_as_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the column's own class, and in every other one; of columns that may be NULL, and that may not."""
    cases = cases_here(more=True)
    declared = {f"c{n}": one for n, one in enumerate(cases)} | {f"n{n}": one for n, one in enumerate(cases)}
    size = max(map(len, cases.values())) + 1

    def definition(name: str) -> str:
        plain = declared[name].removesuffix(" NULL")
        return f"{name} {plain} NULL DEFAULT NULL" if name[0] == "c" else f"{name} {plain} NOT NULL"

    def value(name: str, row: int) -> str:
        values = cases[declared[name]]
        return values[row % len(values)] if name[0] == "n" or row < len(values) else "NULL"

    rows = [f"INSERT INTO t VALUES ({row}, {', '.join(value(name, row) for name in declared)})" for row in range(size)]

    async def work() -> None:
        async with database(
            f"CREATE TABLE t (id int PRIMARY KEY, {', '.join(map(definition, declared))})", ANY_MODE, *rows
        ) as base:
            peer, table = await ready(base)
            await _each_column_agrees(peer, table, declared, Watched(peer, monkeypatch))

    story(work)


def test_p17_drift_in_a_column_of_every_type_makes_another_digest() -> None:
    """One row's column takes each value of its type, one after the other: values that differ have digests that differ."""
    cases = cases_here(more=False)
    declared = {f"c{n}": one for n, one in enumerate(cases)}
    values = {name: cases[kind] for name, kind in declared.items()}
    columns = ", ".join(f"{name} {kind.removesuffix(' NULL')} NULL DEFAULT NULL" for name, kind in declared.items())

    async def work() -> None:
        async with database(
            f"CREATE TABLE t (id int PRIMARY KEY, {columns})", ANY_MODE, "INSERT INTO t (id) VALUES (0)"
        ) as base:
            peer, table = await ready(base)
            for name, some in values.items():
                column = Collection("t", ("id", name), ("id",), (Kind.INTEGER, table.kinds[table.columns.index(name)]))
                seen: dict[Row, int] = {}
                for value in ("NULL", *some):
                    base.run(ANY_MODE, f"UPDATE t SET {name} = {value}")
                    ((_, row),) = (await peer.rows(column, [(0,)])).rows
                    (part,) = (await peer.digests(column, [(None, None)], WAY)).parts
                    assert seen.setdefault(row, part.total) == part.total, declared[name]
                assert len(set(seen.values())) == len(seen) > 1, declared[name]

    story(work)


@on_each_server
def test_d49_random_rows_of_many_types_are_digested_as_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Column by column, and all together: their character sets and collations get along."""
    rng = random.Random(4)
    types = types_here()
    declared = {f"c{n}": name for n, (name, _) in enumerate(types)}
    rows = [
        f"INSERT INTO t VALUES ({row}, {', '.join('NULL' if rng.random() < 0.1 else make(rng) for _, make in types)})"
        for row in range(40)
    ]

    async def work() -> None:
        columns = ", ".join(f"{name} {kind} DEFAULT NULL" for name, kind in declared.items())
        async with database(f"CREATE TABLE t (id int PRIMARY KEY, {columns})", ANY_MODE, *rows) as base:
            peer, table = await ready(base)
            watched = Watched(peer, monkeypatch)
            pushed = [name for name in declared if not declared[name].startswith("float")]
            kinds = dict(zip(table.columns, table.kinds, strict=True))
            whole = Collection("t", ("id", *pushed), ("id",), tuple(kinds[name] for name in ("id", *pushed)))
            ranges: list[Range] = [(None, (9,)), ((9,), (20,)), ((20,), None)]
            found = await peer.digests(whole, ranges, WAY)
            assert watched.reads == 0
            assert found == await ReadsDigests.digests(peer, whole, ranges, WAY)
            await _each_column_agrees(peer, table, declared, watched)

    story(work)


@on_each_server
@pytest.mark.parametrize("declared", KEYS)
def test_d25_d26_ranges_fences_and_groups_of_keys_of_every_kind(declared: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read for them, and they are those of the rows in the order of `chunk`."""
    only_mariadb(declared)

    async def work() -> None:
        values = ", ".join(f"({value}, {n % 2}, {n})" for n, value in enumerate(KEYS[declared]))
        for key in ("a, b",) if isinstance(current(), MysqlServer) else ("a", "a, b", "b, a"):
            async with database(f"CREATE TABLE t (a {declared} NOT NULL, b int NOT NULL, c int, PRIMARY KEY ({key}))") as base:
                base.run("SET sql_mode = ''", f"INSERT INTO t VALUES {values}")
                peer, table = await ready(base)
                keys = [key for key, _ in (await peer.chunk(table, None, 100)).rows]
                watched = Watched(peer, monkeypatch)
                for bounds in ([None, *keys, None], [None, *keys[1::2], None], [None, None]):
                    ranges: list[Range] = list(pairwise(bounds))
                    for asked in (ranges, ranges[::2], ranges[::-1]):
                        watched.reads = 0
                        found = await peer.digests(table, asked, WAY)
                        assert watched.reads == 0
                        assert found == await ReadsDigests.digests(peer, table, asked, WAY)
                        assert sum(part.count for part in found.parts) > 0
                        watched.reads = 0
                        hashes = await peer.hashes(table, asked, WAY)
                        assert watched.reads == 0
                        assert hashes == await ReadsDigests.hashes(peer, table, asked, WAY)
                for size in (1, 2, len(keys) - 1, len(keys), 600):
                    asked = [(None, None), (keys[0], keys[-1]), (keys[-1], None), (keys[1], keys[2])]
                    watched.reads = 0
                    cuts = await peer.fences(table, asked, size)
                    assert watched.reads == 0
                    assert cuts == await ReadsDigests.fences(peer, table, asked, size)
                groups: list[list[Key]] = [keys[:3], keys[2:3] * 2, [], keys]
                watched.reads = 0
                sums = await peer.digests_of(table, groups, WAY)
                assert watched.reads == 0
                assert sums == await ReadsDigests.digests_of(peer, table, groups, WAY)
                assert [part.count for part in sums.parts] == [3, 1, 0, len(keys)]

    story(work)


UNKNOWN = Collection("t", ("id",), ("id",))  # a key of any kind


@on_each_server
def test_the_sample_is_digested_by_the_server() -> None:
    async def work() -> None:
        async with database() as base:
            peer = base.peer()
            await peer.connect()
            assert await peer.ways(UNKNOWN) == {"sha256": sample()}

    story(work)


@pytest.mark.parametrize("rows", [0, 3])
def test_names_of_every_kind_are_quoted(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Among them those that the statements themselves use, and a key of another case."""
    names = ("digest", "place", "number", "k0", "t0", "it's", "a``b", "100%s", "back\\slash", "%", '"', "total")
    columns = ", ".join(f"`{name}` varchar(30) COLLATE utf8mb4_general_ci" for name in names[2:])
    key = "`digest` char(9) COLLATE utf8mb4_bin, `place` bigint"

    async def work() -> None:
        async with database(
            f"CREATE TABLE `t ``%s'\\` ({key}, {columns}, PRIMARY KEY (`digest`, `place`)) COLLATE utf8mb4_bin"
        ) as base:
            for n in range(rows):
                values = [f"v'\\{n}", n, *(f"\\'%{n}%s;" for _ in names[2:])]
                holders = ", ".join(["%s"] * len(values))
                base.run(f"INSERT INTO `t ``%%s'\\` VALUES ({holders})", values=values)
            peer, table = await ready(base, "t `%s'\\")
            keys = [key for key, _ in (await peer.chunk(table, None, 100)).rows]
            assert len(keys) == rows
            watched = Watched(peer, monkeypatch)
            found = await peer.digests(table, [(None, None), (("v", 1), None)], WAY)
            cuts = await peer.fences(table, [(None, None)], 1)
            sums = await peer.digests_of(table, [[*keys, ("V'\\0", 0)]], WAY)
            assert watched.reads == 0
            assert found == await ReadsDigests.digests(peer, table, [(None, None), (("v", 1), None)], WAY)
            assert cuts == [keys[:-1]]
            assert sums.parts == found.parts[:1]

    story(work)
