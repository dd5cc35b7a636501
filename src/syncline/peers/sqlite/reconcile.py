"""From decoded items to the changes of a transaction: which rows were replaced unseen, and chains that triggers disturbed.

Pure. Two things are put right here. (1) A Hit tells of a row that was in the way of another. If the other one came, with the
same statement's time, the row in its way is gone, whether or not its delete trigger fired; if nothing came, the writer was
told to ignore it. (2) A trigger of the user's that fires before ours makes nested changes of a row look earlier than the
change that caused them; since images chain, the net effect does not depend on the order.
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence

from syncline.model.change import Change, Verdict
from syncline.model.value import Key, Row, Tagged, Value, to_float
from syncline.peers.sqlite.decode import Hit, Item, Move

_Where = tuple[str, Key]
NESTED_MAX = 64  # rows in the way that may wait for what they announce: a statement inside a trigger inside a trigger...


def plain_changes(items: Sequence[Item]) -> tuple[Change, ...] | None:
    """The changes of items that are only changes and Nones; None if a row occurs twice and its images do not chain."""
    changes: tuple[Change, ...] = tuple(item for item in items if item is not None)  # type: ignore[misc]
    if len({(change.collection, change.key) for change in changes}) == len(changes):
        return changes
    return changes if chains(changes) else None


def changes_of(items: Sequence[Item], millis: Sequence[int]) -> tuple[Change, ...]:
    """The changes of any items (no marks), in order, with replaced rows found and disturbed chains folded."""
    return tuple([change for start, stop in runs(millis) for change in run_of(items[start:stop])])


def run_of(items: Sequence[Item]) -> Sequence[Change]:
    """The changes of items that have one time."""
    made = _Statement().run(items)
    return made if chains(made) else _folded(made)


def runs(millis: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Stretches of records with one time: at least a statement each, since SQLite has one 'now' per statement."""
    start = 0
    for place in range(1, len(millis) + 1):
        if place == len(millis) or millis[place] != millis[start]:
            yield start, place
            start = place


def chains(changes: Sequence[Change]) -> bool:
    """Whether each row's images follow one another."""
    last: dict[_Where, Row | None] = {}
    for change in changes:
        where = (change.collection, change.key)
        if last.get(where, change.before) != change.before:
            return False
        last[where] = change.after
    return True


class _Statement:
    """Sorts out the hits of one stretch."""

    def __init__(self) -> None:
        self.hits: dict[_Where, Hit] = {}  # rows that were in the way of one with the same key
        self.others: deque[Hit] = deque(maxlen=NESTED_MAX)  # rows in the way through another constraint, the newest last
        self.deleted: dict[_Where, int] = {}  # rows that were hit and whose delete trigger did fire: place in `made`
        self.made: list[Change | None] = []

    def run(self, items: Sequence[Item]) -> list[Change]:
        for item in items:
            match item:
                case Hit(collection, key, _, _, True):
                    self.hits[collection, key] = item
                case Hit():
                    self.others.append(item)
                case Move(gone, come):
                    self._alive(gone)
                    self.made.append(gone)
                    self._came(come)
                case Change(_, _, None, _):
                    self._came(item)
                case Change():
                    self._seen(item)
                case _:
                    pass
        return [change for change in self.made if change is not None]

    def _alive(self, change: Change) -> bool:
        """Note that a row was still there, so that it had not been replaced; whether it had been in the way."""
        where = (change.collection, change.key)
        hit = self.hits.get(where)
        was_hit = hit is not None and hit.row == change.before
        if was_hit:
            del self.hits[where]
        if self.others:
            kept = [one for one in self.others if (one.collection, one.key) != where or one.row != change.before]
            was_hit = was_hit or len(kept) != len(self.others)
            self.others = deque(kept, NESTED_MAX)
        return was_hit

    def _seen(self, change: Change) -> None:
        """An update or delete."""
        if self._alive(change) and change.after is None:
            self.deleted[change.collection, change.key] = len(self.made)
        self._displace(change)
        self.made.append(change)

    def _came(self, change: Change) -> None:
        """A row under a key that it did not have before."""
        where = (change.collection, change.key)
        self._displace(change)
        if self.others:  # they were of the row that had this key before
            self.others = deque([one for one in self.others if (one.collection, one.key) != where], NESTED_MAX)
        hit = self.hits.pop(where, None)
        before = None if hit is None else hit.row
        if hit is None and (place := self.deleted.pop(where, None)) is not None and (seen := self.made[place]) is not None:
            before, self.made[place] = seen.before, None
        if before is None:
            self.made.append(change)
        elif before != change.after or change.verdict is not None:
            self.made.append(Change(change.collection, change.key, before, change.after, change.verdict))

    def _displace(self, change: Change) -> None:
        """Rows that were in its way through another constraint are gone: one of another key, or of its own."""
        if not self.others or change.after is None:
            return
        after = change.after
        met = [hit for hit in self.others if hit.collection == change.collection and _is(hit.new, after)]
        for hit in {hit.key: hit for hit in met}.values():
            self._alive(Change(hit.collection, hit.key, hit.row, None))
            if hit.key != change.key:
                self.made.append(Change(hit.collection, hit.key, hit.row, None))
            elif change.before is None:
                self.hits[hit.collection, hit.key] = hit


def _is(announced: Row, came: Row) -> bool:
    """Whether the row that came is the announced one. NULLs may have become defaults, and -1 a new rowid."""
    return all(map(_fits, announced, came))


def _fits(announced: Value, came: Value) -> bool:
    if announced == came or announced is None or announced == -1:
        return True
    return isinstance(announced, int) and isinstance(came, Tagged) and came.kind == "real" and to_float(came) == announced


def _folded(changes: Sequence[Change]) -> list[Change]:
    """One net change per row whose images do not chain, at the place of its last one; the others as they are."""
    rows: dict[_Where, list[Change]] = {}
    for change in changes:
        rows.setdefault((change.collection, change.key), []).append(change)
    net = {where: made if chains(made) else _net(made) for where, made in rows.items()}
    left = {where: len(made) for where, made in rows.items()}
    folded: list[Change] = []
    for change in changes:
        where = (change.collection, change.key)
        left[where] -= 1
        if net[where] is rows[where]:
            folded.append(change)
        elif left[where] == 0:
            folded += net[where]
    return folded


def _net(changes: Sequence[Change]) -> list[Change]:
    """The first image that no change led to, and the last one that no change started from."""
    befores, afters = Counter(change.before for change in changes), Counter(change.after for change in changes)
    first, last = list((befores - afters).elements()), list((afters - befores).elements())
    if not first and not last:
        return []
    if len(first) != 1 or len(last) != 1:
        return list(changes)  # something happened that no trigger saw; its images are true all the same
    verdicts: list[Verdict] = [change.verdict for change in changes if change.verdict is not None]
    verdict = verdicts[-1] if verdicts else None
    return [Change(changes[0].collection, changes[0].key, first[0], last[0], verdict)]
