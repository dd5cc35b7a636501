"""How a key column is sorted, and compared with a key of any peer, as model.key.order does it. Pure text.

A bound may be a value that the column cannot hold, as another peer has wider numbers or other texts. It still has a place
among the column's values, and every row before it belongs to the range: a bound that compares as unknown would hide them.
"""

import re
from contextlib import suppress
from datetime import datetime, time
from typing import Final, NamedTuple

from syncline.model.key import order
from syncline.model.schema import Kind
from syncline.model.value import Tagged, Value
from syncline.peers.postgres.convert import BOOL, BYTEA, FLOATS, INTEGERS, NUMERIC, Type, store
from syncline.peers.storing import Unstorable

_NUMBERS: Final = frozenset({*INTEGERS, *FLOATS, BOOL, NUMERIC})
_NUMBER, _TEXT, _BYTES = 1, 2, 3  # as model.key ranks them
_CLOCK: Final = r"\d\d:\d\d:\d\d(\.\d+)?"
_DAY: Final = r"\d{4}-\d\d-\d\d"
_FORMS: Final = {  # of texts that the server takes, if there is such a day and such an hour
    Kind.UUID: re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    Kind.TIME: re.compile(_CLOCK),
    Kind.DATE: re.compile(_DAY),
    Kind.TIMESTAMP: re.compile(f"{_DAY} {_CLOCK}"),
    Kind.INSTANT: re.compile(rf"{_DAY} {_CLOCK}\+00"),
}
_PLAIN: Final = {NUMERIC: "numeric", 1083: "time", 1114: "timestamp", 1184: "timestamptz"}  # a modifier would round a bound
_BEYOND: Final = frozenset({"infinity", "-infinity"})


class Compared(NamedTuple):
    """Both sides of a comparison; `param` is what `%s` in the bound stands for, if it is in there."""

    term: str
    bound: str
    param: str | None = None


def term(text: str, kind: Type) -> str:
    """What sorts a column."""
    return text if kind.ordered else f'{text}::text COLLATE "C"'


def compared(name: str, value: Value, kind: Type) -> Compared:
    """A column, by its quoted name, beside a bound for it."""
    ((rank, held),) = order((value,))
    own = _NUMBER if kind.oid in _NUMBERS else _BYTES if kind.oid == BYTEA else _TEXT
    if rank != own:
        return Compared("0", "1") if own < rank else Compared("1", "0")
    with suppress(Unstorable):
        text = store(value, kind)
        if not kind.ordered or _takes(kind, text or ""):
            bound = f"%s::{_PLAIN.get(kind.oid, kind.name)}" if kind.ordered else term("%s", kind)
            return Compared(term(name, kind), bound, text)
    if isinstance(held, bytes):  # of text or bytes
        return Compared(f"pg_catalog.convert_to({name}::text, 'UTF8')", "%s::bytea", r"\x" + held.hex())
    whole = f"{name}::int4" if kind.oid == BOOL else name
    double = isinstance(value, Tagged) and value.kind == "real"
    return Compared(whole, "%s::float8" if double else "%s::numeric", value.text if isinstance(value, Tagged) else str(value))


def _takes(kind: Type, text: str) -> bool:
    """Whether a column that is sorted by its own type takes this text, so that the server can compare by it."""
    form = _FORMS.get(kind.kind)
    if form is None or (kind.kind not in {Kind.UUID, Kind.TIME} and text in _BEYOND):
        return True
    if form.fullmatch(text) is None:
        return False
    try:
        if kind.kind is Kind.TIME:
            time.fromisoformat(text)
        elif kind.kind is not Kind.UUID:
            datetime.fromisoformat(text.removesuffix("+00"))
    except ValueError:
        return False
    return True
