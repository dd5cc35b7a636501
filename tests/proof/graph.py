"""The states of a scope and their next steps, each sub-state computed once and known by its number.

A state is a hub number and a number per peer. Local writes touch one peer, deliveries one peer and the log, captures one peer
and the hub; so each is computed once per pair and looked up ever after. Symmetry between peers is not used: names and clocks
decide ties, so renamed states are not the same.
"""

from typing import Final, NamedTuple, TypeAlias

from tests.proof import hub as hubs
from tests.proof.apply import Broken, deliver
from tests.proof.audit import begin
from tests.proof.hub import Clock, Hub, Vault
from tests.proof.joining import APART, BOTH, THEIRS, Join
from tests.proof.rulebook import rules
from tests.proof.words import KNOWS_ALL, NAMES, PEERS, START, Item, Marked, PeerState, Rows, options, target

from syncline.model.entry import Entry, Kind
from syncline.model.value import Row

BITS: Final = 24
MASK: Final = (1 << BITS) - 1
Steps: TypeAlias = list[tuple[str, int]]  # what happens, and what it adds to the state's number


class Scope(NamedTuple):
    """What is explored. `ops` are the letters of local writes. `lazy`: a watermark may stay uncaptured for any time."""

    name: str
    peers: int = 2
    writes: tuple[int, ...] = (2, 2)
    ops: str = "andi"
    deletes: str = "update_wins"
    register: str = "newest"
    start: bool = True
    keys: int = 1
    batch: int = 9
    lazy: bool = False
    parks: int = 0
    clock: Clock = Clock()
    joiner: bool = False  # the last peer joins; it brings `brings`
    brings: Row | None = None


