"""What the server digests is the canonical text of what is read, for every type, every value and every class of column."""

import random
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from tests.types.cases import Case
from tests.types.postgres_cases import CASES, MADE
from tests.unit.peers.postgres.database import Database, database, story

from syncline.model.canonical import SHA256, Way, classes_of, digest_rows, text_of, total_of
from syncline.model.schema import Collection, Kind
from syncline.model.value import Row
from syncline.peers.postgres import PostgresPeer
from syncline.peers.postgres.digestsql import LOOKUP3, seeds_of
from syncline.peers.protocol import Digest, Range

SALT = "00ff'%s\\ %(x)"
KINDS = (Kind.INTEGER, Kind.REAL, Kind.BYTES, Kind.TEXT, Kind.ANY)  # one of each class
MORE = {  # beside those of the matrix
    "double precision": ("0.30000000000000004", "1e22", "9007199254740993", "1e-7", "123456789.125", "-1.5e-310"),
    "numeric": (
        "1e-400",
        "1e400",
        "3e-324",
        "0.1000000000000000055",
        "9007199254740992.5",
        "100",
        "-0.0",
        "5e-324",
        "1.5e-310",
    ),
    "text": ("a\u0301;", "x" * 300),
}
EXTRA = (
    ("numeric(5,0)", ("12", "-100", "0")),
    ("numeric(30,20)", ("0.10000000000000000000", "0.30000000000000004", "1.00000000000000000001", "NaN")),
    ("name", ("", "x" * 63)),
    ("place[]", ('{"(,)",NULL}',)),
    ("fraction", ("0.1", "16777217", "NaN")),
    ("flag", ("t", "f")),
    ("padded", ("ab", "abcd")),
    ("line", ("{1,2,3}",)),
    ("pg_lsn", ("16/B374D848",)),
    ("jsonpath", ("$.a",)),
    ("oidvector", ("1 2",)),
    ("regclass", ("pg_class",)),
)
_DOMAINS = "CREATE DOMAIN fraction AS float4; CREATE DOMAIN flag AS bool; CREATE DOMAIN padded AS char(4)"


def literals(declared: str, values: Sequence[str]) -> list[str]:
    """Texts as literals of a type."""
    return ["'" + value.replace("'", "''") + f"'::{declared}" for value in values]


@asynccontextmanager
async def tables(cases: Sequence[tuple[str, Sequence[str]]]) -> AsyncIterator[tuple[Database, PostgresPeer]]:
    """A table for each type, with a row for each literal and one for NULL."""
    async with database(MADE, _DOMAINS) as base:
        for number, (declared, values) in enumerate(cases):
            rows = ", ".join(f"({place}, {value})" for place, value in enumerate([*values, "NULL"]))
            base.run(f"CREATE TABLE t{number} (id int8 PRIMARY KEY, v {declared})", f"INSERT INTO t{number} VALUES {rows}")
        peer = base.peer()
        await peer.connect()
        yield base, peer


def cases_of(cases: Sequence[Case]) -> list[tuple[str, list[str]]]:
    """Types with their literals."""
    plain = [one for one in cases if not one.computed]
    return [(one.declared, [*one.values, *literals(one.declared, MORE.get(one.declared, ()))]) for one in plain]


async def differing(peer: PostgresPeer, collection: Collection) -> list[Row]:
    """The rows whose digest, made by the server, is not that of what is read."""
    rows = [row for _, row in (await peer.chunk(collection, None, 100_000)).rows]
    single: list[Range] = list(pairwise([None, *((row[0],) for row in rows)]))
    found = await peer.digests(collection, single, Way(SHA256, SALT))
    wanted = [Digest(1, one) for one in digest_rows(rows, classes_of(collection), Way(SHA256, SALT))]
    return [row for row, one, other in zip(rows, found.parts, wanted, strict=True) if one != other]


@pytest.mark.parametrize("kind", KINDS)
def test_d1_d2_d3_d4_d45_every_value_of_every_type_is_digested_as_it_is_read(kind: Kind) -> None:
    async def work() -> None:
        cases = [*cases_of(CASES), *((declared, literals(declared, values)) for declared, values in EXTRA)]
        async with tables(cases) as (_, peer):
            for number, (declared, values) in enumerate(cases):
                collection = Collection(f"t{number}", ("id", "v"), ("id",), (Kind.INTEGER, kind))
                assert await differing(peer, collection) == [], declared
                whole = await peer.digests(collection, [(None, None)], Way(SHA256, SALT))
                assert whole.parts[0].count == len(values) + 1

    story(work)


