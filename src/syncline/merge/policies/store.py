"""From what a rule computed to a value that the column can hold, carried as the column's values are. Never rounds quietly."""

from decimal import Decimal

from syncline.merge.policies.cells import Cell, family, load, stop, written
from syncline.merge.policies.order import exact
from syncline.model.errors import MergeError
from syncline.model.schema import Kind
from syncline.model.value import INT64_MAX, INT64_MIN, INTEGER_MAX, Tagged, Value, kind_of, real, to_float

_NUMERIC = frozenset({Kind.INTEGER, Kind.REAL, Kind.DECIMAL, Kind.ANY})


def store(cell: Cell, kind: Kind, ours: Value, theirs: Value) -> Value:
    """The value of a column of this kind. One that means what a side has is that side's, as it is written there.

    Raises MergeError where the column's kind and the result do not go together.
    """
    for value in (ours, theirs):
        if _same(cell, value):
            return value
    carriers = {kind_of(value) for value in (ours, theirs)}
    match cell:
        case None:
            return None
        case int() | Decimal() if kind in _NUMERIC:
            return _number(cell, kind, carriers)
        case int() if kind is Kind.BOOLEAN and cell in (0, 1):
            return Tagged("boolean", "t" if cell else "f") if "boolean" in carriers else cell
        case int() | Decimal() | str() if kind is Kind.TEXT:
            return written(cell)
        case str() if kind is Kind.ANY or "text" in carriers:
            return cell
        case str() if kind is Kind.JSON:
            return Tagged("json", cell)
        case bytes() if kind in (Kind.BYTES, Kind.ANY):
            return cell
        case Tagged(tag, _) if kind is Kind.ANY or tag == kind.value or tag in carriers:
            return cell
    raise _unfit(cell, kind)


def _unfit(cell: Cell, kind: Kind) -> MergeError:
    return stop(f"gives {family(cell)} to a column of kind {kind.value}", "it cannot hold that")


def _same(cell: Cell, value: Value) -> bool:
    try:
        held = load(value)
    except MergeError:
        return False  # a number that no rule can compute with is not what this one gave
    return type(held) is type(cell) and held == cell


def _number(cell: int | Decimal, kind: Kind, carriers: set[str]) -> Value:
    whole = cell == int(cell)
    if kind is Kind.INTEGER or (kind is Kind.ANY and isinstance(cell, int)):
        if not whole or not INT64_MIN <= cell <= INTEGER_MAX:
            raise stop(f"gives {cell} to an integer column", "it is no integer of 64 bits")
        return int(cell)
    if kind is Kind.REAL:
        return _real(Decimal(cell))
    if "decimal" in carriers or not carriers & {"integer", "real"}:
        return Tagged("decimal", f"{Decimal(cell):f}")
    if whole and INT64_MIN <= cell <= INT64_MAX:
        return int(cell)
    stored = _real(Decimal(cell))
    if exact(stored.text) != cell:
        raise stop(f"gives {cell}", "the column's values are binary reals, which cannot hold it exactly")
    return stored


def _real(number: Decimal) -> Tagged:
    """The binary real nearest to a number, as real columns keep it. Raises MergeError beyond their range."""
    stored = real(to_float(Tagged("real", str(number))))
    if stored.text in ("inf", "-inf"):
        raise stop(f"gives {number:.3e} to a real column", "it is beyond its range")
    return stored
