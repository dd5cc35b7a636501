"""Ranges whose rows are digested together: where they are offered, and what becomes of texts that do not fit."""

from itertools import pairwise

import pytest
from tests.unit.peers.mysql.database import Database, database, numbers, on_each_server, only_mariadb, story
from tests.unit.peers.mysql.test_digest import Watched, ready

from syncline.model import limits
from syncline.model.canonical import CHAIN, SHA256, Way
from syncline.peers.digest import ReadsDigests, sample
from syncline.peers.mysql import MysqlPeer, digest
from syncline.peers.protocol import Range

WAY = Way(CHAIN, "0123456789abcdef")
RANGES: list[Range] = [*pairwise([None, (3,), (4,), (700,), None]), ((5000,), None)]
SHORT = "id bigint PRIMARY KEY, a varchar(60), b decimal(12,2), c datetime(6), d int, e varbinary(20)"
ROWS = (
    "INSERT INTO t SELECT seq, IF(seq % 7, CONCAT('row ', seq), NULL), seq / 3, "
    f"TIMESTAMP'2026-01-01 00:00:00' + INTERVAL seq MICROSECOND, IF(seq % 5, seq, NULL), UNHEX(SHA1(seq)) FROM {numbers(1000)}"
)


@on_each_server
def test_a_range_is_what_its_rows_are_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows were written in another order than that of their keys; a second index has yet another one."""

    async def work() -> None:
        async with database(f"CREATE TABLE t ({SHORT}, KEY (a))") as base:
            base.run(f"{ROWS} ORDER BY seq % 13, seq DESC")
            peer, table = await ready(base)
            watched = Watched(peer, monkeypatch)
            found = await peer.digests(table, RANGES, WAY)
            assert watched.reads == 0
            assert [part.count for part in found.parts] == [3, 1, 696, 300, 0]
            assert found == await ReadsDigests.digests(peer, table, RANGES, WAY)

    story(work)


@on_each_server
def test_texts_that_do_not_fit_into_a_group_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that was cut would be the same wherever only what is cut off differs."""

    async def work() -> None:
        async with database(f"CREATE TABLE t ({SHORT})", ROWS) as base:
            peer, table = await ready(base)
            whole = await peer.digests(table, RANGES, WAY)
            watched = Watched(peer, monkeypatch)
            await _in_sessions(peer, "SET SESSION group_concat_max_len = 4096")
            assert await peer.digests(table, RANGES, WAY) == whole
            assert watched.reads > 0

    story(work)


async def _in_sessions(peer: MysqlPeer, statement: str) -> None:
    """In all that read."""
    assert peer._reader is not None
    assert peer._apart is not None
    for session in (peer._reader, *peer._apart._free):
        await session.run(lambda one: one.query(statement))


@on_each_server
def test_rows_that_became_longer_than_a_packet_since_are_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server would leave the text of such a row out, and count it: two tables would be equal that are not."""

    async def work() -> None:
        async with database("CREATE TABLE t (id bigint PRIMARY KEY, a text, b text)") as base:
            base.run("INSERT INTO t VALUES (1, 'one', ''), (2, 'two', ''), (3, 'three', '')")
            peer, table = await ready(base)
            assert CHAIN in await peer.ways(table)
            base.run("ALTER TABLE t MODIFY a mediumtext, MODIFY b mediumtext")
            base.run("UPDATE t SET a = REPEAT('x', 9000000), b = REPEAT('y', 9000000) WHERE id = 2")
            watched = Watched(peer, monkeypatch)
            (whole,) = (await peer.digests(table, [(None, None)], WAY)).parts
            assert watched.reads > 0
            base.run("UPDATE t SET b = CONCAT(b, 'z') WHERE id = 2")
            assert (await peer.digests(table, [(None, None)], WAY)).parts != (whole,)

    story(work)


@on_each_server
def test_a_second_index_that_has_all_columns_is_not_read_instead() -> None:
    async def work() -> None:
        async with database("CREATE TABLE t (id bigint PRIMARY KEY, a int, KEY (a))") as base:
            base.run(f"INSERT INTO t SELECT seq, 1000 - seq FROM {numbers(500)}", "ANALYZE TABLE t")
            peer, table = await ready(base)
            assert CHAIN in await peer.ways(table)
            read = await ReadsDigests.digests(peer, table, [(None, None)], WAY)
            assert (await peer.digests(table, [(None, None)], WAY)).parts == read.parts

    story(work)


async def _offered(base: Database) -> bool:
    peer, table = await ready(base)
    return CHAIN in await peer.ways(table)


@on_each_server
@pytest.mark.parametrize("kept", ["ENGINE = Aria", "PARTITION BY HASH (id) PARTITIONS 3"])
def test_chains_are_not_offered_where_rows_stand_in_no_order(kept: str) -> None:
    only_mariadb(kept)

    async def work() -> None:
        async with database(f"CREATE TABLE t (id bigint PRIMARY KEY, a int) {kept}") as base:
            assert await _offered(base) is False

    story(work)


@pytest.mark.parametrize(
    ("columns", "offered"),
    [
        (SHORT, True),
        ("id int unsigned, n smallint, a text, PRIMARY KEY (id, n)", True),
        ("id decimal(10,0) PRIMARY KEY, a int", False),
        ("id varchar(20) COLLATE utf8mb4_bin PRIMARY KEY, a int", False),
        ("id bigint PRIMARY KEY, a longtext", False),
        ("id bigint PRIMARY KEY, a mediumtext", False),
        ("id bigint NOT NULL UNIQUE, a int", False),
    ],
)
@on_each_server
def test_chains_are_offered_for_keys_of_integers_and_rows_that_fit(columns: str, offered: bool) -> None:
    async def work() -> None:
        async with database(f"CREATE TABLE t ({columns})") as base:
            assert await _offered(base) is offered

    story(work)


@on_each_server
def test_chains_are_not_offered_for_rows_that_are_long_on_average() -> None:
    async def work() -> None:
        async with database("CREATE TABLE t (id bigint PRIMARY KEY, a text)") as base:
            base.run(f"INSERT INTO t SELECT seq, REPEAT('x', {limits.CHAIN_ROW_BYTES_MAX + 2000}) FROM {numbers(50)}")
            base.run("ANALYZE TABLE t")
            assert await _offered(base) is False

    story(work)


@on_each_server
def test_the_samples_are_digested_by_the_server() -> None:
    async def work() -> None:
        async with database(f"CREATE TABLE t ({SHORT})") as base:
            peer, table = await ready(base)
            assert await peer.ways(table) == {SHA256: sample(), CHAIN: sample(CHAIN)}
            assert peer._reader is not None
            assert await peer._reader.run(lambda one: digest.sample(one, CHAIN)) == sample(CHAIN)

    story(work)
