"""Readers of single values: a node and what is expected of it -> the value, or a problem in the list.

Knows types and their spelling (text, counts, durations, shares, lists of words); does not know which keys exist.
"""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Final, TypeAlias

from syncline.config.read import Mapping, Node, Scalar, Sequence
from syncline.config.secrets import show
from syncline.model import limits
from syncline.model.errors import BadName, Problem, UnknownKey, WrongType

Problems: TypeAlias = list[Problem]

_NUMBER: Final = re.compile(r"[-+]?(\d[\d_]*)(\.\d*)?([eE][-+]?\d+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_COUNT: Final = re.compile(r"(\d[\d_]*)([kM]?)")
_SHARE: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(%?)")
_DURATION: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ms|s|m|h|d|w)")
_PLAIN_SECONDS: Final = re.compile(r"\d+(?:\.\d*)?|\.\d+")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_THOUSANDS: Final = {"": 1, "k": 1_000, "M": 1_000_000}
_SHORT_NAME_CHARS: Final = 63


def near(word: str, known: Iterable[str]) -> str:
    """' (did you mean x?)' where a known word is close, else nothing."""
    match = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean {match[0]!r}?" if match else ""


def listed(words: Iterable[str]) -> str:
    """Words for a sentence."""
    return ", ".join(words)


def found_type(node: Node) -> str:
    """What stands there, in words."""
    match node:
        case Mapping():
            return "a mapping"
        case Sequence():
            return "a list"
        case Scalar(text, plain=True) if text in {"", "~", "null", "Null", "NULL"}:
            return "nothing"
        case Scalar(text, plain=True) if text in {"true", "True", "TRUE", "false", "False", "FALSE"}:
            return "true or false"
        case Scalar(text, plain=True) if _NUMBER.fullmatch(text):
            return "a number"
        case _:
            return "text"


def is_nothing(node: Node) -> bool:
    """Whether the value was left out or is null."""
    return found_type(node) == "nothing"


def wrong(problems: Problems, node: Node, what: str, expected: str, hint: str, **where: str) -> None:
    """Report that `what` is not of the expected type."""
    why = f"{found_type(node)} stands here"
    problems.append(WrongType(f"{what} must be {expected}", why=why, hint=hint, line=node.line, **where))


def text_of(problems: Problems, node: Node, what: str, **where: str) -> str | None:
    """Text; a bare number or boolean is not taken for it."""
    kind = found_type(node)
    if kind == "text" and isinstance(node, Scalar):
        return node.text
    quoted = f'write it in quotes, "{node.text}", if it is meant' if isinstance(node, Scalar) and kind != "nothing" else ""
    wrong(problems, node, what, "text", quoted or "write one word or a quoted text", **where)
    return None


def name_of(problems: Problems, node: Scalar, what: str, **where: str) -> str | None:
    """A short name that is also good in file names and metrics: letters, digits, '_', '-', '.'."""
    if _NAME.fullmatch(node.text) and len(node.text) <= _SHORT_NAME_CHARS:
        return node.text
    why = f"a name has letters, digits, '_', '-' and '.', begins with a letter or digit, and has at most {_SHORT_NAME_CHARS}"
    problems.append(BadName(f"{what} {show(node.text)} is not a name", why=why, hint="rename it", line=node.line, **where))
    return None


def label_of(problems: Problems, node: Scalar, what: str, **where: str) -> str | None:
    """A table's or column's name: anything but nothing, control characters and endless text."""
    if not node.text or len(node.text) > limits.NAME_CHARS_MAX or _CONTROL.search(node.text):
        why = f"it is empty, has control characters, or more than {limits.NAME_CHARS_MAX} characters"
        hint = "rename the table or column"
        problems.append(BadName(f"{what} {show(node.text)} is not usable", why=why, hint=hint, line=node.line, **where))
        return None
    return node.text


