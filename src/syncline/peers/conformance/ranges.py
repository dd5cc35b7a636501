"""Reading: chunks in the peer's own key order from one snapshot, and single rows."""

import asyncio
from pathlib import Path

from syncline.model.codec import encode_row
from syncline.model.key import order
from syncline.model.value import Key, Row
from syncline.model.write import Batch
from syncline.peers.conformance.harness import PAIRS, PEOPLE, Insert, person
from syncline.peers.conformance.reading import captured, changes, ready, run
from syncline.peers.conformance.suite import Suite
from syncline.peers.protocol import Peer

TEXTS, NUMBERS = ("", "A", "a", "ä", "z", "😀", "a b", "0"), (-(2**63), -1, 0, 7, 2**63 - 1)
ROWS: dict[Key, Row] = {(text, number): (number, text, number) for text in TEXTS for number in NUMBERS}


class RangeSuite(Suite):
    """Tests of `chunk` and `rows`."""

    def test_chunks_cover_a_table_in_key_order(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", [Insert("pairs", row) for row in ROWS.values()])
            for limit in (1, 7, 39, 40, 41):
                rows = await _walk(peer, limit)
                assert [key for key, _ in rows] == sorted(ROWS, key=order)
                assert dict(rows) == ROWS
            await harness.close()

        run(story())

    def test_ranges_of_several_collections_are_read_at_once(self, tmp_path: Path) -> None:
        """Each as if it were read alone, and at the place where its rows are the history."""
        harness = self.harness(tmp_path)

        async def story() -> None:
            statements = [*(Insert("pairs", row) for row in ROWS.values()), *(Insert("people", person(n)) for n in range(30))]
            peer = await ready(harness, "one", statements)
            asked = [(one, limit) for one in (PAIRS, PEOPLE) for limit in (1, 7, 29, 100)]
            together = await asyncio.gather(*[peer.chunk(one, None, limit) for one, limit in asked])
            for (one, limit), chunk in zip(asked, together, strict=True):
                alone = await peer.chunk(one, None, limit)
                assert (tuple(chunk.rows), chunk.last, chunk.done) == (tuple(alone.rows), alone.last, alone.done)
                assert chunk.position <= alone.position
            await harness.close()

        run(story())

    def test_a_range_is_open_below_and_closed_above(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", [Insert("people", person(n)) for n in range(10)])
            chunk = await peer.chunk(PEOPLE, (2,), 100, (5,))
            assert [key for key, _ in chunk.rows] == [(3,), (4,), (5,)]
            assert (chunk.last, chunk.done) == ((5,), True)
            chunk = await peer.chunk(PEOPLE, (2,), 3, (5,))
            assert (len(chunk.rows), chunk.done) == (3, True)
            chunk = await peer.chunk(PEOPLE, (2,), 2, (5,))
            assert (chunk.last, chunk.done) == ((4,), False)
            empty = await peer.chunk(PEOPLE, (9,), 2)
            assert (empty.rows, empty.last, empty.done) == ((), None, True)
            await harness.close()

        run(story())

    def test_single_rows_are_found_and_missing_ones_left_out(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", [Insert("pairs", row) for row in ROWS.values()])
            wanted: list[Key] = [("a", 7), ("b", 7), ("😀", -1), ("a", 8)]
            found = await peer.rows(PAIRS, wanted)
            assert dict(found.rows) == {key: ROWS[key] for key in wanted if key in ROWS}
            assert dict((await peer.rows(PAIRS, list(ROWS) * 20)).rows) == ROWS
            assert (await peer.rows(PAIRS, [])).rows == ()
            await harness.close()

        run(story())

    def test_a_chunk_tells_where_it_stands(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one")
            await harness.write("one", [Insert("people", person(1))])
            await peer.apply(Batch(12, (), 0))
            chunk = await peer.chunk(PEOPLE, None, 10)
            assert (chunk.position, chunk.watermark) == (await peer.position(), 12)
            await harness.write("one", [Insert("people", person(2))])
            late = await captured(peer, chunk.position)
            assert [change.key for change in changes(late)] == [(2,)]
            assert (await peer.rows(PEOPLE, [(1,)])).position > chunk.position
            await harness.close()

        run(story())

    def test_snapshot_and_stream_give_the_same_bytes(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            odd = {"age": None, "note": None}
            rows = [person(n, f"é{n}", email=f"{n}@x", photo=bytes(range(n)), **(odd if n > 3 else {})) for n in range(9)]
            peer = await ready(harness, "one")
            await harness.write("one", [Insert("people", row) for row in rows])
            streamed = {change.key: change.after for change in changes(await captured(peer))}
            read = dict((await peer.chunk(PEOPLE, None, 100)).rows)
            assert streamed == read == await harness.read("one", PEOPLE)
            assert [encode_row(row) for row in streamed.values() if row] == [encode_row(row) for row in read.values()]
            await harness.close()

        run(story())


async def _walk(peer: Peer, limit: int) -> list[tuple[Key, Row]]:
    rows: list[tuple[Key, Row]] = []
    after: Key | None = None
    while True:
        chunk = await peer.chunk(PAIRS, after, limit)
        assert len(chunk.rows) <= limit
        rows += chunk.rows
        if chunk.done:
            return rows
        after = chunk.last
