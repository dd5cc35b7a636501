"""JSON text as a tree that remembers how each part was written, so that a merge can move parts and change no byte of them.

Numbers are never read as numbers. Duplicate keys and anything outside RFC 8259 are refused. Knows nothing of merging.
"""

import re
from collections.abc import Sequence
from hashlib import blake2b
from json import JSONDecodeError, JSONDecoder
from typing import Final, Literal, NamedTuple, TypeAlias

from syncline.model import limits

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_STRINGS: Final = JSONDecoder()  # asked only where a string begins
_WORD: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null")

# What a node means, however it is written: equal meanings are equal values. Text for a scalar (numbers mean their own
# digits), a digest for an object or array, so that comparing is never deep.
Meaning: TypeAlias = str | bytes
Shape: TypeAlias = Literal["object", "array", "scalar"]


class NotJson(Exception):
    """The text is not JSON that can be taken apart; the message says why."""


class Item(NamedTuple):
    """One member or element as written: space before, its name with the colon ('' in an array), its value, space after."""

    lead: str
    label: str
    node: "Node"
    tail: str = ""


class Node(NamedTuple):
    """A JSON value: where it is written (source[start:end]), what it means, and its parts if it is an object or array.

    `names` are the names of an object's members, in step with `items`; `closing` is the space before the closing bracket.
    """

    shape: Shape
    source: str
    start: int
    end: int
    meaning: Meaning
    items: tuple[Item, ...] = ()
    names: tuple[str, ...] = ()
    closing: str = ""

    @property
    def text(self) -> str:
        """The value as written."""
        return self.source[self.start : self.end]

    @property
    def members(self) -> dict[str, Item]:
        """The members of an object by name."""
        return dict(zip(self.names, self.items, strict=True))


class Document(NamedTuple):
    """A whole text: the space around its one value, and the value."""

    lead: str
    root: Node
    tail: str


def parse(text: str) -> Document:
    """The tree of a text. Raises NotJson for invalid JSON, duplicate keys, too many characters or levels."""
    if len(text) > limits.JSON_MERGE_CHARS_MAX:
        raise NotJson(f"it has more than {limits.JSON_MERGE_CHARS_MAX} characters")
    start = _skip(text, 0)
    root = _node(text, start, 1)
    stop = _skip(text, root.end)
    if stop != len(text):
        raise NotJson(f"something follows the value at character {stop + 1}")
    return Document(text[:start], root, text[root.end :])


def rewritten(items: Sequence[Item], like: Node) -> str:
    """The text of an object or array with these parts, closed as `like` is."""
    opening, closing = "{}" if like.shape == "object" else "[]"
    if not items:
        return opening + closing
    leads = [like.items[0].lead if like.items else items[0].lead, *(item.lead for item in items[1:])]
    parts = zip(leads, items, strict=True)
    body = ",".join([f"{lead}{item.label}{item.node.text}{item.tail}" for lead, item in parts])
    return f"{opening}{body}{like.closing}{closing}"


def joined(kept: Sequence[Item], added: Sequence[Item], *patterns: Node) -> list[Item]:
    """Parts that stay, then parts from elsewhere, spaced as in the first pattern that shows how."""
    first = next((pattern.items[0].lead for pattern in patterns if pattern.items), "")
    lead = next((pattern.items[1].lead for pattern in patterns if len(pattern.items) > 1), first)
    items = [*kept, *(Item(lead, item.label, item.node) for item in added)]
    if items and not kept:
        items[0] = items[0]._replace(lead=first)
    return items


def _skip(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _node(text: str, place: int, depth: int) -> Node:
    opening = text[place : place + 1]
    if opening == '"':
        content, end = _string(text, place)
        return Node("scalar", text, place, end, f'"{content}')
    if opening and opening in "{[":
        if depth > limits.JSON_DEPTH_MAX:
            raise NotJson(f"it is nested deeper than {limits.JSON_DEPTH_MAX} levels")
        return _object(text, place, depth) if opening == "{" else _array(text, place, depth)
    word = _WORD.match(text, place)
    if word is None:
        raise NotJson(f"character {place + 1} starts no value")
    return Node("scalar", text, place, word.end(), word[0])


def _string(text: str, place: int) -> tuple[str, int]:
    if text[place : place + 1] != '"':
        raise NotJson(f"a name is missing at character {place + 1}")
    try:
        content, end = _STRINGS.raw_decode(text, place)
    except JSONDecodeError as error:
        raise NotJson(f"the string at character {place + 1} is broken") from error
    return str(content), end


def _object(text: str, start: int, depth: int) -> Node:
    items: list[Item] = []
    names: dict[str, Meaning] = {}
    place, more, space = _enter(text, start, "}")
    while more:
        begin = _skip(text, place)
        name, end = _string(text, begin)
        colon = _skip(text, end)
        if text[colon : colon + 1] != ":":
            raise NotJson(f"a colon is missing at character {colon + 1}")
        if name in names:
            raise NotJson(f"the name {name!r} stands twice in one object")
        value = _skip(text, colon + 1)
        node = _node(text, value, depth + 1)
        names[name] = node.meaning
        lead, (place, more, space) = text[place:begin], _leave(text, node.end, "}")
        items.append(Item(lead, text[begin:value], node, space if more else ""))
    parts = [part for name in sorted(names) for part in (f'"{name}', names[name])]
    return Node("object", text, start, place, _digest(b"{", parts), tuple(items), tuple(names), space)


def _array(text: str, start: int, depth: int) -> Node:
    items: list[Item] = []
    place, more, space = _enter(text, start, "]")
    while more:
        begin = _skip(text, place)
        node = _node(text, begin, depth + 1)
        lead, (place, more, space) = text[place:begin], _leave(text, node.end, "]")
        items.append(Item(lead, "", node, space if more else ""))
    meaning = _digest(b"[", [item.node.meaning for item in items])
    return Node("array", text, start, place, meaning, tuple(items), (), space)


def _digest(kind: bytes, parts: Sequence[Meaning]) -> bytes:
    digest = blake2b(kind, digest_size=16)
    for part in parts:
        body = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        digest.update(b"%s%d:" % (b"b" if isinstance(part, bytes) else b"s", len(body)))
        digest.update(body)
    return digest.digest()


def _enter(text: str, place: int, closing: str) -> tuple[int, bool, str]:
    """Past an opening bracket: where its parts begin, and that there are some; or where it ends."""
    after = _skip(text, place + 1)
    if text[after : after + 1] == closing:
        return after + 1, False, ""
    return place + 1, True, ""


def _leave(text: str, place: int, closing: str) -> tuple[int, bool, str]:
    """Past the comma or closing bracket behind a part: that place, whether there are more parts, the space before it."""
    after = _skip(text, place)
    mark = text[after : after + 1]
    if mark not in (",", closing):
        raise NotJson(f"a comma or {closing} is missing at character {after + 1}")
    return after + 1, mark == ",", text[place:after]
