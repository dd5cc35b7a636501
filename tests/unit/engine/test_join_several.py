"""Several collections joined at once: side by side, bounded, parents first, and each with a range of its own under way."""

import asyncio
from collections.abc import Sequence

import pytest
from tests.unit.engine.stand import Stand

from syncline.engine.session import Phase
from syncline.model.entry import Kind
from syncline.model.errors import PeerChanged, PeerUnreachable, PeerUnsafe, SynclineError
from syncline.model.limits import JOIN_COLLECTIONS_MAX, JOIN_RANGES_MAX
from syncline.model.value import Key
from syncline.sim.database import Do, Statement

RANGE = 4
ALSO = ("b", "c", "d", "e")
NAMES = ("items", *ALSO)


@pytest.fixture(autouse=True)
def _short_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncline.engine.range_reader.SNAPSHOT_ROWS_MAX", RANGE)


def space(peers: str = "pq", *, also: Sequence[str] = ALSO, ranges: int = 3, populated: str = "") -> Stand:
    """Peers of which the first, and those of `populated`, have rows in every collection."""
    stand = Stand(peers, also=also)
    for name in (peers[0], *populated):
        for of in ("items", *also):
            stand.fill(name, range(ranges * RANGE), of=of)
    return stand


def joined(stand: Stand, name: str) -> list[tuple[str, Key | None]]:
    """The ranges that a peer has joined, in the log's order: the collection and the last key, None at its end."""
    notes = [entry for entry in stand.log.of(Kind.JOIN) if entry.peer == name]
    return [(entry.body["collection"], entry.changes[0].key if entry.changes else None) for entry in notes if entry.body]


def settled(stand: Stand) -> None:
    """Nothing of a join is left, and no range was joined twice."""
    assert stand.same(), {name: database.content.tables for name, database in stand.databases.items()}
    assert stand.engine.window.pins == {}
    assert len(stand.engine.window) == 0
    assert not stand.engine._joiner._progress
    for name in stand.databases:
        ranges = joined(stand, name)
        for of in stand.engine.plan.collections if ranges else ():
            keys = [key for one, key in ranges if one == of]
            done = [key for key in keys if key is not None]
            assert done == sorted(set(done))
            assert keys.index(None) == len(keys) - 1


def counted(stand: Stand, name: str, *, key: int, by: int, of: Sequence[str]) -> None:
    """A user counts in several collections, in one transaction."""
    stand.databases[name].local([Statement(Do.INCREMENT, one, (key,), {"n": by}) for one in of])


def test_a_collection_is_read_while_another_one_is() -> None:
    stand = space(also=("b",))

    async def story() -> None:
        stand.start()
        stand.doors["p"].hold("chunk b")
        await stand.until(lambda: stand.doors["p"].calls["chunk b"] == 1, "b is being read")
        await stand.until(lambda: ("items", None) in joined(stand, "q"), "items has come in meanwhile")
        assert not [one for one, _ in joined(stand, "q") if one == "b"]
        await stand.until(lambda: len(stand.rows("q")) == 3 * RANGE, "and its rows are there")
        assert stand.phase("q") is Phase.JOINING
        stand.doors["p"].let("chunk b")
        await stand.live()
        await stand.idle()
        settled(stand)

    stand.run(story())


def test_so_many_collections_are_joined_at_once_and_no_more() -> None:
    stand = space()

    async def story() -> None:
        stand.start()
        for name in NAMES:
            stand.doors["p"].hold(f"chunk {name}")

        def begun() -> list[str]:
            return [name for name in NAMES if stand.doors["p"].calls[f"chunk {name}"]]

        await stand.until(lambda: len(begun()) == JOIN_COLLECTIONS_MAX, "as many as may be")
        await asyncio.sleep(5)
        assert begun() == list(NAMES[:JOIN_COLLECTIONS_MAX])
        assert len(stand.engine.window.pins) == JOIN_COLLECTIONS_MAX
        stand.doors["p"].let("chunk b")
        await stand.until(lambda: len(begun()) > JOIN_COLLECTIONS_MAX, "the next one")
        assert ("b", None) in joined(stand, "q")
        for name in NAMES:
            if name != "b":
                stand.doors["p"].let(f"chunk {name}")
        await stand.live()
        await stand.idle()
        settled(stand)

    stand.run(story())


def test_a_reference_is_asked_once_how_many_rows_its_tables_have() -> None:
    stand = space()

    async def story() -> None:
        stand.start()
        stand.doors["q"].hold("connect")
        await stand.live("p")
        before = stand.doors["p"].calls["inspect"]
        stand.doors["q"].let("connect")
        await stand.live()
        await stand.idle()
        assert stand.doors["p"].calls["inspect"] == before + 1
        assert {event.detail["total"] for event in stand.told("join.progress", "q")} == {3 * RANGE}
        settled(stand)

    stand.run(story())


def test_a_join_runs_so_many_ranges_ahead_of_delivery_over_all_collections() -> None:
    stand = space(ranges=10)

    def hold() -> None:
        if len(stand.doors["p"].reads) == 1:
            stand.doors["q"].hold("apply")

    async def story() -> None:
        stand.start()
        stand.doors["p"].after["chunk"] = hold
        await stand.until(lambda: len(joined(stand, "q")) >= JOIN_RANGES_MAX, "as many as may be")
        await asyncio.sleep(5)
        assert len(joined(stand, "q")) == JOIN_RANGES_MAX
        assert len({one for one, _ in joined(stand, "q")}) == JOIN_COLLECTIONS_MAX
        stand.doors["q"].let("apply")
        await stand.live()
        await stand.idle()
        settled(stand)

    stand.run(story())


