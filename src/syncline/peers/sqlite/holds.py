"""What values an SQLite column is meant for, as its declared type tells (model.holds). It takes others too."""

from syncline.model import holds
from syncline.model.holds import Holds
from syncline.model.schema import Kind
from syncline.model.value import INT64_MAX, INT64_MIN


def holds_of(kind: Kind, affinity: str) -> Holds:
    """What a column is meant for. Of dates, JSON and the like nothing is known: SQLite has no such types."""
    match kind:
        case Kind.INTEGER:
            return Holds(frozenset({holds.INTEGER}), low=INT64_MIN, high=INT64_MAX)
        case Kind.BOOLEAN:
            return Holds(frozenset({holds.INTEGER}), low=0, high=1, loose=True)
        case Kind.DECIMAL:
            return Holds(frozenset({holds.INTEGER, holds.FRACTION, holds.REAL}))
        case Kind.REAL:
            return Holds(frozenset({holds.REAL}))
        case Kind.BYTES:
            return Holds(frozenset({holds.BYTES}))
        case _ if affinity == "TEXT":
            return Holds(frozenset({holds.TEXT}))
        case _:
            return Holds()
