"""YAML text -> a tree of nodes that remember their lines. Knows YAML; does not know what a configuration means.

Scalars stay text: what reads a value decides what it is, so `no` may be a peer's name and 1.10 is not rounded.
Built from PyYAML's event stream instead of its composer, so that depth and size are bounded and aliases cannot explode.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import yaml

from syncline.config.secrets import remember_url, show
from syncline.model import limits
from syncline.model.errors import BadText, DuplicateKey, Problem

LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_QUOTED: Final = re.compile(r"'(?!<)[^'\s]{2,}'")  # pieces of the text that PyYAML's messages quote


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value as written; `plain` if it has no quotes, so that 12 and "12" can be told apart."""

    text: str
    plain: bool
    line: int
    size: int = 1


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list of nodes. `size` counts all nodes under it, with aliases written out."""

    items: tuple["Node", ...]
    line: int
    size: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys and values in the order written."""

    items: tuple[tuple[Scalar, "Node"], ...]
    line: int
    size: int

    def get(self, key: str) -> "Node | None":
        """The value of a key."""
        return next((node for name, node in self.items if name.text == key), None)


Node: TypeAlias = Scalar | Sequence | Mapping


def decode(data: bytes) -> str | BadText:
    """Bytes to text, or what is wrong with them: size, encoding, characters that YAML does not allow."""
    if len(data) > limits.CONFIG_BYTES_MAX:
        why = f"it has more than {limits.CONFIG_BYTES_MAX} bytes"
        return BadText("the file is too large for a configuration", why=why, hint="check that this is the right file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        why = f"byte {data[error.start]:#04x} at offset {error.start} does not fit"
        return BadText("the file is not UTF-8 text", why=why, hint="save the file as UTF-8", line=line)
    if found := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        return BadText(f"character U+{ord(found[0]):04X} is not allowed in YAML", hint="remove it", line=line)
    return text


def read(text: str) -> tuple[Node | None, list[Problem]]:
    """The root node of the only document, and the problems found. No node: nothing more can be said about the text."""
    builder = _Builder()
    try:
        root = builder.document(yaml.parse(text, Loader=LOADER))
    except BadText as problem:
        return None, [*builder.problems, problem]
    except yaml.YAMLError as error:
        return None, [*builder.problems, _explain(error, text)]
    return root, builder.problems


class _Builder:
    """Turns events into nodes, counting as it goes."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._anchors: dict[str, Node] = {}
        self._depth = 0

    def document(self, events: Iterator[yaml.Event]) -> Node:
        """The one document of the stream. Raises BadText, yaml.YAMLError."""
        root: Node | None = None
        for event in events:
            if isinstance(event, (yaml.StreamStartEvent, yaml.StreamEndEvent, yaml.DocumentEndEvent)):
                continue
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    why = "the configuration is one document"
                    raise BadText("a second document starts here", why=why, hint="remove the '---'", line=_line(event))
                continue
            root = self._node(event, events)
        if root is None or (isinstance(root, Scalar) and root.plain and not root.text):
            raise BadText("the file is empty", hint="write one with: syncline init PATH...", line=1)
        return root

    def _node(self, event: yaml.Event, events: Iterator[yaml.Event]) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if not isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)):
            raise BadText("the text is not YAML", hint="check indentation here", line=_line(event))
        if event.tag is not None and event.tag != "!":
            raise BadText("a YAML tag stands here", why="values need no tags", hint="remove the !tag", line=_line(event))
        self._depth += 1
        if self._depth > limits.CONFIG_DEPTH_MAX:
            why = f"more than {limits.CONFIG_DEPTH_MAX} levels"
            raise BadText("the text is nested too deeply", why=why, hint="check brackets and indentation", line=_line(event))
        node = self._inner(event, events)
        self._depth -= 1
        if node.size > limits.CONFIG_NODES_MAX:
            why = f"with aliases written out it has more than {limits.CONFIG_NODES_MAX} values"
            raise BadText("the text expands to too many values", why=why, hint="use fewer aliases", line=node.line)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: yaml.AliasEvent) -> Node:
        known = self._anchors.get(event.anchor or "")
        if known is None:
            why, hint = "its anchor is not complete before this line", "define the &anchor first, or quote the *"
            raise BadText("an alias refers to nothing", why=why, hint=hint, line=_line(event))
        return known

    def _inner(self, event: yaml.Event, events: Iterator[yaml.Event]) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            if "://" in event.value:
                remember_url(event.value)  # first of all: whatever is said about this text later, its secret is known
            return Scalar(event.value, event.style is None or event.style == "", _line(event))
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Node] = []
            for inner in events:
                if isinstance(inner, yaml.SequenceEndEvent):
                    break
                items.append(self._node(inner, events))
            return Sequence(tuple(items), _line(event), 1 + sum(item.size for item in items))
        return self._mapping(event, events)

    def _mapping(self, event: yaml.Event, events: Iterator[yaml.Event]) -> Mapping:
        seen: dict[str, int] = {}
        items: list[tuple[Scalar, Node]] = []
        for inner in events:
            if isinstance(inner, yaml.MappingEndEvent):
                break
            key = self._node(inner, events)
            value = self._node(next(events), events)
            if not isinstance(key, Scalar):
                why = "a list or mapping cannot name anything"
                raise BadText("a key is not a word", why=why, hint="write key: value", line=key.line)
            if key.text in seen:
                what, why = f"key {show(key.text)} stands twice", f"it already stands in line {seen[key.text]}"
                self.problems.append(DuplicateKey(what, why=why, hint="keep one of them", line=key.line))
                continue
            seen[key.text] = key.line
            items.append((key, value))
        return Mapping(tuple(items), _line(event), 1 + sum(1 + value.size for _, value in items))


def _line(event: yaml.Event) -> int:
    mark: object = event.start_mark  # typed as optional, but the parser always sets it
    return _line_of(mark)


def _line_of(mark: object) -> int:
    return int(getattr(mark, "line", 0)) + 1


def _explain(error: yaml.YAMLError, text: str) -> BadText:
    """What PyYAML found, without a snippet of the text: it might hold a secret."""
    context_mark = getattr(error, "context_mark", None)
    mark = getattr(error, "problem_mark", None) or context_mark
    lines = text.split("\n")
    line = min(_line_of(mark), len(lines))
    start = lines[line - 1][: int(getattr(mark, "column", 0)) + 1]
    if "\t" in start and not start.strip():
        return BadText("a tab stands in the indentation", why="YAML indents with spaces", hint="use spaces", line=line)
    parts = [getattr(error, "context", None), getattr(error, "problem", None), getattr(error, "reason", None)]
    why = _QUOTED.sub("'...'", " ".join(part for part in parts if part))
    if context_mark is not None and _line_of(context_mark) < line:
        why += f" (it begins in line {_line_of(context_mark)})"
    hint = "check quotes, colons, brackets and indentation here or just above"
    return BadText("the text is not YAML", why=why, hint=hint, line=line)
