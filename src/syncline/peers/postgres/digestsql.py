"""SQL that writes rows as model.canonical does, and hashes them. Pure text; nothing in it is a placeholder.

A column is read once, by the alias of its place, so that its text is made once. Every type has the text that its values have
when they are read; pg_catalog.concat leaves out what is NULL, as the canonical text does.
"""

import re
from collections.abc import Sequence
from hashlib import sha256
from struct import unpack
from typing import Final

from syncline.model.canonical import MD5, Class, Way
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
_ARGUMENTS_MAX: Final = 100  # of a function
_LETTERS: Final = {Class.NUMBER: "n", Class.BYTES: "x", Class.TEXT: "t"}
_WRITTEN: Final = frozenset({JSON, JSONB, UUID, 1082, 1083, 1114, 1184, 1186})  # a cast to text is what the server sends
_CONSTANT: Final = re.compile("'[:;]+'")
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
    arguments = [literal(salt)] if salt else []
    for name, kind, wanted in kinds:
        for one in (*_arguments(name, kind, wanted), "';'"):
            if arguments and _CONSTANT.fullmatch(one) and _CONSTANT.fullmatch(arguments[-1]):
                arguments[-1] = arguments[-1][:-1] + one[1:]
            else:
                arguments.append(one)
    return _concat(arguments or ["''"])


def _concat(arguments: Sequence[str]) -> str:
    while len(arguments) > _ARGUMENTS_MAX:
        starts = range(0, len(arguments), _ARGUMENTS_MAX)
        arguments = [_concat(arguments[start : start + _ARGUMENTS_MAX]) for start in starts]
    return f"pg_catalog.concat({', '.join(arguments)})"


def _arguments(name: str, kind: Type, wanted: Class) -> list[str]:
    """What of the canonical text stands for a column, without the semicolon."""
    if kind.oid in INTEGERS:
        return _lettered("n", name, wanted)
    if kind.oid == BOOL:
        return _lettered("n", f"{name}::int4", wanted)
    if kind.oid == BYTEA:
        return _lettered("x", f"pg_catalog.encode({name}, 'hex')", wanted)
    if kind.oid == NUMERIC:
        plain = name if kind.scale is not None and kind.scale <= 0 else f"pg_catalog.trim_scale({name})"
        return [_exact_real(name, plain)] if wanted is Class.REAL else _lettered("n", plain, wanted)
    if kind.oid in FLOATS:
        return [_real(name, wanted)]
    size = f"pg_catalog.octet_length({name})"
    if wanted is Class.TEXT:
        return [size, "':'", name]
    return [f"'{'' if wanted is Class.ANY else '!'}t' || {size}::text || ':' || {name}"]


def _lettered(letter: str, text: str, wanted: Class) -> list[str]:
    """A text that has this letter in `any`."""
    if _LETTERS.get(wanted) == letter:
        return [f"'x' || {text}" if wanted is Class.BYTES else text]
    tagged = f"'{'' if wanted is Class.ANY else '!'}{letter}' || {text}::text"
    return [_or_colon(tagged) if wanted is Class.TEXT else tagged]


def _or_colon(text: str) -> str:
    return f"coalesce({text}, ':')"


def _real(name: str, wanted: Class) -> str:
    """A double."""
    bits = _BITS.format(name)
    if wanted is Class.REAL:
        return f"CASE WHEN {name} = 'NaN'::float8 THEN 'NaN' ELSE {bits} END"
    mark = "" if wanted is Class.ANY else "!"
    letter = "''" if wanted is Class.NUMBER else f"'{mark}n'"
    text = (
        f"CASE WHEN pg_catalog.abs({name}) < 'Infinity'::float8 THEN CASE WHEN pg_catalog.trunc({name}) = {name} "
        f"THEN '{mark}r' || {bits} ELSE {letter} || {name}::text::numeric::text END ELSE {letter} || {name}::text END"
    )
    return _or_colon(text) if wanted is Class.TEXT else text


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
    """How a row's text becomes two halves: an expression for the text's hash, and one for each half of it."""

    def __init__(self, kinds: Sequence[tuple[str, Type, Class]], way: Way) -> None:
        if way.algorithm == MD5:
            self.row = f"('x' || pg_catalog.md5({canonical_sql(kinds, way.salt)}))::bit(128)"
            self.halves = [f"pg_catalog.substring(h, {start}, 64)::int8" for start in (1, 65)]
        else:
            self.row = f'{canonical_sql(kinds)} COLLATE "C"'
            self.halves = [f"pg_catalog.hashtextextended(h, '{seed}'::int8)" for seed in seeds_of(way.salt)]


def seeds_of(salt: str) -> tuple[int, int]:
    """Two seeds that nobody knows who does not know the salt."""
    first, second = unpack(">qq", sha256(salt.encode()).digest()[:16])
    return first, second
