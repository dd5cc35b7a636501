"""Resolve: what becomes of one captured change, given what the log holds. Pure; the heart of Syncline.

Source of the rules: docs/decisions/0001 (log-position causality). A field's stamp is seen by a change if its offset is at or
below the change's context or if the same peer wrote it. Seen: the change wins, no policy. Unseen: the policy decides.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from syncline.merge.policy import Contest, Rules, Settled, later
from syncline.merge.view import PLAIN, ROW, Fill, View
from syncline.model.change import Change, Verdict
from syncline.model.conflict import Conflict, Side
from syncline.model.errors import MergeError
from syncline.model.stamp import NOBODY, Micros, Offset, Stamp
from syncline.model.value import ABSENT, Row, Value, changed_fields, pad

UNKNOWN = Stamp(0, NOBODY, 0)


class Arrival(NamedTuple):
    """Where a change comes from: its peer, the watermark it had seen, its corrected commit time, the fill it has not seen."""

    peer: str
    context: Offset
    time: Micros
    fill: Fill | None = None

    def sees(self, stamp: Stamp | None, place: int) -> bool:
        """Whether the writer of the change knew this stamp's value. None: everybody has it, but a peer not filled yet."""
        if stamp is not None and stamp.peer == self.peer and self.peer != NOBODY:
            return True
        if self.fill is None:
            return stamp is None or stamp.offset <= self.context
        return place not in self.fill.unknown and (stamp is None or stamp.offset <= self.fill.offset)


