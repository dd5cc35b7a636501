"""The canonical text of model.canonical as SQL: what the server puts together for a column. Pure text.

A column becomes arguments of CONCAT_WS, which leaves NULLs out. What gets longer than the server allows becomes NULL too: where
that is the whole text it is noticed; for an argument that a function makes of a long value there is a doubt.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from syncline.model.canonical import Class
from syncline.model.limits import VALUE_BYTES_MAX
from syncline.peers.mysql.charset import UTF8
from syncline.peers.mysql.convert import BYTES, GEOMETRIES, INTEGERS, TEXTS, TIMES, Type

_LARGE: Final = frozenset({"longtext", "longblob", "json"}) | GEOMETRIES  # may hold more than travels
_WHOLE: Final = UTF8 | {"latin1"}  # every byte of theirs is a character, or is refused on its way in
_PACKET_MIN: Final = 1024  # bytes of the smallest max_allowed_packet
_SIZES: Final = {"date": 10, "datetime": 19, "timestamp": 22}  # of their texts, without a fraction
_LETTERS: Final = {"n": Class.NUMBER, "x": Class.BYTES, "t": Class.TEXT}


class Text(NamedTuple):
    """A value as SQL writes it: the letter of its kind, its text, and that text's length in bytes if it is always the same."""

    letter: str
    body: str
    size: int = 0


def expression(names: Sequence[str], kinds: Sequence[Type], classes: Sequence[Class]) -> str | None:
    """The arguments for a whole row, by its columns' quoted names; None if SQL cannot write some column exactly."""
    found: list[str] = []
    for name, kind, written in zip(names, kinds, classes, strict=True):
        arguments = arguments_of(name, kind, written)
        if arguments is None:
            return None
        found += [*arguments, "';'"]
    return ", ".join(_joined(found))


def _joined(arguments: Sequence[str]) -> list[str]:
    """Neighbouring literals as one. They have no quotes and no backslashes in them."""
    found: list[str] = []
    for one in arguments:
        if found and found[-1][0] == one[0] == "'":
            found[-1] = found[-1][:-1] + one[1:]
        else:
            found.append(one)
    return found


def arguments_of(name: str, kind: Type, written: Class) -> list[str] | None:
    """The arguments for one column, without its semicolon."""
    if kind.base == "double" and written is Class.REAL:
        return [_bits(name)]
    text = _text(name, kind)
    if text is None or (text.letter == "n" and kind.base == "decimal" and kind.scale and written is Class.REAL):
        return None
    own = _LETTERS[text.letter] is written
    null = "':'" if written is Class.TEXT else "NULL"
    mark = "" if own and written is not Class.BYTES else text.letter if own or written is Class.ANY else f"!{text.letter}"
    if text.letter != "t":
        return [_unless_null(name, kind, mark, null), text.body] if mark else [text.body]
    if text.size:
        return [_unless_null(name, kind, f"{mark}{text.size}:", null), text.body]
    length = f"OCTET_LENGTH({text.body})"
    if own:
        return [length, "':'", text.body]  # of a NULL the colon alone is left
    return [_unless_null(name, kind, mark, null), length, _unless_null(name, kind, ":", "NULL"), text.body]


def _unless_null(name: str, kind: Type, text: str, null: str) -> str:
    return f"IF({name} IS NULL, {null}, '{text}')" if kind.nullable else f"'{text}'"


def _bits(name: str) -> str:
    """The bits of a double, as hex. A point's binary form is the only one that shows them: the lower byte first."""
    return f"LOWER(HEX(REVERSE(SUBSTR(ST_AsWKB(POINT({name}, 0)), 6, 8))))"


def _text(name: str, kind: Type) -> Text | None:
    """A column's values as `convert` reads them. None: for floating numbers, which SQL would round."""
    if kind.base in INTEGERS:
        padded = kind.base == "year" or "zerofill" in kind.name.lower()
        return Text("n", f"CAST({name} AS UNSIGNED)" if padded else name)
    if kind.base == "decimal":
        plain = f"CAST({name} AS DECIMAL({kind.size}, {kind.scale or 0}))" if "zerofill" in kind.name.lower() else name
        return Text("n", _trimmed(plain) if kind.scale else plain)
    if kind.base in BYTES or kind.base in GEOMETRIES:
        return Text("x", f"LOWER(HEX({name}))")
    if kind.base == "bit":
        return Text("t", f"LPAD(BIN({name}), {kind.size}, '0')", kind.size)
    if kind.base in TIMES:
        return _time(name, kind)
    if kind.base in {"uuid", "inet4", "inet6"}:
        return Text("t", f"CAST({name} AS CHAR)", 36 if kind.base == "uuid" else 0)
    if kind.base in TEXTS or kind.base == "json" or (kind.base in {"enum", "set"} and kind.charset):
        return Text("t", name if _is_plain(kind) else f"CONVERT({name} USING utf8mb4)")
    return None


def _is_plain(kind: Type) -> bool:
    """Whether a column has its canonical text as it is."""
    return kind.charset == "utf8mb4" and (kind.base in TEXTS or (kind.base == "json" and kind.name != "json"))


def _time(name: str, kind: Type) -> Text:
    zone = kind.base == "timestamp"
    if kind.scale:
        body = _trimmed(name)
        return Text("t", f"CONCAT({body}, '+00')" if zone else body)
    return Text("t", f"CONCAT({name}, '+00')" if zone else name, _SIZES.get(kind.base, 0))


def _trimmed(name: str) -> str:
    """The text of what always has a point, without needless zeros after it."""
    return f"TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM {name}))"


def longest(kinds: Sequence[Type]) -> int:
    """How many bytes the text of a row may have, at most: four a character, and what goes with each column."""
    return sum(4 * kind.size + 64 for kind in kinds)


def doubts(names: Sequence[str], kinds: Sequence[Type]) -> list[str]:
    """Conditions on a row, any of which tells that it has a value that SQL might not write as it is read."""
    found = []
    for name, kind in zip(names, kinds, strict=True):
        growth = 2 if kind.base in BYTES | GEOMETRIES else 4 if kind.is_text and not _is_plain(kind) else 0
        if kind.base in _LARGE:
            found.append(f"OCTET_LENGTH({name}) > {VALUE_BYTES_MAX}")
        if growth and (kind.base in _LARGE or kind.size * growth > _PACKET_MIN):
            found.append(f"OCTET_LENGTH({name}) * {growth} > @@max_allowed_packet")
        if kind.charset and kind.charset not in _WHOLE:  # a byte that is no character there would turn into a question mark
            back = f"CONVERT(CONVERT({name} USING utf8mb4) USING {kind.charset})"
            found.append(f"CAST({back} AS BINARY) <> CAST({name} AS BINARY)")
    return found
