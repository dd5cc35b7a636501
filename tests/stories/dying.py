"""The command with a failpoint: `dying.py KIND.POINT:N VERB...` is killed with -9 when POINT is reached for the N-th time.

The points lie around the calls between the loop and its doors, so the product carries no trace of them. A point whose call is
renamed stops the program with an error, and its story fails; so does the story of a point that is never reached.
"""

import functools
import inspect
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from syncline.cli.main import run
from syncline.engine import core
from syncline.engine.deliver import Deliver
from syncline.engine.join import Joiner
from syncline.engine.range_reader import RangeReader
from syncline.log import writer as log_writer
from syncline.log.sqlite import SqliteLog
from syncline.model.entry import Kind
from syncline.peers.mysql.apply import Applier as MysqlApplier
from syncline.peers.mysql.peer import MysqlPeer
from syncline.peers.postgres.apply import Applier as PostgresApplier
from syncline.peers.postgres.peer import PostgresPeer
from syncline.peers.sqlite.apply import Applier as SqliteApplier
from syncline.peers.sqlite.peer import SqlitePeer

KILLED: Final = -signal.SIGKILL
_PULSE_SECONDS: Final = 0.5  # between two looks at what can be trimmed or compacted: a story does not want to wait
Call = Callable[..., Any]


@dataclass(frozen=True)
class Point:
    """A place to die at: before or after a call, at each of these `times`; `only` tells which calls count.

    `joining`: it is met while the offices meet for the first time; the others are met later. `keeping`: only a log that is not
    trimmed at once comes to it.
    """

    owner: object
    call: str
    times: tuple[int, ...] = (1,)
    after: bool = False
    joining: bool = False
    keeping: bool = False
    only: Callable[..., bool] = lambda *_args: True


def _with(*kinds: Kind) -> Callable[..., bool]:
    return lambda _log, entries, *_rest: any(entry.kind in kinds for entry in entries)


def _says(word: str, value: str | None = None) -> Callable[..., bool]:
    """An entry about a peer says this."""

    def says(_log: object, entries: Any, *_rest: object) -> bool:
        bodies = [entry.body or {} for entry in entries if entry.kind is Kind.PEER]
        return any(word in body and value in (None, body[word]) for body in bodies)

    return says


def _has_rows(_peer: object, batch: Any) -> bool:
    return bool(batch.rows)


def _has_writes(_applier: object, writes: Any) -> bool:
    return bool(writes)


def _something_to_trim(applier: SqliteApplier) -> bool:
    return applier.to_trim > 0


def _points(peer: type, **more: Point) -> dict[str, Point]:
    """The points that every kind of peer has, and `more` of this one."""
    return {
        "f1_captured_but_not_appended": Point(SqliteLog, "append", (1, 5), only=_with(Kind.CHANGE)),
        "f2_appended_but_not_acknowledged": Point(SqliteLog, "append", (1, 5), after=True, only=_with(Kind.CHANGE)),
        "f2_acknowledged": Point(peer, "acknowledge", after=True),
        "f4_about_to_apply": Point(peer, "apply", (2,), only=_has_rows),
        "f5_applied_but_not_told": Point(peer, "apply", (1, 4), after=True, only=_has_rows),
        "f6_range_read": Point(peer, "chunk", (2, 3), after=True, joining=True),
        "f6_range_appended": Point(SqliteLog, "append", (1, 2), after=True, joining=True, only=_with(Kind.JOIN)),
        "f6_set_up_but_not_in_the_log": Point(peer, "setup", (1, 2), after=True, joining=True),
        "f8_mark_in_the_log_only": Point(peer, "enter", (1, 2)),
        "f8_mark_in_the_peer": Point(peer, "enter", (1, 2), after=True),
        "f7_trimming_the_log": Point(log_writer, "write_state"),
        "f7_log_trimmed": Point(SqliteLog, "trim", after=True),
        "f7_compacting_the_log": Point(log_writer, "merge", after=True, keeping=True),
        "f7_log_compacted": Point(SqliteLog, "compact", after=True, keeping=True),
    } | more


POINTS: Final[dict[str, dict[str, Point]]] = {  # by kind of peer
    "sqlite": _points(
        SqlitePeer,
        f4_applying=Point(SqliteApplier, "trim", (1, 4)),
        f7_forgetting_records=Point(SqliteApplier, "trim", after=True, only=_something_to_trim),
    ),
    "postgresql": _points(
        PostgresPeer,
        f4_applying=Point(PostgresApplier, "_write", (1, 4), after=True, only=_has_writes),
    ),
    "mariadb": _points(
        MysqlPeer,
        f4_applying=Point(MysqlApplier, "_write", (1, 4), after=True, only=_has_writes),
    ),
}

POINTS["rename"] = {
    "recording": Point(SqliteLog, "append", only=_says("renamed")),
    "recorded": Point(SqliteLog, "append", after=True, only=_says("renamed")),
}
POINTS["rejoin"] = {
    "begins": Point(SqliteLog, "append", only=_says("stage", "joining")),
    "begun": Point(SqliteLog, "append", after=True, only=_says("stage", "joining")),
    "own_history_read": Point(Joiner, "_recall", after=True),
    "range_read": Point(RangeReader, "read", (2,), after=True),
    "range_settled": Point(SqliteLog, "append", (2,), only=_with(Kind.JOIN)),
    "range_appended": Point(SqliteLog, "append", (2,), after=True, only=_with(Kind.JOIN)),
    "filling": Point(Deliver, "_apply", only=lambda _deliver, batch, *_rest: bool(batch.rows)),
    "filled": Point(Deliver, "_apply", (2,), after=True, only=lambda _deliver, batch, *_rest: bool(batch.rows)),
    "ends": Point(SqliteLog, "append", only=_says("stage", "live")),
    "ended": Point(SqliteLog, "append", after=True, only=_says("stage", "live")),
}


def arm(point: Point, number: int) -> None:
    """Have the process end at the `number`-th time that it comes to a point."""
    inner: Call = getattr(point.owner, point.call)
    left = number

    def counts(*args: Any) -> bool:
        """Whether this call is the one to die at."""
        nonlocal left
        left -= point.only(*args)
        return left == 0

    def reached(*, after: bool) -> None:
        if after is point.after:
            os.kill(os.getpid(), signal.SIGKILL)

    @functools.wraps(inner)
    async def waited(*args: Any, **options: Any) -> Any:
        chosen = left > 0 and counts(*args)
        if chosen:
            reached(after=False)
        result = await inner(*args, **options)
        if chosen:
            reached(after=True)
        return result

    @functools.wraps(inner)
    def called(*args: Any, **options: Any) -> Any:
        chosen = left > 0 and counts(*args)
        if chosen:
            reached(after=False)
        result = inner(*args, **options)
        if chosen:
            reached(after=True)
        return result

    setattr(point.owner, point.call, waited if inspect.iscoroutinefunction(inner) else called)


def main() -> None:
    """Arm the point that the first word names, and run the command with the others."""
    place, _, number = sys.argv[1].partition(":")
    kind, _, name = place.partition(".")
    for pulse in ("CONFIRM_SECONDS", "COMPACT_SECONDS"):
        setattr(core, pulse, min(getattr(core, pulse), _PULSE_SECONDS))
    arm(POINTS[kind][name], int(number))
    sys.argv[1:] = sys.argv[2:]
    run()


if __name__ == "__main__":
    main()