class _Merge(NamedTuple):
    """What becomes of a row: its values, fields that no peer wrote so, conflicts, fields of a revived row left as they were."""

    row: Row | None
    merged: tuple[int, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    kept: tuple[int, ...] = ()


def resolve(view: View | None, change: Change, rules: Rules, arrival: Arrival) -> Change:
    """The canonical change to append: the log's row before and after, with a verdict unless it was plain.

    `view` is the window's (None: every peer has the key, and the change stands as it is). Deterministic and total.
    """
    if view is None:
        return change
    fill = view.fills.get(arrival.peer)
    if fill is not None and fill.offset > arrival.context:
        arrival = arrival._replace(fill=fill)
    time = _stamp_time(view, arrival)
    own_time = 0 if time == arrival.time else time
    arrival = arrival._replace(time=time)
    if change.after is None:
        merge = _resolve_delete(view, rules, arrival)
    elif view.row is None:
        merge = _resolve_on_deleted(view, change, rules, arrival)
    else:
        merge = _merge_fields(view.row, view.stamps, change, rules, arrival)
    missed = view.touched(arrival.peer) > arrival.context  # T: effects on this key that the writer had not seen
    correct = missed or not _holds(merge.row, change.after)
    moved = change.verdict.moved if change.verdict else None
    verdict = Verdict(correct, False, merge.merged, own_time, merge.conflicts, moved, merge.kept)
    return msgspec.structs.replace(change, before=view.row, after=merge.row, verdict=None if verdict == PLAIN else verdict)


def _stamp_time(view: View, arrival: Arrival) -> Micros:
    stamps = (*enumerate(view.stamps), (ROW, view.dead))
    seen = [stamp.time for place, stamp in stamps if stamp is not None and arrival.sees(stamp, place)]
    return max(arrival.time, max(seen) + 1) if seen else arrival.time


def _holds(outcome: Row | None, written: Row | None) -> bool:
    """Whether what the peer wrote is what the log now holds (columns the peer did not send do not count)."""
    if outcome is None or written is None:
        return outcome is written
    return all(mine is ABSENT or mine == theirs for theirs, mine in zip(outcome, pad(written, len(outcome)), strict=False))


def _latest_unseen(view: View, arrival: Arrival) -> Stamp:
    unseen = [stamp for place, stamp in enumerate(view.stamps) if stamp is not None and not arrival.sees(stamp, place)]
    return max(unseen, key=lambda stamp: (stamp.time, stamp.peer, stamp.offset), default=UNKNOWN)


def _row_conflict(kind: str, rules: Rules, winner: str, ours: Side, theirs: Side) -> Conflict:
    return Conflict(kind, "", f"deletes {rules.deletes}", winner, ours, theirs, open=rules.deletes == "manual")


def _resolve_delete(view: View, rules: Rules, arrival: Arrival) -> _Merge:
    row = view.row
    if row is None or all(arrival.sees(stamp, place) for place, stamp in enumerate(view.stamps)):
        return _Merge(None)
    rival = _latest_unseen(view, arrival)
    mine = Stamp(0, arrival.peer, arrival.time)
    stands = {"delete_wins": True, "newest": later(rival, mine) == "theirs"}.get(rules.deletes, False)
    ours, theirs = Side(rival.peer, ABSENT, row, rival.time, rival.offset), Side(arrival.peer, ABSENT, None, arrival.time)
    conflict = _row_conflict("delete-update", rules, arrival.peer if stands else rival.peer, ours, theirs)
    return _Merge(None if stands else row, conflicts=(conflict,))


def _resolve_on_deleted(view: View, change: Change, rules: Rules, arrival: Arrival) -> _Merge:
    width = len(rules.columns)
    after = pad(change.after or (), width)
    if change.before is None or arrival.sees(view.dead, ROW):
        return _Merge(after)  # a new life of the key
    dead, mine = view.dead or UNKNOWN, Stamp(0, arrival.peer, arrival.time)
    stands = {"delete_wins": False, "newest": later(dead, mine) == "theirs"}.get(rules.deletes, True)
    ours, theirs = Side(dead.peer, ABSENT, None, dead.time, dead.offset), Side(arrival.peer, ABSENT, after, arrival.time)
    conflict = _row_conflict("update-delete", rules, arrival.peer if stands else dead.peer, ours, theirs)
    if not stands:
        return _Merge(None, conflicts=(conflict,))
    if view.last is None:
        return _Merge(after, conflicts=(conflict,))
    revived = _merge_fields(view.last, view.stamps, change, rules, arrival)
    changed = changed_fields(pad(view.last, width), revived.row or ())
    kept = tuple(place for place in range(width) if place not in changed)
    return revived._replace(conflicts=(conflict, *revived.conflicts), kept=kept)


def _merge_fields(ground: Row, stamps: tuple[Stamp | None, ...], change: Change, rules: Rules, arrival: Arrival) -> _Merge:
    width = len(rules.columns)
    ground = pad(ground, width)
    after = pad(change.after or (), width)
    before = pad(change.before, width) if change.before is not None else None
    out: list[Value] = list(ground)
    merged: list[int] = []
    conflicts: list[Conflict] = []
    ask = _asker(ground, after, rules, arrival)
    for place, (held, mine) in enumerate(zip(ground, after, strict=True)):
        base = before[place] if before is not None else ABSENT
        if mine is ABSENT or (before is not None and mine == base):
            continue
        stamp = stamps[place] if place < len(stamps) else None
        policy = rules.policies[place]
        contended = not arrival.sees(stamp, place)
        if held is ABSENT or (not contended and not policy.three_way) or (policy.three_way and held == base):
            out[place] = mine
            continue
        if mine == held and not policy.delta:
            continue
        settled = ask(place, base, stamp or UNKNOWN, contended)
        out[place] = settled.value
        if settled.value not in (held, mine):
            merged.append(place)
        if not settled.lossless:
            kind = "field" if before is not None else "insert-insert"
            conflicts.append(_field_conflict(kind, place, base, stamp or UNKNOWN, settled, ground, after, rules, arrival))
    return _Merge(tuple(out), tuple(merged), tuple(conflicts))


def _asker(ground: Row, after: Row, rules: Rules, arrival: Arrival) -> Callable[[int, Value, Stamp, bool], Settled]:
    def ask(place: int, base: Value, stamp: Stamp, contended: bool) -> Settled:
        mine = Stamp(0, arrival.peer, arrival.time)
        columns = rules.columns
        contest = Contest(
            columns[place], base, ground[place], after[place], stamp, mine, columns, ground, after, contended
        )  # fmt: skip
        try:
            return rules.policies[place].settle(contest)
        except MergeError as error:
            return Settled(ground[place], "ours", open=True, note=error.text())

    return ask


def _field_conflict(
    kind: str, place: int, base: Value, stamp: Stamp, settled: Settled, ground: Row, after: Row, rules: Rules, arrival: Arrival
) -> Conflict:
    winner = {"ours": stamp.peer, "theirs": arrival.peer, "merged": NOBODY}[settled.winner]
    return Conflict(
        kind=kind,
        field=rules.columns[place],
        rule=rules.policies[place].name,
        winner=winner,
        ours=Side(stamp.peer, ground[place], ground, stamp.time, stamp.offset),
        theirs=Side(arrival.peer, after[place], after, arrival.time),
        open=settled.open,
        base=base,
        note=settled.note,
    )
