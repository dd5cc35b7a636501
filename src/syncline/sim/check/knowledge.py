"""P11 soundness: a watermark tells the truth. Whatever the log said up to there, the peer has, or lists as an exception."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence

from syncline.model.entry import Entry, Kind
from syncline.model.stamp import Offset
from syncline.model.value import Row
from syncline.sim.check.books import Books
from syncline.sim.check.verdict import Violation, Where
from syncline.sim.history import BatchApplied, Fact

_OUT = "out"  # restored from a backup, and not back in the space yet: no stage of the product's


def check_knowledge(facts: Sequence[Fact], books: Books) -> list[Violation]:
    """P11, at every batch: rows that its new watermark covers are the log's, but for what users wrote there since."""
    said = _Said(books.entries)
    stages = _stages(books)
    excused = books.refused | {
        (entry.peer, change.collection, change.key)
        for entry in books.entries
        if entry.kind is Kind.PARK
        for change in entry.changes
    }
    found: list[Violation] = []
    for fact in facts:
        if not isinstance(fact, BatchApplied) or _stage(stages[fact.peer], fact.upto, fact.durable) != "live":
            continue
        for (collection, key), held in fact.held:
            where = (collection, key)
            told = said.rows(where, fact.peer, fact.upto)
            if not told or held == told[-1] or (fact.peer, *where) in excused or _unheard(books, fact, where):
                continue
            text = f"{fact.peer} said that it has entries up to {fact.upto}; of {collection}{key} it had {held}, not {told[-1]}"
            found.append(Violation("P11", text))
    return found


class _Said:
    """What the log said of each key to a peer, in order, as of any offset."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._rows: dict[Where, list[tuple[Offset, str, Row | None]]] = defaultdict(list)
        for entry in entries:
            if entry.is_data:
                for change in entry.changes:
                    self._rows[change.collection, change.key].append((entry.offset, entry.to, change.after))

    def rows(self, where: Where, peer: str, upto: Offset) -> list[Row | None]:
        told = self._rows[where]
        return [row for _, to, row in told[: bisect_right(told, upto, key=lambda one: one[0])] if to in ("", peer)]


def _stages(books: Books) -> dict[str, list[tuple[Offset, str]]]:
    """Per peer, its stages by the offset that began them."""
    stages: dict[str, list[tuple[Offset, str]]] = defaultdict(list)
    for peer, _, head in books.ledger.restores:
        stages[peer].append((head, _OUT))
    for entry in books.entries:
        stage = (entry.body or {}).get("stage")
        if entry.kind is Kind.PEER and stage:
            stages[entry.peer].append((entry.offset, str(stage)))
    for known in stages.values():
        known.sort(key=lambda one: one[0])
    return stages


def _stage(known: Sequence[tuple[Offset, str]], upto: Offset, durable: Offset) -> str:
    """The one stage of a peer from the watermark on to the log's end as it was then; '' if it changed in between."""
    within = {stage for offset, stage in known if upto < offset <= durable}
    begun = next((stage for offset, stage in reversed(known) if offset <= upto), "")
    return begun if not within - {begun} else ""


def _unheard(books: Books, fact: BatchApplied, where: Where) -> bool:
    """Whether users there had by then written this row in a commit that the log has beyond the watermark, or not at all."""
    for acked in books.written.get((fact.peer, *where), ()):
        offset = books.offset_of(acked, where)
        if acked.number <= fact.number and (offset is None or offset > fact.upto):
            return True
    return False
