"""One collection of the configuration: a node -> CollectionSpec, with every problem in it. Asks no peer."""

from collections.abc import Callable, Iterable
from collections.abc import Collection as Names
from typing import Final

from syncline.config.read import Mapping, Node, Scalar
from syncline.config.secrets import show
from syncline.config.values import (
    Problems,
    entries_of,
    is_nothing,
    known_of,
    label_of,
    listed,
    near,
    text_of,
    words_of,
    wrong,
)
from syncline.merge.policies.choose import NAMES, PLAIN, build_policy
from syncline.model.errors import DuplicateKey, NoKey, NotAvailable, Problem, UnknownPeer, UnknownPolicy, WrongType
from syncline.model.schema import Kind
from syncline.model.space import CollectionSpec, Direction, PolicySpec

KEYS: Final = ("key", "at", "merge", "deletes", "direction", "authority")
LATER: Final = ("where", "columns")
DELETES: Final = ("update_wins", "delete_wins", "newest", "manual")
EXAMPLES: Final = {
    "prefer": "{prefer: [hq]}",
    "rule": "{rule: 'GREATEST(ours, theirs)'}",
    "custom": "{custom: 'module:function'}",
    "set": "{set: ','}",
}
CUSTOM: Final = "python:"


def _unloaded(_path: str) -> Callable[..., object]:
    """Stands for the function of a custom policy: the text can be judged without running foreign code."""
    return _unloaded


