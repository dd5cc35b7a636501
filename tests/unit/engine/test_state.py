"""The fold of the log: every kind of entry; restored from a checkpoint, or folded in two passes, it is what it was live."""

from dataclasses import asdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.engine.state import PeerRecord, Stage, State
from syncline.model.change import Change, Verdict
from syncline.model.codec import decode_entries, encode_entries
from syncline.model.conflict import Conflict, Side
from syncline.model.entry import Entry, Kind
from syncline.model.stamp import Offset, Position
from syncline.model.value import Key, Tagged

PEERS = ("p", "q", "r")


def conflict(*, is_open: bool = True, rule: str = "manual") -> Conflict:
    """Some conflict."""
    return Conflict("field", "a", rule, "p", Side("p", 1, (1, 1), 5), Side("q", 2, (1, 2), 6), open=is_open)


def change(key: object = 1, *conflicts: Conflict) -> Change:
    """A change, with conflicts or plain."""
    verdict = Verdict(correct=True, conflicts=conflicts) if conflicts else None
    return Change("items", (key,), (key, 1), (key, 2), verdict)  # type: ignore[arg-type]


def peer(offset: Offset, name: str, **body: Any) -> Entry:
    """A PEER entry."""
    return Entry(offset, Kind.PEER, name, body=body)


def folded(*entries: Entry) -> State:
    """The state after these entries, as they come back from the log."""
    state = State()
    for entry in decode_entries(encode_entries(entries)):
        state.fold(entry)
    return state


def facts(state: State) -> dict[str, Any]:
    """Everything a state says, but for what only the log's length tells."""
    return {
        "peers": {name: asdict(record) for name, record in state.peers.items() if record != PeerRecord(name)},
        "parked": state.parked,
        "open": state.open,
        "columns": state.columns,
        "rules": state.rules,
        "conflicts": state.conflicts,
        "verified": state.verified,
    }


LIVE = (peer(1, "p", stage="live", position=[3, 0, ""]), peer(2, "q", stage="joining", position=[0, 0, ""], since=[0, 0, ""]))


def test_a_seed_is_live_at_once_and_knows_its_position() -> None:
    record = folded(*LIVE).peers["p"]
    assert (record.stage, record.joined_at, record.captured, record.position) == (Stage.LIVE, 1, 1, Position(3))


def test_a_change_tells_what_its_peer_had_seen_and_how_far_its_history_is_known() -> None:
    state = folded(*LIVE, Entry(3, Kind.CHANGE, "p", Position(9), 2, changes=(change(),)))
    assert (state.peers["p"].captured, state.peers["p"].position) == (2, Position(9))
    assert (state.head, state.data) == (3, 3)


def test_a_confirm_never_goes_back() -> None:
    ahead = Entry(5, Kind.CONFIRM, body={"p": [4, [9, 0, "x"]], "q": [3, None]})
    behind = Entry(6, Kind.CONFIRM, body={"p": [2, [8, 0, "x"]]})
    state = folded(*LIVE, ahead, behind)
    assert (state.peers["p"].captured, state.peers["p"].position) == (4, Position(9, 0, "x"))
    assert state.peers["q"].captured == 3
    assert state.data == 0, "control entries carry no rows"


def test_a_join_progresses_key_by_key_until_done() -> None:
    reached = Entry(
        3, Kind.JOIN, "q", changes=(Change("items", (5,), None, None),), body={"collection": "items", "position": [4]}
    )
    done = Entry(4, Kind.JOIN, "q", body={"collection": "items", "position": [6], "done": True})
    state = folded(*LIVE, reached)
    assert (state.peers["q"].joins, state.peers["q"].joined) == ({"items": (5,)}, set())
    assert state.needed() == 1
    state.fold(done)
    assert (state.peers["q"].joined, state.peers["q"].position) == ({"items"}, Position(6))


def test_a_joining_peer_keeps_the_log_since_its_join_began() -> None:
    state = folded(*LIVE, Entry(9, Kind.CONFIRM, body={"p": [8, None], "q": [8, None]}))
    assert state.needed() == 2, "a join that resumes looks for what was deleted since"
    state.fold(peer(10, "q", stage="live"))
    assert state.needed() == 8


