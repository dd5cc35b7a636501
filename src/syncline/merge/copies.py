"""One row whose copies should be equal and are not: what is to stand, field by field. Pure.

The copies have no times, and no history that tells which of them is the newer one. A declared authority's copy stands; a value
stands against NULL; then the field's policy decides, as at a join. Where it asks for times it has nothing to go on: what most
peers hold stands, then what the log told last; else a person has to decide. Every loser is kept as a conflict.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec

from syncline.merge.join import TIMED
from syncline.merge.policies.registers import Prefer
from syncline.merge.policy import Contest, Policy, Rules, Settled
from syncline.model.change import Change, Verdict
from syncline.model.conflict import Conflict, Side
from syncline.model.errors import MergeError
from syncline.model.stamp import NOBODY, Stamp
from syncline.model.value import ABSENT, Key, Row, Value, pad

KIND = "repair"
Rows = Mapping[str, Row | None]


class Told(NamedTuple):
    """What the log told last of a row; None: that it was deleted."""

    row: Row | None


class _Candidate(NamedTuple):
    """A value of a field, and the peers that hold it, in their order."""

    value: Value
    holders: tuple[str, ...]


class _Field(NamedTuple):
    """What is to stand in a field, and what was contested on the way there."""

    value: Value
    conflicts: tuple[Conflict, ...] = ()


def merge_copies(
    rules: Rules,
    key: Key,
    rows: Rows,
    *,
    authority: str = "",
    told: Told | None = None,
    silent: Collection[str] = (),
) -> Change:
    """The change that makes all copies equal. `rows` are the peers' in a fixed order; `authority` is '' or a peer.

    `silent`: peers that have no say, since what they write is for nobody else; what they hold is kept all the same.
    """
    speaking = {peer: row for peer, row in rows.items() if peer not in silent} or rows
    change = _merge(rules, key, speaking, authority if authority in speaking else "", told)
    others = {peer: row for peer, row in rows.items() if peer not in speaking}
    if not others or change.verdict is None:
        return change
    first, width = next(iter(speaking)), len(rules.columns)
    lost = {peer: row for peer, row in others.items() if (row and pad(row, width)) != change.after}
    ours = Side(first, ABSENT, change.after, 0)
    kept = [Conflict(KIND, "", "direction", first, ours, Side(peer, ABSENT, row, 0), base=ABSENT) for peer, row in lost.items()]
    gone = next((row for row in lost.values() if row is not None), None) if change.after is None else None
    verdict = msgspec.structs.replace(change.verdict, conflicts=(*change.verdict.conflicts, *kept))
    return msgspec.structs.replace(change, before=change.before or gone, verdict=verdict)


def _merge(rules: Rules, key: Key, rows: Rows, authority: str, told: Told | None) -> Change:
    width = len(rules.columns)
    held = {peer: pad(row, width) for peer, row in rows.items() if row is not None}
    lacking = [peer for peer, row in rows.items() if row is None]
    if lacking and (not held or not _stays(rows, authority, told)):
        return _removed(rules, key, held, lacking[0], authority)
    last = pad(told.row, width) if told is not None and told.row is not None else (ABSENT,) * width
    known = told is not None and told.row is not None
    after = list(next(iter(held.values())))
    conflicts: list[Conflict] = []
    for place in _contested(list(held.values())):
        one = _field(rules, place, held, authority, last[place], fresh=known and last[place] is ABSENT)
        after[place] = one.value
        conflicts += one.conflicts
    if lacking:
        first = next(iter(held))
        sides = Side(first, ABSENT, tuple(after), 0), Side(lacking[0], ABSENT, None, 0)
        conflicts.insert(0, _row_conflict(rules, first, *sides, authority))
    before = None if lacking else tuple([_other(held, place, value) for place, value in enumerate(after)])
    return Change(rules.collection, key, before, tuple(after), Verdict(correct=True, full=True, conflicts=tuple(conflicts)))


def _contested(rows: Sequence[Row]) -> list[int]:
    """The places of the fields in which the rows are not all the same."""
    first, *others = rows
    found = {
        place
        for row in others
        for place, (one, other) in enumerate(zip(first, row, strict=True))
        if one is not other and not _same(one, other)
    }
    return sorted(found)


def whole(change: Change) -> Row | None:
    """The row after an entry's change: what its writer did not send is what it was."""
    before, after = change.before, change.after
    if before is None or after is None or (ABSENT not in after and len(after) >= len(before)):
        return after
    width = max(len(before), len(after))
    sides = zip(pad(before, width), pad(after, width), strict=True)
    return tuple([old if new is ABSENT else new for old, new in sides])


