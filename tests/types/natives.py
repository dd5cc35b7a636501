"""What a database itself says that it holds, as a text: asked without any of Syncline's own readers."""

import re
import struct
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Final, TypeAlias

from tests.stories.mixed import Mixed
from tests.types.cases import Pairing

Said: TypeAlias = str | None
_LITERAL_BITS: Final = re.compile(r"BIT\((\d+)\)")
_NUMBERS: Final = ("TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT", "DECIMAL", "DOUBLE", "YEAR")
_SHOWN: Final = (*_NUMBERS, "DATE", "TIME", "ENUM", "SET", "UUID", "INET")
_BYTES: Final = ("BINARY", "VARBINARY", "BLOB", "LONGBLOB", "POINT")


def mariadb_expression(declared: str, column: str) -> str:
    """What makes MariaDB show a column completely."""
    if found := _LITERAL_BITS.match(declared):
        return f"LPAD(BIN({column}), {found[1]}, '0')"
    if declared.startswith("FLOAT"):
        return f"CAST(CAST({column} AS DOUBLE) AS CHAR)"
    if declared.startswith(_SHOWN):
        return f"CAST({column} AS CHAR)"
    return f"LOWER(HEX({column}))" if declared.startswith(_BYTES) else f"CONVERT({column} USING utf8mb4)"


def _postgres_expression(declared: str, column: str) -> str:
    if declared.startswith("char("):
        return f"{column}::text"  # without the blanks that fill it up
    return f"CASE WHEN {column} IS DISTINCT FROM NULL THEN format('%s', {column}) END"


def read(mixed: Mixed, peer: str, engine: str, columns: Sequence[tuple[str, str]]) -> dict[int, tuple[Said, ...]]:
    """All rows by their id: what each of `columns` (name and declared type) says. SQLite's say their own type first."""
    if engine == "sqlite":
        return _read_sqlite(mixed, peer, [name for name, _ in columns])
    server, database = mixed.servers[peer], mixed.databases[peer]
    if engine == "postgres":
        shown = ", ".join(_postgres_expression(declared, name) for name, declared in columns)
        with server.connect(database) as connection:
            connection.execute("SET TIME ZONE 'UTC'")
            rows = connection.execute(f"SELECT id, {shown} FROM things".encode()).fetchall()
        return {row[0]: row[1:] for row in rows}
    shown = ", ".join(mariadb_expression(declared, name) for name, declared in columns)
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute(f"SELECT id, {shown} FROM things")
        return {row[0]: row[1:] for row in cursor.fetchall()}


def _read_sqlite(mixed: Mixed, peer: str, names: Sequence[str]) -> dict[int, tuple[Said, ...]]:
    with mixed.space.open(peer) as connection:
        connection.text_factory = bytes
        found: dict[int, tuple[Said, ...]] = {}
        shown = ", ".join(f"typeof({name}), {name}" for name in names)
        for row in connection.execute(f"SELECT id, {shown} FROM things"):
            pairs = zip(row[1::2], row[2::2], strict=True)
            found[row[0]] = tuple(_say(kind.decode(), value) for kind, value in pairs)
    return found


def _say(kind: str, value: object) -> Said:
    match value:
        case None:
            return None
        case bytes() if kind == "text":
            return f"text {value.decode('utf-8', 'surrogateescape')}"
        case bytes():
            return f"blob {value.hex()}"
        case _:
            return f"{kind} {value!r}"


def same(pairing: Pairing, source: tuple[str, str], target: tuple[str, str]) -> bool:
    """Whether two engines mean the same, as far as their texts tell; each is an engine and what it said."""
    (one, other), meaning = (_plain(*source), _plain(*target)), pairing.case.meaning
    if meaning == "any":
        kind = source[1].partition(" ")[0]
        meaning = {"text": "time", "blob": "bytes"}.get(kind, "number")
    if meaning == "number":
        return one == other or _number(one) == _number(other) or (_is_single(pairing) and _single(one) == _single(other))
    if meaning == "bytes":
        return one.removeprefix("\\x") == other.removeprefix("\\x")
    return _day(one) == _day(other) if meaning == "time" else one == other


def again(pairing: Pairing, first: Said, back: Said) -> bool:
    """Whether a value that came back is the one that left. A numeric without a scale keeps its value, not its zeros."""
    loose = pairing.case.declared == "numeric" and first is not None and back is not None
    return first == back or (loose and _number(first or "") == _number(back or ""))


def _plain(engine: str, said: str) -> str:
    return said.partition(" ")[2] if engine == "sqlite" else said


def _number(text: str) -> object:
    text = {"t": "1", "f": "0", "inf": "Infinity", "-inf": "-Infinity"}.get(text, text)
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return "NaN" if number.is_nan() else number


def _is_single(pairing: Pairing) -> bool:
    return bool({pairing.case.declared, pairing.target} & {"FLOAT", "real"})


def _single(text: str) -> bytes:
    return struct.pack("f", float(text))


def _day(text: str) -> str:
    text = text.removesuffix("+00")
    return text.rstrip("0").rstrip(".") if re.search(r":\d\d\.\d+$", text) else text
