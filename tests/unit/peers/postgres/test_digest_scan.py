"""Where no index sorts as keys are sorted, one reading of the table serves all ranges that are in order."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from psycopg import AsyncCursor
from tests.unit.peers.postgres.database import Database, collection_of, database, story
from tests.unit.peers.postgres.test_digest import WAY, cut_of, opened, rows_of

from syncline.model.canonical import classes_of, digest_rows
from syncline.model.key import order
from syncline.model.schema import Collection
from syncline.model.value import Key, Row
from syncline.peers.protocol import Range

COUNT = 20_000
TABLES = {
    "one": ('k text COLLATE "en-x-icu" PRIMARY KEY, n int4', "md5(n::text), n"),
    "two": ('n int4, k text COLLATE "en-x-icu", PRIMARY KEY (k, n)', "n, left(md5(n::text), 2)"),
}


def scattered(keys: Sequence[Key], count: int, width: int) -> list[Range]:
    """So many ranges of so many rows each, in order, with gaps between them; and both ends."""
    step = len(keys) // count
    inner: list[Range] = [(keys[start], keys[start + width]) for start in range(step, len(keys) - step, step)]
    return [(None, keys[width - 1]), *inner, (keys[-width - 1], None)]


def within(rows: Sequence[tuple[Key, Row]], collection: Collection, ranges: Sequence[Range]) -> list[dict[Key, int]]:
    """The digest of each row of each range, from the rows as they are read."""
    hashed = dict(
        zip((key for key, _ in rows), digest_rows([row for _, row in rows], classes_of(collection), WAY), strict=True)
    )
    keys = sorted(hashed, key=order)
    place = {key: number for number, key in enumerate(keys)}
    starts = [0 if after is None else place[after] + 1 for after, _ in ranges]
    ends = [len(keys) if upto is None else place[upto] + 1 for _, upto in ranges]
    return [{key: hashed[key] for key in keys[start:end]} for start, end in zip(starts, ends, strict=True)]


class Told:
    """The statements that look at rows, for EXPLAIN."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.heard: list[tuple[str, Mapping[str, object]]] = []
        execute = AsyncCursor.execute

        async def heard(cursor: AsyncCursor[Any], sql: bytes, params: Any = None, **options: Any) -> AsyncCursor[Any]:
            if isinstance(params, Mapping):
                self.heard.append((sql.decode(), params))
            return await execute(cursor, sql, params, **options)

        monkeypatch.setattr(AsyncCursor, "execute", heard)

    def plan(self, base: Database) -> str:
        """How the server did the only one."""
        ((sql, params),) = self.heard
        self.heard.clear()
        return "\n".join(row[0] for row in base.run(f"EXPLAIN ANALYZE {sql}", values=params))  # type: ignore[arg-type]


def the_reading(plan: str) -> str:
    """What a plan tells of the only time that the table is read."""
    lines = [line for line in plan.splitlines() if "Scan" in line and " on t" in line]
    assert len(lines) == 1, plan
    return lines[0]


@pytest.mark.parametrize("table", TABLES)
def test_ranges_with_gaps_are_found_in_one_reading_and_the_gaps_are_not_digested(
    table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns, values = TABLES[table]

    async def work() -> None:
        insert = f"INSERT INTO t SELECT {values} FROM generate_series(1, {COUNT}) AS n"
        settled = ("ALTER TABLE t SET (parallel_workers = 0)", "ANALYZE t")
        async with database(f"CREATE TABLE t ({columns})", insert, *settled) as base:
            peer, found = await opened(base)
            rows = await rows_of(peer, found)
            keys = [key for key, _ in rows]
            ranges = scattered(keys, 100, 5)
            wanted = within(rows, found, ranges)
            count = sum(map(len, wanted))
            assert count == 5 * len(ranges)
            told = Told(monkeypatch)
            assert await peer.hashes(found, ranges, WAY) == wanted
            reading = the_reading(told.plan(base))
            assert f"rows={count}" in reading.split("actual")[1], reading
            assert "loops=1)" in reading
            parts = (await peer.digests(found, ranges, WAY)).parts
            assert [part.count for part in parts] == [5] * len(ranges)
            reading = the_reading(told.plan(base))
            assert f"rows={count}" in reading.split("actual")[1], reading
            assert "loops=1)" in reading
            assert await peer.fences(found, ranges, 2) == [cut_of(keys, one, 2) for one in ranges]
            assert "loops=1)" in the_reading(told.plan(base))

    story(work)


def test_a_thousand_ranges_with_gaps_and_without() -> None:
    columns, values = TABLES["one"]

    async def work() -> None:
        async with database(
            f"CREATE TABLE t ({columns})", f"INSERT INTO t SELECT {values} FROM generate_series(1, 8192) AS n"
        ) as base:
            peer = base.peer()
            await peer.connect()
            found = collection_of((await peer.inspect())["t"])
            rows = await rows_of(peer, found)
            keys = [key for key, _ in rows]
            every: list[Range] = list(pairwise([None, *keys[3:-1:4], None]))
            for ranges in (every[:1024], every[::2]):
                wanted = within(rows, found, ranges)
                assert len(wanted) == 1024
                assert await peer.hashes(found, ranges, WAY) == wanted
                parts = (await peer.digests(found, ranges, WAY)).parts
                assert [part.count for part in parts] == [len(one) for one in wanted]

    story(work)
