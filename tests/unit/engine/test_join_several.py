"""Several collections joined at once: side by side, bounded, parents first, and each with a range of its own under way."""

import asyncio
import random
from collections.abc import Sequence

import pytest
from tests.unit.engine.stand import Stand

from syncline.engine.memory import Memory
from syncline.engine.session import Phase
from syncline.engine.tail import Tail
from syncline.model.change import Change
from syncline.model.entry import Entry, Kind
from syncline.model.errors import PeerChanged, PeerUnreachable, PeerUnsafe, SynclineError
from syncline.model.limits import JOIN_COLLECTIONS_MAX, JOIN_RANGES_MAX
from syncline.model.stamp import Position
from syncline.model.value import Key
from syncline.peers.protocol import Chunk
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


# -- what happens meanwhile ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["items", "b"])
@pytest.mark.parametrize("crash", [False, True])
def test_p7_what_a_peer_counts_in_two_ranges_under_way_counts_once_in_each(first: str, crash: bool) -> None:
    """One transaction of q in rows that were both read at q and are not settled yet; one range ends before the other."""
    stand = space("pqr", also=("b",), populated="qr")
    both = ("items", "b")
    second = "b" if first == "items" else "items"

    async def story() -> None:
        stand.start()
        door = stand.doors["q"]
        for of in both:
            door.hold(f"chunk {of} read")
        await stand.until(lambda: all(door.calls[f"chunk {of} read"] for of in both), "both were read at q")
        counted(stand, "q", key=1, by=10, of=both)
        counted(stand, "p", key=1, by=1, of=both)
        door.let(f"chunk {first} read")
        await stand.until(lambda: any(one == first for one, _ in joined(stand, "q")), "one range is settled")
        counted(stand, "q", key=2, by=100, of=both)
        if crash:
            await stand.restart()
        else:
            door.let(f"chunk {second} read")
        await stand.live()
        await stand.idle()
        settled(stand)
        for of in both:
            assert stand.rows("p", of)[(1,)][2] == 11
            assert stand.rows("p", of)[(2,)][2] == 100

    stand.run(story())


@pytest.mark.parametrize("slow", ["items", "b"])
def test_what_a_range_needs_stays_in_the_window_however_many_ranges_of_others_end_meanwhile(slow: str) -> None:
    """p's row was read for q, then changed and confirmed by everybody: only the window still knows it when q is filled."""
    stand = space("pqr", also=("b",), ranges=30, populated="r")
    fast = "b" if slow == "items" else "items"

    async def story() -> None:
        engine = stand.start()
        stand.doors["q"].hold("connect")
        await stand.live("p", "r")
        stand.doors["q"].let("connect")
        stand.doors["p"].hold(f"chunk {slow} read")
        await stand.until(lambda: bool(stand.doors["p"].calls[f"chunk {slow} read"]), "the range was read")
        stand.databases["p"].local([Statement(Do.UPDATE, slow, (1,), {"a": "news"})])
        await stand.until(lambda: (fast, None) in joined(stand, "q"), "the other collection is in")
        head = engine.state.head
        await stand.until(lambda: min(engine.state.confirmed().values()) >= head, "everybody has confirmed it")
        assert list(engine.window.of(slow)) == [(1,)]
        stand.doors["p"].let(f"chunk {slow} read")
        await stand.live()
        await stand.idle()
        settled(stand)
        assert stand.rows("q", slow)[(1,)][1] == "news"

    stand.run(story())


