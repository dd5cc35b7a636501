"""Ranges whose rows are digested together: where they are offered, and what becomes of texts that do not fit."""

from itertools import pairwise
from typing import Any

import psycopg
import pytest
from tests.unit.peers.postgres.database import Database, database, story
from tests.unit.peers.postgres.test_digest import forbid_reading, opened

from syncline.model import limits
from syncline.model.canonical import CHAIN, SHA256, Way
from syncline.peers.digest import ReadsDigests, sample
from syncline.peers.postgres import digest
from syncline.peers.protocol import Range

WAY = Way(CHAIN, "0123456789abcdef")
RANGES: list[Range] = [*pairwise([None, (3,), (4,), (700,), None]), ((5000,), None)]
SHORT = "id int8 PRIMARY KEY, a text, b numeric, c timestamptz, d int, e bytea, f float8"
ROWS = (
    "INSERT INTO t SELECT n, nullif('row ' || n % 7, 'row 0'), n / 3.0, '2026-01-01'::timestamptz + n * interval '1 us', "
    "nullif(n % 5, 0), decode(md5(n::text), 'hex'), n / 4.0 FROM generate_series(1, 1000) AS n ORDER BY n % 13, n DESC"
)


def test_a_range_is_what_its_rows_are_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows stand in the table in another order than that of their keys."""

    async def work() -> None:
        async with database(f"CREATE TABLE t ({SHORT})", ROWS) as base:
            peer, table = await opened(base)
            read = await ReadsDigests.digests(peer, table, RANGES, WAY)
            forbid_reading(monkeypatch)
            found = await peer.digests(table, RANGES, WAY)
            assert [part.count for part in found.parts] == [3, 1, 696, 300, 0]
            assert found.parts == read.parts

    story(work)


def test_texts_that_are_too_long_together_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server refuses to make them; what the session does afterwards is not refused."""

    async def work() -> None:
        async with database(f"CREATE TABLE t ({SHORT})", ROWS) as base:
            peer, table = await opened(base)
            whole = await peer.digests(table, RANGES, WAY)
            fetch, refused = digest._fetch, 0

            async def refuse(connection: Any, sql: str, params: Any) -> Any:
                nonlocal refused
                if "string_agg" in sql:
                    refused += 1
                    await fetch(connection, "SELECT pg_catalog.repeat('x', 1100000000)", {})
                return await fetch(connection, sql, params)

            monkeypatch.setattr(digest, "_fetch", refuse)
            assert (await peer.digests(table, RANGES, WAY)).parts == whole.parts
            assert refused == 1

    story(work)


def test_a_table_that_lost_its_index_is_read() -> None:
    async def work() -> None:
        async with database(f"CREATE TABLE t ({SHORT})", ROWS) as base:
            peer, table = await opened(base)
            assert CHAIN in await peer.ways(table)
            whole = await peer.digests(table, RANGES, WAY)
            base.run("ALTER TABLE t DROP CONSTRAINT t_pkey")
            assert CHAIN not in await peer.ways(table)
            assert (await peer.digests(table, RANGES, WAY)).parts == whole.parts

    story(work)


async def _offered(base: Database) -> bool:
    peer, table = await opened(base)
    return CHAIN in await peer.ways(table)


@pytest.mark.parametrize(
    ("columns", "offered"),
    [
        (SHORT, True),
        ("id int4, n int2, a text, PRIMARY KEY (id, n)", True),
        ("id text PRIMARY KEY", False),
        ("id numeric(10) PRIMARY KEY, a int", False),
        ("id uuid PRIMARY KEY, a int", False),
    ],
)
def test_chains_are_offered_for_keys_of_integers(columns: str, offered: bool) -> None:
    async def work() -> None:
        async with database(f"CREATE TABLE t ({columns})") as base:
            assert await _offered(base) is offered

    story(work)


@pytest.mark.parametrize(("size", "offered"), [(2 * limits.CHAIN_ROW_BYTES_MAX, False), (100, True)])
def test_chains_are_not_offered_for_rows_that_are_long_on_average(
    size: int, offered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        monkeypatch.setattr(digest, "_SMALL_BYTES", 10_000)
        async with database("CREATE TABLE t (id int8 PRIMARY KEY, a text)") as base:
            base.run(
                "ALTER TABLE t ALTER a SET STORAGE EXTERNAL",
                f"INSERT INTO t SELECT n, repeat('x', {size}) FROM generate_series(1, 300) n",
            )
            assert await _offered(base) is False, "nobody knows how many rows there are"
            base.run("ANALYZE t")
            assert await _offered(base) is offered

    story(work)


def test_rows_of_partitions_and_values_that_stand_apart_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        monkeypatch.setattr(digest, "_SMALL_BYTES", 100_000)
        statements = (
            "CREATE TABLE t (id int8 PRIMARY KEY, a text) PARTITION BY RANGE (id)",
            "CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (100)",
            "CREATE TABLE high PARTITION OF t FOR VALUES FROM (100) TO (10000)",
        )
        async with database(*statements) as base:
            base.run("INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 5000) n")
            assert await _offered(base) is False, "nobody knows how many rows there are"
            base.run("ANALYZE t")
            assert await _offered(base) is True
            base.run("UPDATE t SET a = (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 600) n) WHERE id = 7")
            assert await _offered(base) is False

    story(work)


def test_the_samples_are_digested_by_the_server() -> None:
    async def work() -> None:
        async with database(f"CREATE TABLE t ({SHORT})") as base:
            peer, table = await opened(base)
            ways = await peer.ways(table)
            assert ways.items() >= {SHA256: sample(), CHAIN: sample(CHAIN)}.items()
            assert (await peer.able())[CHAIN] == sample(CHAIN)

    story(work)


def test_errors_of_texts_that_are_too_long_are_those_that_are_caught() -> None:
    async def work() -> None:
        async with database() as base:
            with pytest.raises(digest._TOO_LONG), base.server.connect(base.name) as program:
                program.execute("SELECT string_agg(repeat('x', 100000000), '') FROM generate_series(1, 11)")
            assert psycopg.errors.ProgramLimitExceeded in digest._TOO_LONG

    story(work)
