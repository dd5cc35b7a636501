"""Capture: every committed change, once, in commit order, with true images and the watermark that its writer had seen."""

from contextlib import aclosing
from pathlib import Path

from syncline.model.change import Transaction
from syncline.model.stamp import Position
from syncline.model.write import Batch, Op, Write
from syncline.peers.conformance.harness import PAIRS, PEOPLE, Delete, Insert, Update, person
from syncline.peers.conformance.reading import again, captured, changes, everything, ready, replay, run
from syncline.peers.conformance.suite import Suite


class CaptureSuite(Suite):
    """Tests of `stream`, `position` and `acknowledge`."""

    def test_changes_come_with_both_images(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one")
            await harness.write("one", [Insert("people", person(1, "Ada"))])
            await harness.write("one", [Update("people", (1,), {"age": 37, "photo": b"\x00\xff"})])
            await harness.write("one", [Delete("people", (1,))])
            found = changes(await captured(peer))
            grown = person(1, "Ada", age=37, photo=b"\x00\xff")
            images = [(None, person(1, "Ada")), (person(1, "Ada"), grown), (grown, None)]
            assert [(change.before, change.after) for change in found] == images
            assert {change.key for change in found} == {(1,)}
            await harness.close()

        run(story())

    def test_a_transaction_stays_whole(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one")
            await harness.write("one", [Insert("people", person(n)) for n in range(50)])
            await harness.write("one", [Insert("pairs", (n, "a", n)) for n in range(50)])
            found = [transaction for transaction in await captured(peer) if transaction.changes]
            names = [{change.collection for change in transaction.changes} for transaction in found]
            if peer.features.transactions_exact:
                assert names == [{"people"}, {"pairs"}]
            assert [len([c for c in t.changes if c.collection == "people"]) % 50 for t in found] == [0] * len(found)
            assert replay({}, changes(found)) == await everything(harness, "one")
            await harness.close()

        run(story())

    def test_a_changed_key_is_one_move(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", [Insert("pairs", (1, "x", 10))])
            await harness.write("one", [Update("pairs", ("x", 1), {"a": "y"})])
            gone, come = changes(await captured(peer))
            assert (gone.key, gone.before, gone.after) == (("x", 1), (1, "x", 10), None)
            assert (come.key, come.before, come.after) == (("y", 1), None, (1, "y", 10))
            assert gone.verdict is not None
            assert come.verdict is not None
            assert (gone.verdict.moved, come.verdict.moved) == (come.key, gone.key)
            await harness.close()

        run(story())

    def test_reading_goes_on_where_it_stopped(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one")
            await harness.write("one", [Insert("people", person(1))])
            first = await captured(peer)
            await harness.write("one", [Insert("people", person(2))])
            peer = await again(harness, "one")  # the first one is left open, as a crash would
            second = await captured(peer, first[-1].position)
            assert [change.key for change in changes(first)] == [(1,)]
            assert [change.key for change in changes(second)] == [(2,)]
            assert changes(await captured(peer)) == changes(first) + changes(second)
            await harness.close()

        run(story())

    def test_the_end_is_told_even_where_nothing_is_new(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one")
            end = await peer.position()
            assert [transaction.position for transaction in await captured(peer, end)] == [end]
            await harness.close()

        run(story())

    def test_positions_grow(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one")
            seen: list[Position] = []
            async with aclosing(peer.stream(None)) as stream:  # type: ignore[type-var]
                for number in range(20):
                    await harness.write("one", [Insert("people", person(number))])
                    end = await peer.position()
                    async for transaction in stream:
                        seen.append(transaction.position)
                        if transaction.position >= end:
                            break
            assert seen == sorted(set(seen))
            await harness.close()

        run(story())

    def test_our_own_writes_move_the_context_and_are_not_captured(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one")
            await harness.write("one", [Insert("people", person(1))])
            row = person(2)
            await peer.apply(Batch(7, (Write(Op.UPSERT, "people", ((2,),), PEOPLE.columns, (), (row,)),), 1))
            await harness.write("one", [Insert("people", person(3))])
            found = await captured(peer)
            assert [(change.key, t.context) for t in found for change in t.changes] == [((1,), 0), ((3,), 7)]
            assert [t.context for t in found if not t.changes and t.context] == [7]
            resumed = await captured(peer, _first(found).position)
            assert {t.context for t in resumed} == {7}
            await harness.close()

        run(story())

    def test_what_was_acknowledged_may_be_forgotten(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one")
            await harness.write("one", [Insert("people", person(n)) for n in range(100)])
            await peer.apply(Batch(3, (), 0))
            middle = (await captured(peer))[-1].position
            await peer.acknowledge(middle)
            await peer.apply(Batch(4, (), 0))
            await harness.write("one", [Delete("people", (5,))])
            peer = await again(harness, "one")
            found = await captured(peer, middle)
            assert [(change.key, t.context) for t in found for change in t.changes] == [((5,), 4)]
            assert await peer.position() > middle
            await harness.close()

        run(story())

    def test_a_rolled_back_or_idle_write_is_not_captured(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", [Insert("people", person(1))])
            await harness.write("one", [Update("people", (1,), {"age": 30})])
            await harness.write("one", [Update("people", (99,), {"age": 30})])
            assert changes(await captured(peer)) == []
            await harness.close()

        run(story())

    def test_a_key_of_two_columns_keeps_its_order(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one")
            await harness.write("one", [Insert("pairs", (2, "k", 5))])
            (change,) = changes(await captured(peer))
            assert change.key == ("k", 2)
            assert PAIRS.key == ("a", "b")
            await harness.close()

        run(story())


def _first(found: list[Transaction]) -> Transaction:
    return next(transaction for transaction in found if transaction.context == 7)
