"""One story told to two hubs: to one by blocks and groups, to the other change by change. They must never differ.

Peers, decisions, projection and codec are the product's own; what a group becomes has one offset on both sides.
"""

import random
from collections import defaultdict
from typing import Final, TypeAlias

from msgspec.structs import replace
from tests.unit.engine.memory_log import MemoryLog

from syncline.engine.ingest import Captured, Ingest
from syncline.engine.parking import retry_entry
from syncline.engine.state import Stage, State
from syncline.mapping.project import Target, project
from syncline.merge.view import View
from syncline.merge.window import Window
from syncline.model.blocks import of_changes
from syncline.model.change import Change, Transaction
from syncline.model.codec import decode_entries, encode_entries
from syncline.model.entry import Entry, Kind
from syncline.model.errors import UsageError
from syncline.model.space import Settings
from syncline.model.stamp import Micros, Offset
from syncline.model.value import Key, Row
from syncline.sim.clock import EPOCH_MICROS
from syncline.sim.columns import transaction_of
from syncline.sim.database import Commit, Constraints, Do, LocalRefused, SimDatabase, Statement
from syncline.sim.options import Options
from syncline.sim.product import rules
from syncline.sim.shape import COLLECTIONS

Where: TypeAlias = tuple[str, Key]
PLACES: Final = {shape.name: shape.key_places for shape in COLLECTIONS}
COUNTERS: Final = {"items": frozenset({3}), "pairs": frozenset[int]()}
BANNED: Final = "bad"


class Clock:
    """Shows what it is told."""

    def __init__(self) -> None:
        self.time = EPOCH_MICROS

    def now(self) -> Micros:
        """Microseconds since 1970."""
        return self.time


class Source:
    """A session's part towards ingest: everything may come in, clocks are right."""

    clock_offset: Micros = 0

    def missed(self, transaction: Transaction) -> frozenset[str]:
        """See Source."""
        return frozenset()

    def admit(self, transaction: Transaction) -> Transaction:
        """As it is."""
        return transaction

    def logged(self, transaction: Transaction) -> None:
        """Nobody waits."""


