"""The log is damaged in the middle: it is not served past the first bad entry, nothing is deleted, nothing wrong is read."""

import asyncio
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.log.samples import execute

from syncline.log.conformance import control, entries, mixed, plain, refused
from syncline.log.registry import open_reader
from syncline.log.sqlite import SqliteLog
from syncline.model.entry import Entry, Kind
from syncline.model.errors import CodecError, LogDamaged, LogError
from syncline.model.event import Event


def make(path: Path) -> None:
    async def run() -> None:
        log = SqliteLog(str(path))
        await log.open()
        for turn in range(8):
            await log.append(mixed(turn * 5 + 1, turn * 5 + 5), turn * 5)
        await log.close()

    asyncio.run(run())


def test_f12_a_bad_byte_in_the_middle_is_named_and_what_is_before_it_is_readable(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    make(path)
    execute(path, "UPDATE frame SET body = CAST(substr(body, 1, 20) || x'ff' || substr(body, 22) AS BLOB) WHERE first = 16")
    before = execute(path, "SELECT * FROM frame")

    async def run() -> None:
        log = SqliteLog(str(path))
        assert await log.open() == 40, "an opening does not read everything"
        for step in (entries(log.read(0)), entries(log.read(15, 20)), log.verify_all(), entries(log.find(b"text 31"))):
            error = await refused(step, LogDamaged)
            assert isinstance(error, LogDamaged)
            assert error.where["offset"] == 16
            assert "restore the log file from a copy" in error.hint
            assert "compare-and-merge" in error.hint
        assert await entries(log.read(0, 15)) == mixed(1, 15)
        assert await entries(log.read(20)) == mixed(21, 40)
        await refused(log.trim(30), LogDamaged)
        await refused(log.compact(), LogDamaged)
        await log.close()
        assert execute(path, "SELECT * FROM frame") == before
        async with await open_reader(str(path)) as reader:
            await refused(entries(reader.read(0)), LogDamaged)
            assert await entries(reader.read(0, 15)) == mixed(1, 15)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("damage", "offset"),
    [
        ("DELETE FROM frame WHERE first = 16", 16),
        ("DELETE FROM frame WHERE first = 1", 1),
        ("UPDATE frame SET last = 19 WHERE first = 16", 20),
        ("UPDATE frame SET first = 18 WHERE first = 16", 16),
        ("UPDATE frame SET last = 22 WHERE first = 16", 21),
    ],
)
def test_f12_p6_a_gap_is_found_at_the_opening_and_nothing_is_deleted(tmp_path: Path, damage: str, offset: int) -> None:
    path = tmp_path / "log.db"
    make(path)
    execute(path, damage)
    before = execute(path, "SELECT * FROM frame")

    async def run() -> None:
        error = await refused(SqliteLog(str(path)).open(), LogDamaged)
        assert isinstance(error, LogDamaged)
        assert abs(int(str(error.where["offset"])) - offset) <= 3

    asyncio.run(run())
    assert execute(path, "SELECT * FROM frame") == before


def test_f12_a_malformed_database_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    make(path)
    data = bytearray(path.read_bytes())
    data[4096:] = random.Random(5).randbytes(len(data) - 4096)
    path.write_bytes(data)

    async def run() -> None:
        error = await refused(SqliteLog(str(path)).open(), LogDamaged)
        assert "restore the log file from a copy" in str(error)
        await refused(open_reader(str(path)), LogDamaged)

    asyncio.run(run())
    assert path.read_bytes() == bytes(data)


def test_f12_a_control_entry_missing_from_what_was_kept_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    make(path)

    async def run() -> None:
        log = SqliteLog(str(path))
        await log.open()
        await log.trim(20)
        await log.close()
        execute(path, "DELETE FROM kept WHERE first = 9")
        await log.open()
        await refused(entries(log.read_notes(0)), LogDamaged)
        await refused(log.verify_all(), LogDamaged)
        assert await entries(log.read(20)) == mixed(21, 40)
        await log.close()

    asyncio.run(run())


WANTED = [plain(offset, 40, f"row {offset}") if offset % 4 else control(offset) for offset in range(1, 61)]
KEPT = [entry for entry in WANTED[:20] if entry.kind is Kind.CONFIRM]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a sound log: trimmed, compacted in part, closed."""
    path = tmp_path_factory.mktemp("sound") / "log.db"

    async def run() -> None:
        log = SqliteLog(str(path))
        await log.open()
        for start in range(0, 60, 3):
            await log.append(WANTED[start : start + 3], start)
            if start == 30:
                await log.compact()
        assert await log.trim(20) == 20
        await log.close()

    asyncio.run(run())
    return path.read_bytes()


async def read_all(path: Path) -> tuple[int, list[Entry], list[Entry], list[Event]]:
    """Head, entries, notes and events of a log."""
    events: list[Event] = []
    log = SqliteLog(str(path), events.append, inline=True)
    head = await log.open()
    try:
        return head, await entries(log.read(log.floor)), await entries(log.read_notes(0)), events
    finally:
        await log.close()


@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_f12_a_flipped_byte_anywhere_never_gives_wrong_entries(
    sound: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("flipped") / "log.db"
    broken = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 3))):
        broken[data.draw(st.integers(0, len(broken) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(broken)
    try:
        head, found, noted, events = asyncio.run(read_all(path))
    except (LogError, CodecError):
        return
    notes = [*KEPT, *(entry for entry in WANTED[20:head] if entry.has_notes)]
    assert (found, noted) == (WANTED[20:head], notes)
    if head < 60:
        assert [event.name for event in events] == ["log.truncated"]
        assert head == 57, "only the last frame may be set aside"
