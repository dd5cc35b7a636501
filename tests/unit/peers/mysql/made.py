"""Events of a binary log made by hand, byte by byte, as the documents describe them."""

from collections.abc import Sequence
from struct import pack

from syncline.peers.mysql import events

INT, BIGINT, VARCHAR = 3, 8, 15
UTF8MB4 = 45
TIME = 1_700_000_000


def event(kind: int, body: bytes, *, end: int = 0, flags: int = 0) -> bytes:
    """An event without a checksum."""
    return pack("<IBIIIH", TIME, kind, 1, events.HEAD + len(body), end & 0xFFFFFFFF, flags) + body


def table_map(
    schema: str, name: str, columns: Sequence[tuple[str, int]], *, number: int = 7, unsigned: bytes = b"", named: bool = True
) -> bytes:
    """The body of a table map: columns as (name, kind), all nullable; texts are VARCHAR(50) in utf8mb4."""
    kinds = bytes(kind for _, kind in columns)
    metas = b"".join(pack("<H", 200) for kind in kinds if kind == VARCHAR)
    names = b"".join(bytes([len(text.encode())]) + text.encode() for text, _ in columns)
    more = b"\x02\x01" + bytes([UTF8MB4]) if VARCHAR in kinds else b""
    more += b"\x01" + bytes([len(unsigned)]) + unsigned if unsigned else b""
    more += b"\x04" + bytes([len(names)]) + names if named else b""
    head = pack("<IHH", number, 0, 1)
    words = b"".join(bytes([len(text.encode())]) + text.encode() + b"\0" for text in (schema, name))
    nulls = bytes((len(kinds) + 7) // 8)
    return head + words + bytes([len(kinds)]) + kinds + bytes([len(metas)]) + metas + nulls + more


def rows(
    columns: Sequence[tuple[str, int]],
    images: Sequence[Sequence[object]],
    *,
    number: int = 7,
    update: bool = False,
    present: bytes = b"",
) -> bytes:
    """The body of a row event of the first version. `present`: which columns the images have, all if it is not given."""
    width = (len(columns) + 7) // 8
    present = present or ((1 << len(columns)) - 1).to_bytes(width, "little")
    return (
        pack("<IHH", number, 0, 1)
        + bytes([len(columns)])
        + present * (2 if update else 1)
        + b"".join(image(columns, one) for one in images)
    )


def image(columns: Sequence[tuple[str, int]], values: Sequence[object]) -> bytes:
    """One row: which are NULL, then the others."""
    bits = sum(1 << place for place, value in enumerate(values) if value is None)
    data = bits.to_bytes((len(columns) + 7) // 8, "little")
    for (_, kind), value in zip(columns, values, strict=True):
        if isinstance(value, int):
            data += pack("<q" if kind == BIGINT else "<i", value)
        elif isinstance(value, str):
            data += bytes([len(value.encode())]) + value.encode()
    return data


class Log:
    """A file of a binary log that grows; what was added is taken by `new`."""

    def __init__(self, file: str = "binlog.000001", offset: int = 4, created: int = TIME) -> None:
        self.file, self.offset, self._sequence = file, offset, 0
        self._new: list[bytes] = []
        self.raw(events.ROTATE, pack("<Q", offset) + file.encode(), flags=events.ARTIFICIAL)
        head = pack("<IBIIIH", created, events.FORMAT, 1, 19 + 57, 0, 0)
        self._new.append(head + pack("<H50sI", 4, b"10.11.0-MariaDB", created) + b"\x13")

    def new(self) -> list[bytes]:
        """What was added since."""
        found, self._new = self._new, []
        return found

    def raw(self, kind: int, body: bytes, *, flags: int = 0) -> None:
        """An event that is in no file."""
        self._new.append(event(kind, body, flags=flags))

    def add(self, kind: int, body: bytes, *, flags: int = 0, skip: int = 0) -> None:
        """An event of the file; `skip`: bytes of others before it that are not sent."""
        self.offset += skip + events.HEAD + len(body)
        self._new.append(event(kind, body, end=self.offset, flags=flags))

    def gtid(self, flags: int = 0) -> str:
        """Begin a group of events."""
        self._sequence += 1
        self.add(events.GTID, pack("<QIB", self._sequence, 0, flags) + bytes(6))
        return f"0-1-{self._sequence}"

    def query(self, schema: str, text: str) -> None:
        """A statement."""
        self.add(events.QUERY, pack("<IIBHH", 1, 0, len(schema), 0, 0) + schema.encode() + b"\0" + text.encode())

    def statement(self, schema: str, text: str) -> None:
        """A statement that is a group of its own."""
        self.gtid(events.STANDALONE)
        self.query(schema, text)

    def commit(self) -> None:
        """End a group."""
        self.add(events.XID, pack("<Q", 1))
