"""The disk under the log loses power, fills up, fails to sync. The real log and the real SQLite over a simulated disk."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TypeVar

import pytest

from syncline.log.conformance import control, entries, mixed, plain, refused
from syncline.log.sqlite import SqliteLog
from syncline.model.entry import Entry, Kind
from syncline.model.errors import LogBusy, LogDamaged, LogError, LogFenced, LogFull
from syncline.sim.disk import SimDisk, SimFile
from syncline.sim.effects import SimCrash
from syncline.sim.vfs import Mount

T = TypeVar("T")


def mount(disk: SimDisk, hit: Callable[[str, str], None] | None = None) -> Mount:
    return Mount(disk, random.Random(1), lambda: 0, hit)


class Mounted(SqliteLog):
    """The log over a mount, which must live as long as it."""

    def __init__(self, at: Mount) -> None:
        self.at = at
        super().__init__("/space.log", vfs=at.name, inline=True)


def open_on(at: Mount) -> SqliteLog:
    return Mounted(at)


class Life:
    """One process's work on a log, and what it was told. The work ends at disk effect number `crash_at`, if there is one."""

    def __init__(self, disk: SimDisk, crash_at: int = 0) -> None:
        self.disk = disk
        self.effects = 0
        self.acked = self.asked = self.floor_asked = 0
        self.named: list[str] = []
        self._crash_at = crash_at
        self.mount = mount(disk, self._hit)

    def _hit(self, name: str, detail: str) -> None:
        self.effects += 1
        self.named.append(f"{name} {detail}")
        if self.effects == self._crash_at:
            self.mount.kill()
            raise SimCrash(name)

    async def work(self) -> None:
        """Open, append, compact, trim, append, close."""
        log = open_on(self.mount)
        head = await log.open()
        for turn in range(12):
            self.asked = head + 1 + turn % 3
            head = self.acked = await log.append(mixed(head + 1, self.asked), head)
        await log.compact()
        self.floor_asked = 13
        assert await log.trim(13) == 13
        self.asked = head + 2
        self.acked = await log.append([control(head + 1), plain(head + 2, 300)], head)
        await log.close()

    def run(self) -> None:
        """Work until done or dead; then nothing of this process is left."""
        with suppress(SimCrash):
            asyncio.run(self.work())
        if not self.mount.dead:
            self.mount.kill()


def wanted(upto: int) -> list[Entry]:
    """What `Life.work` appends, up to an offset."""
    return [*mixed(1, min(upto, 24)), *[control(25), plain(26, 300)][: max(0, upto - 24)]]


async def check(life: Life, disk: SimDisk, where: str) -> None:
    """Everything acknowledged is there, nothing is mixed, and the log goes on."""
    log = open_on(mount(disk))
    head = await log.open()
    assert life.acked <= head <= max(life.asked, life.acked), where
    assert log.floor in (0, life.floor_asked), where
    assert await entries(log.read(log.floor)) == wanted(head)[log.floor :], where
    noted = [one for one in wanted(head) if one.kind is Kind.CONFIRM or (one.has_notes and one.offset > log.floor)]
    assert await entries(log.read_notes(0)) == noted, where
    assert await log.append([plain(head + 1)], head) == head + 1, where
    await log.verify_all()
    await log.close()


def effects_of_a_whole_life() -> int:
    life = Life(SimDisk(random.Random(0)))
    life.run()
    assert life.acked == 26
    return life.effects