def test_parked_retried_and_over() -> None:
    park = Entry(4, Kind.PARK, "q", time=7, changes=(change(),), body={"code": "c", "reason": "r", "since": 3})
    retry = Entry(6, Kind.RETRY, to="q", changes=(change(),))
    state = folded(*LIVE, park)
    row = state.parked["q", "items", (1,)]
    assert (row.id, row.since, row.attempts, row.retried, row.time) == ("4", 3, 1, 0, 7)
    assert state.needed() == 1
    state.fold(retry)
    assert state.parked["q", "items", (1,)].retried == 6
    state.fold(Entry(7, Kind.CONFIRM, body={"q": [5, None]}))
    assert state.parked, "the watermark does not cover the retry yet"
    state.fold(Entry(8, Kind.CONFIRM, body={"q": [6, None]}))
    assert not state.parked


def test_a_refused_retry_keeps_the_first_offset_and_counts() -> None:
    park = Entry(4, Kind.PARK, "q", changes=(change(),), body={"code": "c", "reason": "r", "since": 3})
    retry = Entry(6, Kind.RETRY, to="q", changes=(change(),))
    again = Entry(7, Kind.PARK, "q", changes=(change(),), body={"code": "d", "reason": "s", "since": 6})
    row = folded(*LIVE, park, retry, again).parked["q", "items", (1,)]
    assert (row.since, row.attempts, row.retried, row.reason) == (3, 2, 0, "s")


def test_another_refusal_after_a_retry_that_held_is_a_new_exception() -> None:
    """The entry that told that the retry was over is a plain change: a reader of notes alone does not see it."""
    park = Entry(4, Kind.PARK, "q", changes=(change(),), body={"code": "c", "reason": "r", "since": 3})
    retry = Entry(6, Kind.RETRY, to="q", changes=(change(),))
    other = Entry(20, Kind.PARK, "q", changes=(change(),), body={"code": "c", "reason": "r", "since": 18})
    row = folded(*LIVE, park, retry, other).parked["q", "items", (1,)]
    assert (row.since, row.attempts, row.retried) == (18, 1, 0)


def test_skipping_and_retrying_a_skipped_row() -> None:
    park = Entry(4, Kind.PARK, "q", changes=(change(),), body={"code": "c", "reason": "r", "since": 3})
    skip = Entry(5, Kind.PARK, "q", changes=(change(),), body={"code": "c", "reason": "r", "since": 3, "skipped": True})
    state = folded(*LIVE, park, skip)
    assert state.parked["q", "items", (1,)].skipped
    state.fold(Entry(6, Kind.RETRY, to="q", changes=(change(),)))
    assert not state.parked["q", "items", (1,)].skipped


def test_who_leaves_is_stale_or_joins_anew_lacks_nothing() -> None:
    park = Entry(4, Kind.PARK, "q", changes=(change(),), body={"code": "c", "reason": "r", "since": 3})
    for stage in ("left", "stale", "new"):
        state = folded(*LIVE, park, peer(5, "q", stage=stage))
        assert not state.parked
        assert not state.peers["q"].holds_window
        assert state.needed() == 1


def test_a_paused_peer_goes_on_where_it_was() -> None:
    state = folded(*LIVE, peer(3, "q", stage="paused"), peer(4, "q", stage="paused"))
    assert (state.peers["q"].footing, state.peers["q"].holds_window) == (Stage.JOINING, True)
    state.fold(peer(5, "q", stage="joining"))
    assert state.peers["q"].joined_at == 2, "it is the same join"
    assert folded(peer(1, "r", stage="paused")).peers["r"].holds_window is False, "it had no place yet"


def test_a_rejoin_keeps_who_it_was_until_it_begins() -> None:
    known = peer(3, "p", incarnation="i", nonces=["n"])
    leaves = peer(4, "p", stage="new", rejoining=True, authority="q", since=[3, 0, ""])
    record = folded(*LIVE, known, leaves).peers["p"]
    assert (record.incarnation, record.nonces, record.position) == ("i", ("n",), None)
    assert (record.rejoining, record.authority, record.since) == (True, "q", Position(3))
    state = folded(*LIVE, known, leaves, peer(5, "p", stage="joining", position=[1, 0, ""], since=None))
    assert (state.peers["p"].since, state.peers["p"].joined_at, state.peers["p"].captured) == (None, 5, 5)
    state.fold(peer(6, "p", stage="live"))
    assert not state.peers["p"].rejoining


def test_f28_what_a_peer_did_before_it_joined_anew_does_not_count() -> None:
    """Its history may be another one now; a reader that meets the old entries late must not believe their positions."""
    anew = (peer(5, "p", stage="new", rejoining=True, since=None), peer(6, "p", stage="live", position=[2, 0, ""]))
    state = folded(*LIVE, *anew)
    state.fold(Entry(4, Kind.CHANGE, "p", Position(900), 3, changes=(change(),)))
    assert state.peers["p"].position == Position(2)


