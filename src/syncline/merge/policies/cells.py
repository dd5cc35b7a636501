"""What a rule computes with, and its operations: exact integers and decimals, text, bytes, and values it can only compare.

SQL's three-valued logic: NULL is None and unknown is None. No float anywhere; what cannot be exact, or has no meaning,
raises MergeError. Every result is bounded by the limits.
"""

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from typing import Final, TypeAlias

from syncline.merge.policies.order import compare as compare_values
from syncline.model import limits
from syncline.model.errors import MergeError
from syncline.model.value import Absent, Tagged, Value

Cell: TypeAlias = int | Decimal | str | bytes | Tagged | None

_EXACT: Final = Context(
    prec=limits.RULE_DIGITS_MAX,
    Emax=limits.RULE_DIGITS_MAX,
    Emin=-limits.RULE_DIGITS_MAX,
    traps=[Inexact, InvalidOperation, Overflow],
)
_ROUNDING: Final = Context(prec=2 * limits.RULE_DIGITS_MAX, rounding=ROUND_HALF_UP, traps=[InvalidOperation, Overflow])
_BITS_MAX: Final = limits.RULE_DIGITS_MAX * 10 // 3
_INTEGER: Final = re.compile(r" *[+-]?[0-9]+ *")
_DECIMAL: Final = re.compile(r" *[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)? *")
_LOWER: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_UPPER: Final = {code + 32: code for code in range(ord("A"), ord("Z") + 1)}
_HINT: Final = "settle this value by hand, or let the rule handle it (IS NULL, CASE, CAST)"


def stop(what: str, why: str = "") -> MergeError:
    """The error of a rule that cannot go on with these values."""
    return MergeError(f"the rule {what}", why=why, hint=_HINT)


def load(value: Value) -> Cell:
    """A value as a cell. A value that was not there is NULL."""
    match value:
        case Absent():
            return None
        case Tagged("boolean", text):
            return 1 if text == "t" else 0
        case Tagged("real" | "decimal", text):
            return decimal(text)
        case _:
            return value


def decimal(text: str) -> Decimal:
    """An exact number. Raises MergeError for NaN, infinities, too many digits."""
    try:
        number = _EXACT.create_decimal(text)
    except DecimalException as error:
        raise stop("meets a number it cannot hold", f"{text[:40]} has more than {limits.RULE_DIGITS_MAX} digits") from error
    if not number.is_finite():
        raise stop("meets a number it cannot count with", text)
    return number


def family(cell: Cell) -> str:
    """What a cell is, for people."""
    match cell:
        case int() | Decimal():
            return "number"
        case str():
            return "text"
        case bytes():
            return "bytes"
        case Tagged(kind, _):
            return kind
        case _:
            return "NULL"


def truth(cell: Cell) -> bool | None:
    """A cell as a condition; None is unknown."""
    if cell is None:
        return None
    if isinstance(cell, int | Decimal):
        return cell != 0
    raise stop(f"uses {family(cell)} as a condition", "only comparisons, booleans and numbers are true or false")


def flag(known: bool | None) -> Cell:
    """A condition as a cell: 1, 0 or NULL."""
    return None if known is None else int(known)


def negated(known: bool | None) -> bool | None:
    """NOT."""
    return None if known is None else not known


def order(left: Cell, right: Cell) -> int | None:
    """-1, 0, 1; None if either is NULL. Raises MergeError where the two have no order."""
    if left is None or right is None:
        return None
    if isinstance(left, int | Decimal) and isinstance(right, int | Decimal):
        return (left > right) - (left < right)
    one, other = _alike(left, right)
    found = compare_values(one, other)
    if found is None:
        raise stop(f"compares {family(left)} with {family(right)}", "they have no order with each other")
    return found


def equal(left: Cell, right: Cell) -> bool | None:
    """Whether two cells are equal; None if either is NULL. Raises MergeError for cells of different families."""
    if isinstance(left, Tagged) or isinstance(right, Tagged):
        if left is None or right is None:
            return None
        one, other = _alike(left, right)
        if not (isinstance(one, Tagged) and isinstance(other, Tagged) and one.kind == other.kind):
            raise stop(f"compares {family(left)} with {family(right)}", "they are never equal")
        return one == other or compare_values(one, other) == 0
    found = order(left, right)
    return None if found is None else found == 0


def _alike(left: Cell, right: Cell) -> tuple[Value, Value]:
    """Both as values; text beside a date, uuid and the like is read as one."""
    if isinstance(left, Tagged) and isinstance(right, str):
        return left, Tagged(left.kind, right)
    if isinstance(right, Tagged) and isinstance(left, str):
        return Tagged(right.kind, left), right
    return _as_value(left), _as_value(right)


def _as_value(cell: Cell) -> Value:
    return Tagged("decimal", str(cell)) if isinstance(cell, Decimal) else cell


def extreme(cells: Sequence[Cell], sign: int) -> Cell:
    """The largest (sign 1) or smallest (-1) cell, NULLs left out; of equal ones the first."""
    best: Cell = None
    for cell in cells:
        if best is None or (cell is not None and (order(cell, best) or 0) * sign > 0):
            best = cell
    return best


def calculate(sign: str, left: Cell, right: Cell) -> Cell:
    """left + - * right, exactly."""
    if left is None or right is None:
        return None
    if not (isinstance(left, int | Decimal) and isinstance(right, int | Decimal)):
        raise stop(f"calculates with {family(left)} and {family(right)}", "only numbers can be added or multiplied")
    if isinstance(left, int) and isinstance(right, int):
        return bounded(left + right if sign == "+" else left - right if sign == "-" else left * right)
    work = {"+": _EXACT.add, "-": _EXACT.subtract, "*": _EXACT.multiply}[sign]
    try:
        return work(Decimal(left), Decimal(right))
    except DecimalException as error:
        raise stop("gets a number that is too long", f"more than {limits.RULE_DIGITS_MAX} digits") from error


