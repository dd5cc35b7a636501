"""Digests made by the server: rows are hashed and added up where they are, and only sums travel.

What the server cannot write exactly as model.canonical has it is not digested here: the functions return None, and whoever
asks reads the rows instead. Everything here blocks and is run in the session's thread.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from syncline.model.canonical import CHAIN, HALF, HASH_BYTES, SHA256, Class, Way, total_of
from syncline.model.limits import CHAIN_ROW_BYTES_MAX
from syncline.model.value import Key
from syncline.peers.buckets import Buckets, buckets_of
from syncline.peers.mysql.connect import Connection
from syncline.peers.mysql.convert import Type, quoted
from syncline.peers.mysql.digestsql import doubts, expression, longest
from syncline.peers.mysql.features import quote
from syncline.peers.mysql.snapshot import Source, key_range, lookups, rows_of
from syncline.peers.mysql.textrows import read
from syncline.peers.protocol import Digest, Range

_RANGES_MAX: Final = 32  # in one statement; the server opens the table once for each
_BOUNDS_MAX: Final = 500_000  # bytes of all bounds in one statement, which has each a few times; servers take a million or more
_FENCES_MAX: Final = 256  # looked for in one go, so that other work is done between them
_KEYS_READ: Final = 8_192  # in one go, where fences are so close that all keys are read
_CLOSE: Final = 512  # rows between fences that are close
_TEXT_BYTES_MAX: Final = 1_000_000  # of a row that is chained: what is longer than a packet would be left out
_PRIMARY_SQL: Final = (
    "SELECT COLUMN_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND INDEX_NAME = 'PRIMARY' "
    "AND COLLATION = 'A' AND TABLE_NAME = "
)
_SIZE_SQL: Final = (
    "SELECT AVG_ROW_LENGTH FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND ENGINE = 'InnoDB' "
    "AND CREATE_OPTIONS NOT LIKE '%partitioned%' AND TABLE_NAME = "
)
_FAR: Final = HALF**2  # stands for a row that has to be read: further than the sum of any digests
_SAMPLE: Final = "(SELECT -12 AS a, '\u00e4 ''b;\n' AS b, 0.5 AS c) AS sample"  # the row that peers.digest has
_SAMPLE_TYPES: Final = (Type("bigint", "bigint"), Type("text", "text", charset="utf8mb4"), Type("decimal", "decimal", scale=1))
_SAMPLE_CLASSES: Final = (Class.NUMBER, Class.TEXT, Class.ANY)
_HASH: Final = Type("binary", f"binary({HASH_BYTES})", size=HASH_BYTES)
_NUMBER: Final = Type("bigint", "bigint")
_Sums = tuple[int, int]  # rows, the sum of their digests


def sample(connection: Connection, algorithm: str = SHA256) -> str:
    """What this server makes of the sample row, as hex."""
    columns = ("a", "b", "c"), _SAMPLE_TYPES, _SAMPLE_CLASSES
    if algorithm == CHAIN:
        select = _chain(expression(*columns) or "", Way(CHAIN), 0, _SAMPLE.encode())
        ((_, _, found),) = read(connection, select)
        return f"{int(found or 0):016x}"
    ((found,),) = read(connection, f"SELECT {_hash(*columns, Way())} FROM {_SAMPLE}")
    return (found or b"").decode()


def is_chained(connection: Connection, source: Source) -> bool:
    """Whether ranges can be chained, and the texts of their rows fit into the server's memory."""
    size = _row_size(connection, source)
    return size is not None and size <= CHAIN_ROW_BYTES_MAX


def _row_size(connection: Connection, source: Source) -> int | None:
    """The bytes of a row on average; None where ranges cannot be chained now, whatever they could some time ago.

    That is: no row's text may be longer than a packet, as it would be left out; and rows must stand in the order of the key.
    """
    if doubts(tuple(map(quote, source.columns)), source.types) or longest(source.types) > _TEXT_BYTES_MAX:
        return None
    name = quoted(source.table[1:-1].replace("``", "`"))
    ((packet,),) = read(connection, "SELECT @@max_allowed_packet")
    keys = read(connection, _PRIMARY_SQL.encode() + name + b" ORDER BY SEQ_IN_INDEX")
    sizes = [int(size or 0) for (size,) in read(connection, _SIZE_SQL.encode() + name)]
    if int(packet or 0) <= 2 * _TEXT_BYTES_MAX or tuple((key or b"").decode() for (key,) in keys) != source.key:
        return None
    return sizes[0] if sizes else None


