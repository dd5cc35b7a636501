"""Messages of PostgreSQL's replication stream made by hand, as the documents describe them."""

from collections.abc import Sequence
from struct import pack

from syncline.model.value import ABSENT, Absent
from syncline.peers.asked import Asked
from syncline.peers.postgres.assemble import Assembler, Seen
from syncline.peers.postgres.decode import EPOCH_MICROS, Decoder
from syncline.peers.postgres.footprint import position
from syncline.peers.postgres.layout import Layout
from syncline.peers.postgres.tuples import Raw

ITEMS, NOTES, STATE, FOREIGN = 1001, 1002, 1003, 1004
INT4, TEXT, NUMERIC, BYTEA = 23, 25, 1700, 17
START = 1000  # where history begins
STEP = 100  # between two commits
TIME = 5_000_000  # of the first commit, after 2000-01-01

LAYOUTS = {
    ITEMS: Layout("items", "public", "items", ITEMS, ("id", "name", "price"), ("id",), {}),
    NOTES: Layout("notes", "public", "notes", NOTES, ("id", "text"), ("id",), {}),
}
RELATIONS = {
    ITEMS: (("id", INT4), ("name", TEXT), ("price", NUMERIC)),
    NOTES: (("text", TEXT), ("id", INT4)),  # in another order than the collection
    STATE: (("watermark", 20), ("refused", BYTEA)),
    FOREIGN: (("x", INT4),),
}
Values = Sequence[Raw]


def row(values: Values) -> bytes:
    """TupleData: None is NULL, ABSENT is unchanged and stored elsewhere."""
    parts = [pack("!H", len(values))]
    for value in values:
        if isinstance(value, Absent):
            parts.append(b"u")
        elif value is None:
            parts.append(b"n")
        else:
            parts.append(b"t" + pack("!I", len(value)) + value)
    return b"".join(parts)


def inserted(table: int, new: Values) -> bytes:
    """An INSERT."""
    return b"I" + pack("!I", table) + b"N" + row(new)


def updated(table: int, old: Values, new: Values, identity: bytes = b"O") -> bytes:
    """An UPDATE of a table whose replica identity is FULL."""
    return b"U" + pack("!I", table) + identity + row(old) + b"N" + row(new)


def deleted(table: int, old: Values) -> bytes:
    """A DELETE."""
    return b"D" + pack("!I", table) + b"O" + row(old)


def truncated(*tables: int) -> bytes:
    """A TRUNCATE."""
    return b"T" + pack("!Ib", len(tables), 0) + b"".join(pack("!I", table) for table in tables)


def relation(table: int, columns: Sequence[tuple[str, int]] | None = None) -> bytes:
    """How a table looks from here on."""
    shown = RELATIONS[table] if columns is None else columns
    told = b"".join(b"\0" + name.encode() + b"\0" + pack("!Ii", oid, -1) for name, oid in shown)
    return b"R" + pack("!I", table) + b"public\0t" + str(table).encode() + b"\0f" + pack("!H", len(shown)) + told


def marked(watermark: int, refused: bytes | None = None) -> bytes:
    """The write of a watermark, with which a transaction of ours begins."""
    blob = None if refused is None else b"\\x" + refused.hex().encode()
    return updated(STATE, [b"0", None], [str(watermark).encode(), blob])


class Server:
    """A history that grows: each transaction's messages, from BEGIN to COMMIT."""

    def __init__(self) -> None:
        self.end, self.xid, self.time = START, 0, TIME

    def commit(self, *messages: bytes, after: int = 10) -> list[bytes]:
        """One transaction, so many microseconds after the one before it."""
        self.xid += 1
        self.end += STEP
        self.time += after
        begin = b"B" + pack("!QqI", self.end - 50, self.time, self.xid)
        return [begin, *messages, b"C" + pack("!BQQq", 0, self.end - 50, self.end, self.time)]


def assembler(*, after: int = START, context: int = 3, alone: bool = False, asked: Sequence[int] = ()) -> Assembler:
    """An assembler that knows all tables."""
    decoder = Decoder("p", STATE, LAYOUTS, {})
    places = Asked()
    for one in asked:
        places.add(position(one, context))
    if alone:
        places.__dict__["_pauses"] = 1  # as inside of `asking`
    made = Assembler("p", decoder, context, position(after, context), places)
    for table in RELATIONS:
        assert list(made.feed([relation(table)])) == []
    return made


def fed(assembling: Assembler, messages: Sequence[bytes]) -> list[Seen]:
    """What comes of messages that are received at once."""
    found = list(assembling.feed(messages))
    return found + list(assembling.flush())


def unix(time: int) -> int:
    """A time of the server's in Unix microseconds."""
    return time + EPOCH_MICROS


UNCHANGED = ABSENT