class Side:
    """One hub with its peers."""

    def __init__(self, options: Options, clocks: dict[str, Clock]) -> None:
        self.window, self.state = Window(), State()
        self.ingest = Ingest(
            MemoryLog(), self.window, rules(options), self.state, Clock(), Settings(drift_seconds=1e9), lambda _event: None
        )
        self.entries: list[Entry] = []
        self.databases = {
            name: SimDatabase(name, COLLECTIONS, clock.now, random.Random(name)) for name, clock in clocks.items()
        }
        self.cursors = dict.fromkeys(clocks, 0)
        self.withheld: dict[str, set[Where]] = {name: set() for name in clocks}
        for offset, (name, database) in enumerate(self.databases.items(), 1):
            database.set_up(list(PLACES))
            self.log(Entry(offset, Kind.PEER, name, body={"stage": Stage.LIVE.value, "position": [0, 0, ""]}))
            self.state.take(self.entries[-1])

    def log(self, *entries: Entry) -> None:
        """Append, as the log gives it back."""
        self.entries += decode_entries(encode_entries(entries))
        for entry in entries:
            self.state.reach(entry)

    def capture(self, transaction: Transaction, offset: Offset) -> list[Entry]:
        """Take in what a peer did."""
        made = self.ingest._accept(Captured(Source(), transaction), offset)
        self.log(*made)
        return made

    def release(self) -> None:
        """Forget what everybody has."""
        self.window.release(self.state.confirmed())

    def deliver(self, peer: str, upto: Offset) -> Commit | None:
        """Bring a peer everything up to an offset."""
        entries = [entry for entry in self.entries if self.cursors[peer] < entry.offset <= upto]
        if not entries:
            return None
        for entry in entries:
            if entry.kind is Kind.RETRY and entry.to == peer:
                self.withheld[peer] -= {(change.collection, change.key) for change in entry.changes}
        shapes = {shape.name: shape for shape in COLLECTIONS}
        batch = project(entries, Target(peer, shapes, COUNTERS), frozenset(self.withheld[peer]))
        commit = self.databases[peer].apply(batch)
        if commit is not None:  # the order of refusals is nobody's promise
            refused = tuple(sorted(commit.refused, key=lambda one: (one.collection, one.key)))
            self.databases[peer].content.history[-1] = commit = replace(commit, refused=refused)
            self.withheld[peer] |= {(one.collection, one.key) for one in commit.refused}
        self.cursors[peer] = upto
        return commit

    def retry(self, offset: Offset) -> bool:
        """Try the first parked row again; whether there was one."""
        waiting = [row for row in self.state.parked.values() if not row.retried]
        for row in sorted(waiting, key=lambda one: (one.peer, one.collection, one.key)):
            held = [db.rows(row.collection).get(row.key) for name, db in self.databases.items() if name != row.peer]
            try:
                entry = retry_entry(self.state, self.window, row, offset, EPOCH_MICROS, held[0])
            except UsageError:
                continue
            self.state.take(entry)
            self.log(entry)
            return True
        return False

    def rebuilt(self) -> Window:
        """The window as a restart makes it."""
        window = Window()
        for row in self.state.parked.values():
            window.park(row.peer, row.collection, row.key, row.since)
        for entry in self.entries:
            if entry.offset > self.state.needed():
                window.replay(entry)
        window.release(self.state.confirmed())
        return window

    def outcomes(self, offset: Offset) -> dict[Where, list[Change]]:
        """What the entries at an offset say of each row."""
        found: dict[Where, list[Change]] = defaultdict(list)
        for entry in self.entries:
            if entry.offset == offset and entry.is_data:
                for change in entry.changes:
                    found[change.collection, change.key].append(change)
        return dict(found)

    def tables(self) -> dict[str, dict[str, dict[Key, Row]]]:
        """All rows of all peers."""
        return {
            name: {shape.name: dict(database.rows(shape.name)) for shape in COLLECTIONS}
            for name, database in self.databases.items()
        }