def _hash(names: Sequence[str], kinds: Sequence[Type], classes: Sequence[Class], way: Way) -> str | None:
    """A row's digest as hex digits; NULL where a row has to be read. None if the server cannot make it."""
    text = expression(names, kinds, classes)
    if text is None:
        return None
    found = f"LEFT(SHA2(CONCAT_WS('', {quoted(way.salt).decode()}, {text}), 256), {2 * HASH_BYTES})"
    doubtful = doubts(names, kinds)
    return f"IF({' OR '.join(doubtful)}, NULL, {found})" if doubtful else found


def _hash_of(source: Source, classes: Sequence[Class], way: Way) -> str | None:
    return _hash(tuple(map(quote, source.columns)), source.types, classes, way.each)


# -- ranges ---------------------------------------------------------------------------------------------------------------


def digests(
    connection: Connection, source: Source, classes: Sequence[Class], ranges: Sequence[Range], way: Way
) -> list[Digest] | None:
    """The digest of each range. Call inside a snapshot. None if rows have to be read for it."""
    if way.algorithm == CHAIN:
        return _chained(connection, source, classes, ranges, way)
    hashed = _hash_of(source, classes, way)
    if hashed is None:
        return None
    found: list[_Sums] = []
    for some, buckets in _at_once(source, ranges):
        sums = _by_scan(connection, source, buckets, hashed) if buckets else _by_index(connection, source, some, hashed)
        found += [sums.get(place, (0, 0)) for place in range(len(some))]
    if any(total >= _FAR for _, total in found):
        return None
    return [Digest(rows, total % HALF) for rows, total in found]


def _chained(
    connection: Connection, source: Source, classes: Sequence[Class], ranges: Sequence[Range], way: Way
) -> list[Digest] | None:
    """The digest of each range, of all its rows' texts together; None where these do not fit, or have to be read."""
    names = tuple(map(quote, source.columns))
    text = expression(names, source.types, classes)
    if text is None or _row_size(connection, source) is None:
        return None
    found: list[Digest] = []
    table = f"{source.table} FORCE INDEX (PRIMARY)".encode()
    for start in range(0, len(ranges), _RANGES_MAX):
        tails = [table + key_range(source, *one) for one in ranges[start : start + _RANGES_MAX]]
        parts = [Digest(0, 0)] * len(tails)
        asked = b" UNION ALL ".join(_chain(text, way, place, tail) for place, tail in enumerate(tails))
        for place, count, total in read(connection, asked):
            rows = int(count or 0)
            if rows and total is None:
                return None
            parts[int(place or 0)] = Digest(rows, int(total or 0))
        found += parts
        ((warnings,),) = read(connection, "SELECT @@warning_count")
        if int(warnings or 0):
            return None
    return found


def _chain(text: str, way: Way, place: int, tail: bytes) -> bytes:
    """A query for a place, as given, how many rows there are, and the digest of all their texts. It warns where these were cut.

    The rows of a range stand in the primary key's order and are read so. Were they not, the digest would be another one.
    """
    texts = f"GROUP_CONCAT(CONCAT_WS('', {text}) SEPARATOR '')"
    hashed = f"SHA2(CONCAT({quoted(way.salt).decode()}, {texts}), 256)"
    return f"SELECT {place}, COUNT(*), CONV(LEFT({hashed}, {2 * HASH_BYTES}), 16, 10) FROM ".encode() + tail


def _is_scanned(source: Source) -> bool:
    """Whether the keys of a range are found by looking at all rows, as the server sorts its index in another way."""
    return not all(source.types[place].ordered for place in source.key_places)


