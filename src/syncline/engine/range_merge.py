"""What becomes of one key range at a join: fills for the joining peer, changes for the others. Decides, does no I/O."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from syncline.merge.join import merge_join
from syncline.merge.policy import Rules
from syncline.merge.window import Window
from syncline.model.change import Change, Verdict
from syncline.model.conflict import Conflict, Side
from syncline.model.stamp import NOBODY, Offset
from syncline.model.value import ABSENT, Key, Row

Where = tuple[str, Key]


@dataclass
class Own:
    """What a joining peer wrote itself while the space did not hear of it, as far as its history tells."""

    returning: bool = False  # its other rows are copies of the space's, maybe old ones; else all its rows count as its own
    trusted: bool = True  # its history continues the one in the log, so `bases` hold
    bases: dict[Where, Row | None] = field(default_factory=dict)  # its rows before its own first change; None: it had none
    last: dict[Where, Row | None] = field(default_factory=dict)  # its rows after its own last change
    values: dict[Where, Row] = field(default_factory=dict)  # what it wrote last into each field itself; ABSENT where it did not
    added: dict[Where, tuple[int, ...]] = field(default_factory=dict)  # per field, by how much it raised a number itself
    deleted: set[Where] = field(default_factory=set)  # rows that it deleted, even if it made them anew
    removed: set[Where] = field(default_factory=set)  # rows the space deleted since the join began, which it was not told

    @property
    def is_blank(self) -> bool:
        """Whether it is known that it wrote nothing."""
        return not (self.bases or self.last or self.deleted or self.removed)

    def wrote(self, where: Where) -> bool:
        """Whether its row, or the lack of one, counts as its own work."""
        return not self.returning or where in self.bases

    def base(self, where: Where) -> Row | None:
        """Its row before its own first change, if there was one and it is known."""
        return self.bases.get(where) if self.trusted else None

    def based(self, where: Where, meant: Row | None, rules: Rules) -> Row | None:
        """Its row before its own work, counters without what it added itself: deliveries may have added to them meanwhile."""
        base, added = self.base(where), self.added.get(where, ())
        if base is None or meant is None or not len(base) == len(added) == len(meant) == len(rules.policies):
            return base
        fields = zip(rules.policies, base, added, meant, strict=True)
        return tuple([now - more if policy.delta and isinstance(now, int) else was for policy, was, more, now in fields])

    def meant(self, where: Where, brought: Row | None, rules: Rules) -> Row | None:
        """Its row with the values that it wrote itself and that a delivery overwrote before the log heard of them; the row
        that it wrote, where a delivery deleted that.

        Increments are not overwritten: what it added is still in its sum.
        """
        if brought is None:
            return self.last.get(where) if self.trusted else None
        values = self.values.get(where, ()) if self.trusted else ()
        if not len(values) == len(brought) == len(rules.policies):
            return brought
        fields = zip(rules.policies, values, brought, strict=True)
        return tuple([now if policy.delta or wrote is ABSENT else wrote for policy, wrote, now in fields])


@dataclass(frozen=True)
class RangeRows:
    """The rows of a range at the reference and at the joining peer, and keys of the range that are in flight, or were written.

    `pin`: entries above this offset may still be on their way to either of them.
    """

    theirs: Mapping[Key, Row]
    mine: Mapping[Key, Row]
    flying: Collection[Key] = ()
    pin: Offset = 0


@dataclass
class Merged:
    """The outcome: changes by the joining peer for everyone, then rows for it alone."""

    changes: list[Change] = field(default_factory=list)
    fills: list[Change] = field(default_factory=list)


def merge_range(window: Window, rules: Rules, rows: RangeRows, own: Own, peer: str, authority: str) -> Merged:
    """Settle every key of the range. The window's row, where it has one, is newer than the reference's."""
    merged = Merged()
    name = rules.collection
    for key in {**rows.theirs, **rows.mine, **dict.fromkeys(rows.flying)}:
        view = window.view(name, key)
        held = view.row if view is not None else rows.theirs.get(key)
        flying = view is not None and view.touched(peer) > rows.pin
        brought = rows.mine.get(key)
        meant = own.meant((name, key), brought, rules)
        base = own.based((name, key), meant, rules)
        if held == brought == meant and base in (None, brought):
            if flying and held is not None:  # a difference may be on its way to the peer: this ends it
                merged.fills.append(Change(name, key, brought, held))
        elif meant is None:
            _missing(merged, rules, key, held, own, peer)
        elif held is None:
            _extra(merged, rules, key, brought, meant, own, peer, authority, flying=flying)
        elif own.wrote((name, key)) or authority == peer:
            change = merge_join(rules, key, held, meant, peer, authority=authority, base=base, returning=own.returning)
            _split(merged, change, brought, flying=flying)
        else:
            merged.fills.append(Change(name, key, brought, held, _kept(rules, held, brought, peer)))
    return merged


def _split(merged: Merged, change: Change, brought: Row | None, *, flying: bool) -> None:
    """What everyone gets, and what the peer itself gets: until then it does not know the outcome (Window.context)."""
    where, conflicts = (change.collection, change.key), change.verdict.conflicts if change.verdict else ()
    if change.before != change.after:
        merged.changes.append(Change(*where, change.before, change.after, Verdict(full=True, conflicts=conflicts)))
        conflicts = ()
    if change.after != brought or flying or conflicts:  # what it wrote may not stand there any more
        kept = Verdict(conflicts=conflicts) if conflicts else None
        merged.fills.append(Change(*where, brought, change.after, kept))


def _missing(merged: Merged, rules: Rules, key: Key, held: Row | None, own: Own, peer: str) -> None:
    """The space has a row that the peer lacks."""
    where = (rules.collection, key)
    deleted = where in own.deleted and own.wrote(where) and own.bases.get(where) is not None
    alone = own.base(where) == held
    if deleted and (alone or rules.deletes == "delete_wins"):
        kept = None if alone else _kept(rules, held, None, peer, winner=peer)
        verdict = Verdict(correct=True, full=True, conflicts=kept.conflicts if kept else ())
        merged.changes.append(Change(*where, held, None, verdict))
    else:
        merged.fills.append(Change(*where, None, held, _kept(rules, held, None, peer, contested=True) if deleted else None))


def _extra(
    merged: Merged,
    rules: Rules,
    key: Key,
    brought: Row | None,
    meant: Row,
    own: Own,
    peer: str,
    authority: str,
    *,
    flying: bool,
) -> None:
    """The peer has a row that the space lacks, or wrote one before it was told so."""
    where = (rules.collection, key)
    deleted = flying or where in own.removed or (own.returning and own.base(where) is not None)
    rewritten = where in own.bases  # it wrote the row itself, not knowing of a delete
    stands = authority == peer or (own.wrote(where) and (not deleted or (rewritten and rules.deletes != "delete_wins")))
    if stands and authority in ("", peer):
        kept = _kept(rules, None, meant, peer, winner=peer, contested=True) if deleted else Verdict()
        merged.changes.append(Change(*where, None, meant, Verdict(full=True, conflicts=kept.conflicts)))
        if flying or meant != brought:
            merged.fills.append(Change(*where, brought, meant))  # the delete may be on its way to the peer
    else:
        merged.fills.append(Change(*where, brought, None, _kept(rules, None, meant, peer)))


def _kept(
    rules: Rules, held: Row | None, brought: Row | None, peer: str, winner: str = NOBODY, *, contested: bool = False
) -> Verdict:
    """A record of both sides of which one does not stand. `contested`: both meant it, so a person may have to decide."""
    sides = Side(NOBODY, ABSENT, held, 0), Side(peer, ABSENT, brought, 0)
    manual = contested and rules.deletes == "manual"
    return Verdict(conflicts=(Conflict("join", "", f"deletes {rules.deletes}", winner, *sides, open=manual, base=ABSENT),))
