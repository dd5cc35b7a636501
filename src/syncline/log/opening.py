"""Opening a log for serving: structure and tail are checked, a torn tail is set aside, the epoch moves on."""

from typing import NamedTuple

import apsw
import msgspec

from syncline.log.faults import damaged
from syncline.log.frame import as_frame, unpack
from syncline.log.scan import COLUMNS
from syncline.log.state import LogState, read_state, write_state
from syncline.log.transaction import transaction
from syncline.model.errors import LogDamaged
from syncline.model.stamp import Offset


class Opened(NamedTuple):
    """What the opening found: `torn` is the span of a last frame that was set aside."""

    epoch: int
    floor: Offset
    head: Offset
    torn: tuple[Offset, Offset] | None


def open_for_serving(db: apsw.Connection, owner: str) -> Opened:
    """Check the log and take it over, in one transaction. Raises LogDamaged (then nothing was changed), CodecError."""
    with transaction(db):
        state = read_state(db)
        torn = _cut_tail(db)
        head = _check_tail(db, state)
        _check_structure(db, state, head)
        taken = msgspec.structs.replace(state, epoch=state.epoch + 1, owner=owner)
        write_state(db, taken)
    return Opened(taken.epoch, taken.floor, head, torn)


def _cut_tail(db: apsw.Connection) -> tuple[Offset, Offset] | None:
    """Set the last frame aside if it fails its checksum; its span."""
    rows = db.execute(f"SELECT {COLUMNS} FROM frame ORDER BY first DESC LIMIT 1").fetchall()
    if not rows:
        return None
    try:
        as_frame(rows[0])
    except LogDamaged:
        first, last = rows[0][:2]
        db.execute(f"INSERT INTO torn ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows[0])
        db.execute("DELETE FROM frame WHERE first = ?", (first,))
        return int(str(first)), last if isinstance(last, int) else 0
    return None


def _check_tail(db: apsw.Connection, state: LogState) -> Offset:
    """The head, from a last frame that proves itself."""
    rows = db.execute(f"SELECT {COLUMNS} FROM frame ORDER BY first DESC LIMIT 1").fetchall()
    if not rows:
        return state.floor
    frame = as_frame(rows[0])
    unpack(frame)
    return frame.last


def _check_structure(db: apsw.Connection, state: LogState, head: Offset) -> None:
    """Every offset between floor and head is there, as far as the index tells. Bodies are proved when they are read."""
    query = "SELECT count(*), min(first), max(last), sum(last - first + 1) FROM frame INDEXED BY frame_span"
    count, first, last, total = db.execute(query).fetchall()[0]
    if count == 0 and head == state.floor:
        return
    if (first, last, total) == (state.floor + 1, head, head - state.floor):
        return
    query = (
        "SELECT reached FROM (SELECT first, lag(last, 1, ?) OVER (ORDER BY last) AS reached FROM frame INDEXED BY frame_span) "
        "WHERE first <> reached + 1 LIMIT 1"
    )
    gap = db.execute(query, (state.floor,)).fetchall()
    offset = gap[0][0] if gap else last
    raise damaged("entries are missing", offset + 1 if isinstance(offset, int) else state.floor + 1)