class TwoWays:
    """Both sides, the story, and what must hold after each step."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        peers = ("ann", "bob", "cid")[: rng.choice((2, 3))]
        options = Options(
            seed, peers=peers, register=rng.choice(("newest", "first", "max")),
            deletes=rng.choice(("update_wins", "delete_wins", "newest")),
        )  # fmt: skip
        self.peers = peers
        self.keys = [(key,) for key in range(1, rng.choice((2, 5, 12)) + 1)]
        self.clocks = {name: Clock() for name in peers}
        self.blocks, self.plain = Side(options, self.clocks), Side(options, self.clocks)
        self.head: Offset = len(peers)
        self.captured = dict.fromkeys(peers, 0)
        self.groups = self.apart = self.by_columns = self.refused = 0
        self._count = 0

    def run(self, steps: int = 40) -> "TwoWays":
        """The story, with a good end."""
        for _ in range(steps):
            peer = self.rng.choice(self.peers)
            act = self.rng.choice((self.write, self.write, self.capture, self.capture, self.deliver, self.deliver, self.stir))
            act(peer)
            self.check()
        self.end()
        return self

    # -- what happens -------------------------------------------------------------------------------------------------------

    def write(self, peer: str) -> None:
        """Some commits of the same sort by the users of a peer."""
        mood = self.rng.choice(
            ((Do.INSERT,), (Do.UPDATE,), (Do.INCREMENT,), (Do.UPDATE, Do.INCREMENT), (Do.DELETE,), tuple(Do))
        )
        columns = self.rng.choice(((("name",),), (("owner",),), (("name", "owner"),), (("name",), ("owner",))))
        keys = self.rng.sample(self.keys, self.rng.randint(1, len(self.keys)))
        for _ in range(self.rng.randint(1, 5)):
            self.clocks[peer].time += self.rng.choice((0, 5, 1000, 1000, -300))
            statements = [
                self.statement(peer, self.rng.choice(mood), self.rng.choice(keys), self.rng.choice(columns))
                for _ in range(self.rng.choice((1, 1, 2)))
            ]
            done = [self.local(side.databases[peer], statements) for side in (self.blocks, self.plain)]
            assert done[0] == done[1]

    def local(self, database: SimDatabase, statements: list[Statement]) -> bool:
        """Run a user's transaction."""
        try:
            return database.local(statements) is not None
        except LocalRefused:
            return False

    def statement(self, peer: str, do: Do, key: Key, columns: tuple[str, ...]) -> Statement:
        """What a user does to one row; if it is not there, it comes."""
        self._count += 1
        if key not in self.blocks.databases[peer].rows("items") and do is not Do.DELETE:
            do = Do.INSERT
        value = BANNED if self.rng.random() < 0.15 else f"v{self._count}"
        if self.rng.random() < 0.2 and do in (Do.INSERT, Do.UPDATE, Do.DELETE):
            return Statement(do, "pairs", key, {"id": key[0], "mark": value} if do is Do.INSERT else {"mark": value})
        if do is Do.INSERT:
            return Statement(
                do, "items", key, {"id": key[0], "name": value, "quantity": self._count % 3, "tags": "[]", "notes": ""}
            )
        if do is Do.INCREMENT:
            return Statement(do, "items", key, {"quantity": self.rng.choice((1, 2, -1))})
        if do is Do.REKEY:
            return Statement(do, "items", key, to=self.rng.choice(self.keys))
        return Statement(do, "items", key, dict.fromkeys(columns, value) if do is Do.UPDATE else {})

    def capture(self, peer: str) -> None:
        """Both hubs hear of a peer's next commits: one hub of as many as can be told as one."""
        pending = self.blocks.databases[peer].content.history[self.captured[peer] :]
        assert pending == self.plain.databases[peer].content.history[self.captured[peer] :]
        if not pending:
            return
        count = next(
            (place for place, one in enumerate(pending) if not one.changes or one.context != pending[0].context), len(pending)
        )
        taken = pending[: self.rng.choice((count, count, self.rng.randint(1, count))) if count else 1]
        self.captured[peer] += len(taken)
        singles = [transaction_of(peer, one) for one in taken]
        for told in self.told(taken, singles):
            parts = [told] if told.split is None else told.split()
            self.hear(told, [one for one in singles if parts[0].position <= one.position <= parts[-1].position])
        for side in (self.blocks, self.plain):
            side.release()

    def told(self, commits: list[Commit], singles: list[Transaction]) -> list[Transaction]:
        """Commits as a peer tells them that has columns: as many as can be as one, or each for itself, or as changes."""
        way = self.rng.choice(("as one", "as one", "as one", "each", "plain"))
        found: list[Transaction] = []
        while singles:
            size = len(singles) if way == "as one" else 1
            made = next(
                (one for one in (self.as_one(commits[:count], singles[:count]) for count in range(size, 1, -1)) if one), None
            )
            if made is None:
                made = (singles[0] if way == "plain" else self.in_columns(singles[0])), 1
            found.append(made[0])
            commits, singles = commits[made[1] :], singles[made[1] :]
        return found

    def as_one(self, commits: list[Commit], singles: list[Transaction]) -> tuple[Transaction, int] | None:
        """Several commits as one transaction, and how many they are; None if they cannot be told so."""
        changes = [change for one in commits for change in one.changes]
        blocks = of_changes(changes, PLACES, [commits[-1].time - one.time for one in commits for _ in one.changes])
        if not blocks:
            return None
        return replace(singles[-1], changes=(), blocks=blocks, split=lambda: list(singles)), len(commits)

    def in_columns(self, one: Transaction) -> Transaction:
        """A single transaction by columns, if it can be told so."""
        blocks = of_changes(one.changes, PLACES) if one.changes else None
        return replace(one, changes=(), blocks=blocks) if blocks else one

    def hear(self, told: Transaction, singles: list[Transaction]) -> None:
        """One hub hears it as it is told, the other one change by change; at the same offsets."""
        made = self.blocks.capture(told, self.head + 1)
        as_one = told.split is not None and len(made) == 1
        self.groups += as_one
        self.apart += told.split is not None and not as_one
        self.by_columns += any(entry.blocks for entry in made)
        offset = self.head + 1
        for one in singles:
            offset += 0 if as_one else len(self.plain.capture(one, offset))
            if as_one:
                self.plain.capture(one, offset)
        self.head += len(made)
        assert self.head == (offset if as_one else offset - 1), "both logs have as many entries"

    def deliver(self, peer: str) -> None:
        """A peer gets a batch, on both sides the same."""
        cursor = self.blocks.cursors[peer]
        upto = self.rng.randint(cursor, self.head)
        commits = [side.deliver(peer, upto) for side in (self.blocks, self.plain)]
        if commits[0] is not None and commits[1] is not None:
            assert commits[0].refused == commits[1].refused
            self.refused += len(commits[0].refused)
        assert self.blocks.tables() == self.plain.tables(), "batches have the same effect"

    def stir(self, peer: str) -> None:
        """Clocks step back, peers become picky, parked rows are tried again."""
        what = self.rng.choice(("clock", "picky", "picky", "retry"))
        if what == "clock":
            self.clocks[peer].time += self.rng.choice((-1_000_000, 500, 60_000_000))
        elif what == "picky":
            banned = frozenset({BANNED}) if self.rng.random() < 0.6 else frozenset[str]()
            for side in (self.blocks, self.plain):
                side.databases[peer].constraints = Constraints(banned)
        else:
            self.retry()

    def retry(self) -> bool:
        """Try a parked row again; whether there was one."""
        tried = [side.retry(self.head + 1) for side in (self.blocks, self.plain)]
        assert tried[0] == tried[1]
        self.head += tried[0]
        return tried[0]

    # -- what must hold -----------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """The logs say the same of every row, both windows know the same, and would after a restart."""
        first, second = self.blocks, self.plain
        assert first.outcomes(self.head) == second.outcomes(self.head)
        assert first.state.parked == second.state.parked
        assert first.state.confirmed() == second.state.confirmed()
        again = first.rebuilt(), second.rebuilt()
        confirmed = first.state.confirmed()
        for shape in COLLECTIONS:
            for key in self.keys:
                view = first.window.view(shape.name, key)
                assert view == second.window.view(shape.name, key), (shape.name, key)
                later = again[0].view(shape.name, key)
                assert later == again[1].view(shape.name, key), (shape.name, key, "after a restart")
                assert known(later, confirmed) == known(view, confirmed), (shape.name, key, "before and after a restart")

    def end(self) -> None:
        """Everything is delivered and captured; all peers are equal."""
        for side in (self.blocks, self.plain):
            for database in side.databases.values():
                database.constraints = Constraints()
        for _ in range(200):
            before = (self.head, dict(self.captured), dict(self.blocks.cursors))
            for peer in self.peers:
                while len(self.blocks.databases[peer].content.history) > self.captured[peer]:
                    self.capture(peer)
            for peer in self.peers:
                for side in (self.blocks, self.plain):
                    side.deliver(peer, self.head)
            self.retry()
            self.check()
            if before == (self.head, self.captured, self.blocks.cursors):
                break
        tables = self.blocks.tables()
        assert tables == self.plain.tables()
        assert all(rows == tables[self.peers[0]] for rows in tables.values()), "all peers are equal"


def known(view: View | None, confirmed: dict[str, Offset]) -> tuple[object, ...] | None:
    """What a decision depends on: a row that every peer has is nothing to it."""
    if view is None:
        return None
    unseen = [max(view.touched(peer) - confirmed[peer], 0) for peer in confirmed]
    stamps = {place: stamp for place, stamp in enumerate(view.stamps) if stamp is not None}
    if not (any(unseen) or stamps or view.dead):
        return None
    return view.row, stamps, view.last, view.dead, unseen
