"""Where the server sorts a key in another way, one reading of the table serves all ranges that are in order."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import pytest
from tests.unit.peers.mysql.database import database, numbers, story
from tests.unit.peers.mysql.test_digest import WAY, ready

from syncline.model.canonical import classes_of, digest_rows
from syncline.model.key import order
from syncline.model.schema import Collection
from syncline.model.value import Key, Row
from syncline.peers.mysql import MysqlPeer, digest
from syncline.peers.protocol import Range

COUNT: Final = 20_000
_UUID: Final = "CONCAT(LEFT(MD5({0}), 8), '-', MID(MD5({0}), 9, 4), '-4000-8000-', RIGHT(MD5({0}), 12))"
KEYS: Final = {
    "uuid": _UUID.format("seq"),
    "time(2)": "SEC_TO_TIME(seq * 2.5 - 20000)",
    "varchar(40) CHARACTER SET latin1 COLLATE latin1_nopad_bin": "CONCAT(MD5(seq), CHAR(228))",
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


async def looked_at(peer: MysqlPeer) -> int:
    """How many rows the session of reads has looked at so far, those of its own tables of sums among them."""
    assert peer._reader is not None
    return sum(int(count) for _, count in await peer._reader.fetch("SHOW SESSION STATUS LIKE 'Handler_read_%next'"))


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("key", ["k", "k, n", "n, k"])
def test_ranges_with_gaps_are_found_in_one_reading(kind: str, key: str) -> None:
    async def work() -> None:
        group = "seq DIV 100" if key == "n, k" else "seq"
        async with database(
            f"CREATE TABLE t (k {kind} NOT NULL, n int NOT NULL, v int, PRIMARY KEY ({key}))",
            f"INSERT INTO t SELECT {KEYS[kind]}, {group}, seq FROM {numbers(COUNT)}",
        ) as base:
            peer, table = await ready(base)
            rows = (await peer.chunk(table, None, 2 * COUNT)).rows
            assert len(rows) == COUNT
            ranges = scattered([key for key, _ in rows], 100, 5)
            wanted = within(rows, table, ranges)
            assert sum(map(len, wanted)) == 5 * len(ranges)
            for asked in (peer.hashes(table, ranges, WAY), peer.digests(table, ranges, WAY)):
                before = await looked_at(peer)
                found = await asked
                assert await looked_at(peer) - before < 1.5 * COUNT
                if isinstance(found, list):
                    assert found == wanted
                else:
                    assert [part.count for part in found.parts] == [5] * len(ranges)

    story(work)


def test_a_thousand_ranges_with_gaps_and_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where one statement cannot take all bounds."""

    async def work() -> None:
        async with database(
            "CREATE TABLE t (k uuid PRIMARY KEY, n int)", f"INSERT INTO t SELECT {KEYS['uuid']}, seq FROM {numbers(8192)}"
        ) as base:
            peer, table = await ready(base)
            rows = (await peer.chunk(table, None, 2 * COUNT)).rows
            every: list[Range] = list(pairwise([None, *(key for key, _ in rows[3:-1:4]), None]))
            for most in (digest._BOUNDS_MAX, 20_000):
                monkeypatch.setattr(digest, "_BOUNDS_MAX", most)
                for ranges in (every[:1024], every[::2]):
                    wanted = within(rows, table, ranges)
                    assert len(wanted) == 1024
                    assert await peer.hashes(table, ranges, WAY) == wanted
                    parts = (await peer.digests(table, ranges, WAY)).parts
                    assert [part.count for part in parts] == [len(one) for one in wanted]

    story(work)
