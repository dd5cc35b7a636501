"""Policy append: text or a JSON array that only grows. What theirs added behind the value it started from goes behind ours.

Without a common version, what both begin with counts as it: whole lines of a text, elements of an array.
"""

from itertools import takewhile

from syncline.merge.policies.carrier import nothing, put_back, text_in
from syncline.merge.policies.jsontext import Document, NotJson, joined, parse, rewritten
from syncline.merge.policies.registers import by_time
from syncline.merge.policy import Contest, Settled, Winner
from syncline.model import limits
from syncline.model.errors import MergeError
from syncline.model.value import Value


class Append:
    """Both additions stay, in the log's order. Lossless, unless theirs did something else than adding."""

    name: str = "append"
    three_way: bool = True
    delta: bool = False

    def settle(self, contest: Contest) -> Settled:
        """Ours with theirs' addition behind it. Raises MergeError if that is too long for a value."""
        base, ours, theirs = contest.base, contest.ours, contest.theirs
        if theirs in (ours, base):
            return Settled(ours, "ours", lossless=True)
        if ours == base:
            return Settled(theirs, "theirs", lossless=True)
        texts = [("" if nothing(value) else text_in(value)) for value in (base, ours)]
        addition = text_in(theirs)
        if texts[0] is None or texts[1] is None or addition is None:
            return by_time(contest, "one side is no text or array; the newer value stands")
        grown = self._grow(None if nothing(base) else texts[0], texts[1], addition)
        if grown is None:
            return by_time(contest, "theirs did more than add at the end; the newer value stands")
        if len(grown) > limits.VALUE_BYTES_MAX // 4 and len(grown.encode("utf-8", "surrogatepass")) > limits.VALUE_BYTES_MAX:
            why = f"it would have more than {limits.VALUE_BYTES_MAX} bytes"
            raise MergeError("the value cannot grow any more", why=why, hint="archive and shorten it", column=contest.column)
        value: Value = put_back(grown, ours, theirs)
        winner: Winner = "ours" if value == ours else "theirs" if value == theirs else "merged"
        return Settled(value, winner, lossless=True)

    def _grow(self, base: str | None, ours: str, theirs: str) -> str | None:
        arrays = [_array(text) for text in (base or "", ours, theirs)]
        if arrays[2] is not None and all(
            found is not None or not text for found, text in zip(arrays, (base, ours), strict=False)
        ):
            return _grow_array(None if base is None else arrays[0], arrays[1], arrays[2], known=base is not None)
        start = _shared_lines(ours, theirs) if base is None else base
        return ours + theirs[len(start) :] if theirs.startswith(start) else None


def _shared_lines(ours: str, theirs: str) -> str:
    """What both begin with, in whole lines; the shorter one if the other only goes on from it."""
    shorter, longer = sorted((ours, theirs), key=len)
    if longer.startswith(shorter):
        return shorter
    pairs = zip(ours.splitlines(keepends=True), theirs.splitlines(keepends=True), strict=False)
    return "".join(mine for mine, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _array(text: str) -> Document | None:
    if not text.lstrip().startswith("["):
        return None
    try:
        return parse(text)
    except NotJson:
        return None


def _grow_array(base: Document | None, ours: Document | None, theirs: Document, *, known: bool) -> str | None:
    was, mine, other = ([item.node.meaning for item in one.root.items] if one else [] for one in (base, ours, theirs))
    start = len(was) if known else len(list(takewhile(lambda pair: pair[0] == pair[1], zip(mine, other, strict=False))))
    if known and other[:start] != was:
        return None
    model = ours or theirs
    kept = ours.root.items if ours else ()
    items = joined(kept, theirs.root.items[start:], model.root, theirs.root)
    return f"{model.lead}{rewritten(items, model.root)}{model.tail}"
