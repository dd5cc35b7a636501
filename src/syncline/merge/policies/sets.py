"""Policy set: what each side added and removed since the value it started from counts. A JSON array of scalars, or a list
with a separator; spaces around the elements of a list are no part of them. Elements keep ours' order, then theirs'.
"""

from typing import Final, NamedTuple

from syncline.merge.policies.carrier import nothing, put_back, text_in
from syncline.merge.policies.jsontext import Document, Item, Meaning, NotJson, joined, parse, rewritten
from syncline.merge.policies.registers import by_time
from syncline.merge.policy import Contest, Settled, Winner
from syncline.model import limits
from syncline.model.value import Value

JSON: Final = "json"  # the separator that says: always a JSON array


class _NotSet(Exception):
    """A value that is no set; the message says why."""


class _Listed(NamedTuple):
    """A separated list: its elements, and what stands between them ('' if that cannot be seen)."""

    elements: tuple[str, ...]
    glue: str


class Set:
    """`separator` '': a JSON array if the text begins with '[', else a list with commas."""

    name: str = "set"
    three_way: bool = True
    delta: bool = False

    def __init__(self, separator: str = "") -> None:
        self.separator = separator

    def settle(self, contest: Contest) -> Settled:
        """Ours without what theirs removed, with what theirs added. Lossless, unless a side is no set."""
        base, ours, theirs = contest.base, contest.ours, contest.theirs
        if theirs in (ours, base):
            return Settled(ours, "ours", lossless=True)
        if ours == base:
            return Settled(theirs, "theirs", lossless=True)
        try:
            merged = self._merge(base, ours, theirs)
        except (_NotSet, NotJson) as error:
            return by_time(contest, f"not merged as a set, because {error}; the newer value stands")
        winner: Winner = "ours" if merged == ours else "theirs" if merged == theirs else "merged"
        return Settled(merged, winner, lossless=True)

    def _merge(self, base: Value, ours: Value, theirs: Value) -> Value:
        texts = [_text(value) for value in (base, ours, theirs)]
        arrays = [self._is_array(text) for text in texts]
        said = {array for array in arrays if array is not None}
        if len(said) > 1:
            raise _NotSet("one side is a JSON array and the other a list")
        as_array = said == {True} if said else self.separator == JSON
        text = _merge_arrays(*texts) if as_array else self._merge_lists(*texts)
        if text is None:
            empty = "[]" if as_array else ""
            return None if ours is None or theirs is None else put_back(empty, ours, theirs)
        return put_back(text, ours, theirs)

    def _is_array(self, text: str) -> bool | None:
        """Whether a text is a JSON array; None where it is empty and may be either."""
        if not text.strip():
            return None
        if self.separator:
            return self.separator == JSON
        return text.lstrip().startswith("[")

    def _merge_lists(self, base: str, ours: str, theirs: str) -> str | None:
        separator = self.separator or ","
        was, mine, other = (_listed(text, separator) for text in (base, ours, theirs))
        before, there = set(was.elements), set(other.elements)
        kept = [element for element in mine.elements if element in there or element not in before]
        here = set(mine.elements)
        added = [element for element in other.elements if element not in before and element not in here]
        glue = mine.glue or other.glue or separator
        return glue.join(kept + added) if kept or added else None


def _text(value: Value) -> str:
    if nothing(value):
        return ""
    text = text_in(value)
    if text is None:
        raise _NotSet("one side is no text")
    return text


def _listed(text: str, separator: str) -> _Listed:
    parts = text.split(separator)
    if len(parts) > limits.SET_ITEMS_MAX:
        raise _NotSet(f"one side has more than {limits.SET_ITEMS_MAX} elements")
    elements = tuple(dict.fromkeys(element for part in parts if (element := part.strip())))
    second = next((part for part in parts[1:] if part.strip()), "")
    if not second or separator.isspace():
        return _Listed(elements, "")
    return _Listed(elements, separator + second[: len(second) - len(second.lstrip())])


def _merge_arrays(base: str, ours: str, theirs: str) -> str | None:
    was, mine, other = (_array(text) for text in (base, ours, theirs))
    before, here, there = (set(_distinct(document)) for document in (was, mine, other))
    kept = [item for meaning, item in _distinct(mine).items() if meaning in there or meaning not in before]
    added = [item for meaning, item in _distinct(other).items() if meaning not in before and meaning not in here]
    models = [document for document in (mine, other) if document is not None]
    if not models or not (kept or added):
        return None
    model = models[0]
    return f"{model.lead}{rewritten(joined(kept, added, *(one.root for one in models)), model.root)}{model.tail}"


def _array(text: str) -> Document | None:
    """The array of a text; None for an empty text. Raises NotJson, _NotSet."""
    if not text.strip():
        return None
    document = parse(text)
    if document.root.shape != "array":
        raise _NotSet("one side is no JSON array")
    if len(document.root.items) > limits.SET_ITEMS_MAX:
        raise _NotSet(f"one side has more than {limits.SET_ITEMS_MAX} elements")
    if any(item.node.shape != "scalar" for item in document.root.items):
        raise _NotSet("an element is itself an object or array")
    return document


def _distinct(document: Document | None) -> dict[Meaning, Item]:
    """The elements by meaning, in order; of equal ones the first."""
    found: dict[Meaning, Item] = {}
    for item in document.root.items if document is not None else ():
        found.setdefault(item.node.meaning, item)
    return found
