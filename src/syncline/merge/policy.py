"""What a conflict policy is: a pure function from one contested field to the value that stands. No policy knows another."""

from collections.abc import Mapping
from typing import Literal, Protocol, TypeAlias

import msgspec

from syncline.model.stamp import Stamp
from syncline.model.value import Row, Value


class Contest(msgspec.Struct, frozen=True):
    """One field of one row on which two sides meet.

    `base` is the value the change was made from (ABSENT for an insert or where the source did not send it), `ours` what the
    log holds, `theirs` what the change brings. The stamps carry peer and corrected time. The rows are the whole rows of both
    sides in `columns` order, for rules that look at more than one field. `contended`: the change had not seen `ours`.
    """

    column: str
    base: Value
    ours: Value
    theirs: Value
    ours_stamp: Stamp
    theirs_stamp: Stamp
    columns: tuple[str, ...] = ()
    ours_row: Row = ()
    theirs_row: Row = ()
    contended: bool = True


Winner: TypeAlias = Literal["ours", "theirs", "merged"]


class Settled(msgspec.Struct, frozen=True):
    """The value that stands, whose it is, and what to keep of it.

    `lossless`: nothing was lost (a counter, a set, a clean text merge), so no conflict is recorded. `open`: a person has to
    settle it. `note`: one sentence for `history`, such as which text hunk was contested.
    """

    value: Value
    winner: Winner
    lossless: bool = False
    open: bool = False
    note: str = ""


class Policy(Protocol):
    """A conflict policy of one field.

    `three_way`: the change is merged onto whatever the log holds whenever the log's value is not the change's base, whether
    contended or not (counter, set, text, json, append). Others are asked only when contended and the values differ.
    `delta`: the change is a number added to the log's value, and travels to peers as an increment (counter only).
    """

    name: str
    three_way: bool
    delta: bool

    def settle(self, contest: Contest) -> Settled:
        """Decide. Must be deterministic and must not raise for values of the column's kind; MergeError otherwise.

        A MergeError makes resolve keep `ours`, record an open conflict and keep both images: never lose, never stop.
        """
        ...


def later(ours: Stamp, theirs: Stamp) -> Winner:
    """Who is newer between two concurrent stamps: larger time, then larger peer name (a total, stable order)."""
    return "theirs" if (theirs.time, theirs.peer) > (ours.time, ours.peer) else "ours"


class Rules(msgspec.Struct, frozen=True):
    """The merge rules of one collection, a policy per column in the collection's column order.

    `deletes` says what happens when a delete meets an update it had not seen: update_wins, delete_wins, newest or manual.
    """

    collection: str
    columns: tuple[str, ...]
    policies: tuple[Policy, ...]
    deletes: str = "update_wins"


RuleBook: TypeAlias = Mapping[str, Rules]