class CollectionReader:
    """Reads one collection, collecting problems; `peers` are the names that may be used."""

    def __init__(self, name: Scalar, peers: Names[str], problems: Problems) -> None:
        self.name = name.text
        self.line = name.line
        self.peers = peers
        self.problems = problems
        self.lines = {"": name.line}

    def read(self, node: Node) -> CollectionSpec:
        """The collection as far as it can be read; parts with problems are left out."""
        if is_nothing(node):
            return CollectionSpec(self.name, lines=self.lines)
        if not isinstance(node, Mapping):
            wrong(
                self.problems,
                node,
                "it",
                "a mapping",
                "write it like {key: [id], merge: {default: newest}}",
                collection=self.name,
            )
            return CollectionSpec(self.name, lines=self.lines)
        for key, inner in node.items:
            self.lines.setdefault(key.text, key.line)
            if key.text in LATER:
                self._later(key)
            elif isinstance(inner, Mapping):
                self.lines.update({f"{key.text}.{name.text}": name.line for name, _ in inner.items})
        known = Mapping(tuple(item for item in node.items if item[0].text not in LATER), node.line, node.size)
        parts = dict(known_of(self.problems, known, KEYS, collection=self.name))
        directions = self._direction(parts["direction"]) if "direction" in parts else {}
        return CollectionSpec(
            self.name,
            key=self._key(parts["key"]) if "key" in parts else (),
            at=self._at(parts["at"]) if "at" in parts else {},
            merge=self._merge(parts["merge"]) if "merge" in parts else {},
            deletes=self._word(parts["deletes"], "deletes", DELETES, "update_wins") if "deletes" in parts else "update_wins",
            direction=directions,
            authority=self._authority(parts["authority"], directions) if "authority" in parts else "",
            lines=self.lines,
        )

    def _later(self, key: Scalar) -> None:
        why = f"{key.text!r} is planned"
        hint = "remove it; every peer holds whole collections for now"
        what = "selective sync is not available yet"
        self.problems.append(NotAvailable(what, why=why, hint=hint, line=key.line, collection=self.name))

    def _key(self, node: Node) -> tuple[str, ...]:
        words = words_of(self.problems, node, "key", "[id]", collection=self.name) if not is_nothing(node) else []
        if words is None:
            return ()
        if not words:
            hint = "name its columns, like [id], or remove the line to take the tables' primary key"
            what = "a collection needs a key"
            self.problems.append(NoKey(what, why="the list is empty", hint=hint, line=node.line, collection=self.name))
        names = [label_of(self.problems, word, "column", collection=self.name) for word in words]
        seen: set[str] = set()
        for word in words:
            if word.text in seen:
                what = f"column {show(word.text)} stands twice in the key"
                self.problems.append(DuplicateKey(what, hint="name it once", line=word.line, collection=self.name))
            seen.add(word.text)
        return tuple(dict.fromkeys(name for name in names if name is not None))

    def _at(self, node: Node) -> dict[str, str]:
        tables: dict[str, str] = {}
        for peer, value in self._by_peer(node, "at", "{munich: kunden}"):
            table = text_of(self.problems, value, "a table's name", collection=self.name, peer=peer)
            if table is not None and isinstance(value, Scalar):
                label = label_of(self.problems, value, "table", collection=self.name, peer=peer)
                tables |= {peer: label} if label else {}
        return tables

    def _direction(self, node: Node) -> dict[str, Direction]:
        directions: dict[str, Direction] = {}
        for peer, value in self._by_peer(node, "direction", "{munich: both, van: receive}"):
            word = self._word(value, "direction", tuple(Direction), "", peer=peer)
            directions |= {peer: Direction(word)} if word else {}
        ways = {directions.get(peer, Direction.BOTH) for peer in self.peers}
        if len(ways) == 1 and ways <= {Direction.SEND, Direction.RECEIVE}:
            what = "nothing can flow in this collection"
            why = f"every peer only {'sends' if Direction.SEND in ways else 'receives'}"
            hint = "let at least one peer send and another receive"
            self.problems.append(WrongType(what, why=why, hint=hint, line=self.lines["direction"], collection=self.name))
        return directions

    def _authority(self, node: Node, directions: dict[str, Direction]) -> str:
        peer = text_of(self.problems, node, "authority", collection=self.name)
        if peer is not None and directions.get(peer) is Direction.RECEIVE:
            what, why = "a peer that only receives cannot be the authority", "its rows have no say: they are as the others' are"
            hint = "name a peer that sends, or let this one send too"
            self.problems.append(WrongType(what, why=why, hint=hint, line=node.line, collection=self.name, peer=peer))
            return ""
        return peer if peer is not None and self._is_peer(peer, node.line) else ""

    def _merge(self, node: Node) -> dict[str, PolicySpec]:
        policies = {}
        entries = entries_of(self.problems, node, "merge", "{default: newest, balance: counter}", collection=self.name)
        for column, value in entries:
            label = label_of(self.problems, column, "column", collection=self.name)
            policy = self._policy(column, value)
            if label is not None and policy is not None:
                policies[label] = policy
        return policies

    def _policy(self, column: Scalar, node: Node) -> PolicySpec | None:
        if isinstance(node, Mapping) and len(node.items) == 1:
            (key, argument) = node.items[0]
            return self._with_argument(column, key.text, argument)
        if not isinstance(node, Scalar):
            hint = "write a word such as newest, or one argument such as {prefer: [hq]}"
            where = {"collection": self.name, "column": column.text}
            wrong(self.problems, node, "a policy", "a word, or a mapping of one word", hint, **where)
            return None
        word = node.text
        if word in PLAIN or word.startswith(CUSTOM):
            return self._judged(column, PolicySpec(word, line=column.line))
        if word in EXAMPLES:
            self._bad_policy(column, f"policy {word!r} needs an argument", f"write it like {EXAMPLES[word]}")
        elif is_nothing(node):
            self._bad_policy(column, "no policy stands here", f"write one of: {listed(NAMES)}")
        else:
            self._unknown_policy(column, word)
        return None

    def _with_argument(self, column: Scalar, name: str, argument: Node) -> PolicySpec | None:
        if name == "prefer":
            return self._prefer(column, argument)
        if name in EXAMPLES:
            text = text_of(self.problems, argument, f"the argument of {name!r}", collection=self.name, column=column.text)
            return self._judged(column, PolicySpec(name, text, line=column.line)) if text is not None else None
        if name in NAMES:
            self._bad_policy(column, f"policy {name!r} takes no argument", f"write it as a word: {name}")
        else:
            self._unknown_policy(column, name)
        return None

    def _judged(self, column: Scalar, policy: PolicySpec) -> PolicySpec | None:
        """The policy if its argument can be read; whether it fits the column is asked when the column is known."""
        built = build_policy(policy, column.text, Kind.ANY, tuple(self.peers), _unloaded)
        if not isinstance(built, Problem):
            return policy
        built.where = {"collection": self.name, **built.where}
        self.problems.append(built)
        return None

    def _prefer(self, column: Scalar, argument: Node) -> PolicySpec | None:
        where = {"collection": self.name, "column": column.text}
        words = words_of(self.problems, argument, "the argument of 'prefer'", "[hq, munich]", **where)
        if words is None:
            return None
        if not words:
            self._bad_policy(column, "policy 'prefer' needs at least one peer", f"write it like {EXAMPLES['prefer']}")
        good = [word.text for word in words if self._is_peer(word.text, word.line, column=column.text)]
        return self._judged(column, PolicySpec("prefer", good, line=column.line)) if good and len(good) == len(words) else None

    def _bad_policy(self, column: Scalar, what: str, hint: str) -> None:
        self.problems.append(UnknownPolicy(what, hint=hint, line=column.line, collection=self.name, column=column.text))

    def _unknown_policy(self, column: Scalar, word: str) -> None:
        self._bad_policy(column, f"unknown policy {show(word)}", near(word, NAMES) or f"use one of: {listed(NAMES)}")

    def _by_peer(self, node: Node, what: str, example: str) -> Iterable[tuple[str, Node]]:
        for peer, value in entries_of(self.problems, node, what, example, collection=self.name):
            if self._is_peer(peer.text, peer.line):
                yield peer.text, value

    def _is_peer(self, name: str, line: int, **where: str) -> bool:
        if name in self.peers:
            return True
        hint = near(name, self.peers) or f"use one of: {listed(self.peers)}"
        what = f"unknown peer {show(name)}"
        self.problems.append(UnknownPeer(what, hint=hint, line=line, collection=self.name, **where))
        return False

    def _word(self, node: Node, what: str, words: tuple[str, ...], default: str, **where: str) -> str:
        if isinstance(node, Scalar) and node.text in words:
            return node.text
        if isinstance(node, Scalar) and not is_nothing(node):
            hint = near(node.text, words) or f"use one of: {listed(words)}"
            what = f"{what} cannot be {show(node.text)}"
            self.problems.append(WrongType(what, hint=hint, line=node.line, collection=self.name, **where))
        else:
            wrong(self.problems, node, what, "a word", f"use one of: {listed(words)}", collection=self.name, **where)
        return default
