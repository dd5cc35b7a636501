"""The embedded log beyond the protocol: threads, finding, space, being open or not."""

import asyncio
import os
from pathlib import Path

import apsw
import pytest
from tests.unit.log.samples import execute

from syncline.log.conformance import control, entries, mixed, plain, refused
from syncline.log.registry import open_reader
from syncline.log.sqlite import SqliteLog
from syncline.model.change import Change
from syncline.model.codec import encode_row
from syncline.model.entry import Entry, Kind
from syncline.model.errors import LogBusy, LogDamaged, LogError
from syncline.model.limits import LOG_MERGE_BYTES_MAX


def noisy(offset: int, size: int = 20_000) -> Entry:
    """An entry that does not compress."""
    return Entry(offset, Kind.CHANGE, "hq", changes=(Change("c", (offset,), None, (offset, os.urandom(size))),))


def test_the_loop_goes_on_while_an_append_waits_for_the_disk(tmp_path: Path) -> None:
    async def run() -> None:
        log = SqliteLog(str(tmp_path / "log.db"))
        await log.open()
        other = apsw.Connection(str(tmp_path / "log.db"))
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(log.append([plain(1)], 0))
        for _ in range(50):
            await asyncio.sleep(0.001)
            assert not waiting.done()
        assert log.head == 0
        other.execute("ROLLBACK")
        assert await waiting == 1
        other.close()
        await log.close()

    asyncio.run(run())


def test_a_file_held_for_too_long_is_busy_and_then_usable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncline.log.place.BUSY_SECONDS", 0.05)

    async def run() -> None:
        log = SqliteLog(str(tmp_path / "log.db"))
        await log.open()
        other = apsw.Connection(str(tmp_path / "log.db"))
        other.execute("BEGIN IMMEDIATE")
        await refused(log.append([plain(1)], 0), LogBusy)
        other.close()
        assert await log.append([plain(1)], 0) == 1
        await log.close()

    asyncio.run(run())


def test_f8_an_append_that_nobody_waits_for_any_more_is_whole_or_absent(tmp_path: Path) -> None:
    async def run() -> None:
        log = SqliteLog(str(tmp_path / "log.db"))
        await log.open()
        task = asyncio.create_task(log.append(mixed(1, 400), 0))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await log.close()
        head = await log.open()
        assert head in (0, 400)
        assert await entries(log.read(0)) == mixed(1, head)
        assert await log.append([plain(head + 1)], head) == head + 1
        await log.close()

    asyncio.run(run())


def test_appends_at_once_happen_one_after_the_other(tmp_path: Path) -> None:
    async def run() -> None:
        log = SqliteLog(str(tmp_path / "log.db"))
        await log.open()
        heads = await asyncio.gather(*(log.append([plain(offset)], offset - 1) for offset in range(1, 30)))
        assert heads == list(range(1, 30))
        await log.close()

    asyncio.run(run())


def test_find_gives_the_entries_that_hold_the_bytes(tmp_path: Path) -> None:
    async def run() -> None:
        log = SqliteLog(str(tmp_path / "log.db"))
        await log.open()
        wanted = [
            Entry(offset, Kind.CHANGE, "hq", changes=(Change("c", (f"key {offset % 50}", offset % 7), None, (offset,)),))
            for offset in range(1, 301)
        ]
        for start in range(0, 300, 30):
            await log.append(wanted[start : start + 30], start)
        needle = encode_row(("key 3", 3))
        hits = [entry for entry in wanted if entry.changes[0].key == ("key 3", 3)]
        assert len(hits) == 1
        assert await entries(log.find(needle)) == hits
        many = [entry for entry in wanted if entry.changes[0].key[0] == "key 3"]
        assert await entries(log.find(b"key 3\x03")) == [entry for entry in many if entry.changes[0].key[1] == 3]
        some = [entry for entry in wanted if "key 49" in str(entry.changes[0].key)]
        assert await entries(log.find(b"key 49")) == some
        assert await entries(log.find(b"key 49", some[0].offset, some[3].offset)) == some[1:4]
        assert await entries(log.find(b"no such key")) == []
        await log.trim(some[1].offset)
        assert await entries(log.find(b"key 49")) == some[2:]
        await log.close()
        async with await open_reader(str(tmp_path / "log.db")) as reader:
            assert await entries(reader.find(b"key 49")) == some[2:]

    asyncio.run(run())