def entries_of(problems: Problems, node: Node, what: str, example: str, **where: str) -> tuple[tuple[Scalar, Node], ...]:
    """The entries of a mapping; nothing is an empty one."""
    if isinstance(node, Mapping):
        return node.items
    if not is_nothing(node):
        wrong(problems, node, what, "a mapping", f"write it like {example}", **where)
    return ()


def known_of(problems: Problems, node: Mapping, known: Iterable[str], **where: str) -> Iterator[tuple[str, Node]]:
    """The entries of a mapping whose keys are known; the others become problems."""
    words = tuple(known)
    for key, value in node.items:
        if key.text in words:
            yield key.text, value
            continue
        hint = near(key.text, words) or f"remove it; known here: {listed(words)}"
        problems.append(UnknownKey(f"unknown key {show(key.text)}", hint=hint, line=key.line, **where))


def words_of(problems: Problems, node: Node, what: str, example: str, **where: str) -> list[Scalar] | None:
    """A list of words; one word alone is a list of one."""
    if isinstance(node, Scalar) and found_type(node) == "text":
        return [node]
    if not isinstance(node, Sequence):
        wrong(problems, node, what, "a list of names", f"write it like {example}", **where)
        return None
    words = []
    for item in node.items:
        if not isinstance(item, Scalar) or found_type(item) != "text":
            wrong(problems, item, f"an item of {what}", "a name", f"write it like {example}, numbers in quotes", **where)
            return None
        words.append(item)
    return words


def count_of(problems: Problems, node: Node, what: str) -> int | None:
    """A count of at least 1, such as 5000, 5k or 2M."""
    match = _COUNT.fullmatch(node.text) if isinstance(node, Scalar) else None
    if match is None:
        wrong(problems, node, what, "a whole number of at least 1", "write a number such as 5000, 5k or 2M")
        return None
    count = int(match[1]) * _THOUSANDS[match[2]] if len(match[1]) < 16 else limits.SETTING_ROWS_MAX + 1
    if 1 <= count <= limits.SETTING_ROWS_MAX:
        return count
    _out_of_range(problems, node, what, f"1 to {limits.SETTING_ROWS_MAX}")
    return None


def seconds_of(problems: Problems, node: Node, what: str) -> float | None:
    """A duration in seconds: a number of seconds, or text such as 90s, 12h, 30d, 1d12h."""
    text = node.text if isinstance(node, Scalar) else ""
    if _PLAIN_SECONDS.fullmatch(text):
        seconds = float(text)
    elif text and not _DURATION.sub("", text):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))
    else:
        wrong(problems, node, what, "a duration", "write seconds, or a duration such as 90s, 12h or 30d")
        return None
    if 0 < seconds <= limits.SETTING_SECONDS_MAX:
        return seconds
    _out_of_range(problems, node, what, "more than 0 seconds and at most 100 years")
    return None


def flag_of(problems: Problems, node: Node, what: str) -> bool | None:
    """True or false, written so."""
    if found_type(node) == "true or false" and isinstance(node, Scalar):
        return node.text.lower() == "true"
    wrong(problems, node, what, "true or false", "write true or false, without quotes")
    return None


def share_of(problems: Problems, node: Node, what: str) -> float | None:
    """A share of the whole: 0 to 1, or 0% to 100%."""
    match = _SHARE.fullmatch(node.text) if isinstance(node, Scalar) else None
    if match is None:
        wrong(problems, node, what, "a share", "write a number from 0 to 1, or a percentage such as 50%")
        return None
    share = float(match[1]) / (100 if match[2] else 1)
    if share <= 1:
        return share
    _out_of_range(problems, node, what, "0 to 1, or 0% to 100%")
    return None


def _out_of_range(problems: Problems, node: Node, what: str, bounds: str) -> None:
    problems.append(
        WrongType(f"{what} is out of range", why=f"it must be {bounds}", hint="choose a value in it", line=node.line)
    )
