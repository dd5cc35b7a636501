"""One text for one JSON value, so that its bytes can be signed: RFC 8785, for values without fractions.

Keys in the order of their UTF-16 code units, no blanks, UTF-8. Numbers are integers that a double holds exactly; what has a
fraction is written otherwise, since languages differ in how they write it.
"""

import json
from typing import Any, Final

from syncline.model.errors import CodecError

EXACT_MAX: Final = 2**53 - 1  # the largest integer that every reader of JSON has exactly
DEPTH_MAX: Final = 32
_HINT: Final = "write it as a text"


def canonical_json(value: object) -> bytes:
    """The bytes. Raises CodecError for what has no such text."""
    try:
        return _text(value, 0).encode()
    except UnicodeEncodeError as error:
        raise CodecError("a text is not Unicode", why=str(error), hint="replace its lone surrogates") from error


def parsed_json(data: bytes) -> Any:
    """The value of canonical bytes. Raises CodecError for any others: one value, one text."""
    try:
        value = json.loads(data.decode(), parse_float=_refuse, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:  # also of bytes that are not UTF-8
        raise CodecError("this is not JSON", why=str(error)) from error
    if canonical_json(value) != data:
        raise CodecError("this JSON is not written as it was signed", why="blanks, order or spelling differ")
    return value


def _refuse(text: str) -> object:
    raise ValueError(f"the number {text} has a fraction")


def _text(value: object, depth: int) -> str:
    if depth > DEPTH_MAX:
        raise CodecError("this JSON is nested too deeply")
    match value:
        case None | bool() | str():
            return json.dumps(value, ensure_ascii=False)
        case int():
            if abs(value) > EXACT_MAX:
                raise CodecError(f"the number {value} is too large for every reader", hint=_HINT)
            return str(value)
        case list() | tuple():
            return f"[{','.join(_text(one, depth + 1) for one in value)}]"
        case dict():
            pairs = sorted(value.items(), key=lambda pair: _units(pair[0]))
            return "{" + ",".join(f"{_text(name, depth)}:{_text(one, depth + 1)}" for name, one in pairs) + "}"
        case _:
            raise CodecError(f"JSON that is signed holds no {type(value).__name__}", hint=_HINT)


def _units(name: object) -> bytes:
    if not isinstance(name, str):
        raise CodecError(f"a key of JSON is a text, not {type(name).__name__}")
    return name.encode("utf-16-be", errors="surrogatepass")
