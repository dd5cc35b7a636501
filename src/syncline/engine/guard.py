"""The guard: a brake on mass deletes at a peer. It holds the peer and asks; everything else goes on (torture F37, P16)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from syncline.model.errors import GuardTripped
from syncline.model.space import Settings
from syncline.model.stamp import Offset
from syncline.model.words import counted
from syncline.model.write import Batch, Op

SPAN_SECONDS = 60.0


@dataclass
class Guard:
    """Counts deletes per collection at one peer over a minute, against the rows it had. Outlives the peer's sessions.

    Once it has tripped over a batch, no delete up to there passes without approval, however small the batches become.
    """

    peer: str
    settings: Settings
    _rows: dict[str, int] = field(default_factory=dict)  # per collection, when the span began
    _since: float | None = None
    _deleted: dict[str, int] = field(default_factory=dict)
    _held: dict[str, Offset] = field(default_factory=dict)  # per collection, up to which offset it has tripped

    def count(self, rows: Mapping[str, int]) -> None:
        """How many rows the peer has now."""
        self._rows = {name: have + self._deleted.get(name, 0) for name, have in rows.items()}

    def exceeds(self, batch: Batch, now: float, approved: Offset) -> str:
        """The collection in which this batch would go over share and count, or ''. `now` in seconds, monotonic."""
        if self._since is None or now - self._since > SPAN_SECONDS:
            self._since, self._deleted = now, {}
        if batch.upto > approved:
            for name, count in _deletes(batch).items():
                total = self._deleted.get(name, 0) + count
                over = total > self._rows.get(name, 0) * self.settings.guard_delete_share
                if (over and total >= self.settings.guard_delete_rows) or batch.upto <= self._held.get(name, 0):
                    return name
        return ""

    def check(self, batch: Batch, now: float, approved: Offset, by: Callable[[], str] = str) -> None:
        """Take this batch into account. Raises GuardTripped if it goes over. `by`: whose deletes they are, for people."""
        name = self.exceeds(batch, now, approved)
        deletes = _deletes(batch)
        if name:
            total = self._deleted.get(name, 0) + deletes[name]
            self._held[name] = max(batch.upto, self._held.get(name, 0))
            deleters = by()
            whose = f", by {deleters}" if deleters else ""
            raise GuardTripped(
                f"{counted(total, 'delete')} would hit {counted(self._rows.get(name, 0), 'row')}",
                peer=self.peer,
                collection=name,
                offset=batch.upto,
                why=f"more than {self.settings.guard_delete_share:.0%} of the collection within a minute{whose}",
                hint=f"approve: 'syncline resume {self.peer} --approve'; or first put the rows back where they were deleted",
            )
        if batch.upto > approved:
            for name, count in deletes.items():
                self._deleted[name] = self._deleted.get(name, 0) + count


def _deletes(batch: Batch) -> dict[str, int]:
    return {write.collection: len(write.keys) for write in batch.writes if write.op is Op.DELETE}
