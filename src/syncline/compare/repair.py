"""One row whose copies differ: what a repair makes of it by a policy, and what each peer will do. Pure.

A repair is no edit: nobody wrote just now. Where the row that stands is what the log told last, the entry gives no field a new
stamp, so that an edit that did not know of the repair contests nothing. Where it is another row, its fields are as old as the
log's last word on the key, and are the peer's whose row it is: a real edit of the time after that is the newer one.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from syncline.model.change import Change, Verdict
from syncline.model.conflict import Conflict
from syncline.model.stamp import NOBODY, Micros, Offset
from syncline.model.value import ABSENT, Key, Row, Value, changed_fields, pad

POLICIES: Final = ("merge", "authority", "upsert", "insert")
CLASSES: Final = ("missing", "extra", "field")
LONG_AGO: Final[Micros] = -1  # the time of a value that the log knows nothing of: older than any edit


class RepairPolicy(msgspec.Struct, frozen=True):
    """How a repair decides: `merge`, or by one `peer`'s rows: `authority`, `upsert`, `insert` (there '' is any peer's)."""

    name: str = "merge"
    peer: str = ""

    @property
    def text(self) -> str:
        """As it is written: authority:hq."""
        return f"{self.name}:{self.peer}" if self.peer else self.name


def read_policy(text: str) -> RepairPolicy | None:
    """The policy that a text means; None if it means none."""
    name, colon, peer = text.partition(":")
    if name not in POLICIES or (name == "merge" and colon) or (name in ("authority", "upsert") and not peer):
        return None
    return None if colon and not peer else RepairPolicy(name, peer)


class Told(NamedTuple):
    """What the log told last of a row (None: that it was deleted), how old that is, and in which entry it stands.

    `known`: False where an undo left each peer its own row, of which the log had told nothing before.
    """

    row: Row | None
    time: Micros = LONG_AGO
    offset: Offset = 0
    known: bool = True


class Facts(NamedTuple):
    """What is known besides the copies. `silent`: peers that only receive. `merge`: the field policies, or one peer's row."""

    told: Told | None
    silent: Collection[str]
    merge: Callable[[str | None], Change]


class Does(StrEnum):
    """What a repair does to a row at one peer."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    NOTHING = "nothing"


class Step(msgspec.Struct, frozen=True):
    """What one peer will do, and for an update in which fields."""

    does: Does
    fields: tuple[str, ...] = ()


_NOTHING: Final = Step(Does.NOTHING)


class Sent(NamedTuple):
    """A change for the log: for one peer alone, or for everyone (''). `origin`: whose row it is, '' where nobody's alone."""

    change: Change
    to: str = ""
    origin: str = NOBODY


class Outcome(msgspec.Struct, frozen=True):
    """What becomes of one key: the copies as they stood, each peer's row afterwards, and what the log gets.

    `left`: why nothing is done; `idle`: because nothing is to be done. `word`: of an undo that leaves peers their own rows,
    what is the log's last word then: one row, None for a deleted one, or nothing.
    """

    key: Key
    stood: dict[str, Row | None]
    after: dict[str, Row | None]
    sent: tuple[Sent, ...] = ()
    left: str = ""
    word: tuple[Row | None, ...] = ()
    idle: bool = False

    def steps(self, columns: Sequence[str]) -> dict[str, Step]:
        """What each peer will do."""
        return {peer: _step(self.stood[peer], row, columns) for peer, row in self.after.items()}


def classify(rows: Mapping[str, Row | None], told: Told | None, silent: Collection[str] = ()) -> str:
    """The class of a difference: a row that some peers lack is missing, or extra where it should not be; else its fields.

    Where the log does not tell, those who have a say do: `silent` are the peers that only receive.
    """
    if None not in rows.values():
        return "field"
    if told is not None and told.known:
        return "extra" if told.row is None else "missing"
    asked = [row for peer, row in rows.items() if peer not in silent] or list(rows.values())
    return "missing" if 2 * asked.count(None) <= len(asked) else "extra"