@pytest.mark.parametrize("power", [True, False], ids=["power-loss", "kill"])
def test_f7_f9_p6_a_crash_at_every_disk_effect_loses_nothing_acknowledged(power: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncline.log.writer.LOG_WAL_PAGES_MAX", 20)  # so that pages are moved now and then
    total = effects_of_a_whole_life()
    assert total > 60
    for crash_at in range(1, total + 2):
        for seed in range(2 if power else 1):
            disk = SimDisk(random.Random(f"{crash_at} {seed}"))
            life = Life(disk, crash_at)
            life.run()
            if power:
                disk.lose_power()
            asyncio.run(check(life, disk, f"crash at {crash_at}, seed {seed}: {life.named[-1:]}"))


def test_f9_a_log_that_does_not_sync_would_be_caught() -> None:
    """The same check, with every sync of the log made a lie: it must fail, or the tests above prove nothing."""
    caught = 0
    for seed in range(20):
        disk = SimDisk(random.Random(seed))
        disk.sync = lambda file: True  # type: ignore[method-assign]
        life = Life(disk)
        life.run()
        del disk.sync
        disk.lose_power()
        try:
            asyncio.run(check(life, disk, ""))
        except (AssertionError, LogError):
            caught += 1
    assert caught > 10


def on_a_disk(story: Callable[[SimDisk, SqliteLog], Coroutine[object, object, T]]) -> T:
    """Run a story with a log of ten entries on a fresh disk."""

    async def run() -> T:
        disk = SimDisk(random.Random(1))
        log = open_on(mount(disk))
        await log.open()
        await log.append(mixed(1, 10), 0)
        return await story(disk, log)

    return asyncio.run(run())


def test_f8_every_append_is_synced_before_it_is_acknowledged() -> None:
    async def story(disk: SimDisk, log: SqliteLog) -> None:
        for offset in range(11, 30):
            before = disk.counts["sync"]
            await log.append([plain(offset)], offset - 1)
            assert disk.counts["sync"] > before
            platters = SimDisk(random.Random(0))
            platters.restore({name: bytes(file.durable) for name, file in disk.files.items()})
            again = open_on(mount(platters))
            assert await again.open() == offset
            await again.close()

    on_a_disk(story)


def test_f13_a_full_disk_acknowledges_nothing_and_goes_on_when_there_is_space() -> None:
    async def story(disk: SimDisk, log: SqliteLog) -> None:
        disk.full = True
        head, full = 10, None
        while full is None:
            try:
                head = await log.append(mixed(head + 1, head + 50), head)
            except LogFull as error:
                full = error
        assert full.transient
        assert log.head == head
        for _ in range(3):
            await refused(log.append(mixed(head + 1, head + 50), head), LogFull)
        assert await entries(log.read(0)) == mixed(1, head)
        disk.full = False
        assert await log.append(mixed(head + 1, head + 50), head) == head + 50
        assert await entries(log.read(0)) == mixed(1, head + 50)
        await log.close()
        assert await log.open() == head + 50
        await log.close()

    on_a_disk(story)


def test_f13_trimming_and_compacting_on_a_full_disk_change_nothing_or_succeed() -> None:
    async def story(disk: SimDisk, log: SqliteLog) -> None:
        for offset in range(11, 200):
            await log.append(mixed(offset, offset), offset - 1)
        disk.full = True
        for step in (log.compact, lambda: log.trim(150)):
            with suppress(LogFull):
                await step()
        assert await entries(log.read(log.floor)) == mixed(log.floor + 1, 199)
        disk.full = False
        assert await log.trim(150) == 150
        assert await log.append([plain(200)], 199) == 200
        await log.close()

    on_a_disk(story)


def test_f10_a_failed_sync_ends_all_acknowledging_until_the_log_is_opened_again() -> None:
    async def story(disk: SimDisk, log: SqliteLog) -> None:
        disk.fail_sync = 1
        first = await refused(log.append(mixed(11, 12), 10), LogError)
        assert not isinstance(first, LogFull)
        assert (log.head, disk.fail_sync) == (10, 0)
        syncs = disk.counts["sync"]
        for _ in range(3):
            error = await refused(log.append(mixed(11, 12), 10), LogError)
            assert "takes no more entries" in str(error)
            assert "start the hub again" in str(error)
            await refused(log.trim(5), LogError)
            await refused(log.compact(), LogError)
        assert disk.counts["sync"] == syncs, "no sync was tried again"
        assert await entries(log.read(0)) == mixed(1, 10)
        await log.close()
        disk.lose_power()
        again = open_on(mount(disk))
        head = await again.open()
        assert head in (10, 12), "what was not acknowledged may be there whole"
        assert await entries(again.read(0)) == mixed(1, head)
        assert await again.append([plain(head + 1)], head) == head + 1
        await again.close()

    on_a_disk(story)


def test_f10_a_sync_that_fails_while_pages_are_moved_ends_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncline.log.writer.LOG_WAL_PAGES_MAX", 1)

    async def story(disk: SimDisk, log: SqliteLog) -> None:
        real = disk.sync

        def sync(file: SimFile) -> bool:
            return file is not disk.files["/space.log"] and real(file)

        disk.sync = sync  # type: ignore[method-assign]
        assert await log.append([plain(11)], 10) == 11, "it was durable before the pages were moved"
        assert "takes no more entries" in str(await refused(log.append([plain(12)], 11), LogError))
        disk.sync = real  # type: ignore[method-assign]
        await log.close()
        disk.lose_power()
        again = open_on(mount(disk))
        assert await again.open() == 11
        assert await entries(again.read(0)) == [*mixed(1, 10), plain(11)]
        await again.close()

    on_a_disk(story)


def test_f29_two_openings_of_one_log_on_one_machine() -> None:
    async def story(disk: SimDisk, log: SqliteLog) -> None:
        second = open_on(mount(disk))
        await refused(second.open(), LogBusy, LogFenced)
        assert await log.append([plain(11)], 10) == 11
        await log.close()
        assert await second.open() == 11
        await second.close()

    on_a_disk(story)


def test_f12_a_flipped_bit_on_the_platters_is_never_read_as_an_entry() -> None:
    async def story(disk: SimDisk, log: SqliteLog) -> None:
        await log.append(mixed(11, 60), 10)
        await log.close()
        sound = disk.copy()
        outcomes = set()
        for turn in range(0, len(sound["/space.log"]), 97):
            disk.restore(sound)
            disk.flip_bit("/space.log", turn, turn % 8)
            again = open_on(mount(disk))
            try:
                head = await again.open()
                assert await entries(again.read(0)) == mixed(1, head)
                assert head in (60, 10)
                outcomes.add("sound")
            except LogDamaged:
                outcomes.add("damaged")
            except LogError:
                outcomes.add("refused")
            await again.close()
        assert {"sound", "damaged"} <= outcomes

    on_a_disk(story)