def _stays(rows: Rows, authority: str, told: Told | None) -> bool:
    """Whether a row that some peers lack is to be there: by the authority, the log's last word, or most peers."""
    if authority:
        return rows[authority] is not None
    if told is not None:
        return told.row is not None
    return 2 * sum(row is None for row in rows.values()) <= len(rows)  # among equals it stays: so nothing is lost


def _removed(rules: Rules, key: Key, held: Mapping[str, Row], winner: str, authority: str) -> Change:
    lost: dict[Row, str] = {}
    for peer, row in held.items():
        lost.setdefault(row, peer)
    gone = Side(winner, ABSENT, None, 0)
    conflicts = [_row_conflict(rules, winner, gone, Side(peer, ABSENT, row, 0), authority) for row, peer in lost.items()]
    verdict = Verdict(correct=True, full=True, conflicts=tuple(conflicts))
    return Change(rules.collection, key, next(iter(held.values()), None), None, verdict)


def _row_conflict(rules: Rules, winner: str, ours: Side, theirs: Side, authority: str) -> Conflict:
    rule = f"authority {authority}" if authority else f"deletes {rules.deletes}"
    manual = rules.deletes == "manual" and not authority
    return Conflict(KIND, "", rule, winner, ours, theirs, open=manual, base=ABSENT)


def _other(held: Mapping[str, Row], place: int, value: Value) -> Value:
    """What stood in a field before, for the log: a value that some peer held and that does not stand any more."""
    return next((row[place] for row in held.values() if not _same(row[place], value)), value)


def _same(one: Value, other: Value) -> bool:
    return type(one) is type(other) and one == other


def _candidates(held: Mapping[str, Row], place: int) -> list[_Candidate]:
    """The values of a field, those that most peers hold first; what a peer did not send is none."""
    holders: dict[tuple[type, Value], list[str]] = {}
    for peer, row in held.items():
        if row[place] is not ABSENT:
            holders.setdefault((type(row[place]), row[place]), []).append(peer)
    found = [_Candidate(value, tuple(peers)) for (_, value), peers in holders.items()]
    return sorted(found, key=lambda one: -len(one.holders))


def _field(rules: Rules, place: int, held: Mapping[str, Row], authority: str, last: Value, *, fresh: bool) -> _Field:
    """What is to stand in one field. `fresh`: the log knows the row from before the column was added."""
    found = _candidates(held, place)
    if len(found) < 2:
        return _Field(found[0].value if found else ABSENT)
    chosen = next((one for one in found if authority in one.holders), None)
    if chosen is not None:
        return _choose(rules, place, held, chosen, found, f"authority {authority}")
    told = [one for one in found if one.value is not None]
    policy = rules.policies[place]
    if len(told) == 1:
        return _choose(rules, place, held, told[0], found, policy.name, "a value stands against NULL")
    settled = _fold(rules, place, held, told)
    if settled is None:
        settled = _weigh(rules, place, held, told, last, fresh=fresh)
    empty = [one for one in found if one.value is None]
    if empty:
        note, side = "a value stands against NULL", Side(NOBODY, settled.value, None, 0)
        lost = Side(empty[0].holders[0], None, held[empty[0].holders[0]], 0)
        kept = Conflict(KIND, rules.columns[place], policy.name, NOBODY, side, lost, base=ABSENT, note=note)
        settled = settled._replace(conflicts=(*settled.conflicts, kept))
    return settled


