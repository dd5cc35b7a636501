"""What really happened, told from the log alone and never forgotten, and what each entry may do in the light of it.

A `Ghost` per key holds the log's row and who wrote each field at which offset. It knows no window and no release: where the
window forgets too much or too little, an entry made with it breaks a rule here (P2, P3, P4, P7; C1-C5, C7, C10).
"""

from typing import NamedTuple

from tests.proof.apply import Broken
from tests.proof.words import COLUMNS, A, Local, N, S, tags_of

from syncline.model.change import Change
from syncline.model.conflict import Conflict
from syncline.model.value import Row

Mark = tuple[int, str]  # offset and writer; the writer '' of a merged value has not seen it either
FIELDS = (A, N, S)


class Ghost(NamedTuple):
    """One key: the log's row, the mark of each column's value, the delete's mark and the row before it."""

    row: Row | None
    marks: tuple[Mark, ...]
    dead: Mark | None = None
    last: Row | None = None


def begin(row: Row | None) -> Ghost:
    """A key before the first entry."""
    return Ghost(row, ((0, ""),) * len(COLUMNS))


def knows(mark: Mark, local: Local, peer: str) -> bool:
    """Whether the writer of a change had the marked value before its eyes, or wrote it itself."""
    return mark[0] <= local.knew or (mark[1] == peer and peer != "")


def judge(ghost: Ghost, local: Local, change: Change | None, peer: str, offset: int, deletes: str) -> Ghost:
    """Check what a captured change became in the log, and tell the key's new state. A peer that was not told its
    row yet (a `stranger`) may still hold the log's value."""
    if change is None:
        _require(local.after == ghost.row, "P2: a change without an entry is not what the log holds")
        return ghost
    _require(change.before == ghost.row, f"the entry's before-image {change.before} is not the log's row {ghost.row}")
    conflicts = change.verdict.conflicts if change.verdict else ()
    if local.after is None:
        _judge_delete(ghost, local, change, peer, deletes, conflicts)
    elif ghost.row is None:
        _judge_on_deleted(ghost, local, change, peer, deletes, conflicts)
    else:
        _judge_fields(ghost, ghost.row, local, change, peer, conflicts)
    return after(ghost, local.after, change, peer, offset, conflicts)


def _judge_delete(ghost: Ghost, local: Local, change: Change, peer: str, deletes: str, conflicts: tuple[Conflict, ...]) -> None:
    if ghost.row is None:
        _require(change.after is None, "P3: a delete brings a row back")
        return
    stranger = local.knew < 0
    news = not all(knows(mark, local, peer) for mark in ghost.marks[1:])
    if stranger and change.after is None and local.before == ghost.row:
        return
    if not news:
        _require(change.after is None, "C4: a delete that saw everything does not stand")
        _require(not conflicts or stranger, "C3: a conflict without two sides")
        return
    kept = [one for one in conflicts if one.kind == "delete-update" and one.ours.row == ghost.row]
    _require(bool(kept), "P2: an unseen update meets a delete and nothing is recorded")
    if deletes != "newest":
        _require((change.after is None) == (deletes == "delete_wins"), f"C4: {deletes} decides otherwise")
    _require(change.after in (None, ghost.row), "P4: a delete invents a row")


def _judge_on_deleted(
    ghost: Ghost, local: Local, change: Change, peer: str, deletes: str, conflicts: tuple[Conflict, ...]
) -> None:
    own = ghost.dead is not None and ghost.dead[1] == peer  # its own older delete won over the row that it updates here
    if local.before is None or own:
        _require(change.after == local.after, "C5: a new row of a deleted key is not what was written")
        return
    news = ghost.dead is not None and not knows(ghost.dead, local, peer)
    _require(news, "P3: an update of a row that its writer saw deleted")
    kept = [one for one in conflicts if one.kind == "update-delete" and one.theirs.row == local.after]
    _require(bool(kept), "P2: an update meets an unseen delete and nothing is recorded")
    if deletes != "newest":
        _require((change.after is None) == (deletes == "delete_wins"), f"C4: {deletes} decides otherwise")
    if change.after is not None and ghost.last is not None and local.knew >= 0:
        _judge_fields(ghost, ghost.last, local, change, peer, conflicts)


def _judge_fields(ghost: Ghost, row: Row, local: Local, change: Change, peer: str, conflicts: tuple[Conflict, ...]) -> None:
    out, mine, base = change.after, local.after, local.before
    if out is None or mine is None:
        raise Broken("P2: an update deletes a row")
    for place in FIELDS:
        held, wrote, result = row[place], mine[place], out[place]
        if base is not None and base[place] == wrote:
            _require(result == held, f"P4: {COLUMNS[place]} changes though nobody changed it")
        elif place == N:
            before = base[N] if base is not None and isinstance(base[N], int) else 0
            want = _number(held) + _number(wrote) - _number(before)
            _require(result == want, f"P7: counter {held!r} {before!r}->{wrote!r} gives {result!r}")
        elif place == S:
            was = tags_of(base[S]) if base is not None else frozenset()
            left = (tags_of(held) - (was - tags_of(wrote))) | (tags_of(wrote) - was)
            _require(tags_of(result) == left, f"P2: set {held!r} with {wrote!r} gives {result!r}")
        else:
            seen = knows(ghost.marks[place], local, peer)
            if not seen and local.knew < 0 and base is not None and base[place] == held:
                continue  # a stranger whose row happens to be equal there: both readings are right
            _judge_register(place, held, wrote, result, conflicts, seen=seen)


def _judge_register(
    place: int, held: object, wrote: object, result: object, conflicts: tuple[Conflict, ...], *, seen: bool
) -> None:
    recorded = any(one.field == COLUMNS[place] and one.ours.value == held and one.theirs.value == wrote for one in conflicts)
    if held == wrote:
        _require(result == held and not recorded, "C3: equal values are a conflict")
    elif seen:
        _require(result == wrote, f"P5: a later write of {wrote!r} over {held!r} does not stand")
        _require(not recorded, "C3: a conflict with a value that was seen")
    else:
        _require(recorded, f"P2: {held!r} meets {wrote!r} unseen and nothing is recorded")
        _require(result in (held, wrote), f"P4: {result!r} was written by nobody")


def after(ghost: Ghost, wrote: Row | None, change: Change, peer: str, offset: int, conflicts: tuple[Conflict, ...]) -> Ghost:
    """The key after an entry: the row it says, and a new mark where the value changed."""
    row = change.after
    if row is None:
        return ghost if ghost.row is None else Ghost(None, ghost.marks, (offset, peer), ghost.row)
    ground = ghost.row
    if ground is None and any(one.kind == "update-delete" for one in conflicts):
        ground = ghost.last
    marks = list(ghost.marks)
    for place, value in enumerate(row):
        if ground is None or ground[place] != value:
            merged = wrote is None or wrote[place] != value
            marks[place] = (offset, "" if merged else peer)
    return Ghost(row, tuple(marks))


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise Broken(what)
