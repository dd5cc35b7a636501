"""What any log must pass. A log's own test file subclasses LogSuite and says how to make one.

Each test opens the log under a fresh place (a directory), and asks only what the protocol promises. Knows no kind of log and no
test framework; failures are plain assertions.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from pathlib import Path
from typing import Protocol

from syncline.log.protocol import Log
from syncline.model.change import Change, Verdict
from syncline.model.conflict import Conflict, Side
from syncline.model.entry import Entry, Kind
from syncline.model.errors import CodecError, LogBusy, LogError, LogFenced
from syncline.model.stamp import Offset, Position
from syncline.model.value import ABSENT, INT64_MIN, INTEGER_MAX, Row, Tagged

VALUES: Row = (
    None, 0, INT64_MIN, INTEGER_MAX, "", "a\0b", "ä𝄞", b"", bytes(range(256)), ABSENT,
    Tagged("real", "-0.0"), Tagged("decimal", "1.10"), Tagged("date", "0000-00-00"), Tagged("json", '{"a": "\\u0000"}'),
)  # fmt: skip


class Takeover(Protocol):
    """Makes it possible to open a log that another hub still believes to hold, such as by losing its lock."""

    def __call__(self, place: Path) -> None:
        """Lose the lock on the log at a place."""
        ...


def plain(offset: Offset, rows: int = 1, text: str = "x") -> Entry:
    """An entry without notes."""
    changes = tuple(Change("c", (row,), None, (row, text, *VALUES)) for row in range(rows))
    return Entry(offset, Kind.CHANGE, "hq", Position(offset, 1, "w"), offset - 1, 1_700_000_000_000_000 + offset, changes)


def control(offset: Offset, kind: Kind = Kind.CONFIRM) -> Entry:
    """A control entry."""
    return Entry(offset, kind, time=offset, body={"hq": [offset, None], "deep": {"list": [1, "two", True]}})


def contended(offset: Offset) -> Entry:
    """A change with a conflict in it."""
    side = Side("van", 3, (1, 3), 17, 4)
    conflict = Conflict("field", "b", "newest", "hq", side, Side("hq", ABSENT, None, 18), base=None, note="n")
    return Entry(offset, Kind.CHANGE, "hq", changes=(Change("c", (1,), (1, 3), (1, 4), Verdict(conflicts=(conflict,))),))


def mixed(first: Offset, last: Offset) -> list[Entry]:
    """Entries of all sorts: every third a control entry, every seventh contended, some with many rows."""
    return [
        control(offset)
        if offset % 3 == 0
        else contended(offset)
        if offset % 7 == 0
        else plain(offset, 1 + offset % 5, f"text {offset}")
        for offset in range(first, last + 1)
    ]


async def entries(frames: AsyncIterator[tuple[Entry, ...]]) -> list[Entry]:
    """All entries of a read; asserts that no frame is empty and that offsets grow."""
    found: list[Entry] = []
    async for frame in frames:
        assert frame, "an empty frame was given out"
        found += frame
    offsets = [entry.offset for entry in found]
    assert offsets == sorted(set(offsets)), "offsets do not grow"
    return found


async def grow(log: Log, wanted: Sequence[Entry], sizes: Sequence[int] = (1, 4, 2, 9)) -> None:
    """Append entries in appends of varying size."""
    start = turn = 0
    while start < len(wanted):
        part = wanted[start : start + sizes[turn % len(sizes)]]
        head = log.head
        assert await log.append(part, head) == part[-1].offset == log.head
        start += len(part)
        turn += 1


async def refused(step: Coroutine[object, object, object], *errors: type[Exception]) -> Exception:
    """The error with which a step is refused."""
    try:
        await step
    except errors as error:
        return error
    raise AssertionError(f"not refused with {' or '.join(error.__name__ for error in errors)}")


class LogSuite:
    """Subclass it, set `make`, and `lose_lock` if the log's lock can be lost."""

    lose_lock: Takeover | None = None

    def make(self, place: Path) -> Log:
        """A log, not opened, that keeps everything under `place`; each call names the same log."""
        raise NotImplementedError

    def test_p6_offsets_are_dense_from_one(self, tmp_path: Path) -> None:
        async def run() -> None:
            log = self.make(tmp_path)
            assert (await log.open(), log.head, log.floor) == (0, 0, 0)
            assert await entries(log.read(0)) == []
            assert await entries(log.read_notes(0)) == []
            await grow(log, mixed(1, 50))
            assert await entries(log.read(0)) == mixed(1, 50)
            await log.close()

        asyncio.run(run())

    def test_p6_entries_that_do_not_follow_are_refused_whole(self, tmp_path: Path) -> None:
        async def run() -> None:
            log = self.make(tmp_path)
            await log.open()
            await grow(log, mixed(1, 5))
            await refused(log.append([plain(6), plain(8)], 5), LogError)
            await refused(log.append([plain(5)], 5), LogError)
            await refused(log.append([plain(7)], 5), LogError)
            assert await log.append([], 5) == 5
            assert (log.head, await entries(log.read(0))) == (5, mixed(1, 5))
            await log.close()

        asyncio.run(run())

    def test_an_entry_that_cannot_be_encoded_leaves_nothing(self, tmp_path: Path) -> None:
        async def run() -> None:
            log = self.make(tmp_path)
            await log.open()
            bad = Entry(2, Kind.CHANGE, "hq", changes=(Change("c", (1,), None, (object(),)),))  # type: ignore[arg-type]
            await refused(log.append([plain(1), bad], 0), CodecError)
            assert (log.head, await entries(log.read(0))) == (0, [])
            assert await log.append([plain(1)], 0) == 1
            await log.close()

        asyncio.run(run())

    def test_f29_a_wrong_expected_head_is_fenced(self, tmp_path: Path) -> None:
        async def run() -> None:
            log = self.make(tmp_path)
            await log.open()
            await grow(log, mixed(1, 5))
            await refused(log.append([plain(4)], 3), LogFenced)
            await refused(log.append([plain(8)], 7), LogFenced)
            await refused(log.append([], 3), LogFenced)
            assert await entries(log.read(0)) == mixed(1, 5)
            assert await log.append([plain(6)], 5) == 6
            await log.close()

        asyncio.run(run())

    def test_f29_a_second_hub_is_refused_while_the_first_serves(self, tmp_path: Path) -> None:
        async def run() -> None:
            first, second = self.make(tmp_path), self.make(tmp_path)
            await first.open()
            await refused(second.open(), LogBusy)
            assert await first.append([plain(1)], 0) == 1
            await first.close()
            assert await second.open() == 1
            await second.close()

        asyncio.run(run())

    def test_f17_f29_p13_a_hub_that_lost_the_log_has_no_effect(self, tmp_path: Path) -> None:
        async def run() -> None:
            if self.lose_lock is None:
                return
            first, second = self.make(tmp_path), self.make(tmp_path)
            await first.open()
            await grow(first, mixed(1, 3))
            self.lose_lock(tmp_path)
            assert await second.open() == 3
            await refused(first.append([plain(4, text="late")], 3), LogFenced)
            await refused(first.trim(2), LogFenced)
            await refused(first.compact(), LogFenced)
            assert await second.append([plain(4)], 3) == 4
            await refused(first.append([plain(5, text="late")], 4), LogFenced)
            assert await entries(second.read(0)) == [*mixed(1, 3), plain(4)]
            assert second.floor == 0
            await first.close()
            assert await second.append([plain(5)], 4) == 5
            await second.close()

        asyncio.run(run())

    def test_p6_reads_resume_anywhere_and_end_where_asked(self, tmp_path: Path) -> None:
        async def run() -> None:
            log = self.make(tmp_path)
            await log.open()
            wanted = mixed(1, 30)
            await grow(log, wanted)
            for after in range(31):
                assert await entries(log.read(after)) == wanted[after:]
                for upto in (after, after + 1, 17, 30, 99):
                    assert await entries(log.read(after, upto)) == wanted[after:upto]
                noted = [entry for entry in wanted[after:] if entry.has_notes]
                assert await entries(log.read_notes(after)) == noted
            await log.close()

        asyncio.run(run())

    def test_p6_a_read_is_not_disturbed_by_appends_and_compaction(self, tmp_path: Path) -> None:
        async def run() -> None:
            log = self.make(tmp_path)
            await log.open()
            await grow(log, mixed(1, 40))
            reading, noting = log.read(0), log.read_notes(0)
            seen = [*await anext(reading)]
            noted = [*await anext(noting)]
            await grow(log, mixed(41, 60))
            await log.compact()
            seen += await entries(reading)
            noted += await entries(noting)
            assert seen == mixed(1, 40)
            assert noted == [entry for entry in mixed(1, 40) if entry.has_notes]
            assert await entries(log.read(0)) == mixed(1, 60)
            await log.close()

        asyncio.run(run())

    def test_compaction_is_invisible(self, tmp_path: Path) -> None:
        async def run() -> None:
            log = self.make(tmp_path)
            await log.open()
            wanted = mixed(1, 200)
            await grow(log, wanted, sizes=(1,))
            gone = await log.compact()
            assert gone >= 0
            assert await log.compact() <= gone
            for after in (0, 1, 57, 199):
                assert await entries(log.read(after)) == wanted[after:]
                assert await entries(log.read_notes(after)) == [entry for entry in wanted[after:] if entry.has_notes]
            assert await log.append([plain(201)], 200) == 201
            await log.close()
            assert await log.open() == 201
            assert await entries(log.read(0)) == [*wanted, plain(201)]
            await log.close()

        asyncio.run(run())

    def test_p6_a_log_opened_again_is_the_same_and_reuses_no_offset(self, tmp_path: Path) -> None:
        async def run() -> None:
            wanted: list[Entry] = []
            for turn in range(4):
                log = self.make(tmp_path)
                assert await log.open() == len(wanted)
                more = mixed(len(wanted) + 1, len(wanted) + 10 + turn)
                await grow(log, more)
                wanted += more
                assert await entries(log.read(0)) == wanted
                await log.close()

        asyncio.run(run())

    def test_trimming_forgets_rows_and_keeps_notes(self, tmp_path: Path) -> None:
        async def run() -> None:
            log = self.make(tmp_path)
            await log.open()
            wanted = mixed(1, 40)
            await grow(log, wanted)
            floor = await log.trim(23)
            assert 0 <= floor == log.floor <= 23
            assert await entries(log.read(floor)) == wanted[floor:]
            if floor:
                await refused(entries(log.read(floor - 1)), LogError)
            controls = [entry for entry in wanted[:floor] if entry.kind is Kind.CONFIRM]
            noted = controls + [entry for entry in wanted[floor:] if entry.has_notes]
            assert await entries(log.read_notes(0)) == noted
            assert await entries(log.read_notes(9)) == [entry for entry in noted if entry.offset > 9]
            assert await log.trim(5) == floor
            await log.close()
            assert (await log.open(), log.floor) == (40, floor)
            assert await entries(log.read_notes(0)) == noted
            assert await log.append([plain(41)], 40) == 41
            await log.close()

        asyncio.run(run())

    def test_a_checkpoint_below_the_floor_covers_what_was_kept(self, tmp_path: Path) -> None:
        async def run() -> None:
            log = self.make(tmp_path)
            await log.open()
            wanted = [*mixed(1, 9), control(10, Kind.CHECKPOINT), *mixed(11, 20)]
            await grow(log, wanted)
            if await log.trim(9) == 9:
                assert [entry.offset for entry in await entries(log.read_notes(0))][:3] == [3, 6, 9]
            if await log.trim(20) == 20:
                assert [entry.offset for entry in await entries(log.read_notes(0))] == [10, 12, 15, 18]
            await log.compact()
            assert await log.append([control(21)], 20) == 21
            await log.close()
            assert await log.open() == 21
            assert await entries(log.read(log.floor)) == [*wanted, control(21)][log.floor :]
            await log.close()

        asyncio.run(run())

    def test_trimming_and_compaction_take_turns(self, tmp_path: Path) -> None:
        async def run() -> None:
            log = self.make(tmp_path)
            await log.open()
            wanted: list[Entry] = []
            for turn in range(12):
                more = mixed(len(wanted) + 1, len(wanted) + 15)
                await grow(log, more)
                wanted += more
                await log.compact()
                floor = await log.trim(turn * 13)
                assert await entries(log.read(floor)) == wanted[floor:]
                noted = [entry for entry in wanted if entry.kind is Kind.CONFIRM or (entry.offset > floor and entry.has_notes)]
                assert await entries(log.read_notes(0)) == noted
            await log.close()

        asyncio.run(run())
