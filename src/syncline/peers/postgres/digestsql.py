"""SQL that writes rows as model.canonical does, and hashes them. Pure text; nothing in it is a placeholder.

A column is read once, by the alias of its place, so that its text is made once. Every type has the text that its values have
when they are read. Texts are put together two by two: pg_catalog.concat takes longer, as it looks up how each type is written,
and one after the other would copy what is long again and again.
"""

from collections.abc import Sequence
from hashlib import sha256
from struct import unpack
from typing import Final

from syncline.model.canonical import CHAIN, HASH_BYTES, SHA256, Class, Way
from syncline.peers.postgres.convert import (
    BOOL,
    BYTEA,
    FLOAT4,
    FLOATS,
    INTEGERS,
    JSON,
    JSONB,
    NUMERIC,
    TEXTS,
    UUID,
    Type,
)

LOOKUP3: Final = "lookup3"  # hashtextextended of the canonical text, with two seeds made of the salt
_LETTERS: Final = {Class.NUMBER: "n", Class.BYTES: "x", Class.TEXT: "t"}
_WRITTEN: Final = frozenset({JSON, JSONB, UUID, 1082, 1083, 1114, 1184, 1186})  # a cast to text is what the server sends
_BITS: Final = "pg_catalog.encode(pg_catalog.float8send({0}), 'hex')"


def literal(text: str) -> str:
    """A text as SQL writes it; sessions are pinned to standard strings."""
    return "'" + text.replace("'", "''") + "'"


def text_sql(name: str, kind: Type) -> str:
    """The text of a column whose values are read as text."""
    if kind.oid in TEXTS or kind.oid in _WRITTEN:
        return f"{name}::text"
    # casts of other types may write more than the server sends; a composite of NULLs is not NULL
    return f"CASE WHEN {name} IS DISTINCT FROM NULL THEN pg_catalog.concat({name}) END"


def read_sql(name: str, kind: Type) -> str:
    """What is read of a column."""
    if kind.oid == FLOAT4:
        return f"{name}::text::float8"  # the double that its shortest decimal means
    if kind.oid in FLOATS or kind.oid in INTEGERS or kind.oid in {BOOL, BYTEA, NUMERIC}:
        return name
    return text_sql(name, kind)


def canonical_sql(kinds: Sequence[tuple[str, Type, Class]], salt: str = "") -> str:
    """The canonical text of a row, after the salt; each column is given by the name of what was read of it."""
    parts = [f"{literal(salt)}::text"] if salt or not kinds else []
    for name, kind, wanted in kinds:
        null = "':;'" if wanted is Class.TEXT else "';'"
        parts.append(f"COALESCE({_text_of(name, kind, wanted)} || ';', {null})")
    while len(parts) > 1:
        pairs = [f"({one} || {other})" for one, other in zip(parts[::2], parts[1::2], strict=False)]
        parts = [*pairs, *parts[len(pairs) * 2 :]]
    return parts[0]


def _text_of(name: str, kind: Type, wanted: Class) -> str:
    """The canonical text of a column, without the semicolon; NULL for NULL."""
    if kind.oid in INTEGERS:
        return _lettered("n", f"{name}::text", wanted)
    if kind.oid == BOOL:
        return _lettered("n", f"{name}::int4::text", wanted)
    if kind.oid == BYTEA:
        return _lettered("x", f"pg_catalog.encode({name}, 'hex')", wanted)
    if kind.oid == NUMERIC:
        plain = name if kind.scale is not None and kind.scale <= 0 else f"pg_catalog.trim_scale({name})"
        return _exact_real(name, plain) if wanted is Class.REAL else _lettered("n", f"{plain}::text", wanted)
    if kind.oid in FLOATS:
        return _real(name, wanted)
    sized = f"pg_catalog.octet_length({name})::text || ':' || {name}"
    if wanted is Class.TEXT:
        return sized
    return f"'{'' if wanted is Class.ANY else '!'}t' || {sized}"


def _lettered(letter: str, text: str, wanted: Class) -> str:
    """A text that has this letter in `any`."""
    if _LETTERS.get(wanted) == letter:
        return f"'x' || {text}" if wanted is Class.BYTES else text
    return f"'{'' if wanted is Class.ANY else '!'}{letter}' || {text}"


def _real(name: str, wanted: Class) -> str:
    """A double."""
    bits = _BITS.format(name)
    if wanted is Class.REAL:
        return f"CASE WHEN {name} = 'NaN'::float8 THEN 'NaN' ELSE {bits} END"
    mark = "" if wanted is Class.ANY else "!"
    letter = "''" if wanted is Class.NUMBER else f"'{mark}n'"
    return (
        f"CASE WHEN pg_catalog.abs({name}) < 'Infinity'::float8 THEN CASE WHEN pg_catalog.trunc({name}) = {name} "
        f"THEN '{mark}r' || {bits} ELSE {letter} || {name}::text::numeric::text END ELSE {letter} || {name}::text END"
    )


def _exact_real(name: str, plain: str) -> str:
    """A numeric among doubles: a fraction that some double's shortest text means is read as that double."""
    double = f"{name}::float8"
    other = f"'!n' || {plain}::text"
    return (
        f"CASE WHEN {name}::text = 'NaN' THEN 'NaN' WHEN {name}::text IN ('Infinity', '-Infinity') THEN {_BITS.format(double)} "
        f"WHEN pg_catalog.trunc({name}) = {name} THEN {other} "
        f"WHEN pg_catalog.abs({name}) NOT BETWEEN 3e-324 AND 1e17 THEN {other} "  # others may be no doubles at all
        f"WHEN {double}::text::numeric = {name} THEN {_BITS.format(double)} ELSE {other} END"
    )


class Hashed:
    """How a row's text becomes a digest: an expression for what is made of the row, and one for each half of the digest.

    `sums` are those of the digest of many rows, in order.
    """

    def __init__(self, kinds: Sequence[tuple[str, Type, Class]], way: Way) -> None:
        if way.algorithm == CHAIN:
            self.row, self.halves = canonical_sql(kinds), []
            self.sums = [_sha256(f"{literal(way.salt)} || pg_catalog.string_agg(h, '')")]
            return
        if way.algorithm == SHA256:
            self.row, self.halves = _sha256(canonical_sql(kinds, way.salt)), ["h"]
        else:
            self.row = f'{canonical_sql(kinds)} COLLATE "C"'
            self.halves = [f"pg_catalog.hashtextextended(h, '{seed}'::int8)" for seed in seeds_of(way.salt)]
        self.sums = [f"pg_catalog.sum({half})" for half in self.halves]


def _sha256(text: str) -> str:
    """What a text's SHA-256 begins with, as a number."""
    hashed = f"pg_catalog.sha256(pg_catalog.convert_to({text}, 'UTF8'))"
    return f"('x' || pg_catalog.encode(pg_catalog.substr({hashed}, 1, {HASH_BYTES}), 'hex'))::bit(64)::int8"


def halves_of(way: Way) -> int:
    """How many halves the digests of a way have."""
    return 1 if way.algorithm == SHA256 else 2


def seeds_of(salt: str) -> tuple[int, int]:
    """Two seeds that nobody knows who does not know the salt."""
    first, second = unpack(">qq", sha256(salt.encode()).digest()[:16])
    return first, second