def test_p17_drift_in_a_column_of_every_type_makes_another_digest() -> None:
    """One row's column takes each value of its type, one after the other: values that differ have digests that differ."""

    async def work() -> None:
        cases = cases_of(CASES)
        async with tables(cases) as (base, peer):
            for number, (declared, values) in enumerate(cases):
                table = Collection(f"t{number}", ("id", "v"), ("id",), (Kind.INTEGER, Kind.ANY))
                seen: dict[Row, int] = {}
                for place in range(len(values) + 1):
                    base.run(
                        f"UPDATE t{number} SET v = (SELECT v FROM t{number} WHERE id = {place}) WHERE id = 0"
                    ) if place else None
                    ((row,), (part,)) = (
                        [row for _, row in (await peer.rows(table, [(0,)])).rows],
                        (await peer.digests(table, [(None, (0,))], Way(LOOKUP3, SALT))).parts,
                    )
                    assert seen.setdefault(row, part.total) == part.total, declared
                assert len(set(seen.values())) == len(seen) > 1, declared

    story(work)


@pytest.mark.parametrize("kind", KINDS)
def test_d3_d4_numbers_at_the_edges_of_doubles_are_digested_as_they_are_read(kind: Kind) -> None:
    drawn = random.Random(7)
    doubles = [struct.unpack("<d", struct.pack("<Q", drawn.getrandbits(64)))[0] for _ in range(1500)]
    doubles += [sign * (drawn.getrandbits(53) / 2 ** drawn.randrange(1, 60)) for sign in (1, -1) for _ in range(700)]
    doubles += [drawn.randrange(10**17) / 10 ** drawn.randrange(20) for _ in range(700)]
    singles = [struct.unpack("<f", struct.pack("<I", drawn.getrandbits(32)))[0] for _ in range(1500)]
    decimals = [f"{drawn.randrange(10 ** drawn.randrange(1, 20))}e-{drawn.randrange(24)}" for _ in range(1500)]
    cases = [
        ("float8", literals("float8", [repr(one) for one in doubles])),
        ("float4", literals("float4", [repr(one) for one in singles])),
        ("numeric", literals("numeric", decimals)),
        ("numeric(38,17)", literals("numeric", decimals)),
    ]

    async def work() -> None:
        async with tables(cases) as (_, peer):
            for number, (declared, _) in enumerate(cases):
                collection = Collection(f"t{number}", ("id", "v"), ("id",), (Kind.INTEGER, kind))
                assert await differing(peer, collection) == [], declared

    story(work)


def test_the_other_hash_is_one_of_the_same_text() -> None:
    """hashtextextended of the canonical text of each row, with the two seeds."""

    async def work() -> None:
        cases = cases_of(CASES)
        async with tables(cases) as (base, peer):
            for number in range(len(cases)):
                collection = (await collections(peer))[f"t{number}"]
                chunk = await peer.chunk(collection, None, 100)
                classes = classes_of(collection)
                texts = ["".join(f"{text_of(*one)};" for one in zip(row, classes, strict=True)) for _, row in chunk.rows]
                sql = "SELECT hashtextextended(x, %s), hashtextextended(x, %s) FROM unnest(%s::text[]) AS x"
                halves = base.run(sql, values=(*seeds_of(SALT), texts))
                wanted = total_of(((high % 2**64) << 64) | (low % 2**64) for high, low in halves)
                found = await peer.digests(collection, [(None, None)], Way(LOOKUP3, SALT))
                assert found.parts == (Digest(len(texts), wanted),), cases[number]

    story(work)


async def collections(peer: PostgresPeer) -> dict[str, Collection]:
    """Every table as it is."""
    return {
        name: Collection(name, tuple(one.name for one in table.columns), table.key, tuple(one.kind for one in table.columns))
        for name, table in (await peer.inspect()).items()
    }


def test_computed_columns_and_domains_of_enums_are_digested_as_they_are_read() -> None:
    async def work() -> None:
        table = "CREATE TABLE t (id int8 PRIMARY KEY, twice int8 GENERATED ALWAYS AS (id * 2) STORED, c shade, p place)"
        made = (MADE, "CREATE DOMAIN shade AS colour", table)
        values = "INSERT INTO t (id, c, p) VALUES (1, 'red', NULL), (2, NULL, ROW(NULL, NULL)), (3, NULL, ROW('', 1))"
        async with database(*made, values) as base:
            peer = base.peer()
            await peer.connect()
            found = (await collections(peer))["t"]
            assert len(found.columns) == 4
            assert await differing(peer, found) == []

    story(work)
