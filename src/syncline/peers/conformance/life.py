"""Coming and going: who a peer is, setting up twice, changed tables, leaving no trace."""

from collections.abc import Awaitable
from pathlib import Path

from syncline.model.change import Transaction
from syncline.model.errors import PeerChanged
from syncline.model.schema import Collection
from syncline.peers.conformance.harness import PAIRS, PEOPLE, TABLES, Insert, Update, person
from syncline.peers.conformance.reading import again, captured, changes, ready, run
from syncline.peers.conformance.suite import Suite


class LifeSuite(Suite):
    """Tests of `connect`, `inspect`, `check`, `setup`, `enter`, `teardown` and `clock`."""

    def test_a_place_is_fresh_until_it_is_set_up(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            await harness.make("one")
            peer = harness.open("one")
            assert (await peer.connect()).fresh
            assert list(await harness.traces("one")) == []
            made = await peer.setup(TABLES)
            known = await peer.connect()
            assert not known.fresh
            assert known.incarnation == made.incarnation != ""
            assert (known.nonce, known.watermark) == ("", 0)
            await harness.close()

        run(story())

    def test_setting_up_again_changes_nothing(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one")
            await harness.write("one", [Insert("people", person(1))])
            before = await peer.connect()
            assert await peer.setup(TABLES) == before
            assert [change.key for change in changes(await captured(peer))] == [(1,)]
            await harness.close()

        run(story())

    def test_the_nonce_of_the_last_session_is_kept(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one")
            await peer.enter("first")
            await peer.enter("büro 1/2nd")
            peer = await again(harness, "one")
            assert (await peer.connect()).nonce == "büro 1/2nd"
            await harness.close()

        run(story())

    def test_f13_what_a_server_keeps_is_told_while_there_is_a_footprint(self, tmp_path: Path) -> None:
        """Connected or not. A kind whose history lies in the place itself keeps nothing elsewhere."""
        harness = self.harness(tmp_path)

        async def story() -> None:
            await harness.make("bare")
            assert await harness.open("bare").kept(None) is None
            peer = await ready(harness, "one")
            await harness.write("one", [Insert("people", person(1))])
            end = await peer.position()
            for kept in (await peer.kept(end), await harness.open("one").kept(end)):
                assert kept is None or (kept.what and kept.bytes >= 0 and not kept.lost)
            await peer.teardown()
            assert await peer.kept(end) is None
            await harness.close()

        run(story())

    def test_two_places_are_two_incarnations(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            one, two = await ready(harness, "one"), await ready(harness, "two")
            assert (await one.connect()).incarnation != (await two.connect()).incarnation
            await harness.close()

        run(story())

    def test_teardown_leaves_no_trace(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", [Insert("people", person(1))])
            first = (await peer.connect()).incarnation
            assert list(await harness.traces("one")) != []
            await peer.teardown()
            await peer.teardown()
            assert list(await harness.traces("one")) == []
            assert await harness.read("one", PEOPLE) == {(1,): person(1)}
            assert (await peer.setup(TABLES)).incarnation != first
            await harness.close()

        run(story())

    def test_the_catalog_shows_tables_and_not_ours(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", [Insert("people", person(1))])
            tables = await peer.inspect()
            assert set(tables) == {"people", "pairs"}
            people, pairs = tables["people"], tables["pairs"]
            assert tuple(column.name for column in people.columns) == PEOPLE.columns
            assert tuple(column.kind for column in people.columns) == PEOPLE.kinds
            assert (people.key, pairs.key, people.uniques) == (PEOPLE.key, PAIRS.key, (("email",),))
            assert [column.name for column in people.columns if not column.nullable] == ["id", "name"]
            assert people.rows_estimate == 1
            await harness.close()

        run(story())

    def test_what_stands_against_it_is_said(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one")
            assert await peer.check(TABLES) == []
            bad = [
                Collection("nowhere", ("id",), ("id",)),
                Collection("people", ("id", "shoe"), ("id",)),
                Collection("more", ("id", "name"), ("name",), tables={peer.name: "pairs"}),
            ]
            problems = await peer.check(bad)
            assert {problem.where["collection"] for problem in problems} == {"nowhere", "people", "more"}
            assert all(problem.what and problem.hint and problem.where["peer"] == peer.name for problem in problems)
            await harness.close()

        run(story())

    def test_a_column_added_later_does_not_disturb(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", [Insert("people", person(1))])
            await harness.add_column("one", PEOPLE, "nick")
            await harness.write("one", [Update("people", (1,), {"age": 31})])
            (change,) = changes(await captured(peer))
            assert change.after == person(1, age=31)
            assert (await peer.inspect())["people"].column("nick") is not None
            wider = Collection("people", (*PEOPLE.columns, "nick"), PEOPLE.key)
            await peer.setup([wider, PAIRS])
            await harness.write("one", [Update("people", (1,), {"age": 32})])
            old, new = changes(await captured(peer))
            assert (old.after, new.after) == (person(1, age=31), (*person(1, age=32), None))
            await harness.close()

        run(story())

    def test_a_recreated_table_is_noticed(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", [Insert("people", person(1))])
            await harness.write("one", [Update("people", (1,), {"age": 40})])
            assert await peer.changed() is None
            await harness.drop_table("one", PEOPLE)
            seen: list[Transaction] = []

            async def read() -> None:
                async for transaction in peer.stream(None):
                    seen.append(transaction)

            assert await _raised(read()) is PeerChanged
            assert [change.after for change in changes(seen)] == [person(1, age=40)]
            later = harness.open("one")
            await later.connect()
            damage = await later.changed()
            assert damage is not None
            assert damage.where["collection"] == "people"
            assert await _raised(later.setup(TABLES)) is PeerChanged
            await harness.close()

        run(story())

    def test_the_clock_runs(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one")
            before = await peer.clock()
            await harness.write("one", [Insert("people", person(1))])
            time = max(transaction.time for transaction in await captured(peer) if transaction.changes)
            assert before - 1_000_000 <= time <= await peer.clock() + 1_000_000
            await harness.close()

        run(story())


async def _raised(work: Awaitable[object]) -> type[Exception] | None:
    try:
        await work
    except Exception as error:  # whatever it is, the test looks at it
        return type(error)
    return None