def bounded(number: int) -> int:
    """The number, if it is not too long."""
    if number.bit_length() > _BITS_MAX:
        raise stop("gets a number that is too long", f"more than {limits.RULE_DIGITS_MAX} digits")
    return number


def absolute(cell: Cell) -> Cell:
    """ABS."""
    if cell is None:
        return None
    if isinstance(cell, int | Decimal):
        return cell.copy_abs() if isinstance(cell, Decimal) else abs(cell)
    raise stop(f"takes ABS of {family(cell)}", "it needs a number")


def rounded(cell: Cell, places: Cell) -> Cell:
    """ROUND to 0 to 100 places after the point, halves away from zero."""
    if cell is None or places is None:
        return None
    if not isinstance(cell, int | Decimal):
        raise stop(f"takes ROUND of {family(cell)}", "it needs a number")
    if not isinstance(places, int) or not 0 <= places <= 100:
        raise stop("rounds to a strange number of places", "it must be an integer from 0 to 100")
    return cell if isinstance(cell, int) else cell.quantize(Decimal(1).scaleb(-places), context=_ROUNDING)


def written(cell: Cell) -> str | None:
    """A cell as text: integers and decimals in plain digits, dates and the like as they are."""
    match cell:
        case Decimal():
            return f"{cell:f}"
        case int():
            return str(cell)
        case Tagged(_, text):
            return text
        case bytes():
            raise stop("uses bytes as text", "they have no text")
        case _:
            return cell


def concatenated(cells: Sequence[Cell]) -> Cell:
    """The || of all; NULL if one is."""
    texts = [written(cell) for cell in cells]
    known = [text for text in texts if text is not None]
    if len(known) < len(texts):
        return None
    if sum(map(len, known)) > limits.RULE_TEXT_CHARS_MAX:
        raise stop("builds a text that is too long", f"more than {limits.RULE_TEXT_CHARS_MAX} characters")
    return "".join(known)


def length(cell: Cell) -> Cell:
    """LENGTH: characters of text, bytes of bytes."""
    if isinstance(cell, bytes):
        return len(cell)
    text = written(cell)
    return None if text is None else len(text)


def recased(cell: Cell, *, upper: bool) -> Cell:
    """UPPER or LOWER, of ASCII letters only, so that every version and place gives the same."""
    text = written(cell)
    return None if text is None else text.translate(_UPPER if upper else _LOWER)


def trimmed(cell: Cell) -> Cell:
    """TRIM: without the spaces at both ends."""
    text = written(cell)
    return None if text is None else text.strip(" ")


def part(cell: Cell, start: Cell, size: Cell | None, *, bounded_size: bool) -> Cell:
    """SUBSTR: from character `start` (1 is the first, -1 the last), `size` characters if `bounded_size`."""
    text = written(cell)
    if text is None or start is None or (bounded_size and size is None):
        return None
    if not isinstance(start, int) or (bounded_size and (not isinstance(size, int) or size < 0)):
        raise stop("takes SUBSTR with a strange place", "start must be an integer, length one that is not negative")
    begin = start - 1 if start >= 0 else len(text) + start
    end = begin + size if bounded_size and isinstance(size, int) else len(text)
    return text[max(begin, 0) : max(end, 0)]


def like(cell: Cell, pattern: Cell) -> bool | None:
    """LIKE, telling case apart: % any run, _ any one character. Takes the leftmost place for each piece: no backtracking."""
    if cell is None or pattern is None:
        return None
    if not (isinstance(cell, str) and isinstance(pattern, str)):
        raise stop(f"uses LIKE on {family(cell)} and {family(pattern)}", "both must be text")
    if len(pattern) > limits.RULE_PATTERN_CHARS_MAX:
        raise stop("uses LIKE with a long pattern", f"more than {limits.RULE_PATTERN_CHARS_MAX} characters")
    pieces = [re.compile("".join("." if sign == "_" else re.escape(sign) for sign in piece), re.DOTALL)
              for piece in pattern.split("%")]  # fmt: skip
    if len(pieces) == 1:
        return pieces[0].fullmatch(cell) is not None
    head = pieces[0].match(cell)
    if head is None:
        return False
    place = head.end()
    for piece in pieces[1:-1]:
        found = piece.search(cell, place)
        if found is None:
            return False
        place = found.end()
    tail = len(pattern) - len(pattern[: pattern.rindex("%") + 1])
    return len(cell) - tail >= place and pieces[-1].fullmatch(cell, len(cell) - tail) is not None


def cast(cell: Cell, to: str) -> Cell:
    """CAST to integer (cut towards zero), decimal or text. Raises MergeError for text that is no number."""
    if cell is None or to == "text":
        return written(cell)
    text = written(cell) if isinstance(cell, str) else None
    if isinstance(cell, int | Decimal):
        return bounded(int(cell)) if to == "integer" else Decimal(cell) if isinstance(cell, Decimal) else decimal(str(cell))
    if text is None or (_INTEGER if to == "integer" else _DECIMAL).fullmatch(text) is None:
        raise stop(f"casts {family(cell)} to {to}", f"{str(text)[:40]!r} is no {to}" if text is not None else "it is no number")
    return bounded(int(decimal(text.strip(" ")))) if to == "integer" else decimal(text.strip(" "))
