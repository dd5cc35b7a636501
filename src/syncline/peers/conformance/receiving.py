"""A peer that only receives: nothing that its users do is captured, and it tells how far it was brought all the same."""

import asyncio
from contextlib import aclosing
from pathlib import Path

from syncline.model.change import Transaction
from syncline.peers.conformance.applying import batch, upsert
from syncline.peers.conformance.harness import PEOPLE, TABLES, Insert, person
from syncline.peers.conformance.reading import again, captured, changes, ready, run
from syncline.peers.conformance.suite import Suite
from syncline.peers.protocol import Peer


async def told(peer: Peer, *, context: int) -> list[Transaction]:
    """What a new stream tells until this watermark was told."""
    found: list[Transaction] = []
    async with aclosing(peer.stream(None)) as stream:  # type: ignore[type-var]
        async for transaction in stream:
            found.append(transaction)
            if transaction.context >= context:
                break
    return found


class ReceiveSuite(Suite):
    """Tests of peers that were opened with `captures=False`."""

    def test_only_deliveries_are_told_of_a_peer_that_only_receives(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", [Insert("people", person(1))], captures=False)
            listening = asyncio.create_task(told(peer, context=7))
            await harness.write("one", [Insert("people", person(2))])
            for upto in (4, 7):
                await peer.apply(batch(upto, upsert(person(10 + upto))))
            found = await listening
            assert changes(found) == []
            assert found[-1].context == 7
            assert [one.context for one in found] == sorted({one.context for one in found})
            assert found[-1].position >= found[0].position
            assert set(await harness.read("one", PEOPLE)) == {(1,), (2,), (14,), (17,)}
            await harness.close()

        run(story())

    def test_streams_begin_while_others_ask_where_it_stands(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", captures=False)
            await peer.apply(batch(5, upsert(person(1))))
            several = [captured(peer) for _ in range(5)]
            found, ends = await asyncio.gather(asyncio.gather(*several), asyncio.gather(*(peer.position() for _ in range(20))))
            assert {one[-1].context for one in found} == {5}
            assert len({(end.major, end.minor) for end in ends}) == 1
            await harness.close()

        run(story())

    def test_capture_is_drained_at_once_at_a_peer_that_only_receives(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", captures=False)
            first = await captured(peer)
            assert [one.context for one in first] == [0]
            await peer.apply(batch(5, upsert(person(1))))
            chunk = await peer.chunk(PEOPLE, None, 10)
            assert (chunk.watermark, chunk.rows) == (5, (((1,), person(1)),))
            assert chunk.position <= await peer.position()
            assert (await captured(peer, first[-1].position))[-1].context == 5
            await harness.close()

        run(story())

    def test_what_was_refused_last_is_told_after_a_restart(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", captures=False)
            listening = asyncio.create_task(told(peer, context=3))
            done = await peer.apply(batch(3, upsert(person(1), person(2, age=-1))))
            assert [one.key for one in done.refused] == [(2,)]
            assert [one.refused for one in await listening if one.context == 3] == [done.refused]
            peer = await again(harness, "one", captures=False)
            assert [one.refused for one in await told(peer, context=3) if one.context == 3] == [done.refused]
            await harness.close()

        run(story())

    def test_a_restart_finds_the_same_peer_where_it_was(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", captures=False)
            await peer.enter("first")
            await peer.apply(batch(9, upsert(person(1))))
            end, known = await peer.position(), await peer.connect()
            await harness.write("one", [Insert("people", person(2))])
            peer = harness.open("one", captures=False)
            shown = await peer.connect()
            assert (shown.incarnation, shown.watermark, shown.fresh) == (known.incarnation, 9, False)
            assert (shown.nonce, shown.position) == ("first", end)
            assert (await peer.setup(TABLES)).incarnation == known.incarnation
            await harness.close()

        run(story())

    def test_one_whose_users_are_heard_from_now_on_is_not_the_one_that_was_known(self, tmp_path: Path) -> None:
        """What they wrote before nobody heard: so it has to join again, and only then everything counts."""
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", captures=False)
            known = (await peer.connect()).incarnation
            await harness.write("one", [Insert("people", person(1))])
            peer = harness.open("one")
            shown = (await peer.connect()).incarnation
            assert shown.startswith(f"{known} (")
            made = await peer.setup(TABLES)
            assert made.incarnation not in (known, shown)
            assert not made.fresh
            await harness.write("one", [Insert("people", person(2))])
            assert [change.key for change in changes(await captured(peer))] == [(2,)]
            await harness.close()

        run(story())

    def test_one_that_was_captured_stays_so(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one")
            known = (await peer.connect()).incarnation
            peer = await again(harness, "one", captures=False)
            await harness.write("one", [Insert("people", person(1))])
            assert (await peer.connect()).incarnation == known
            assert [change.key for change in changes(await captured(peer))] == [(1,)]
            await harness.close()

        run(story())

    def test_teardown_leaves_no_trace_of_one_that_only_receives(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", [Insert("people", person(1))], captures=False)
            assert await peer.changed() is None
            assert await peer.kept(await peer.position()) is None
            assert list(await harness.traces("one")) != []
            await peer.teardown()
            assert list(await harness.traces("one")) == []
            await harness.close()

        run(story())
