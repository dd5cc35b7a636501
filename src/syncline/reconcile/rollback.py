"""A row as of an offset: what the log's changes on both sides of that offset tell of it. Pure.

Changes up to the offset tell what the row was (`told`); those after it tell by their before-images what it had been (`past`).
Where neither tells, the row is what a peer holds of it now (`base`), if nobody changed it since.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from syncline.merge.copies import whole
from syncline.model.change import Change
from syncline.model.entry import Entry, Kind
from syncline.model.stamp import Offset
from syncline.model.value import ABSENT, Row, Value, pad

ROW: Final = -1  # the place that stands for the row itself: whether it was there


class Told(msgspec.Struct, frozen=True, array_like=True):
    """A row, or None where there is none; ABSENT where a field is not told."""

    row: Row | None


class Past(msgspec.Struct, frozen=True, array_like=True):
    """What the changes after an offset tell of a row as it was at that offset.

    ABSENT fields were not told so far: they are as they were, unless they are in `lost`, since a change that did not tell what
    it replaced wrote them. `hidden`: the offset of the last such change; as of that one, the row is known again.
    """

    row: Row | None
    lost: tuple[int, ...] = ()
    hidden: Offset = 0

    @property
    def is_whole(self) -> bool:
        """Whether later changes cannot tell more."""
        return self.row is None or ROW in self.lost or all(v is not ABSENT for v in self.row)


class Unknown(msgspec.Struct, frozen=True):
    """A row that is not known in full: the fields' places (ROW: whether it was there), and from which offset on it is."""

    places: tuple[int, ...]
    hidden: Offset


State: TypeAlias = Row | Unknown | None


def as_change(entry: Entry, change: Change) -> Change:
    """What an entry's change says of the space's row: an entry for one peer alone leaves it what it is."""
    if not entry.to:
        return change
    row = change.after
    return Change(change.collection, change.key, row, row)


def is_guess(entry: Entry) -> bool:
    """Whether its before-images are not the log's: a repair tells one of the copies that differed."""
    return entry.kind is Kind.SETTLE and "repair" in (entry.body or {})


def tell(told: Told | None, change: Change) -> Told:
    """The row after one more change; fields that it was not sent are what they were."""
    after = whole(change)
    if after is None or change.before is None or told is None or told.row is None:
        return Told(after)
    return Told(_over(after, told.row))


def look_back(past: Past | None, change: Change, offset: Offset, width: int, *, guess: bool = False) -> Past:
    """The past after one more change, in the log's order. `width`: how many columns there were at the offset.

    `guess`: see is_guess.
    """
    if past is None:
        return _first(change, offset, width, guess=guess)
    if past.row is None or past.is_whole:
        return past
    before, after = _sides(change, width)
    row, lost = list(past.row), set(past.lost)
    hidden = past.hidden
    for place, value in enumerate(row):
        if value is not ABSENT or place in lost:
            continue
        found, is_lost = _field(before, after, place, guess=guess)
        row[place] = found
        if is_lost:
            lost.add(place)
            hidden = offset
    return Past(tuple(row), tuple(sorted(lost)), hidden)


def _first(change: Change, offset: Offset, width: int, *, guess: bool) -> Past:
    before, after = _sides(change, width)
    if guess and (before is None) is not (after is None):
        return Past(None, (ROW,), offset)
    if before is None:
        return Past(None)
    row: list[Value] = []
    lost: list[int] = []
    for place in range(width):
        found, is_lost = _field(before, after, place, guess=guess)
        row.append(found)
        if is_lost:
            lost.append(place)
    return Past(tuple(row), tuple(lost), offset if lost else 0)


def _field(before: Row | None, after: Row | None, place: int, *, guess: bool) -> tuple[Value, bool]:
    """What a field was before a change, ABSENT if it is not told; and whether the change hid it."""
    was = ABSENT if before is None else before[place]
    now = ABSENT if after is None else after[place]
    if guess and was != now:
        return ABSENT, True
    if was is not ABSENT:
        return was, False
    return ABSENT, after is None or before is None or now is not ABSENT


def _sides(change: Change, width: int) -> tuple[Row | None, Row | None]:
    before, after = change.before, change.after
    return (
        None if before is None else pad(before, width)[:width],
        None if after is None else pad(after, width)[:width],
    )


def as_of(base: Told | None, told: Told | None, past: Past | None, width: int) -> State:
    """The row at the offset. `base`: what a peer holds of it, None where no peer can tell."""
    known = told if told is not None else base
    if told is not None and told.row is not None and base is not None and base.row is not None:
        known = Told(_over(told.row, base.row))
    if past is None:
        return _finished(known, width)
    if ROW in past.lost:
        return _finished(told, width, past.hidden)
    if past.row is None:
        return None
    row, unknown = list(past.row), []
    for place in range(width):
        if row[place] is not ABSENT:
            continue
        source = told if place in past.lost else known
        held = pad(source.row, width)[place] if source is not None and source.row is not None else ABSENT
        row[place] = held
        if held is ABSENT:
            unknown.append(place)
    return Unknown(tuple(unknown), past.hidden) if unknown else tuple(row)


def _finished(known: Told | None, width: int, hidden: Offset = 0) -> State:
    if known is None:
        return Unknown((ROW,), hidden)
    if known.row is None:
        return None
    row = pad(known.row, width)[:width]
    missing = tuple([place for place, value in enumerate(row) if value is ABSENT])
    return Unknown(missing, hidden) if missing else row


def _over(newer: Row, older: Row) -> Row:
    """A row with the fields of an older one where it does not tell."""
    if ABSENT not in newer and len(newer) >= len(older):
        return newer
    width = max(len(newer), len(older))
    sides = zip(pad(newer, width), pad(older, width), strict=True)
    return tuple([was if now is ABSENT else now for now, was in sides])


def names_of(unknown: Unknown, columns: Sequence[str]) -> list[str]:
    """The fields that are not known; none are named where it is not even known whether the row was there."""
    return [columns[place] for place in unknown.places if place != ROW]
