"""A value as a person types it: NULL, 12, 1.5, x'00ff', or text; 'quoted' where text looks like something else."""

import math
import re
from contextlib import suppress
from typing import Final

from syncline.model.errors import UsageError
from syncline.model.value import INTEGER_MAX, INTEGER_MIN, Value, real

_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,19}")
_REAL: Final = re.compile(r"-?([0-9]+\.[0-9]*|[0-9]*\.[0-9]+|[0-9]+(?=[eE]))([eE][+-]?[0-9]+)?")


def parse_value(text: str) -> Value:
    """The value that `text` means. Raises UsageError for text that is not Unicode, as a terminal may send it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError("this is not text", why=str(error), hint="write bytes as x'00ff'") from error
    if text == "NULL":
        return None
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) > 2 and text[:2].lower() == "x'" and text.endswith("'"):
        with suppress(ValueError):
            return bytes.fromhex(text[2:-1])
    if _INTEGER.fullmatch(text) and INTEGER_MIN <= int(text) <= INTEGER_MAX:
        return int(text)
    if _REAL.fullmatch(text):
        number = float(text)
        if math.isfinite(number):
            return real(number)
    return text