def propose(collection: str, key: Key, rows: Mapping[str, Row | None], policy: RepairPolicy, facts: Facts) -> Outcome:
    """What a policy makes of a key whose copies differ."""
    if facts.told is not None and not facts.told.known:
        facts = facts._replace(told=None)
    if policy.peer and policy.peer not in rows:
        return leave(key, rows, f"{policy.peer} was not compared")
    if policy.peer in facts.silent:
        return leave(key, rows, f"{policy.peer} only receives: its rows are for nobody else")
    if policy.name == "insert":
        return _inserted(collection, key, rows, policy, facts)
    if policy.name == "upsert" and rows[policy.peer] is None:
        return leave(key, rows, f"{policy.peer} has no such row")
    change = dated(facts.merge(policy.peer or None), rows, facts.told, policy.peer)
    after = change.after
    settled = {peer: _laid(row, after) for peer, row in rows.items()}
    return Outcome(key, dict(rows), settled, (Sent(change, "", policy.peer),))


def leave(key: Key, rows: Mapping[str, Row | None], why: str, *, idle: bool = False) -> Outcome:
    """Nothing is done; `idle`: nor is anything to be done."""
    return Outcome(key, dict(rows), dict(rows), left=why, idle=idle)


def alike(rows: Iterable[Row | None]) -> bool:
    """Whether copies say the same, as far as each has the columns."""
    first: Row | None = None
    for place, row in enumerate(rows):
        if place and (row is None) != (first is None):
            return False
        if row is not None:
            width = max(len(row), len(first or ()))
            pairs = list(zip(pad(first or (), width), pad(row, width), strict=True))
            if not all(one is ABSENT or it is ABSENT or _same(one, it) for one, it in pairs):
                return False
            first = tuple([it if one is ABSENT else one for one, it in pairs])
    return True


def _laid(row: Row | None, after: Row | None) -> Row | None:
    """A peer's row once it has the outcome: what that does not know stays."""
    if row is None or after is None or ABSENT not in after:
        return after
    return tuple([old if new is ABSENT else new for old, new in zip(pad(row, len(after)), after, strict=True)])


def _inserted(collection: str, key: Key, rows: Mapping[str, Row | None], policy: RepairPolicy, facts: Facts) -> Outcome:
    """Who lacks the row gets it, and nobody else gets anything: also nobody who is away, whose row is not known."""
    lacking = [peer for peer, row in rows.items() if row is None]
    sources = [policy.peer] if policy.peer else [peer for peer in rows if peer not in facts.silent]
    found = dict.fromkeys(row for peer in sources if (row := rows[peer]) is not None)
    if not lacking:
        return leave(key, rows, "no peer lacks the row")
    if not found:
        return leave(key, rows, f"{policy.peer} has no such row" if policy.peer else "who has the row only receives")
    if len(found) > 1:
        return leave(key, rows, "the copies that there are differ: name a peer, or repair them by another policy")
    (row,) = found
    time, before = (facts.told.time, facts.told.row) if facts.told is not None else (LONG_AGO, row)
    change = Change(collection, key, before, row, Verdict(correct=True, full=True, time=time))
    after: dict[str, Row | None] = {peer: row if held is None else held for peer, held in rows.items()}
    return Outcome(key, dict(rows), after, tuple([Sent(change, peer, NOBODY) for peer in lacking]))


