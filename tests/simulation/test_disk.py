"""The simulated disk under the real SQLite: what survives a power loss, a full disk, a failed sync and a second opener."""

import random
from collections.abc import Callable
from contextlib import suppress

import apsw
import pytest

from syncline.sim.disk import SimDisk, SimFile
from syncline.sim.effects import SimCrash
from syncline.sim.vfs import Mount


def mount(disk: SimDisk, hit: Callable[[str, str], None] | None = None) -> Mount:
    return Mount(disk, random.Random(1), lambda: 0, hit)


def connect(at: Mount, journal: str = "TRUNCATE", *, exclusive: bool = True) -> apsw.Connection:
    database = apsw.Connection("/log", vfs=at.name)
    if exclusive:
        database.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
    database.execute(f"PRAGMA journal_mode = {journal}").fetchall()
    database.execute("PRAGMA synchronous = FULL").fetchall()
    database.execute("CREATE TABLE IF NOT EXISTS entry (number INTEGER PRIMARY KEY, body BLOB)").fetchall()
    return database


def numbers(database: apsw.Connection) -> list[int]:
    return [int(str(number)) for (number,) in database.execute("SELECT number FROM entry ORDER BY number")]


def crash_somewhere(seed: int, journal: str, *, exclusive: bool) -> tuple[int, list[int], str]:
    """Insert rows until a crash at a random disk effect, lose power, open again: acknowledged, found, integrity."""
    rng = random.Random(seed)
    disk = SimDisk(rng)
    left = rng.randint(1, 200)

    def hit(name: str, _detail: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise SimCrash(name)

    first = mount(disk, hit)
    acknowledged = 0
    with suppress(SimCrash):
        database = connect(first, journal, exclusive=exclusive)
        while left > 0:
            database.execute("INSERT INTO entry VALUES (?, ?)", (acknowledged + 1, rng.randbytes(rng.choice((50, 3000)))))
            acknowledged += 1
    first.kill()
    disk.lose_power()
    second = mount(disk)
    database = connect(second, journal, exclusive=exclusive)
    integrity = str(database.execute("PRAGMA integrity_check").fetchall()[0][0])
    return acknowledged, numbers(database), integrity


@pytest.mark.parametrize("journal", ["TRUNCATE", "WAL", "PERSIST"])
def test_f9_power_loss_keeps_every_acknowledged_row(journal: str) -> None:
    for seed in range(150):
        acknowledged, found, integrity = crash_somewhere(seed, journal, exclusive=True)
        assert integrity == "ok", seed
        assert found[:acknowledged] == list(range(1, acknowledged + 1)), seed
        assert len(found) - acknowledged in (0, 1), seed


def test_f9_the_disk_finds_that_delete_mode_needs_synchronous_extra() -> None:
    """SQLite documents that FULL does not sync the directory after the journal is removed: a commit may roll back."""
    lost = 0
    for seed in range(150):
        acknowledged, found, integrity = crash_somewhere(seed, "DELETE", exclusive=False)
        assert integrity == "ok", seed
        lost += len(found) < acknowledged
    assert lost > 0


def test_without_sync_acknowledged_rows_are_lost() -> None:
    lost = 0
    for seed in range(30):
        disk = SimDisk(random.Random(seed))
        first = mount(disk)
        database = connect(first)
        database.execute("PRAGMA synchronous = OFF").fetchall()
        for number in range(20):
            database.execute("INSERT INTO entry VALUES (?, ?)", (number, b"x" * 500))
        first.kill()
        disk.lose_power()
        try:
            lost += len(numbers(connect(mount(disk)))) < 20
        except apsw.Error:
            lost += 1
    assert lost > 15


def test_a_killed_process_loses_nothing_it_wrote_and_writes_nothing_more() -> None:
    disk = SimDisk(random.Random(0))
    first = mount(disk)
    database = connect(first)
    database.execute("INSERT INTO entry VALUES (1, x'00')")
    first.kill()
    before = disk.copy()
    database.execute("INSERT INTO entry VALUES (2, x'00')")
    database.close()
    assert disk.copy() == before
    assert numbers(connect(mount(disk))) == [1]


def test_f13_a_full_disk_refuses_and_recovers_without_edits() -> None:
    disk = SimDisk(random.Random(0))
    database = connect(mount(disk))
    database.execute("INSERT INTO entry VALUES (1, x'00')")
    disk.full = True
    with pytest.raises(apsw.FullError):
        database.execute("INSERT INTO entry VALUES (2, ?)", (b"x" * 100_000,))
    disk.full = False
    database.execute("INSERT INTO entry VALUES (3, ?)", (b"x" * 100_000,))
    assert numbers(database) == [1, 3]
    assert disk.counts["full"] > 0


def test_f10_a_failed_sync_is_an_error_and_what_it_dropped_stays_dropped() -> None:
    disk = SimDisk(random.Random(0))
    database = connect(mount(disk))
    disk.fail_sync = 1
    with pytest.raises(apsw.IOError) as caught:
        database.execute("INSERT INTO entry VALUES (1, x'00')")
    assert getattr(caught.value, "extendedresult", None) == apsw.SQLITE_IOERR_FSYNC
    file = SimFile()
    file.write(b"lost", 0)
    disk.fail_sync = 1
    assert not disk.sync(file)
    assert disk.sync(file)
    assert bytes(file.data) == b"lost"
    assert bytes(file.durable) == b""


def test_f29_a_second_process_finds_the_file_locked() -> None:
    disk = SimDisk(random.Random(0))
    first = mount(disk)
    database = connect(first)
    database.execute("INSERT INTO entry VALUES (1, x'00')")
    with pytest.raises(apsw.BusyError):
        connect(mount(disk))
    first.kill()
    assert numbers(connect(mount(disk))) == [1]


def test_f12_a_flipped_bit_stays_after_a_power_loss() -> None:
    disk = SimDisk(random.Random(0))
    at = mount(disk)
    connect(at).execute("INSERT INTO entry VALUES (1, ?)", (b"needle",))
    place = disk.files["/log"].data.index(b"needle")
    disk.flip_bit("/log", place, 3)
    at.kill()
    disk.lose_power()
    assert bytes(disk.files["/log"].data[place : place + 6]) == b"feedle"


def test_f27_a_backup_comes_back_as_it_was() -> None:
    disk = SimDisk(random.Random(0))
    first = mount(disk)
    database = connect(first)
    database.execute("INSERT INTO entry VALUES (1, x'00')")
    backup = disk.copy()
    database.execute("INSERT INTO entry VALUES (2, x'00')")
    first.kill()
    disk.restore(backup)
    assert numbers(connect(mount(disk))) == [1]


def test_torn_writes_are_cut_at_sectors() -> None:
    torn = 0
    for seed in range(200):
        disk = SimDisk(random.Random(seed))
        file = disk.open("/f")
        disk.sync(file)
        file.write(b"a" * 2000, 100)
        disk.lose_power()
        data = bytes(disk.files["/f"].data)
        kept = [data[start:end] for start, end in ((100, 512), (512, 1024), (1024, 1536), (1536, 2048))]
        whole = [bool(piece) and set(piece) == {97} for piece in kept]
        assert all(piece == b"" or set(piece) in ({0}, {97}) for piece in kept)
        torn += 0 < sum(whole) < 4
    assert torn > 10