class World:
    """The numbered states of one scope and their steps. A state is one number: a peer's number per field, the hub's on top."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        book = {name: rules(name, scope.deletes, scope.register) for name in NAMES[: scope.keys]}
        self.vault = Vault(scope.clock, book, scope.peers)
        self.hubs: list[Hub] = []
        self.confirmed: list[bool] = []  # by hub: whether everybody has confirmed the whole log
        self._hub_numbers: dict[Hub, int] = {}
        self.states: list[list[PeerState]] = [[] for _ in range(scope.peers)]
        self._state_numbers: list[dict[PeerState, int]] = [{} for _ in range(scope.peers)]
        self._written: list[dict[int, Steps]] = [{} for _ in range(scope.peers)]
        self._taken: dict[tuple[int, int, Item], int] = {}  # hub, peer, item -> hub after its capture
        self._given: list[dict[int, Steps]] = [{} for _ in range(scope.peers)]  # peer's and log's number -> deliveries
        self._logs: dict[tuple[int, tuple[int, ...], Rows, int], int] = {}
        self.log_of: list[int] = []  # by hub: the number of its log
        self._targets = [target(name) for name in PEERS[: scope.peers]]
        self.shifts = [BITS * place for place in range(scope.peers + 1)]

    def first(self) -> int:
        """The state before anything happened."""
        rows: tuple[Row | None, ...] = (START if self.scope.start else None,) * self.scope.keys
        hub = self.vault.begin(tuple(begin(row) for row in rows))
        lacks = (KNOWS_ALL,) * self.scope.keys
        peers = [PeerState(rows, (), 0, count, lacks) for count in self.scope.writes]
        if self.scope.joiner:
            peers[-1] = peers[-1]._replace(rows=(self.scope.brings,), lacks=(0,))
            hub = hub._replace(join=Join(self.scope.peers - 1))
        numbers = [self._peer(place, state) for place, state in enumerate(peers)]
        return sum(number << shift for number, shift in zip([*numbers, self._hub(hub)], self.shifts, strict=True))

    def parts(self, state: int) -> tuple[Hub, list[PeerState]]:
        """A state unpacked."""
        numbers = [state >> shift & MASK for shift in self.shifts]
        return self.hubs[numbers[-1]], [self.states[place][number] for place, number in enumerate(numbers[:-1])]

    def _hub(self, hub: Hub) -> int:
        number = self._hub_numbers.get(hub)
        if number is None:
            number = self._hub_numbers[hub] = _bounded(len(self.hubs))
            self.hubs.append(hub)
            self.confirmed.append(hub.base == hub.head)
            log = hub.base, hub.log, tuple(ghost.row for ghost in hub.ghosts), hub.parks
            self.log_of.append(self._logs.setdefault(log, len(self._logs)))
        return number

    def _peer(self, place: int, state: PeerState) -> int:
        numbers = self._state_numbers[place]
        number = numbers.get(state)
        if number is None:
            number = numbers[state] = _bounded(len(self.states[place]))
            self.states[place].append(state)
        return number

    def steps(self, place: int, mine: int, hub: int) -> Steps:
        """What a peer can do next, alone or with the hub, each with what it adds to the state's number."""
        writes = self._written[place].get(mine)
        if writes is None:
            writes = self._written[place][mine] = self._writes(place, mine)
        join = self.hubs[hub].join
        if join is not None and join.apart:
            return [
                *writes,
                *self._capture(place, mine, hub),
                *self._deliveries(place, mine, hub),
                *self._joins(place, mine, hub),
            ]
        pair = self.log_of[hub] << BITS | mine
        given = self._given[place].get(pair)
        if given is None:
            given = self._given[place][pair] = self._deliveries(place, mine, hub)
        return [*writes, *self._capture(place, mine, hub), *given]

    def hub_steps(self, hub: int) -> Steps:
        """What the hub can do next of its own accord."""
        return self._retries(hub) if self.scope.parks else []

    def _joins(self, place: int, mine: int, number: int) -> Steps:
        """What brings a join further: the reference's row is read, then the joining peer's, then they are compared."""
        hub, state = self.hubs[number], self.states[place][mine]
        join = hub.join
        if join is None:
            return []
        if join.stage == APART and place == 0:
            label, after = "p: its row is read for the join", hubs.begin_join(self.vault, hub, state.rows, len(state.history))
        elif join.stage == THEIRS and place == join.peer:
            label, after = f"{PEERS[place]}: its own row is read", hubs.read_own(hub, state.rows, len(state.history))
        elif join.stage == BOTH and place == join.peer and not join.theirs_left and not join.mine_left:
            after = hubs.end_join(self.vault, hub)
            label = f"{PEERS[place]} joins as {hub.head + 1}..{after.head}"
        else:
            return []
        return [(label, self._hub(after) - number << self.shifts[-1])]

    def _moved(self, place: int, mine: int, after: PeerState) -> int:
        return self._peer(place, after) - mine << self.shifts[place]

    def _writes(self, place: int, mine: int) -> Steps:
        state = self.states[place][mine]
        if not state.writes:
            return []
        found = options(state, place, self.scope.writes[place], self.scope.ops)
        return [(label, self._moved(place, mine, after)) for label, after in found]

    def _capture(self, place: int, mine: int, number: int) -> Steps:
        state, hub = self.states[place][mine], self.hubs[number]
        if not state.history:
            return []
        item, *rest = state.history
        after = self._after(number, place, item)
        while not self.scope.lazy and rest and isinstance(rest[0], Marked):
            after = self._after(after, place, rest.pop(0))
        what = f"its watermark {item.upto}" if isinstance(item, Marked) else f"its write {item.seq}"
        head = self.hubs[after].head
        label = f"{PEERS[place]}: {what} is captured" + ("" if head == hub.head else f" as {head}")
        moved = self._moved(place, mine, state._replace(history=tuple(rest)))
        return [(label, moved + (after - number << self.shifts[-1]))]

    def _after(self, number: int, place: int, item: Item) -> int:
        """The hub after it took in one item of a peer's history."""
        name = (number, place, item)
        after = self._taken.get(name)
        if after is None:
            hub = hubs.capture(self.vault, self.hubs[number], place, item, self.scope.deletes)
            after = self._taken[name] = self._hub(hub)
        return after

    def _deliveries(self, place: int, mine: int, number: int) -> Steps:
        state, hub = self.states[place][mine], self.hubs[number]
        pending, join = hub.head - state.watermark, hub.join
        found: Steps = []
        for count in range(1, min(pending, self.scope.batch) + 1):
            entries = self._entries(hub, state.watermark, count)
            apart = join is not None and join.apart and join.peer == place
            after = deliver(state, self._targets[place], entries, apart=apart)
            label = f"{PEERS[place]}: {state.watermark + 1}..{state.watermark + count} are applied"
            if after is not None:
                self._prefix(place, after, hub)
                found.append((label, self._moved(place, mine, after)))
            for key in range(self.scope.keys):
                if self._may_park(state, hub):
                    after = deliver(state, self._targets[place], entries, (key,))
                    if after is not None:
                        found.append((label + " but refused", self._moved(place, mine, after)))
        return found

    def _entries(self, hub: Hub, after: int, count: int) -> list[Entry]:
        start = after - hub.base
        return [self.vault.entries[number] for number in hub.log[start : start + count]]

    def _may_park(self, state: PeerState, hub: Hub) -> bool:
        """Parking is a budget of the hub's log: so many PARK entries, and none under way."""
        if not self.scope.parks or any(isinstance(item, Marked) and item.refused for item in state.history):
            return False
        return hub.parks < self.scope.parks

    def _retries(self, number: int) -> Steps:
        hub = self.hubs[number]
        return [
            (
                f"the row is sent again to {PEERS[one.peer]} as {hub.head + 1}",
                self._hub(hubs.retry(self.vault, hub, one)) - number << self.shifts[-1],
            )
            for one in hub.parked
            if not one.retried
        ]

    def _prefix(self, place: int, state: PeerState, hub: Hub) -> None:
        """P5, P9: a peer without writes of its own under way holds exactly the log at its watermark."""
        if state.lacks != (KNOWS_ALL,) * self.scope.keys or any(not isinstance(item, Marked) for item in state.history):
            return
        rows = [ghost.row for ghost in hub.ghosts]
        for offset in range(hub.head, state.watermark, -1):
            entry = self.vault.entries[hub.log[offset - hub.base - 1]]
            if entry.kind is not Kind.CHANGE:
                continue
            if entry.peer == PEERS[place]:
                return
            for change in reversed(entry.changes):
                rows[NAMES.index(change.collection)] = change.before
        if tuple(rows) != state.rows:
            raise Broken(f"P9: at watermark {state.watermark} {PEERS[place]} holds {state.rows}, the log {tuple(rows)}")

    def is_quiet(self, state: int) -> bool:
        """Whether everything is captured, delivered and confirmed; then the copies must be equal."""
        hub, peers = self.parts(state)
        head = hub.head
        if hub.join is not None and hub.join.apart:
            return False
        if any(peer.history or peer.watermark != head for peer in peers):
            return False
        rows = tuple(ghost.row for ghost in hub.ghosts)
        for name, peer in zip(PEERS, peers, strict=False):
            if peer.rows != rows:
                raise Broken(f"P1: {name} ends with {peer.rows}, the log with {rows}")
        if len(self.vault.windows[hub.window]) or hub.parked:
            raise Broken(f"P14: something stays in the window: {self.vault.windows[hub.window].slots}")
        return True


def _bounded(number: int) -> int:
    if number > MASK:
        raise OverflowError("the scope has too many sub-states for its number format")
    return number
