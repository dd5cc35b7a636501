"""The one row of state beside the frames: who serves the log, what was trimmed. Checksummed, like a frame."""

from typing import Final

import apsw
import msgspec
import xxhash

from syncline.log.faults import damaged
from syncline.model.stamp import Offset


class LogState(msgspec.Struct, frozen=True):
    """`epoch` grows with every opening for serving; `floor` is the last trimmed offset; `kept` counts the rows of `kept`."""

    epoch: int
    floor: Offset
    kept: int
    owner: str


FRESH: Final = LogState(0, 0, 0, "")


def _sum(epoch: object, floor: object, kept: object) -> int:
    digest = xxhash.xxh3_64_digest(f"{epoch} {floor} {kept}".encode())
    return int.from_bytes(digest, "big", signed=True)


def read_state(db: apsw.Connection) -> LogState:
    """The state. Raises LogDamaged."""
    rows = db.execute("SELECT epoch, floor, kept, sum, owner FROM state").fetchall()
    if len(rows) != 1 or _sum(*rows[0][:3]) != rows[0][3]:
        raise damaged("the row that tells what was trimmed fails its checksum")
    epoch, floor, kept = (int(str(number)) for number in rows[0][:3])
    return LogState(epoch, floor, kept, str(rows[0][4]))


def write_state(db: apsw.Connection, state: LogState) -> None:
    """Write the state, inside the caller's transaction."""
    values = (state.epoch, state.floor, state.kept, state.owner, _sum(state.epoch, state.floor, state.kept))
    db.execute("INSERT OR REPLACE INTO state (one, epoch, floor, kept, owner, sum) VALUES (1, ?, ?, ?, ?, ?)", values)
