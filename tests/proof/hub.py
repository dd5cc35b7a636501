"""The hub of the explored world: log, window and what the log says of its peers; the real settle, Window and codec inside.

A hub is a value: its window is kept beside it in a `Vault` under a number, never changed, cloned before each step. At every
step the window rebuilt from the log must decide and become the same (a restart at any moment).
"""

from collections import deque
from typing import NamedTuple

import msgspec
from tests.proof.apply import Broken
from tests.proof.audit import Ghost, judge
from tests.proof.joining import BOTH, JOINED, THEIRS, Join, build, taken
from tests.proof.words import KEY, NAMES, PEERS, Marked, Rows, Written, as_changes, folded

from syncline.merge import transact
from syncline.merge.policy import RuleBook
from syncline.merge.window import Window
from syncline.model.change import Change, Transaction
from syncline.model.codec import decode_entries, encode_entries
from syncline.model.entry import Entry, Kind
from syncline.model.stamp import Position


class Parked(NamedTuple):
    """What the log says of a parked key: its peer, the first offset it lacks, the retry's offset (0: none)."""

    peer: int
    place: int
    since: int
    retried: int = 0


class Hub(NamedTuple):
    """The log above `base` (numbers of entries in the vault), what each peer confirmed, and the truth about every key."""

    base: int
    log: tuple[int, ...]
    window: int
    captured: tuple[int, ...]
    ghosts: tuple[Ghost, ...]
    parked: tuple[Parked, ...] = ()
    parks: int = 0  # rows parked so far
    join: Join | None = None  # of the last peer, if it joins

    @property
    def head(self) -> int:
        """The offset of the last entry."""
        return self.base + len(self.log)


class Vault:
    """Entries and windows by number: equal ones have equal numbers."""

    def __init__(self, clock: "Clock", book: RuleBook, peers: int) -> None:
        self.clock, self.book, self.peers = clock, book, peers
        self.entries: list[Entry] = []
        self.windows: list[Window] = []
        self._entry_numbers: dict[bytes, int] = {}
        self._window_numbers: dict[bytes, int] = {}
        self.settled = 0

    def keep_entry(self, entry: Entry) -> int:
        """The number of an entry, as it comes back from the wire."""
        wire = encode_entries((entry,))
        number = self._entry_numbers.get(wire)
        if number is None:
            number = self._entry_numbers[wire] = len(self.entries)
            (back,) = decode_entries(wire)
            if back != entry:
                raise Broken(f"the codec changes {entry}")
            self.entries.append(back)
        return number

    def keep_window(self, window: Window) -> int:
        """The number of a window. It must not be changed any more."""
        portrait = portray(window)
        number = self._window_numbers.get(portrait)
        if number is None:
            number = self._window_numbers[portrait] = len(self.windows)
            self.windows.append(window)
        return number

    def begin(self, ghosts: tuple[Ghost, ...]) -> Hub:
        """The hub before the first entry."""
        return Hub(0, (), self.keep_window(Window()), (0,) * self.peers, ghosts)

    def rebuilt(self, hub: Hub) -> Window:
        """The window of an engine that starts now: what is parked, then the log since somebody's confirmed watermark."""
        window = Window()
        for one in hub.parked:
            window.park(PEERS[one.peer], NAMES[one.place], KEY, one.since)
        for number in hub.log:
            window.replay(self.entries[number])
        window.release(self.confirmed(hub.captured))
        return window

    def confirmed(self, captured: tuple[int, ...]) -> dict[str, int]:
        """Captured watermarks by peer, as the engine hands them to the window."""
        return dict(zip(PEERS, captured, strict=False))


class Clock(NamedTuple):
    """Commit times by peer and write: (peer, seq) -> time. A peer may be fast, slow, or step back."""

    times: tuple[tuple[int, ...], ...] = ((50, 40, 45), (45, 60, 55), (50, 48, 61))

    def at(self, peer: int, seq: int) -> int:
        """The corrected commit time of a peer's write."""
        return self.times[peer][seq]


def clone(window: Window) -> Window:
    """A window that can be changed without changing the other."""
    copy = Window()
    copy.slots = {name: dict(slots) for name, slots in window.slots.items()}
    copy.exceptions = dict(window.exceptions)
    copy.pins = dict(window.pins)
    copy._queues = {writer: deque(line) for writer, line in window._queues.items()}
    copy._held = dict(window._held)
    copy._floors = window._floors
    return copy


def portray(window: Window) -> bytes:
    """Everything that a window is, as bytes: equal windows, equal bytes."""
    slots = [(name, sorted(slots.items())) for name, slots in sorted(window.slots.items()) if slots]
    queues = [
        (writer, [(one.offset, one.collection, key) for one in line for key in one.keys])
        for writer, line in sorted(window._queues.items())
        if line
    ]
    parked, pins = sorted(window.exceptions.items()), sorted(window.pins.items())
    return msgspec.msgpack.encode((slots, parked, pins, queues, window._floors))


def capture(vault: Vault, hub: Hub, peer: int, item: Written | Marked, deletes: str) -> Hub:
    """The hub after one more item of a peer's history."""
    join = hub.join
    if join is not None:
        hub = hub._replace(join=taken(join, peer, item))
    if isinstance(item, Marked) or (join is not None and join.apart and join.peer == peer):
        return _confirm(vault, hub, peer, item)
    name, offset = PEERS[peer], hub.head + 1
    changes = as_changes(item)
    transaction = Transaction(name, Position(item.seq + 1), item.context, 0, changes)
    captured = _raised(hub.captured, peer, item.context)
    window = clone(vault.windows[hub.window])
    entry = transact.settle(window, vault.book, transaction, offset, vault.clock.at(peer, item.seq))
    vault.settled += 1
    ghosts = _judged(hub, item, entry, name, deletes)
    if not window.pins:
        _restart(vault, hub, transaction, entry)
    window.release(vault.confirmed(captured))
    return _extended(vault, hub._replace(captured=captured, ghosts=ghosts), window, (entry,))


