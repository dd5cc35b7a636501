"""Policy counter: what each side added or took away since the value it started from is kept, exactly. No float arithmetic.

ours + (theirs - base). NULL and a value that was not there count as 0; NULL stays NULL only where both sides are NULL and
there is nothing to count. Setting a counter is counting the difference: two sides that set 5 to 0 give -5.
"""

from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow, localcontext
from typing import Final

from syncline.merge.policies.order import exact
from syncline.merge.policy import Contest, Settled, Winner
from syncline.model import limits
from syncline.model.errors import MergeError
from syncline.model.value import ABSENT, INT64_MAX, INT64_MIN, INTEGER_MAX, Tagged, Value, kind_of, real, show, to_float

_EXACT: Final = Context(
    prec=limits.DECIMAL_DIGITS_MAX,
    Emax=limits.DECIMAL_DIGITS_MAX,
    Emin=-limits.DECIMAL_DIGITS_MAX,
    traps=[Inexact, InvalidOperation, Overflow],
)
_FIX: Final = "settle this value by hand, or give the column another policy"


class Counter:
    """Increments of both sides add up. Lossless: there is no loser."""

    name: str = "counter"
    three_way: bool = True
    delta: bool = True

    def settle(self, contest: Contest) -> Settled:
        """The sum. Raises MergeError for what is not a number or does not fit any more."""
        base, ours, theirs = contest.base, contest.ours, contest.theirs
        value = ours if theirs == base else theirs if ours == base else _count(contest)
        winner: Winner = "ours" if value == ours else "theirs" if value == theirs else "merged"
        return Settled(value, winner, lossless=True)


def _count(contest: Contest) -> Value:
    base, ours, theirs = contest.base, contest.ours, contest.theirs
    carriers = {kind_of(value) for value in (base, ours, theirs) if value is not None and value is not ABSENT}
    strange = sorted(carriers - {"integer", "decimal", "real"})
    if strange:
        raise MergeError(f"a counter cannot count {', '.join(strange)} values", hint=_FIX, column=contest.column)
    if carriers <= {"integer"}:
        total = _integer(ours) + _integer(theirs) - _integer(base)
        if total == 0 and ours is None and theirs is None:
            return None
        if not INT64_MIN <= total <= (INTEGER_MAX if max(_integer(ours), _integer(theirs)) > INT64_MAX else INT64_MAX):
            raise MergeError(f"the counter would become {total}", why="beyond 64 bits", hint=_FIX, column=contest.column)
        return total
    total_exact = _sum(contest)
    if "decimal" in carriers:
        return Tagged("decimal", f"{total_exact:f}")
    return _as_stored(total_exact, contest.column)


def _integer(value: Value) -> int:
    return value if isinstance(value, int) else 0


def _decimal(value: Value, column: str) -> Decimal:
    if not isinstance(value, Tagged):
        return Decimal(_integer(value))
    number = exact(value.text)
    if number is None or not number.is_finite():
        raise MergeError(f"a counter cannot count {show(value)}", hint=_FIX, column=column)
    return number


def _sum(contest: Contest) -> Decimal:
    base, ours, theirs = (_decimal(value, contest.column) for value in (contest.base, contest.ours, contest.theirs))
    try:
        with localcontext(_EXACT):
            return ours + (theirs - base)
    except DecimalException as error:
        why = f"more than {limits.DECIMAL_DIGITS_MAX} digits"
        raise MergeError("the counter has too many digits", why=why, hint=_FIX, column=contest.column) from error


def _as_stored(total: Decimal, column: str) -> Value:
    """An exact sum as an engine without decimals keeps it (SQLite's NUMERIC): an integer, else the double that means it."""
    if total == total.to_integral_value() and INT64_MIN <= total <= INT64_MAX:
        return int(total)
    stored = real(to_float(Tagged("real", str(total))))
    if exact(stored.text) != total:
        what = f"the counter would become {total}"
        raise MergeError(
            what, why="a binary real cannot hold it exactly", hint="make the column a text or integer", column=column
        )
    return stored
