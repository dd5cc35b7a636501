"""What users write while a peer joins: in ranges done, being read, still to come; there, elsewhere, at both; with crashes."""

import asyncio
import random
from collections.abc import Callable

import pytest
from tests.unit.engine.stand import Stand

from syncline.engine.session import Phase
from syncline.model.entry import Kind
from syncline.model.errors import LogFull
from syncline.model.space import Settings
from syncline.sim.clock import EPOCH_MICROS

RANGE = 4
KEYS = 5 * RANGE
READ = 2  # the range that was just read at q when things happen: keys 4..7
PLACES = {"done": 1, "being read": 5, "to come": 14}
YEARS_MICROS = 10 * 365 * 24 * 3600 * 1_000_000


@pytest.fixture(autouse=True)
def _short_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncline.engine.range_reader.SNAPSHOT_ROWS_MAX", RANGE)


def story(stand: Stand, act: Callable[[], object], *, crash: bool = False) -> None:
    """Let q join, do something right after its second range was read, and see that all end equal with nothing left."""

    async def run() -> None:
        stand.start()
        door = stand.doors["q"]
        acted = asyncio.Event()

        def after() -> None:
            if door.calls["chunk"] == READ and not acted.is_set():
                act()
                acted.set()

        door.after["chunk"] = after
        await stand.until(acted.is_set, "that range")
        if crash:
            await stand.restart()
        await stand.live()
        await stand.idle()
        assert stand.same(), {name: stand.rows(name) for name in stand.databases}
        assert stand.engine.window.pins == {}
        assert len(stand.engine.window) == 0

    stand.run(run())


def space(names: str = "pqr", *, populated: bool = False, deletes: str = "update_wins") -> Stand:
    """Peers of which the first has rows; `populated`: q has the same ones."""
    stand = Stand(names, deletes=deletes)
    stand.fill("p", range(KEYS))
    if populated:
        stand.fill("q", range(KEYS))
    return stand