def begin_join(vault: Vault, hub: Hub, rows: Rows, left: int) -> Hub:
    """The reference's row is read; from before that on the window keeps what could have changed it."""
    join = _join(hub)
    window = clone(vault.windows[hub.window])
    pin = window.pins[PEERS[join.peer]] = min(hub.captured[0], hub.captured[join.peer])
    return _extended(
        vault, hub._replace(join=join._replace(stage=THEIRS, pin=pin, theirs=rows[0], theirs_left=left)), window, ()
    )


def read_own(hub: Hub, rows: Rows, left: int) -> Hub:
    """The joining peer's own row is read."""
    return hub._replace(join=_join(hub)._replace(stage=BOTH, mine=rows[0], mine_left=left))


def end_join(vault: Vault, hub: Hub) -> Hub:
    """Both histories are in the log up to the reads: the row is compared and merged."""
    join = _join(hub)
    window = clone(vault.windows[hub.window])
    times = [vault.clock.at(join.peer, seq) for seq in range(len(vault.clock.times[join.peer]))]
    context = hub.captured[join.peer]
    built = build(join, window, vault.book, hub.ghosts[0], hub.head + 1, context, times)
    del window.pins[PEERS[join.peer]]
    window.release(vault.confirmed(hub.captured))
    done = Join(join.peer, JOINED)
    return _extended(vault, hub._replace(join=done, ghosts=(built.ghost,)), window, tuple(built.entries))


def _join(hub: Hub) -> Join:
    if hub.join is None:
        raise LookupError("nobody joins")
    return hub.join


def _judged(hub: Hub, item: Written, entry: Entry, name: str, deletes: str) -> tuple[Ghost, ...]:
    ghosts = list(hub.ghosts)
    left = list(entry.changes)
    for local in folded(item.changes, len(left)):
        key = NAMES[local.place]
        change = left.pop(0) if left and left[0].collection == key else None
        ghosts[local.place] = judge(ghosts[local.place], local, change, name, entry.offset, deletes)
    if left:
        raise Broken("P4: an entry carries more changes than were captured")
    return tuple(ghosts)


def _restart(vault: Vault, hub: Hub, transaction: Transaction, entry: Entry) -> None:
    """An engine that was restarted just now decides the same."""
    other = transact.settle(vault.rebuilt(hub), vault.book, transaction, entry.offset, entry.time)
    if other != entry:
        raise Broken(f"a restarted engine decides otherwise: {other.changes} and not {entry.changes}")


def _confirm(vault: Vault, hub: Hub, peer: int, item: Written | Marked) -> Hub:
    """The peer's watermark is in the log's knowledge; rows it left out become exceptions, with a PARK entry each."""
    window = clone(vault.windows[hub.window])
    entries: list[Entry] = []
    parked = list(hub.parked)
    since = hub.captured[peer] + 1
    refused, upto = (item.refused, item.upto) if isinstance(item, Marked) else ((), item.context)
    for place in refused:
        window.park(PEERS[peer], NAMES[place], KEY, since)
        known = next((one for one in parked if one[:2] == (peer, place)), None)
        first = known.since if known and not 0 < known.retried < since else since
        parked = [one for one in parked if one[:2] != (peer, place)]
        parked.append(Parked(peer, place, first))
        body = {"code": "x", "reason": "refused", "since": since}
        change = Change(NAMES[place], KEY, None, None)
        entries.append(Entry(hub.head + 1 + len(entries), Kind.PARK, PEERS[peer], changes=(change,), body=body))
    captured = _raised(hub.captured, peer, upto)
    parked = [one for one in parked if not 0 < one.retried <= captured[one.peer]]
    window.release(vault.confirmed(captured))
    parks = hub.parks + len(refused)
    return _extended(vault, hub._replace(captured=captured, parked=tuple(sorted(parked)), parks=parks), window, tuple(entries))


def retry(vault: Vault, hub: Hub, one: Parked) -> Hub:
    """The hub after a RETRY entry: the then-current row of a parked key for its peer alone."""
    window = clone(vault.windows[hub.window])
    view = window.view(NAMES[one.place], KEY)
    if view is None or view.row != hub.ghosts[one.place].row:
        raise Broken(f"F32: the window does not hold the row of a parked key: {view}")
    change = Change(NAMES[one.place], KEY, None, view.row)
    entry = Entry(hub.head + 1, Kind.RETRY, changes=(change,), to=PEERS[one.peer])
    window.replay(entry)
    parked = tuple(other if other != one else one._replace(retried=entry.offset) for other in hub.parked)
    window.release(vault.confirmed(hub.captured))
    return _extended(vault, hub._replace(parked=parked), window, (entry,))


def _raised(captured: tuple[int, ...], peer: int, upto: int) -> tuple[int, ...]:
    return (*captured[:peer], max(captured[peer], upto), *captured[peer + 1 :])


def _extended(vault: Vault, hub: Hub, window: Window, entries: tuple[Entry, ...]) -> Hub:
    """Append, and forget what nobody needs: what every peer confirmed, but for what a parked key still lacks."""
    log = hub.log + tuple(vault.keep_entry(entry) for entry in entries)
    needed = min([*hub.captured, *(one.since - 1 for one in hub.parked)])
    needed = max(needed, hub.base)
    return hub._replace(base=needed, log=log[needed - hub.base :], window=vault.keep_window(window))