def _fold(rules: Rules, place: int, held: Mapping[str, Row], values: Sequence[_Candidate]) -> _Field | None:
    """The values brought together by the policy, one after the other; None where it would have to ask for times."""
    policy = rules.policies[place]
    value, holder = values[0].value, _speaker(policy, values[0])
    conflicts: list[Conflict] = []
    for other in values[1:]:
        speaker = _speaker(policy, other)
        settled = _settle(
            rules, place, (value, holder, held[holder or values[0].holders[0]]), other.value, speaker, held[speaker]
        )
        if settled is None:
            return None
        if not settled.lossless:
            winner = {"ours": holder, "theirs": speaker, "merged": NOBODY}[settled.winner]
            sides = Side(holder, value, held.get(holder), 0), Side(speaker, other.value, held[speaker], 0)
            conflicts.append(
                Conflict(KIND, rules.columns[place], policy.name, winner, *sides, settled.open, ABSENT, settled.note)
            )
        value = settled.value
        holder = {"ours": holder, "theirs": speaker, "merged": NOBODY}[settled.winner]
    return _Field(value, tuple(conflicts))


def _settle(rules: Rules, place: int, ours: tuple[Value, str, Row], theirs: Value, peer: str, row: Row) -> Settled | None:
    """What the policy says of two values; None where it says one thing or the other as the times would be."""
    policy = rules.policies[place]
    if policy.name in TIMED:
        return None
    value, holder, held = ours
    said: list[Settled] = []
    for time in (-1, 1):
        stamps = Stamp(0, holder, 0), Stamp(0, peer, time)
        contest = Contest(rules.columns[place], ABSENT, value, theirs, *stamps, rules.columns, held, row)
        try:
            said.append(policy.settle(contest))
        except MergeError as error:
            return Settled(value, "ours", open=True, note=error.text())
    return said[0] if policy.three_way or _same(said[0].value, said[1].value) else None


def _speaker(policy: Policy, candidate: _Candidate) -> str:
    """In whose name a value is contested: of its holders the one that the policy prefers, if it does."""
    if isinstance(policy, Prefer):
        listed = [peer for peer in policy.peers if peer in candidate.holders]
        return (*listed, *candidate.holders)[0]
    return candidate.holders[0]


def _weigh(
    rules: Rules, place: int, held: Mapping[str, Row], values: Sequence[_Candidate], last: Value, *, fresh: bool
) -> _Field:
    """Without times: the value of most peers, else the one that the log told last, else one until a person decides.

    In a new column most peers may hold no more than its default.
    """
    rule, most = rules.policies[place].name, len(values[0].holders)
    leading = [one for one in values if len(one.holders) == most]
    if fresh:
        note = "no times are known, and the column is new: what most peers hold may be its default"
        return _choose(rules, place, held, values[0], values, rule, note, still=True)
    if len(leading) == 1:
        return _choose(rules, place, held, leading[0], values, rule, "no times are known; what most peers hold stands")
    told = next((one for one in leading if _same(one.value, last)), None)
    if told is not None:
        return _choose(rules, place, held, told, values, rule, "no times are known; what the log told last stands")
    return _choose(rules, place, held, values[0], values, rule, "no times are known, and as many peers hold each", still=True)


def _choose(
    rules: Rules,
    place: int,
    held: Mapping[str, Row],
    chosen: _Candidate,
    found: Sequence[_Candidate],
    rule: str,
    note: str = "",
    *,
    still: bool = False,
) -> _Field:
    """One value stands, the others are kept; `still`: a person has to decide."""
    winner = chosen.holders[0]
    ours = Side(winner, chosen.value, held[winner], 0)
    lost = [Side(one.holders[0], one.value, held[one.holders[0]], 0) for one in found if one is not chosen]
    column = rules.columns[place]
    return _Field(chosen.value, tuple(Conflict(KIND, column, rule, winner, ours, one, still, ABSENT, note) for one in lost))