@pytest.mark.parametrize("seed", range(12))
def test_p1_p7_random_writes_crashes_and_cuts_while_several_collections_join(seed: int) -> None:
    rng = random.Random(seed)
    also = ALSO[: rng.choice((1, 2, 4))]
    names = ("items", *also)
    stand = Stand("pqr", shuffle=seed, also=also, deletes=rng.choice(("update_wins", "delete_wins", "newest")))
    keys = 3 * RANGE
    everywhere = rng.random() < 0.5
    for name in "pqr":
        for of in names:
            if name == "p" or everywhere or rng.random() < 0.5:
                stand.fill(name, range(keys), of=of)
    sums = {(of, key): 0 for of in names for key in range(keys)}
    deleted: set[tuple[str, int]] = set()

    def write(step: int) -> None:
        name, key, of = rng.choice("pqr"), rng.randrange(keys), rng.sample(names, rng.randint(1, len(names)))
        pick = rng.random()
        if pick < 0.6:
            for one in of:
                sums[one, key] += (key,) in stand.rows(name, one)
            counted(stand, name, key=key, by=1, of=of)
        elif pick < 0.9:
            stand.databases[name].local([Statement(Do.UPDATE, one, (key,), {"a": f"{name}{step}"}) for one in of])
        elif pick < 0.94:
            stand.databases[name].local([Statement(Do.DELETE, one, (key,)) for one in of])
            deleted.update((one, key) for one in of)

    async def story() -> None:
        engine = stand.start()
        await stand.until(lambda: all(engine.state.peer(name).holds_window for name in "pqr"), "all have begun")
        for step in range(150):
            write(step)
            await asyncio.sleep(rng.choice((0.0, 0.001, 0.004)))
            if rng.random() < 0.03:
                await stand.restart()
            if rng.random() < 0.05:
                door = stand.doors[rng.choice("pqr")]
                door.cut()
                await asyncio.sleep(0.002)
                door.cut(False)
        await stand.live()
        await stand.idle()
        settled(stand)
        for of, key in sums.keys() - deleted if everywhere else ():
            assert stand.rows("p", of)[(key,)][2] == sums[of, key], (of, key)

    stand.run(story())


# -- a peer that is compared with the log ----------------------------------------------------------------------------------


def test_who_returns_alone_is_compared_with_the_log_in_every_collection() -> None:
    stand = space(also=("b", "c"))

    async def story() -> None:
        await stand.begin()
        old = {name: stand.backup(name) for name in "pq"}
        await stand.restart()
        await stand.live()
        stand.insert("p", 1_000)
        for of in ("items", "b", "c"):
            stand.databases["q"].local([Statement(Do.UPDATE, of, (1,), {"a": "after"}), Statement(Do.DELETE, of, (2,))])
        await stand.idle()
        await stand.stop()
        for name in "pq":
            stand.databases[name].restore(old[name])
        engine = stand.start()
        await stand.until(lambda: all(stand.phase(name) is Phase.BROKEN for name in "pq"), "both are recognised")
        for name in "qp":
            await engine.resume(name, rejoin=True)
        await stand.live()
        await stand.idle()
        assert stand.same()
        for of in ("items", "b", "c"):
            assert stand.rows("p", of)[(1,)][1] == "after"
            assert (2,) not in stand.rows("p", of)
        alone = [entry for entry in stand.log.of(Kind.PEER) if entry.body and entry.body.get("alone")]
        assert len(alone) == 1

    stand.run(story())


class Slow:
    """A log whose first reader is held after its first entry."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries, self.head, self.floor = entries, len(entries), 0
        self.gate, self.readers = asyncio.Event(), 0

    async def read(self, after: int, upto: int | None = None):  # type: ignore[no-untyped-def]
        del upto
        self.readers += 1
        first = self.readers == 1
        for entry in self.entries[after:]:
            yield (entry,)
            if first:
                await self.gate.wait()


def test_what_the_log_tells_is_read_by_one_at_a_time_so_that_no_older_row_comes_last() -> None:
    async def story() -> None:
        made = [
            Entry(offset, Kind.CHANGE, "p", changes=(Change(of, (1,), None, (1, f"{of}{offset}")),))
            for offset, of in enumerate(("a", "b", "a", "b"), start=1)
        ]
        log = Slow(made)
        memory = Memory(Tail(log), 0)  # type: ignore[arg-type]
        nothing = Chunk((), None, True, Position(0), 0)
        first = asyncio.create_task(memory.complete("a", None, nothing))
        second = asyncio.create_task(memory.complete("b", None, nothing))
        await asyncio.sleep(0)
        assert not second.done()
        log.gate.set()
        assert (await first).rows == (((1,), (1, "a3")),)
        assert (await second).rows == (((1,), (1, "b4")),)
        assert memory._reached == 4

    asyncio.run(story())
