"""What happens while several collections are joined at once: writes in ranges under way, crashes, peers that return alone."""

import asyncio
import random
from collections.abc import Sequence

import pytest
from tests.unit.engine.stand import Stand
from tests.unit.engine.test_join_several import ALSO, RANGE, counted, joined, settled, space

from syncline.engine.memory import Memory
from syncline.engine.session import Phase
from syncline.engine.tail import Tail
from syncline.model.change import Change
from syncline.model.entry import Entry, Kind
from syncline.model.stamp import Position
from syncline.peers.protocol import Chunk
from syncline.sim.database import Do, Statement


@pytest.fixture(autouse=True)
def _short_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncline.engine.range_reader.SNAPSHOT_ROWS_MAX", RANGE)


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
