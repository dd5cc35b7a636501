"""Text in the character sets of columns: from a column's own bytes, and whether a text can be in it.

Only those sets are here whose every character Python and MariaDB 10.11 take for the same one, as compared character by
character; columns in others are refused by `check`.
"""

import codecs
from collections.abc import Callable
from typing import Final

from syncline.model.forms import oversize
from syncline.model.limits import VALUE_BYTES_MAX
from syncline.model.value import Tagged, Value

BINARY: Final = "binary"
_LATIN1: Final = "".join(bytes([n]).decode("cp1252") if n not in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else chr(n) for n in range(256))
_TO_LATIN1: Final = {ord(char): place for place, char in enumerate(_LATIN1)}
_CODECS: Final = {
    "utf8mb4": "utf-8", "utf8mb3": "utf-8", "utf8": "utf-8", "ascii": "ascii", "latin1": "latin1",
    "latin2": "iso8859-2", "latin5": "iso8859-9", "latin7": "iso8859-13", "koi8r": "koi8-r",
    "cp1250": "cp1250", "cp1251": "cp1251", "cp1257": "cp1257", "cp850": "cp850", "cp852": "cp852",
    "macce": "mac_latin2", "macroman": "mac_roman", "euckr": "cp949", "gb2312": "gb2312", "gbk": "gbk",
    "ucs2": "utf-16-be", "utf16": "utf-16-be", "utf16le": "utf-16-le", "utf32": "utf-32-be",
}  # fmt: skip
KNOWN: Final = frozenset(_CODECS)
_THREE_BYTES: Final = frozenset({"utf8mb3", "utf8", "ucs2"})  # no character beyond U+FFFF
UTF8: Final = frozenset({"utf8mb4", "utf8mb3", "utf8", "ascii"})  # their bytes are those of UTF-8

# ids of collations by character set (information_schema.COLLATIONS of MariaDB 10.11 and MySQL 8.0); MariaDB's NOPAD
# collations are 1024 above, and its UCA 14.0.0 collations above 2048 tell the set by bits 8 to 10
_IDS: Final = {
    "utf8mb4": (45, 46, *range(224, 248), *range(255, 324), *range(608, 611)),
    "utf8mb3": (33, 76, 83, *range(192, 216), 223, *range(576, 579)),
    "latin1": (5, 8, 15, 31, 47, 48, 49, 94), "binary": (63,), "ascii": (11, 65), "latin2": (2, 9, 21, 27, 77),
    "latin5": (30, 78), "latin7": (20, 41, 42, 79), "koi8r": (7, 74), "cp1250": (26, 34, 44, 66, 99),
    "cp1251": (14, 23, 50, 51, 52), "cp1257": (29, 58, 59), "cp850": (4, 80), "cp852": (40, 81), "macce": (38, 43),
    "macroman": (39, 53), "euckr": (19, 85), "gb2312": (24, 86), "gbk": (28, 87),
    "ucs2": (35, 90, *range(128, 152), 159, *range(640, 643)), "utf16": (54, 55, *range(101, 125), *range(672, 675)),
    "utf16le": (56, 62), "utf32": (60, 61, *range(160, 184), *range(736, 739)),
}  # fmt: skip
_BY_ID: Final = {number: name for name, numbers in _IDS.items() for number in numbers}
_UCA: Final = ("utf8mb3", "utf8mb4", "ucs2", "utf16", "utf32")

TextReader = Callable[[bytes], Value]


def charset_of(collation: int) -> str:
    """The character set of a collation by its id, 'binary' for 63; '' for one that is not read here."""
    if collation >= 2048:
        place = (collation >> 8) & 7
        return _UCA[place] if place < len(_UCA) else ""
    return _BY_ID.get(collation if collation < 1024 else collation - 1024, "")


def decode(data: bytes, charset: str) -> str:
    """Text of these bytes. Raises UnicodeDecodeError, and KeyError for a character set that is not read here."""
    if charset == "latin1":
        return codecs.charmap_decode(data, "strict", _LATIN1)[0]
    return data.decode(_CODECS[charset])


def encode(text: str, charset: str) -> bytes:
    """The bytes of a text. Raises UnicodeEncodeError for what the character set lacks, KeyError as `decode`."""
    if charset == "latin1":
        return codecs.charmap_encode(text, "strict", _TO_LATIN1)[0]
    if charset in _THREE_BYTES and text and max(text) > "\uffff":
        place = next(at for at, char in enumerate(text) if char > "\uffff")
        raise UnicodeEncodeError(charset, text, place, place + 1, "it has no characters beyond U+FFFF")
    return text.encode(_CODECS[charset])


def text_reader(charset: str) -> TextReader:
    """What turns a column's bytes into a value: text, or the bytes in hex where they are no text of the character set."""
    codec = _CODECS[charset]
    if charset == "latin1":
        return _latin1

    def read(data: bytes) -> Value:
        if len(data) > VALUE_BYTES_MAX:
            return oversize(data)
        try:
            return data.decode(codec)
        except UnicodeDecodeError:
            return Tagged("rawtext", data.hex())

    return read


def _latin1(data: bytes) -> Value:
    return codecs.charmap_decode(data, "strict", _LATIN1)[0] if len(data) <= VALUE_BYTES_MAX else oversize(data)