def _at_once(source: Source, ranges: Sequence[Range]) -> Iterator[tuple[Sequence[Range], Buckets | None]]:
    """The ranges that one statement is asked for; with their buckets where it looks at all rows for them."""
    if not _is_scanned(source):
        for start in range(0, len(ranges), _RANGES_MAX):
            yield ranges[start : start + _RANGES_MAX], None
        return
    start = 0
    while start < len(ranges):
        end, size = start + 1, len(key_range(source, *ranges[start]))
        while end < len(ranges) and _follows(ranges[end - 1], ranges[end]) and size <= _BOUNDS_MAX:
            size += len(key_range(source, *ranges[end]))
            end += 1
        some = ranges[start:end]
        yield some, buckets_of(some)  # none: it is one range, and empty
        start = end


def _follows(one: Range, other: Range) -> bool:
    return buckets_of([one, other]) is not None


def _by_index(connection: Connection, source: Source, ranges: Sequence[Range], hashed: str) -> dict[int, _Sums]:
    """The sums of ranges that the key's index finds, by their place."""
    tails = [source.table.encode() + key_range(source, *one) for one in ranges]
    parts = [b"SELECT %d, %s FROM %s" % (place, _sums_of(hashed), tail) for place, tail in enumerate(tails)]
    return _sums(connection, b" UNION ALL ".join(parts))


def _by_scan(connection: Connection, source: Source, buckets: Buckets, hashed: str) -> dict[int, _Sums]:
    """The sums of ranges in order, by their place: each row is looked at once, and those between them are not digested."""
    number, where = _halved(source, buckets)
    rows = source.table.encode() + where
    sums = _sums(connection, b"SELECT %s, %s FROM %s GROUP BY 1" % (number, _sums_of(hashed), rows))
    return {buckets.places[bucket]: found for bucket, found in sums.items()}


def _halved(source: Source, buckets: Buckets) -> tuple[bytes, bytes]:
    """What tells a row's bucket, and the WHERE clause of the rows that are in a range."""
    upto = [key_range(source, None, bound).removeprefix(b" WHERE ") for bound in buckets.bounds]

    def either(bound: int, below: bytes, above: bytes) -> bytes:
        return b"IF(%s, %s, %s)" % (upto[bound], below, above)

    first, last = buckets.ends
    bounds = (None, *buckets.bounds, None)  # bucket n is between bounds n - 1 and n
    where = key_range(source, bounds[first], bounds[last + 1])
    inside = buckets.inside(b"1", b"0", either)
    if inside != b"1":
        where = b"%s %s %s" % (where, b"AND" if where else b"WHERE", inside)
    return buckets.number(b"%d".__mod__, either), where


def _sums_of(hashed: str) -> bytes:
    """Rows and the sum of their digests. Each digest is made once, and no row is kept until all are there."""
    return f"COUNT(*), SUM(IFNULL(CAST(CONV({hashed}, 16, 10) AS UNSIGNED), {_FAR}))".encode()


def _sums(connection: Connection, sql: bytes) -> dict[int, _Sums]:
    numbers = ([int(field or 0) for field in row] for row in read(connection, sql))
    return {place: (rows, total) for place, rows, total in numbers}


# -- keys -----------------------------------------------------------------------------------------------------------------


def hashes(
    connection: Connection, source: Source, classes: Sequence[Class], ranges: Sequence[Range], way: Way
) -> list[dict[Key, int]] | None:
    """The digest of each row of each range, by key. None if rows have to be read for it."""
    if not _is_scanned(source):
        return _hashed(connection, source, classes, [key_range(source, *one) for one in ranges], way)
    found: list[dict[Key, int]] = []
    for some, buckets in _at_once(source, ranges):
        parts = _hashed_by_scan(connection, source, classes, buckets, way) if buckets else {}
        if parts is None:
            return None
        found += [parts.get(place, {}) for place in range(len(some))]
    return found


def _hashed_by_scan(
    connection: Connection, source: Source, classes: Sequence[Class], buckets: Buckets, way: Way
) -> dict[int, dict[Key, int]] | None:
    """The digest of each row of ranges in order, by the range's place and by key: each row is looked at once."""
    hashed = _hash_of(source, classes, way)
    if hashed is None:
        return None
    narrow = _narrow(source)
    wide = narrow._replace(types=(*narrow.types, _HASH, _NUMBER))
    number, where = _halved(source, buckets)
    select = f"SELECT {', '.join(map(quote, source.key))}, UNHEX({hashed}), ".encode()
    found: dict[int, dict[Key, int]] = {}
    for key, row in rows_of(connection, wide, select + b"%s FROM %s%s" % (number, source.table.encode(), where)):
        digest, bucket = row[-2:]
        if not isinstance(digest, bytes) or not isinstance(bucket, int):
            return None
        found.setdefault(buckets.places[bucket], {})[key] = int.from_bytes(digest)
    return found


