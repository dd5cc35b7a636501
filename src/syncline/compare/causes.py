"""Why copies may differ though nothing is under way: what a row looks like beside its history in the log. Pure, and a guess."""

import unicodedata
from collections.abc import Mapping, Sequence, Set
from decimal import Decimal, InvalidOperation
from enum import StrEnum

import msgspec

from syncline.compare.explained import fits
from syncline.model.value import ABSENT, Row, Tagged, Value, pad


class Cause(StrEnum):
    """The kinds of guesses, and what each rests on."""

    CASCADE = "cascade"  # the row is gone where a foreign key deletes without writing that to the log
    WENT_BACK = "went_back"  # the row is as it was before its last change: a restored copy, or a lost delivery
    LENS = "lens"  # the values mean the same, but for what a column cannot hold
    UNCAPTURED = "uncaptured"  # the row is as it never was in the log: written while capture was off
    UNDONE = "undone"  # a repair of the row was taken back, and it is as it was before
    UNKNOWN = "unknown"  # the log has nothing of the row


class Guess(msgspec.Struct, frozen=True, order=True):
    """A cause, and the peers whose rows stand out, in their order; empty where nobody can tell."""

    cause: Cause
    peers: tuple[str, ...]


def guess(
    rows: Mapping[str, Row | None],
    told: Sequence[Row | None],
    cascading: Set[str],
    *,
    complete: bool = False,
    silent: Set[str] = frozenset(),
) -> Guess:
    """The likeliest cause for a row. `told`: what the log had of it, oldest first. `cascading`: peers with such keys.

    `complete`: the log goes back to its beginning, so what it does not have of a row never was in it. `silent`: peers that only
    receive, whose own writes are never in it.
    """
    odd = _odd(rows, told, silent)
    others = [row for peer, row in rows.items() if peer not in odd]
    if not told or not odd:
        unseen = Cause.UNCAPTURED if odd and (complete or set(odd) <= silent) else Cause.UNKNOWN
        return Guess(Cause.LENS if _all_close(rows) else unseen, odd)
    if all(rows[peer] is None for peer in odd) and set(odd) <= cascading:
        return Guess(Cause.CASCADE, odd)
    if all(_close(rows[peer], other) for peer in odd for other in [*others, told[-1]]):
        return Guess(Cause.LENS, odd)
    if all(any(fits(earlier, rows[peer]) for earlier in told[:-1]) for peer in odd):
        return Guess(Cause.WENT_BACK, odd)
    return Guess(Cause.UNCAPTURED, odd)


def _odd(rows: Mapping[str, Row | None], told: Sequence[Row | None], silent: Set[str]) -> tuple[str, ...]:
    """The peers that do not have what the log told last; without a log, those outnumbered by all others together.

    Those that only receive are no majority: they differ from what the others agree on.
    """
    if told:
        return tuple(peer for peer, row in rows.items() if not fits(told[-1], row))
    said = {row for peer, row in rows.items() if peer not in silent}
    if silent and len(said) == 1:
        return tuple(peer for peer, row in rows.items() if row not in said)
    counts: dict[Row | None, list[str]] = {}
    for peer, row in rows.items():
        counts.setdefault(row, []).append(peer)
    most = max(counts.values(), key=len)
    return tuple(peer for peer in rows if peer not in most) if 2 * len(most) > len(rows) else ()


def _all_close(rows: Mapping[str, Row | None]) -> bool:
    first, *others = rows.values()
    return all(_close(first, other) for other in others)


def _close(row: Row | None, other: Row | None) -> bool:
    """Whether two rows are the same but for what a narrower column would lose."""
    if row is None or other is None:
        return False
    width = max(len(row), len(other))
    return all(_near(one, two) for one, two in zip(pad(row, width), pad(other, width), strict=True))


def _near(one: Value, two: Value) -> bool:
    if one == two or ABSENT in (one, two):
        return True
    if one is None or two is None:
        return False
    left, right = _number(one), _number(two)
    if left is not None and right is not None:
        return abs(left - right) <= max(abs(left), abs(right)) / 1_000
    if isinstance(one, bytes) or isinstance(two, bytes):
        return False
    short, long = sorted((_folded(one), _folded(two)), key=len)
    return long.startswith(short) and len(short) >= min(len(long), 8)


def _number(value: Value) -> Decimal | None:
    text = str(value) if isinstance(value, int) else value.text if isinstance(value, Tagged) else value
    try:
        number = Decimal(text) if isinstance(text, str) else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() else None


def _folded(value: Value) -> str:
    """A text without case, accents and blanks at its ends, and without what fills up a fraction of a second."""
    text = value.text if isinstance(value, Tagged) else str(value)
    plain = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return plain.casefold().strip()


def explain(found: Guess, collection: str, silent: Set[str] = frozenset()) -> tuple[str, str]:
    """The guess in words, and what would repair it. `silent`: peers that only receive, whose rows cannot be made to stand."""
    at = " and ".join(found.peers) or "some peer"
    one = found.peers[0] if len(found.peers) == 1 else "PEER"
    merge = f"'syncline repair {collection}' plans to merge them by the field policies"
    if found.cause is Cause.UNCAPTURED and found.peers and set(found.peers) <= silent:
        why = f"the rows at {at} were written there, and it only receives: such writes are for nobody else"
        fix = f"'syncline repair {collection}' plans to give it the space's rows back; or let it send, too (direction: both)"
        return why, fix
    match found.cause:
        case Cause.CASCADE:
            why = f"the rows are gone at {at}, where foreign keys delete rows without writing that to the log"
            fix = f"if they should be gone: 'syncline repair {collection} --policy authority:{one}'; else {merge}"
        case Cause.WENT_BACK:
            why = f"the rows at {at} are as they were before their last change: a restored copy, or a delivery that was undone"
            fix = f"after a restore of {at}: 'syncline resume {one} --rejoin'; else {merge}"
        case Cause.LENS:
            why = "the values mean nearly the same: a column rounds, cuts, folds or pads what others hold exactly"
            fix = f"make the columns able to hold each other's values ('syncline check' names them), then {merge}"
        case Cause.UNCAPTURED:
            why = f"the rows at {at} were never in the log: written while capture was off, or by something it does not see"
            fix = f"if those rows are right: 'syncline repair {collection} --policy authority:{one}'; else {merge}"
        case Cause.UNDONE:
            why = "a repair of these rows was taken back, so they differ as they did before it"
            fix = f"repair them in another way, or let them be: {merge}"
        case Cause.UNKNOWN:
            why = "the log has nothing of these rows, so nobody can tell which copy changed"
            fix = merge
    return why, fix
