"""The last frame of the log is torn: it is set aside and reported, and the log goes on before it."""

import asyncio
from pathlib import Path

import pytest
from tests.unit.log.samples import execute

from syncline.log.conformance import entries, mixed, plain
from syncline.log.frame import shrink
from syncline.log.sqlite import SqliteLog
from syncline.model.codec import encode_entries
from syncline.model.errors import CodecError, LogDamaged
from syncline.model.event import Event


def make(path: Path, appends: int = 6) -> None:
    """Appends of five entries each."""

    async def run() -> None:
        log = SqliteLog(str(path))
        await log.open()
        for turn in range(appends):
            await log.append(mixed(turn * 5 + 1, turn * 5 + 5), turn * 5)
        await log.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "tear",
    [
        "UPDATE frame SET body = substr(body, 1, length(body) / 2) WHERE first = 26",
        "UPDATE frame SET body = zeroblob(length(body)) WHERE first = 26",
        "UPDATE frame SET body = x'' WHERE first = 26",
        "UPDATE frame SET sum = sum + 1 WHERE first = 26",
        "UPDATE frame SET last = 31 WHERE first = 26",
        "UPDATE frame SET flags = 0 WHERE first = 26",
    ],
)
def test_f11_a_torn_last_frame_is_set_aside_and_reported(tmp_path: Path, tear: str) -> None:
    path = tmp_path / "log.db"
    make(path)
    execute(path, tear)
    events: list[Event] = []

    async def run() -> None:
        log = SqliteLog(str(path), events.append)
        assert await log.open() == 25
        assert [event.name for event in events] == ["log.truncated"]
        assert (events[0].detail["first"], events[0].detail["head"]) == (26, 25)
        assert await entries(log.read(0)) == mixed(1, 25)
        assert await log.append([plain(26)], 25) == 26
        await log.close()
        assert await log.open() == 26
        assert await entries(log.read(0)) == [*mixed(1, 25), plain(26)]
        await log.close()

    asyncio.run(run())
    assert len(events) == 1, "the second opening found nothing torn"
    assert len(execute(path, "SELECT body FROM torn")) == 1, "what was torn is set aside, not lost"


def test_f11_a_log_of_one_torn_frame_begins_again_at_its_floor(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    make(path, 1)
    execute(path, "UPDATE frame SET body = x'00'")

    async def run() -> None:
        log = SqliteLog(str(path))
        assert await log.open() == 0
        assert await log.append(mixed(1, 5), 0) == 5
        assert await log.trim(3) == 3
        await log.close()
        execute(path, "UPDATE frame SET body = x'00'")
        assert await log.open() == 3
        assert [entry.offset for entry in await entries(log.read_notes(0))] == [3]
        await log.close()

    asyncio.run(run())


def test_f11_f12_two_bad_frames_at_the_end_are_damage_and_nothing_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    make(path)
    execute(path, "UPDATE frame SET body = x'00' WHERE first >= 21")
    before = execute(path, "SELECT * FROM frame")

    async def run() -> None:
        with pytest.raises(LogDamaged) as caught:
            await SqliteLog(str(path)).open()
        assert caught.value.where["offset"] == 21

    asyncio.run(run())
    assert execute(path, "SELECT * FROM frame") == before


def test_f38_a_last_frame_from_a_newer_codec_is_not_taken_for_torn(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    make(path)
    data = encode_entries(mixed(26, 30))
    newer = shrink(26, 30, bytes([data[0] + 1]) + data[1:], notes=True).seal(25)
    execute(path, "UPDATE frame SET flags = ?, size = ?, sum = ?, noted = ?, body = ? WHERE first = 26",
            newer.flags, newer.size, newer.sum, newer.noted, newer.body)  # fmt: skip
    before = execute(path, "SELECT * FROM frame")

    async def run() -> None:
        with pytest.raises(CodecError, match="format version 3"):
            await SqliteLog(str(path)).open()

    asyncio.run(run())
    assert execute(path, "SELECT * FROM frame") == before