def test_p14_a_trimmed_log_gives_its_space_back(tmp_path: Path) -> None:
    async def run() -> None:
        path = tmp_path / "log.db"
        log = SqliteLog(str(path))
        await log.open()
        for first in range(1, 401, 40):
            await log.append([noisy(offset) for offset in range(first, first + 40)], first - 1)
        large = await log.size_bytes()
        assert large > 400 * 20_000
        assert await log.trim(399) == 399
        assert await log.size_bytes() < large / 4
        await log.close()
        assert path.stat().st_size < large / 4
        assert await log.open() == 400
        assert [entry.offset for entry in await entries(log.read(399))] == [400]
        await log.close()

    asyncio.run(run())


def test_p14_the_write_ahead_file_stays_small(tmp_path: Path) -> None:
    async def run() -> None:
        log = SqliteLog(str(tmp_path / "log.db"))
        await log.open()
        largest = 0
        for first in range(1, 3001, 100):
            await log.append([noisy(offset) for offset in range(first, first + 100)], first - 1)
            largest = max(largest, (tmp_path / "log.db-wal").stat().st_size)
        assert 0 < largest < 30_000_000 < (tmp_path / "log.db").stat().st_size
        await log.close()

    asyncio.run(run())


def test_compaction_makes_large_frames_and_then_rests(tmp_path: Path) -> None:
    async def run() -> None:
        path = tmp_path / "log.db"
        log = SqliteLog(str(path))
        await log.open()
        for first in range(1, 4001, 2):
            await log.append([noisy(first, 5000), control(first + 1)], first - 1)
        assert await log.compact() > 1900
        assert await log.compact() == 0
        for first in range(4001, 4011, 2):
            await log.append([noisy(first, 500), control(first + 1)], first - 1)
        before = [entry.offset for entry in await entries(log.read_notes(0))]
        await log.compact()
        assert before == list(range(2, 4011, 2)) == [entry.offset for entry in await entries(log.read_notes(0))]
        count = await log.verify_all()
        await log.close()
        sizes = [int(str(size)) for (size,) in execute(path, "SELECT size FROM frame ORDER BY first")]
        assert len(sizes) == count < 20
        assert max(sizes) <= LOG_MERGE_BYTES_MAX
        assert sorted(sizes)[-2] > LOG_MERGE_BYTES_MAX / 2

    asyncio.run(run())


def test_compaction_leaves_the_last_frame_alone(tmp_path: Path) -> None:
    async def run() -> None:
        path = tmp_path / "log.db"
        log = SqliteLog(str(path))
        await log.open()
        for offset in range(1, 30):
            await log.append([plain(offset)], offset - 1)
        await log.compact()
        await log.close()
        assert execute(path, "SELECT first, last FROM frame ORDER BY first") == [(1, 28), (29, 29)]

    asyncio.run(run())


def test_p14_a_long_log_is_read_in_small_bites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncline.log.scan.LOG_READ_BYTES_MAX", 1)

    async def run() -> None:
        log = SqliteLog(str(tmp_path / "log.db"))
        await log.open()
        wanted = mixed(1, 60)
        for start in range(0, 60, 5):
            await log.append(wanted[start : start + 5], start)
        assert await log.trim(32) == 32
        assert await entries(log.read(32)) == wanted[32:]
        kept = [entry for entry in wanted[:32] if entry.kind is Kind.CONFIRM]
        assert await entries(log.read_notes(0)) == kept + [entry for entry in wanted[32:] if entry.has_notes]
        assert await entries(log.find(b"text 5")) == [entry for entry in wanted[32:] if b"text 5" in repr(entry).encode()]
        assert await log.verify_all() == 6
        await log.close()

    asyncio.run(run())


def test_a_log_is_open_or_it_says_so(tmp_path: Path) -> None:
    async def run() -> None:
        log = SqliteLog(str(tmp_path / "log.db"))
        for step in (log.append([plain(1)], 0), log.trim(0), log.compact(), log.size_bytes(), log.verify_all()):
            assert "not open" in str(await refused(step, LogError))
        for read in (log.read, log.read_notes):
            with pytest.raises(LogError, match="not open"):
                read(0)
        await log.open()
        assert "open already" in str(await refused(log.open(), LogError))
        assert await log.append([plain(1)], 0) == 1
        await log.close()
        await log.close()
        assert await log.open() == 1
        await log.close()

    asyncio.run(run())


def test_inline_everything_happens_in_the_calling_thread(tmp_path: Path) -> None:
    async def run() -> None:
        log = SqliteLog(str(tmp_path / "log.db"), inline=True)
        steps = log.open()
        with pytest.raises(StopIteration) as done:
            steps.send(None)
        assert done.value.value == 0
        appending = log.append(mixed(1, 20), 0)
        with pytest.raises(StopIteration):
            appending.send(None)
        assert await entries(log.read(0)) == mixed(1, 20)
        assert await log.compact() == 0
        await log.close()

    asyncio.run(run())


