"""Policy json: three-way by path. Objects merge name by name; what both sides changed at one path goes to the newer side.

An array is one value, except where all three are arrays of distinct scalars and each side only removed elements or added
some at the end: then both removals and both additions count. Numbers, spacing and order of what nobody changed stay as they
are written; names of theirs that ours does not have follow ours'.
"""

import re
from typing import Final, NamedTuple

from syncline.merge.policies.carrier import nothing, put_back, text_in
from syncline.merge.policies.jsontext import Item, Meaning, Node, NotJson, joined, parse, rewritten
from syncline.merge.policies.registers import by_time, newer
from syncline.merge.policy import Contest, Settled, Winner
from syncline.model import limits

_SIMPLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Json:
    """JSON documents in text or json columns."""

    name: str = "json"
    three_way: bool = True
    delta: bool = False

    def settle(self, contest: Contest) -> Settled:
        """The merged document; the newer one where there is nothing to merge by path."""
        base, ours, theirs = contest.base, contest.ours, contest.theirs
        if theirs in (ours, base):
            return Settled(ours, "ours", lossless=True)
        if ours == base:
            return Settled(theirs, "theirs", lossless=True)
        texts = [text_in(value) for value in (ours, theirs)]
        if texts[0] is None or texts[1] is None:
            return by_time(contest, "one side is no JSON document; the newer value stands")
        try:
            our_tree, their_tree = parse(texts[0]), parse(texts[1])
            base_text = text_in(base)
            base_root = None if nothing(base) or base_text is None else parse(base_text).root
        except NotJson as error:
            return by_time(contest, f"not merged by path, because {error}; the newer value stands")
        merge = _Merge(newer(contest))
        root = merge.node(base_root, our_tree.root, their_tree.root, ())
        if root is None or root is our_tree.root:
            merged = ours
        elif root is their_tree.root:
            merged = theirs
        else:
            merged = put_back(f"{our_tree.lead}{root.text}{our_tree.tail}", ours)
        winner: Winner = "ours" if merged == ours else "theirs" if merged == theirs else "merged"
        return Settled(merged, winner, lossless=not merge.contested, note=merge.note(contest))


class _Scalars(NamedTuple):
    """The elements of an array of distinct scalars."""

    items: tuple[Item, ...]
    meanings: tuple[Meaning, ...]


class _Merge:
    """One merge; collects the contested paths."""

    def __init__(self, winner: Winner) -> None:
        self.winner = winner
        self.contested: list[tuple[str | int, ...]] = []

    def node(self, base: Node | None, ours: Node | None, theirs: Node | None, path: tuple[str, ...]) -> Node | None:
        """The merged node at a path; None where there is none."""
        was, mine, other = (node.meaning if node else None for node in (base, ours, theirs))
        if other in (mine, was):
            return ours
        if mine == was:
            return theirs
        if ours is not None and theirs is not None and ours.shape == theirs.shape:
            if ours.shape == "object":
                return self._object(base if base and base.shape == "object" else None, ours, theirs, path)
            if ours.shape == "array" and base is not None and (merged := _arrays(base, ours, theirs)):
                return merged
        self.contested.append(path)
        return theirs if self.winner == "theirs" else ours

    def _object(self, base: Node | None, ours: Node, theirs: Node, path: tuple[str, ...]) -> Node:
        was, mine, other = base.members if base else {}, ours.members, theirs.members
        kept: list[Item] = []
        for name, item in mine.items():
            node = self.node(_value(was, name), item.node, _value(other, name), (*path, name))
            if node is not None:
                kept.append(item._replace(node=node))
        added = []
        for name, item in other.items():
            if name not in mine and self.node(_value(was, name), None, item.node, (*path, name)) is not None:
                added.append(item)
        return _built(joined(kept, added, ours, theirs), ours)

    def note(self, contest: Contest) -> str:
        """One sentence on what was contested."""
        if not self.contested:
            return ""
        shown = [_show(path) for path in self.contested[: limits.NOTE_PLACES_MAX]]
        more = len(self.contested) - len(shown)
        places = ", ".join(shown) + (f" and {more} more" if more else "")
        stamp = contest.theirs_stamp if self.winner == "theirs" else contest.ours_stamp
        return f"both sides changed {places}; the newer value{f' of {stamp.peer}' if stamp.peer else ''} stands there"


def _value(members: dict[str, Item], name: str) -> Node | None:
    return members[name].node if name in members else None


def _built(items: list[Item], like: Node) -> Node:
    text = rewritten(items, like)
    return Node(like.shape, text, 0, len(text), b"merged")


def _show(path: tuple[str | int, ...]) -> str:
    """A path for people: $.address.city, $['odd name']."""
    steps = [f".{step}" if _SIMPLE_NAME.fullmatch(str(step)) else f"[{str(step)!r}]" for step in path]
    text = "$" + "".join(steps)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _arrays(base: Node, ours: Node, theirs: Node) -> Node | None:
    """Removals and additions of both sides, if that is all that happened; else None."""
    was, mine, other = _scalars(base), _scalars(ours), _scalars(theirs)
    if was is None or mine is None or other is None:
        return None
    before = set(was.meanings)
    if not (_only_removed_and_added(was, mine, before) and _only_removed_and_added(was, other, before)):
        return None
    here, there = set(mine.meanings), set(other.meanings)
    kept = [item for item, meaning in zip(mine.items, mine.meanings, strict=True) if meaning in there or meaning not in before]
    added = [
        item for item, meaning in zip(other.items, other.meanings, strict=True) if meaning not in before and meaning not in here
    ]
    return _built(joined(kept, added, ours, theirs), ours)


def _scalars(node: Node) -> _Scalars | None:
    meanings = tuple(item.node.meaning for item in node.items)
    plain = node.shape == "array" and all(item.node.shape == "scalar" for item in node.items)
    return _Scalars(node.items, meanings) if plain and len(set(meanings)) == len(meanings) else None


def _only_removed_and_added(was: _Scalars, now: _Scalars, before: set[Meaning]) -> bool:
    """Whether what is left of the old elements comes first and in the old order."""
    left = [meaning for meaning in now.meanings if meaning in before]
    remaining = set(left)
    return now.meanings[: len(left)] == tuple(left) and left == [meaning for meaning in was.meanings if meaning in remaining]