def test_conflicts_are_counted_opened_and_settled() -> None:
    contended = Entry(
        3, Kind.CHANGE, "p", Position(4), 1, changes=(change(1, conflict(), conflict(is_open=False, rule="newest")),)
    )
    state = folded(*LIVE, contended)
    assert list(state.open) == ["3.0.0"]
    assert state.rules == {"manual": 1, "newest": 1}
    assert state.conflicts == {"items": 2}
    state.fold(Entry(4, Kind.SETTLE, changes=(change(),), body={"settles": ["3.0.0"]}))
    assert not state.open
    assert state.data == 4


def test_columns_and_what_was_verified() -> None:
    state = folded(
        Entry(1, Kind.SCHEMA, body={"items": ["id", "a"]}),
        Entry(2, Kind.SCHEMA, body={"items": ["id", "a", "b"]}),
        Entry(3, Kind.VERIFY, body={"items": {"p": 2, "q": 2}}),
        Entry(4, Kind.VERIFY, body={"items": {"p": 3}}),
    )
    assert state.columns == {"items": ("id", "a", "b")}
    assert state.verified == {"items": {"p": 3, "q": 2}}


def test_what_is_taken_is_not_reached() -> None:
    """Between the two, the writer of the log knows an entry and nobody delivers it."""
    state = State()
    state.take(Entry(1, Kind.CHANGE, "p", Position(1), 0, changes=(change(),)))
    assert (state.head, state.data, state.peers["p"].position) == (0, 0, Position(1))
    state.reach(Entry(1, Kind.CHANGE, "p", Position(1), 0, changes=(change(),)))
    assert (state.head, state.data) == (1, 1)


# -- any sequence of entries ----------------------------------------------------------------------------------------------

KEYS: tuple[Key, ...] = ((1,), ("x",), (Tagged("real", "1.5"), b"\0"))


