"""The command with a failpoint: `dying.py POINT:N VERB...` ends as kill -9 would, when POINT is reached for the N-th time.

The points lie around the calls between the loop and its doors, so the product carries no trace of them. A point whose call is
renamed stops the program with an error, and its story fails.
"""

import functools
import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from syncline.cli.main import run
from syncline.log import writer as log_writer
from syncline.log.sqlite import SqliteLog
from syncline.model.entry import Kind
from syncline.peers.sqlite.apply import Applier
from syncline.peers.sqlite.peer import SqlitePeer

KILLED: Final = 137
Call = Callable[..., Any]


@dataclass(frozen=True)
class Point:
    """A place to die at: before or after a call, at each of these `times`; `only` tells which calls count.

    `joining`: it is met while the offices meet for the first time; the others are met later.
    """

    owner: object
    call: str
    times: tuple[int, ...] = (1,)
    after: bool = False
    joining: bool = False
    only: Callable[..., bool] = lambda *_args: True


def _with(*kinds: Kind) -> Callable[..., bool]:
    return lambda _log, entries, *_rest: any(entry.kind in kinds for entry in entries)


def _has_rows(_peer: SqlitePeer, batch: Any) -> bool:
    return bool(batch.rows)


def _something_to_trim(applier: Applier) -> bool:
    return applier.to_trim > 0


POINTS: Final[dict[str, Point]] = {
    "f1_captured_but_not_appended": Point(SqliteLog, "append", (1, 5), only=_with(Kind.CHANGE)),
    "f2_appended_but_not_acknowledged": Point(SqliteLog, "append", (1, 5), after=True, only=_with(Kind.CHANGE)),
    "f4_applying": Point(Applier, "trim", (1, 4)),
    "f5_applied_but_not_told": Point(SqlitePeer, "apply", (1, 4), after=True, only=_has_rows),
    "f6_range_read": Point(SqlitePeer, "chunk", (2, 3), after=True, joining=True),
    "f6_range_appended": Point(SqliteLog, "append", (1, 2), after=True, joining=True, only=_with(Kind.JOIN)),
    "f6_set_up_but_not_in_the_log": Point(SqlitePeer, "setup", (1, 2), after=True, joining=True),
    "f8_mark_in_the_log_only": Point(SqlitePeer, "enter", (1, 2)),
    "f8_mark_in_the_peer": Point(SqlitePeer, "enter", (1, 2), after=True),
    "f7_forgetting_records": Point(Applier, "trim", after=True, only=_something_to_trim),
    "f7_trimming_the_log": Point(log_writer, "write_state"),
    "f7_log_trimmed": Point(SqliteLog, "trim", after=True),
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
            os._exit(KILLED)

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
    name, _, number = sys.argv[1].partition(":")
    arm(POINTS[name], int(number))
    sys.argv[1:] = sys.argv[2:]
    run()


if __name__ == "__main__":
    main()