@pytest.mark.parametrize("number", range(1, 2 * 3 * len(NAMES), 4))
@pytest.mark.parametrize("populated", ["", "q"])
def test_f6_a_crash_anywhere_resumes_without_reading_what_was_joined(number: int, populated: str) -> None:
    """`number`: of the range that is read when the hub dies, of any collection."""
    stand = space(populated=populated)

    async def story() -> None:
        stand.start()
        died = asyncio.Event()
        for name in "pq":
            stand.doors[name].after["chunk"] = lambda: (
                died.set() if sum(door.calls["chunk"] for door in stand.doors.values()) >= number else None
            )
        await stand.until(lambda: died.is_set() or stand.phase("q") is Phase.LIVE, "that range")
        await stand.stop()
        known = joined(stand, "q")
        stand.start()
        await stand.live()
        await stand.idle()
        settled(stand)
        for door in stand.doors.values():
            for of, after in door.reads:
                last = [key for one, key in known if one == of]
                assert None not in last, f"{of} was joined, and was read again"
                assert not last or (after is not None and last[-1] is not None and after >= last[-1]), (of, after, last)

    stand.run(story())


def test_a_reference_that_is_lost_for_one_collection_does_not_hold_the_others_up() -> None:
    stand = space()

    async def story() -> None:
        stand.start()
        stand.doors["p"].fail("chunk b", *[PeerChanged("altered") for _ in range(100)])
        await stand.until(lambda: {name for name, key in joined(stand, "q") if key is None} == {*NAMES} - {"b"}, "the others")
        assert {event.collection for event in stand.told("join.reference_lost")} == {"b"}
        await stand.live()
        await stand.idle()
        settled(stand)

    stand.run(story())


@pytest.mark.parametrize(
    ("error", "phase"), [(PeerUnreachable("gone", peer="q"), Phase.WAITING), (PeerUnsafe("refused", peer="q"), Phase.BROKEN)]
)
def test_what_fails_at_the_joining_peer_ends_the_whole_join_and_is_told_as_it_is(error: SynclineError, phase: Phase) -> None:
    stand = space(populated="q")

    async def story() -> None:
        engine = stand.start()
        for door in stand.doors.values():
            door.hold("chunk items")  # still under way when another one fails
        stand.doors["q"].fail("chunk c", error)
        await stand.until(lambda: bool(stand.told(f"peer.{phase}", "q")), "it has ended")
        assert stand.phase("q") is phase
        assert stand.reason("q") is error
        assert engine.window.pins == {}
        assert not engine._joiner._progress
        for door in stand.doors.values():
            door.let("chunk items")
        if phase is Phase.BROKEN:
            await engine.resume("q")
        await stand.live()
        await stand.idle()
        settled(stand)

    stand.run(story())


def test_a_pause_ends_every_range_that_is_under_way() -> None:
    stand = space(populated="q")

    async def story() -> None:
        engine = stand.start()
        for name in NAMES:
            stand.doors["q"].hold(f"chunk {name}")
        await stand.until(lambda: len(engine.window.pins) == JOIN_COLLECTIONS_MAX, "they are under way")
        await engine.pause("q")
        await stand.until(lambda: stand.phase("q") is Phase.PAUSED, "paused")
        assert engine.window.pins == {}
        await stand.restart()
        await stand.live("p")
        await stand.engine.resume("q")
        await stand.live("q")
        await stand.idle()
        settled(stand)

    stand.run(story())


# -- parents ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["p", "q", "r"])
def test_what_a_collection_refers_to_comes_in_first_whoever_has_the_foreign_key(where: str) -> None:
    """items -> b -> d, in an order that puts children first; a peer that checks foreign keys would park their rows."""
    stand = Stand("prq", also=ALSO, parents={where: {"items": ("b",), "b": ("d",)}})
    for of in NAMES:
        stand.fill("p", range(3 * RANGE), of=of)

    async def story() -> None:
        await stand.begin()
        settled(stand)
        order = joined(stand, "q")
        for child, parent in (("items", "b"), ("b", "d")):
            first = min(place for place, (one, _) in enumerate(order) if one == child)
            assert first > order.index((parent, None))
        filled = [change.collection for entry in stand.log.of(Kind.FILL) if entry.to == "q" for change in entry.changes]
        assert filled.index("items") > max(place for place, one in enumerate(filled) if one == "b")

    stand.run(story())


def test_collections_that_refer_to_each_other_come_in_as_they_are_listed() -> None:
    stand = Stand("pq", also=("b",), parents={"q": {"items": ("b",), "b": ("items",)}})
    for of in ("items", "b"):
        stand.fill("p", range(3 * RANGE), of=of)

    async def story() -> None:
        await stand.begin()
        settled(stand)
        order = [one for one, _ in joined(stand, "q")]
        assert order == sorted(order, reverse=True), "items, then b"

    stand.run(story())