class Life:
    """Draws the entries of a space's life: each may follow those before it."""

    def __init__(self, data: st.DataObject) -> None:
        self._draw = data.draw
        self.state = State()
        self.entries: list[Entry] = []
        self._positions = dict.fromkeys(PEERS, 0)

    def live(self, steps: int) -> list[Entry]:
        """That many entries, at most."""
        for _ in range(steps):
            step = self._draw(
                st.sampled_from(
                    (
                        self._change,
                        self._change,
                        self._confirm,
                        self._park,
                        self._retry,
                        self._stage,
                        self._join,
                        self._settle,
                        self._note,
                    )
                )
            )
            for entry in step(len(self.entries) + 1):
                (back,) = decode_entries(encode_entries([entry]))
                self.state.fold(back)
                self.entries.append(back)
        return self.entries

    def _who(self) -> str | None:
        seated = [name for name in PEERS if self.state.peer(name).holds_window]
        return self._draw(st.sampled_from(seated)) if seated else None

    def _context(self, name: str, offset: Offset) -> Offset:
        return self._draw(st.integers(self.state.peer(name).captured, offset - 1))

    def _position(self, name: str) -> Position:
        self._positions[name] += 1
        return Position(self._positions[name], 0, "t")

    def _change(self, offset: Offset) -> list[Entry]:
        name = self._who()
        if name is None:
            return []
        conflicts = self._draw(st.lists(st.booleans().map(lambda is_open: conflict(is_open=is_open)), max_size=2))
        context, position = self._context(name, offset), self._position(name)
        key = self._draw(st.sampled_from(KEYS))
        changes = (Change("items", key, (1,), (2,), Verdict(conflicts=tuple(conflicts)) if conflicts else None),)
        return [Entry(offset, Kind.CHANGE, name, position, context, offset, changes)]

    def _confirm(self, offset: Offset) -> list[Entry]:
        body = {}
        for name in PEERS:
            if self.state.peer(name).holds_window:
                known = self.state.peer(name).position
                body[name] = [self._context(name, offset), [known.major, known.minor, known.text] if known else None]
        return [Entry(offset, Kind.CONFIRM, body=body)] if body else []

    def _park(self, offset: Offset) -> list[Entry]:
        name = self._who()
        if name is None or self.state.peer(name).captured >= offset - 1:
            return []
        since = self.state.peer(name).captured + 1
        body = {"code": "c", "reason": "r", "since": since, "skipped": self._draw(st.booleans())}
        changes = (Change("items", self._draw(st.sampled_from(KEYS)), None, None),)
        context = 0 if body["skipped"] else self._draw(st.integers(since, offset - 1))
        return [Entry(offset, Kind.PARK, name, None, context, offset, changes, body=body)]

    def _retry(self, offset: Offset) -> list[Entry]:
        if not self.state.parked:
            return []
        name, collection, key = self._draw(st.sampled_from(sorted(self.state.parked, key=repr)))
        return [Entry(offset, Kind.RETRY, changes=(Change(collection, key, None, (1,)),), to=name)]

    def _stage(self, offset: Offset) -> list[Entry]:
        name = self._draw(st.sampled_from(PEERS))
        record = self.state.peer(name)
        after = {
            Stage.NEW: ("joining", "live", "paused"), Stage.JOINING: ("live", "paused", "new"),
            Stage.LIVE: ("paused", "stale", "left", "new"), Stage.PAUSED: (record.paused_from.value, "stale"),
            Stage.STALE: ("new",), Stage.LEFT: ("new",),
        }  # fmt: skip
        stage = self._draw(st.sampled_from(after[record.stage]))
        body: dict[str, Any] = {"stage": stage, "nonces": [f"n{offset}"]}
        if stage == "new":
            body |= {"rejoining": True, "since": [1, 0, ""], "authority": "p"}
        elif not record.holds_window and stage in ("joining", "live"):
            start = self._position(name)
            body |= {"position": [start.major, 0, "t"], "since": None, "incarnation": f"i{offset}"}
        return [Entry(offset, Kind.PEER, name, body=body)]

    def _join(self, offset: Offset) -> list[Entry]:
        joining = [name for name in PEERS if self.state.peer(name).stage is Stage.JOINING]
        if not joining:
            return []
        name = self._draw(st.sampled_from(joining))
        done = self._draw(st.booleans())
        start = self._position(name)
        key = () if done else (Change("items", self._draw(st.sampled_from(KEYS)), None, None),)
        body = {"collection": "items", "position": [start.major, 0, "t"], "done": done}
        fill = Entry(offset, Kind.FILL, changes=(Change("items", (7,), None, (1,)),), to=name)
        return [fill, Entry(offset + 1, Kind.JOIN, name, changes=key, body=body)]

    def _settle(self, offset: Offset) -> list[Entry]:
        if not self.state.open:
            return []
        name = self._draw(st.sampled_from(sorted(self.state.open)))
        return [Entry(offset, Kind.SETTLE, changes=(Change("items", (1,), (1,), (2,)),), body={"settles": [name]})]

    def _note(self, offset: Offset) -> list[Entry]:
        columns = self._draw(st.lists(st.sampled_from("abc"), max_size=2))
        kind = self._draw(st.sampled_from((Kind.SCHEMA, Kind.VERIFY)))
        return [Entry(offset, kind, body={"items": columns if kind is Kind.SCHEMA else {"p": offset - 1}})]


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_restored_from_a_checkpoint_it_is_what_it_was(data: st.DataObject) -> None:
    life = Life(data)
    entries = life.live(data.draw(st.integers(1, 30)))
    place = data.draw(st.integers(0, len(entries)))
    before = State()
    for entry in entries[:place]:
        before.fold(entry)
    checkpoint = Entry(place + 1, Kind.CHECKPOINT, body=before.checkpoint())
    kept = min((int(name.partition(".")[0]) for name in before.open), default=place + 1)  # from there on nothing is trimmed
    restored = folded(*entries[kept - 1 : place], checkpoint)
    assert facts(restored) == facts(before)
    assert restored.data == before.data
    for entry in entries[place:]:
        restored.fold(entry)
    assert facts(restored) == facts(life.state)


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_folded_in_two_passes_it_is_what_it_was_live(data: st.DataObject) -> None:
    """As after a restart: first all notes, then the plain changes that some peer has not confirmed."""
    life = Life(data)
    entries = life.live(data.draw(st.integers(1, 40)))
    state = State()
    for entry in entries:
        if entry.has_notes:
            state.fold(entry)
    start = state.needed()
    for entry in entries[start:]:
        if not entry.has_notes:
            state.fold(entry)
    seated = {name for name, record in life.state.peers.items() if record.holds_window}
    told, live = facts(state), facts(life.state)
    told["peers"] = {name: record for name, record in told["peers"].items() if name in seated}
    live["peers"] = {name: record for name, record in live["peers"].items() if name in seated}
    assert told == live


def test_folding_a_checkpoint_of_itself_changes_nothing() -> None:
    """The engine folds the checkpoint that it makes; sessions keep their records."""
    state = folded(*LIVE, Entry(3, Kind.PARK, "q", changes=(change(),), body={"code": "c", "reason": "r", "since": 3}))
    record, before = state.peers["q"], facts(state)
    state.fold(Entry(4, Kind.CHECKPOINT, body=state.checkpoint()))
    assert facts(state) == before
    assert state.peers["q"] is record