def test_a_reader_beside_a_running_hub_sees_what_is_durable(tmp_path: Path) -> None:
    async def run() -> None:
        path = str(tmp_path / "log.db")
        log = SqliteLog(path)
        await log.open()
        await log.append(mixed(1, 10), 0)
        async with await open_reader(path) as reader:
            assert (reader.head, reader.floor) == (10, 0)
            reading = reader.read(0)
            await log.append(mixed(11, 20), 10)
            await log.compact()
            assert await entries(reading) == mixed(1, 10)
            assert await reader.refresh() == 20
            assert await entries(reader.read(4, 15)) == mixed(5, 15)
            assert await entries(reader.read_notes(0)) == [entry for entry in mixed(1, 20) if entry.has_notes]
            await log.trim(10)
            assert "trimmed" in str(await refused(entries(reader.read(4)), LogError))
            assert await reader.verify_all() > 0
        await log.close()

    asyncio.run(run())


def test_frames_with_notes_cannot_be_lost_silently(tmp_path: Path) -> None:
    async def run() -> None:
        path = tmp_path / "log.db"
        log = SqliteLog(str(path))
        await log.open()
        wanted = mixed(1, 30)
        for start in range(30):
            await log.append(wanted[start : start + 1], start)
        await log.close()
        execute(path, "UPDATE frame SET flags = flags & ~1 WHERE first = 12")
        await log.open()
        assert "damaged" in str(await refused(entries(log.read_notes(0)), LogDamaged))
        assert "damaged" in str(await refused(log.trim(20), LogDamaged))
        await log.close()

    asyncio.run(run())


def test_frames_of_one_append_are_linked_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncline.log.frame.FRAME_ROWS_MAX", 1)

    async def run() -> None:
        path = tmp_path / "log.db"
        log = SqliteLog(str(path))
        await log.open()
        await log.append([plain(1), control(2), plain(3), plain(4), control(5), plain(6)], 0)
        await log.append([plain(7), plain(8)], 6)
        assert await log.verify_all() > 4
        await log.close()
        spans = execute(path, "SELECT first, last, flags & 1, noted FROM frame ORDER BY first")
        noted = 0
        for _, last, has_notes, link in spans:
            assert link == noted
            noted = int(str(last)) if has_notes else noted
        assert noted >= 5

    asyncio.run(run())


def test_a_notes_index_that_lost_rows_is_damage(tmp_path: Path) -> None:
    async def run() -> None:
        path = tmp_path / "log.db"
        log = SqliteLog(str(path))
        for last in (control(3), plain(3)):
            path.unlink(missing_ok=True)
            await log.open()
            for entry in (plain(1), control(2), last):
                await log.append([entry], entry.offset - 1)
            await log.close()
            for old, new in (("flags & 1", "flags & 64"), ("flags & 64", "flags & 1")):
                db = apsw.Connection(str(path))
                db.execute("PRAGMA writable_schema = 1").fetchall()
                db.execute("UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE name = 'frame_notes'", (old, new))
                db.close()
                if new == "flags & 64":
                    execute(path, "REINDEX frame_notes")
            await log.open()
            await refused(entries(log.read_notes(0)), LogDamaged)
            await refused(entries(log.read_notes(1)), LogDamaged)
            if last.has_notes:
                await refused(entries(log.read_notes(2)), LogDamaged)
            await log.close()

    asyncio.run(run())


def test_a_frame_that_vanishes_while_the_log_is_open_is_damage(tmp_path: Path) -> None:
    async def run() -> None:
        path = tmp_path / "log.db"
        log = SqliteLog(str(path))
        await log.open()
        wanted = mixed(1, 30)
        for start in range(0, 30, 5):
            await log.append(wanted[start : start + 5], start)
        execute(path, "DELETE FROM frame WHERE first = 11")
        for step in (entries(log.read(0)), entries(log.read(10)), entries(log.read(12)), log.trim(20)):
            error = await refused(step, LogDamaged)
            assert isinstance(error, LogDamaged)
            assert error.where["offset"] in (11, 13)
        assert await entries(log.read(0, 10)) == wanted[:10]
        execute(path, "DELETE FROM frame WHERE first = 26")
        await refused(entries(log.read(20)), LogDamaged)
        await log.close()

    asyncio.run(run())


def test_trimming_beyond_the_head_ends_at_the_head(tmp_path: Path) -> None:
    async def run() -> None:
        log = SqliteLog(str(tmp_path / "log.db"))
        await log.open()
        await log.append(mixed(1, 10), 0)
        assert await log.trim(10**9) == 10
        assert (await log.append([plain(11)], 10), await entries(log.read(10))) == (11, [plain(11)])
        await log.close()
        assert (await log.open(), log.floor) == (11, 10)
        await log.close()

    asyncio.run(run())
