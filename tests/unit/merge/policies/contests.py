"""Contests for tests: two peers, hq (ours, in the log) and munich (theirs, the change), with times to choose."""

from syncline.merge.policy import Contest
from syncline.model.stamp import Stamp
from syncline.model.value import Row, Value


def contest(
    base: Value,
    ours: Value,
    theirs: Value,
    *,
    times: tuple[int, int] = (10, 20),
    peers: tuple[str, str] = ("hq", "munich"),
    contended: bool = True,
    columns: tuple[str, ...] = ("field",),
    rows: tuple[Row, Row] | None = None,
) -> Contest:
    """A contest about `field`. By default theirs is newer."""
    our_row, their_row = rows if rows is not None else ((ours,), (theirs,))
    return Contest(
        column="field",
        base=base,
        ours=ours,
        theirs=theirs,
        ours_stamp=Stamp(1, peers[0], times[0]),
        theirs_stamp=Stamp(0, peers[1], times[1]),
        columns=columns,
        ours_row=our_row,
        theirs_row=their_row,
        contended=contended,
    )


def swapped(one: Contest) -> Contest:
    """The same contest, seen from the other side."""
    return Contest(
        column=one.column,
        base=one.base,
        ours=one.theirs,
        theirs=one.ours,
        ours_stamp=one.theirs_stamp,
        theirs_stamp=one.ours_stamp,
        columns=one.columns,
        ours_row=one.theirs_row,
        theirs_row=one.ours_row,
        contended=one.contended,
    )