def _hashed(
    connection: Connection, source: Source, classes: Sequence[Class], wheres: Sequence[bytes], way: Way
) -> list[dict[Key, int]] | None:
    """The digest of each row that a condition finds, by key, for each of some conditions."""
    hashed = _hash_of(source, classes, way)
    if hashed is None:
        return None
    narrow = _narrow(source)
    wide = narrow._replace(types=(*narrow.types, _HASH))
    select = f"SELECT {', '.join(map(quote, source.key))}, UNHEX({hashed}) FROM {source.table}".encode()
    found: list[dict[Key, int]] = []
    for where in wheres:
        rows = rows_of(connection, wide, select + where)
        if not all(isinstance(row[-1], bytes) for _, row in rows):
            return None
        found.append({key: int.from_bytes(row[-1]) for key, row in rows if isinstance(row[-1], bytes)})
    return found


def digests_of(
    connection: Connection, source: Source, classes: Sequence[Class], groups: Sequence[Sequence[Key]], way: Way
) -> list[Digest] | None:
    """The digest of the rows of each group of keys. None if rows have to be read for it."""
    wheres = list(lookups(source, list(dict.fromkeys(key for group in groups for key in group))))
    parts = _hashed(connection, source, classes, wheres, way)
    if parts is None:
        return None
    found = {key: digest for part in parts for key, digest in part.items()}
    some = [[found[key] for key in dict.fromkeys(group) if key in found] for group in groups]
    return [Digest(len(one), total_of(one)) for one in some]


def fences(connection: Connection, source: Source, piece: Range, size: int) -> tuple[list[Key], bool]:
    """The first keys that cut a range into parts of `size` rows, and whether there are no more of them."""
    if _is_scanned(source):
        return _fences_by_scan(connection, source, piece, size), True
    after, upto = piece
    if size < _CLOSE:
        step = _KEYS_READ // size * size
        keys = _keys(connection, source, piece, f"LIMIT {step + 1}")
        return keys[size - 1 : len(keys) - 1 : size], len(keys) <= step
    found: list[Key] = []
    while len(found) < _FENCES_MAX:
        keys = _keys(connection, source, (after, upto), f"LIMIT 2 OFFSET {size - 1}")
        if len(keys) < 2:
            return found, True
        found.append(after := keys[0])
    return found, False


def _narrow(source: Source) -> Source:
    """The columns of the key alone."""
    kinds = tuple(source.types[place] for place in source.key_places)
    return Source(source.table, source.key, kinds, source.key, tuple(range(len(kinds))))


def _keys(connection: Connection, source: Source, piece: Range, tail: str) -> list[Key]:
    narrow = _narrow(source)
    end = f" ORDER BY {', '.join(narrow.terms)} {tail}"
    rows = rows_of(connection, narrow, narrow.select.encode() + key_range(source, *piece) + end.encode())
    return [key for key, _ in rows]


def _fences_by_scan(connection: Connection, source: Source, piece: Range, size: int) -> list[Key]:
    """All fences of a range, whose keys are sorted once."""
    narrow = _narrow(source)
    places = range(len(narrow.key))
    keys, terms = (", ".join(f"{letter}{place}" for place in places) for letter in "kt")
    named = ", ".join(
        f"{quote(name)} AS k{place}, {term} AS t{place}"
        for place, name, term in zip(places, narrow.key, narrow.terms, strict=True)
    )
    rows = f"SELECT {named} FROM {source.table}".encode() + key_range(source, *piece)
    numbered = f"SELECT {keys}, ROW_NUMBER() OVER (ORDER BY {terms}) AS number, COUNT(*) OVER () AS total FROM (".encode()
    chosen = f"number % {size} = 0 AND number < total ORDER BY number".encode()
    sql = f"SELECT {keys} FROM (".encode() + numbered + rows + b") AS named) AS numbered WHERE " + chosen
    return [key for key, _ in rows_of(connection, narrow, sql)]