@pytest.mark.parametrize("crash", [False, True])
@pytest.mark.parametrize("key", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("writer", ["p", "q"])
def test_an_update_anywhere_is_there_in_the_end(writer: str, key: int, crash: bool) -> None:
    stand = space(populated=True)
    story(stand, lambda: stand.update(writer, key, a="meanwhile"), crash=crash)
    assert stand.row(key) == (key, "meanwhile", 0, None, None)


@pytest.mark.parametrize("crash", [False, True])
@pytest.mark.parametrize("key", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("writer", ["p", "q"])
@pytest.mark.parametrize("deletes", ["update_wins", "delete_wins"])
def test_a_delete_anywhere_stays_a_delete(writer: str, key: int, deletes: str, crash: bool) -> None:
    stand = space(populated=True, deletes=deletes)
    story(stand, lambda: stand.delete(writer, key), crash=crash)
    assert stand.row(key) is None


@pytest.mark.parametrize("crash", [False, True])
@pytest.mark.parametrize("populated", [False, True])
@pytest.mark.parametrize("writer", ["p", "q"])
def test_inserts_anywhere_reach_everyone(writer: str, populated: bool, crash: bool) -> None:
    stand = space(populated=populated)
    keys = (-10, 1_000)
    story(stand, lambda: [stand.insert(writer, key, a="new") for key in keys], crash=crash)
    for key in keys:
        assert stand.row(key) == (key, "new", 0, None, None)


@pytest.mark.parametrize("crash", [False, True])
@pytest.mark.parametrize("key", PLACES.values(), ids=PLACES.keys())
def test_p7_counts_of_both_sides_add_up(key: int, crash: bool) -> None:
    """Both count from the same value: neither the comparison nor a difference on its way may count twice, or not at all."""
    stand = space(populated=True)
    story(stand, lambda: (stand.add("p", key, 1), stand.add("q", key, 10)), crash=crash)
    assert stand.row(key) == (key, "x", 11, None, None)


@pytest.mark.parametrize("key", PLACES.values(), ids=PLACES.keys())
def test_p1_equal_counts_of_both_sides_are_two_counts(key: int) -> None:
    stand = space(populated=True)
    story(stand, lambda: (stand.add("p", key, 1), stand.add("q", key, 1)))
    assert stand.row(key) == (key, "x", 2, None, None)


@pytest.mark.parametrize("crash", [False, True])
@pytest.mark.parametrize("key", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("first", ["p", "q"])
def test_p2_of_two_values_one_stands_and_the_other_is_kept(first: str, key: int, crash: bool) -> None:
    stand = space(populated=True)
    second = "q" if first == "p" else "p"
    story(stand, lambda: (stand.update(first, key, a=f"{first}'s"), stand.update(second, key, a=f"{second}'s")), crash=crash)
    row = stand.row(key)
    assert row is not None
    lost = "q's" if row[1] == "p's" else "p's"
    kept = [
        one for entry in stand.log.entries for change in entry.changes if change.verdict for one in change.verdict.conflicts
    ]
    assert lost in {side.value for one in kept for side in (one.ours, one.theirs)}


@pytest.mark.parametrize("key", [PLACES["being read"], PLACES["to come"]])
def test_p2_what_a_peer_brings_is_not_overwritten_before_it_is_compared(key: int) -> None:
    """q's row differs; p writes it while q joins. q's value must be on record, not silently replaced by the stream."""
    stand = space()
    stand.fill("q", range(KEYS), a="q's own")
    story(stand, lambda: stand.update("p", key, a="p's news"))
    assert stand.row(key) == (key, "p's news", 0, None, None)
    kept = [
        one for entry in stand.log.entries for change in entry.changes if change.verdict for one in change.verdict.conflicts
    ]
    assert any(one.theirs.row == (key, "q's own", 0, None, None) for one in kept)


@pytest.mark.parametrize("crash", [False, True])
def test_what_the_space_deletes_meanwhile_is_not_brought_back_by_old_copies(crash: bool) -> None:
    stand = space(populated=True)
    story(stand, lambda: stand.delete("p", *PLACES.values()), crash=crash)
    for key in PLACES.values():
        assert stand.row(key) is None


def test_an_update_and_a_delete_meet_by_the_policy() -> None:
    for deletes, stands in (("update_wins", True), ("delete_wins", False)):
        for updater, deleter in (("p", "q"), ("q", "p")):
            stand = space(populated=True, deletes=deletes)
            key = PLACES["to come"]

            def act(stand: Stand = stand, updater: str = updater, deleter: str = deleter, key: int = key) -> None:
                stand.update(updater, key, a="written")
                stand.delete(deleter, key)

            story(stand, act)
            assert stand.row(key) == ((key, "written", 0, None, None) if stands else None), (deletes, updater)


def test_c12_a_joining_peer_with_a_clock_ten_years_ahead_does_not_win_for_ever() -> None:
    stand = Stand("pq", settings=Settings(drift_seconds=60.0))
    stand.fill("p", range(KEYS))
    stand.fill("q", range(KEYS))
    key = PLACES["being read"]

    def act() -> None:
        stand.clocks["q"].jump(YEARS_MICROS)  # after it was measured
        stand.update("q", key, a="from the future")

    story(stand, act)
    assert stand.row(key) == (key, "from the future", 0, None, None)
    (late,) = [entry for entry in stand.log.of(Kind.CHANGE) if any(change.key == (key,) for change in entry.changes)]
    assert late.time < EPOCH_MICROS + 3_600_000_000


def test_writes_of_the_joining_peer_right_behind_its_range_are_not_lost() -> None:
    """They are captured in the same round of the log's writer as the range: it must know already that the range is joined."""
    stand = space("pq", populated=True)

    async def run() -> None:
        stand.start()
        door = stand.doors["q"]
        writing = asyncio.Event()
        door.after["chunk"] = lambda: writing.set() if door.calls["chunk"] == READ else None
        await stand.until(writing.is_set, "that range")
        stand.log.faults.append(LogFull("hold it for a moment"))
        for step in range(200):
            stand.add("q", PLACES["done"], 1)
            stand.add("q", PLACES["being read"], 1)
            if step % 5 == 0:
                await asyncio.sleep(0.0005)
        await stand.live()
        await stand.idle()
        assert stand.same()

    stand.run(run())
    assert stand.row(PLACES["done"]) == (PLACES["done"], "x", 200, None, None)
    assert stand.row(PLACES["being read"]) == (PLACES["being read"], "x", 200, None, None)


@pytest.mark.parametrize("seed", range(12))
def test_p1_p7_random_writes_crashes_and_cuts_while_two_peers_join(seed: int) -> None:
    rng = random.Random(seed)
    stand = Stand("pqr", shuffle=seed, deletes=rng.choice(("update_wins", "delete_wins", "newest")))
    stand.fill("p", range(KEYS))
    for name in "qr":
        if rng.random() < 0.6:
            stand.fill(name, range(KEYS))
    counted = dict.fromkeys(range(KEYS), 0)
    everywhere = all(len(stand.rows(name)) == KEYS for name in "pqr")
    deleted: set[int] = set()

    async def run() -> None:
        engine = stand.start()
        await stand.until(lambda: all(engine.state.peer(name).holds_window for name in "pqr"), "all have begun")
        for step in range(120):
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
        assert stand.same(), {name: stand.rows(name) for name in stand.databases}
        assert stand.engine.window.pins == {}
        assert all(stand.phase(name) is Phase.LIVE for name in "pqr")
        for key in set(counted) - deleted if everywhere else ():
            row = stand.row(key)
            assert row is not None
            assert row[2] == counted[key]

    def write(step: int) -> None:
        name, key = rng.choice("pqr"), rng.randrange(KEYS)
        pick = rng.random()
        if pick < 0.5:
            counted[key] += stand.add(name, key, 1) is not None
        elif pick < 0.8:
            stand.update(name, key, a=f"{name}{step}")
        elif (key,) in stand.rows(name) and pick < 0.85:
            stand.delete(name, key)
            deleted.add(key)
        elif pick > 0.97:
            stand.insert(name, 1_000 + step)

    stand.run(run())