def dated(change: Change, rows: Mapping[str, Row | None], told: Told | None, origin: str = NOBODY) -> Change:
    """A merged change with the age and the origin of its values, and without conflicts over what nobody contested."""
    verdict = change.verdict or Verdict(correct=True, full=True)
    before = _before(change, rows, told)
    conflicts = tuple([one for one in verdict.conflicts if not _is_idle(one, told, origin)])
    borrowed: tuple[int, ...] = ()
    if origin and change.after is not None:  # a column that its peer does not send
        own = pad(rows.get(origin) or (), len(change.after))
        borrowed = tuple([place for place, value in enumerate(change.after) if not _same(own[place], value)])
    time = told.time if told is not None else LONG_AGO
    verdict = msgspec.structs.replace(verdict, time=time, merged=borrowed, conflicts=conflicts)
    return msgspec.structs.replace(change, before=before, verdict=verdict)


def _is_idle(conflict: Conflict, told: Told | None, origin: str) -> bool:
    """Whether all that lost is that a row was not there, and the log has the row, or one peer's rows were to stand."""
    absent = not conflict.field and conflict.theirs.row is None
    return absent and not conflict.open and bool(origin or (told is not None and told.row is not None))


def _before(change: Change, rows: Mapping[str, Row | None], told: Told | None) -> Row | None:
    """The log's row before a repair. Only fields in which copies differed can count as changed by it."""
    after = change.after
    if after is None:
        return told.row if told is not None else change.before
    if told is not None and told.row is None:
        return None
    width = len(after)
    held = [pad(row, width) for row in rows.values() if row is not None]
    last = pad(told.row, width) if told is not None and told.row is not None else (ABSENT,) * width
    before = list(after)
    for place in {at for row in held for at, one in enumerate(row[:width]) if one is not after[at]}:
        before[place] = _stood(after[place], [row[place] for row in held], last[place])
    return tuple(before)


def _stood(value: Value, held: Sequence[Value], last: Value) -> Value:
    """What a field was: the log's value if it was contested, or one that some peer held and that does not stand."""
    others = [one for one in held if one is not ABSENT and not _same(one, value)]
    if not others:
        return value
    return others[0] if last is ABSENT else last


def _same(one: Value, other: Value) -> bool:
    return type(one) is type(other) and one == other


def _step(before: Row | None, after: Row | None, columns: Sequence[str]) -> Step:
    if before is after:
        return _NOTHING
    if before is None or after is None:
        return Step(Does.INSERT if before is None else Does.DELETE)
    places = [place for place in changed_fields(before, after) if pad(after, place + 1)[place] is not ABSENT]
    return Step(Does.UPDATE, tuple([columns[place] for place in places])) if places else _NOTHING


def take_back(
    collection: str, key: Key, rows: Mapping[str, Row | None], stood: Mapping[str, Row | None], before: Told | None, now: Told
) -> Outcome:
    """Undo a repair of one key. `stood`: each peer's row before it; `before`: what the log had told then, None if nothing.

    Where the log had a row, that is everyone's again. Else each peer gets what it had: nobody's own row is taken away, for the
    space as such had none.
    """
    width = max([len(row) for row in (*rows.values(), *stood.values(), now.row) if row is not None], default=0)
    held = next((row for row in rows.values() if row is not None), None)
    verdict = Verdict(correct=True, full=True, time=now.time)
    if before is not None and before.row is not None:
        row = pad(before.row, width)
        after = {peer: _laid(one, row) for peer, one in rows.items()}
        if after == dict(rows):
            if alike([row, *[one for one in stood.values() if one is not None]]):
                return leave(key, rows, "it was merely missing; the space's row is as it was before", idle=True)
            return leave(key, rows, "the space's row is as it was before; what lost is among the conflicts and can be put back")
        return Outcome(key, dict(rows), after, (Sent(Change(collection, key, now.row or held, row, verdict)),))
    known = {peer: stood.get(peer, row) for peer, row in rows.items()}
    if known == dict(rows):
        return leave(key, rows, "every peer has the row that it had before", idle=True)
    changed = [peer for peer, row in known.items() if row != rows[peer]]
    sent = [Sent(Change(collection, key, rows[peer], known[peer], verdict), peer) for peer in changed]
    return Outcome(key, dict(rows), known, tuple(sent), word=(None,) if before is not None else ())
