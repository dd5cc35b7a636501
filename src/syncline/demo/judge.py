"""One row judged: its story against what a file holds and against the recorded losers. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from syncline.demo.dataset import CellRow, Sheet, set_items
from syncline.demo.desks.desk import Cell
from syncline.demo.story import Story

Image: TypeAlias = Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class Loser:
    """What the conflict store keeps of one losing side: the columns it had, by name."""

    table: str
    key: Cell
    image: Image


@dataclass(frozen=True, slots=True)
class Loss:
    """One broken promise."""

    what: str
    table: str
    key: Cell
    column: str = ""
    value: Cell = None

    def text(self) -> str:
        """For people: what, where, which value."""
        place = f"{self.table} {self.key}" + (f" {self.column}" if self.column else "")
        return f"{self.what}: {place}" + (f" = {self.value!r}" if self.value is not None else "")


def judge(
    sheet: Sheet, key: Cell, before: CellRow | None, now: CellRow | None, story: Story, losers: Sequence[Image]
) -> Iterator[Loss]:
    """Every promise broken on one row: `before` is the row that all started with, `now` what the file holds."""
    yield from _presence(sheet, key, before, now, story)
    yield from _registers(sheet, key, before, now, story, losers)
    if now is not None and not story.deletes:  # a row that was deleted and came back began anew, at an unknown moment
        yield from _counters(sheet, key, before, now, story)
        yield from _sets(sheet, key, before, now, story)
        yield from _texts(sheet, key, now, story, losers)


def _presence(sheet: Sheet, key: Cell, before: CellRow | None, now: CellRow | None, story: Story) -> Iterator[Loss]:
    began = before is not None or story.inserts > 0
    if now is not None and not began:
        yield Loss("a row that nobody wrote", sheet.name, key)
    alone = len(story.offices) == 1
    if now is None and began and (not story.deletes or (alone and not any(story.offices.values()))):
        yield Loss("a row is missing", sheet.name, key)
    only_deleted = story.deletes > 0 and not story.inserts and not story.changes
    if now is not None and (only_deleted or (alone and all(story.offices.values()))):
        yield Loss("a deleted row is there", sheet.name, key)


def _registers(
    sheet: Sheet, key: Cell, before: CellRow | None, now: CellRow | None, story: Story, losers: Sequence[Image]
) -> Iterator[Loss]:
    for column, value in story.open_values():
        stands = now is not None and now[column] == value
        if not stands and not any(column in image and image[column] == value for image in losers):
            yield Loss("a value is lost", sheet.name, key, column, value)
    if now is None or (before is None and not story.inserts):
        return
    for column in sheet.of_role("register"):
        value = now[column]
        written = (column, value) in story.known or (value is None and story.inserts > 0)
        if not written and (before is None or value != before[column]):
            yield Loss("a value that nobody wrote", sheet.name, key, column, value)


def _counters(sheet: Sheet, key: Cell, before: CellRow | None, now: CellRow, story: Story) -> Iterator[Loss]:
    for column in sheet.of_role("counter"):
        began = int(before[column] or 0) if before else story.first.get(column, 0)
        expected = began + story.added.get(column, 0)
        if now[column] != expected:
            yield Loss(f"a counter is not {expected}", sheet.name, key, column, now[column])


def _sets(sheet: Sheet, key: Cell, before: CellRow | None, now: CellRow, story: Story) -> Iterator[Loss]:
    for column in sheet.of_role("set"):
        began = set_items(before[column]) if before else frozenset()
        added, dropped, found = story.items.get(column, set()), story.dropped.get(column, set()), set_items(now[column])
        for item in sorted((began | added) - dropped - found):
            yield Loss("a set item is lost", sheet.name, key, column, item)
        for item in sorted(found - began - added):
            yield Loss("a set item that nobody added", sheet.name, key, column, item)
        for item in sorted((dropped - added) & found):
            yield Loss("a removed set item is there", sheet.name, key, column, item)


def _texts(sheet: Sheet, key: Cell, now: CellRow, story: Story, losers: Sequence[Image]) -> Iterator[Loss]:
    for column in sheet.of_role("text"):
        kept = {line for image in losers if column in image for line in str(image[column] or "").splitlines()}
        kept |= set(str(now[column] or "").splitlines())
        for line in story.lines.get(column, []):
            if line not in kept:
                yield Loss("a line is lost", sheet.name, key, column, line)
