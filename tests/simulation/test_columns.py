"""Simulated peers that tell their commits by columns and in groups: the same as one by one; and the product under them."""

import asyncio
import random
from collections import Counter

from msgspec.structs import replace

from syncline.model.change import Change, Transaction
from syncline.model.entry import Kind
from syncline.model.value import Key, Row
from syncline.model.write import Batch
from syncline.peers.protocol import Chunk
from syncline.sim.columns import GROUP_MAX
from syncline.sim.database import Do, SimDatabase, Statement
from syncline.sim.options import draw
from syncline.sim.peer import SimPeer
from syncline.sim.product import Product, open_simulated_log
from syncline.sim.runner import run
from syncline.sim.shape import COLLECTIONS, ITEMS
from syncline.sim.world import World

SEEDS = range(5000, 5040)


class Rig:
    """A database whose peer tells it by columns, its groups drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self.time = 1000
        self.database = SimDatabase("ann", COLLECTIONS, lambda: self.time, random.Random(0))
        self.database.set_up(["items", "pairs"])
        self.peer = SimPeer(self.database, lambda: self.time, columns=random.Random(seed))

    def insert(self, *keys: int) -> None:
        """One commit of new rows."""
        self.time += 10
        rows: list[Row] = [(key, f"n{key}", None, 0, "[]", "") for key in keys]
        inserts = [Statement(Do.INSERT, "items", row[:1], dict(zip(ITEMS.columns, row, strict=True))) for row in rows]
        self.database.local(inserts)

    def add(self, key: int) -> None:
        """One commit that counts."""
        self.time += 10
        self.database.local([Statement(Do.INCREMENT, "items", (key,), {"quantity": 1})])

    def one_by_one(self) -> list[Transaction]:
        """What a peer without columns tells."""
        return SimPeer(self.database, lambda: self.time).poll(None, set())


def parts(told: list[Transaction]) -> list[Transaction]:
    """Transactions, the groups among them taken apart."""
    return [part for one in told for part in (one.split() if one.split is not None else (one,))]


def test_groups_taken_apart_are_the_commits_and_their_rows_and_times_are_the_same() -> None:
    sizes: Counter[int] = Counter()
    for seed in range(30):
        rig = Rig(seed)
        for key in range(1, 20):
            rig.insert(key, key + 100)
        for key in (1, 2, 1, 1, 3):
            rig.add(key)
        told = rig.peer.poll(None, set())
        singles = rig.one_by_one()
        assert [plain(one) for one in parts(told)] == [plain(one) for one in singles]
        assert [change for one in told for change in one.changes] == [change for one in singles for change in one.changes]
        times = [block.time(place, one.time) for one in told for block in one.blocks for place in range(block.count)]
        assert times == [one.time for one in singles for _ in one.changes]
        sizes.update(len(one.split()) for one in told if one.split is not None)
    assert set(sizes) == set(range(2, GROUP_MAX + 1))


def plain(one: Transaction) -> tuple[object, ...]:
    """A transaction without its form."""
    return one.peer, one.position, one.context, one.time, tuple(one.changes), one.refused


def test_no_group_reaches_beyond_a_place_that_somebody_asked_for() -> None:
    async def ask(peer: SimPeer, way: int) -> None:
        asks = (peer.position, peer.connect, lambda: peer.chunk(ITEMS, None, 5), lambda: peer.rows(ITEMS, [(1,)]))
        await asks[way]()

    for seed in range(40):
        rig = Rig(seed)
        rig.insert(1)
        asked = rig.peer.begin()
        for key in range(2, 6):
            rig.insert(key)
        asyncio.run(ask(rig.peer, seed % 4))
        for key in range(6, 9):
            rig.insert(key)
        assert {1, 5} <= {one.position.major for one in rig.peer.poll(None, asked)}


def test_what_was_asked_before_a_stream_began_is_no_border_to_it() -> None:
    """As at a server, where each stream hears of what is asked for while it runs."""
    ends = set()
    for seed in range(20):
        rig = Rig(seed)
        first = rig.peer.begin()
        rig.insert(1)
        asyncio.run(rig.peer.position())
        rig.insert(2)
        second = rig.peer.begin()
        rig.peer.end(first)
        assert (first, second) == ({0, 1}, {2})
        ends.add(tuple(one.position.major for one in rig.peer.poll(None, second)))
    assert ends == {(2,), (1, 2)}


def test_no_group_reaches_over_a_commit_of_ours_and_each_has_its_context() -> None:
    for seed in range(20):
        rig = Rig(seed)
        rig.insert(1)
        rig.insert(2)
        rig.database.apply(Batch(7, (), 0))
        rig.insert(3)
        rig.insert(4)
        told = rig.peer.poll(None, set())
        assert {2, 3} <= {one.position.major for one in told}
        assert {one.context for one in told if one.position.major > 3} == {7}
        assert [one for one in told if not one.changes] == [rig.one_by_one()[2]]


def test_d35_what_columns_cannot_tell_is_told_by_changes() -> None:
    rig = Rig(1)
    rig.insert(1)
    rig.database.local([Statement(Do.REKEY, "items", (1,), to=(2,))])
    told = rig.peer.poll(None, set())
    assert [plain(one) for one in told] == [plain(one) for one in rig.one_by_one()]
    assert type(told[1].changes[0]) is Change
    assert not told[1].blocks


def test_p1_p2_p3_p4_p5_p7_p9_hold_where_rows_come_by_columns_and_in_groups() -> None:
    counts: Counter[str] = Counter()
    for seed in SEEDS:
        drawn = draw(seed, Product.abilities)
        habits = replace(drawn.habits, keys=(4, 300)[seed % 2], rate=8.0, rekey=0.0)
        options = replace(drawn, columns=(True, True, True), habits=habits, chaos_seconds=5.0)
        world = World(options, Product(), open_simulated_log)
        result = world.run()
        assert not result.violations, (result.options.show(), result.violations[:3])
        counts["together"] += result.counts["together"]
        for entry in world.history.ordered():
            counts["columns"] += bool(entry.blocks)
            counts["fills"] += bool(entry.blocks and entry.kind is Kind.FILL)
            counts["groups"] += any(block.ages for block in entry.blocks)
    assert counts["columns"] > 100
    assert counts["fills"] > 5
    assert counts["together"] > counts["groups"] > 20


def test_a_reference_that_is_to_join_again_itself_is_not_believed() -> None:
    """What it had written was captured, but not logged; so the rows that were read there were not the space's."""
    drawn = draw(26, Product.abilities)
    habits = replace(drawn.habits, rate=20.0, increment=6.0, keys=4, rekey=0.0)
    options = replace(
        drawn, columns=(True, True, True), exact=(True, True, True), habits=habits, chaos_seconds=5.0,
        faults=("rejoin", "slow", "stop"), faults_per_minute=60.0,
    )  # fmt: skip
    result = run(options, Product(), open_simulated_log)
    assert not result.violations, result.violations[:3]


def test_a_chunk_by_columns_has_the_same_rows() -> None:
    rig = Rig(1)
    for key in range(1, 9):
        rig.insert(key)

    async def read(after: Key | None, limit: int) -> tuple[Chunk, Chunk]:
        return await rig.peer.chunk(ITEMS, after, limit), await SimPeer(rig.database, lambda: 0).chunk(ITEMS, after, limit)

    for after, limit in ((None, 3), ((3,), 3), ((6,), 3), ((8,), 3)):
        found, plain_one = asyncio.run(read(after, limit))
        assert (found.rows, found.last, found.done, found.position) == (
            plain_one.rows, plain_one.last, plain_one.done, plain_one.position,
        )  # fmt: skip
        assert (found.block is not None) is bool(found.rows)


def test_a_run_by_columns_is_the_same_twice() -> None:
    options = replace(draw(5001, Product.abilities), columns=(True, False, True), chaos_seconds=5.0)
    first, second = (run(options, Product(), open_simulated_log) for _ in range(2))
    assert first.digest == second.digest
    assert first.counts["by columns"] > 5
