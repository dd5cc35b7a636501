"""The disk under a peer, or under the log, is full: nothing acknowledged is lost, and it goes on by itself with new space."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.stories.conftest import MakeSpace
from tests.stories.space import Space
from tests.stories.writers import Writer, assert_counted, counting, writing

SIZE = 3 * 1024 * 1024
NOTE = "n" * 1000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB of its own."""
    place = tmp_path / "small"
    place.mkdir()
    words = ("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place))
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us mount a small file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _fill(place: Path, spare: int = 0) -> Path:
    """A file that takes the space that is left, but for some bytes."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
        file.truncate(max(0, file.tell() - spare))
    return ballast


def _offices(make: MakeSpace, log_name: str = "story.log.db") -> Space:
    space = make(("hq", "lab", "van"), log_name=log_name)
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'Ada')")
    return space


def _log_trouble(space: Space) -> str:
    return str(space.status()["log"].get("reason"))


def test_f13_f16_a_full_disk_under_a_peer_holds_that_peer_back_and_no_other(make: MakeSpace, small: Path) -> None:
    space = _offices(make)
    shutil.move(space.file("van"), small / "van.db")
    space.file("van").symlink_to(small / "van.db")
    space.settle()
    space.start()
    ballast = _fill(small)
    many = "WITH many(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM many WHERE n < 600) INSERT INTO customers (id, name, notes)"
    space.write("hq", (f"{many} SELECT n, 'many', ? FROM many", (NOTE,)))
    space.wait_equal(peers=("hq", "lab"))
    space.wait(lambda: "SYN-P07" in space.state("van"), "the full disk is told")
    assert space.value("van", "SELECT count(*) FROM customers") == 1, "whole or not at all"
    space.write("lab", "UPDATE customers SET balance = 7 WHERE id = 1")
    space.wait_equal(peers=("hq", "lab"))
    ballast.unlink()
    space.wait_equal()
    assert space.stop() == 0
    space.settle()


def test_f13_p10_a_full_disk_under_the_log_acknowledges_nothing_and_recovers_by_itself(make: MakeSpace, small: Path) -> None:
    space = _offices(make, f"{small.name}/story.log.db")
    space.settle()
    space.start()
    ballast = _fill(small, spare=100_000)
    writers = [(Writer(space, peer, counting(first), 0.005), first) for peer, first in (("hq", 10**6), ("van", 2 * 10**6))]
    with writing(*(writer for writer, _ in writers)):
        for number in range(40):  # more than fits, and nothing that packs well
            space.write("lab", ("INSERT INTO customers (id, notes) VALUES (?, hex(randomblob(5000)))", (100 + number,)))
        space.wait(lambda: "SYN-L04" in _log_trouble(space), "the full disk is told")
        for writer, _ in writers:
            writer.wait_for(20)  # writers feel nothing of it
        assert space.hub is not None
        assert space.hub.poll() is None
        ballast.unlink()
        for writer, _ in writers:
            writer.wait_for(20)
    space.wait_equal()
    assert space.stop() == 0
    space.settle()
    assert_counted(space, writers)


@pytest.mark.parametrize("end", [Space.stop, Space.kill])
def test_f13_f8_stopped_or_killed_on_a_full_disk_nothing_is_lost(
    make: MakeSpace, small: Path, end: Callable[[Space], int | None]
) -> None:
    space = _offices(make, f"{small.name}/story.log.db")
    space.settle()
    space.start()
    ballast = _fill(small, spare=50_000)
    for number in range(40):
        space.write("lab", ("INSERT INTO customers (id, notes) VALUES (?, hex(randomblob(5000)))", (100 + number,)))
    space.wait(lambda: "SYN-L04" in _log_trouble(space), "the full disk is told")
    assert not end(space)
    assert space.verb("run", "--until-idle", code=3).codes == ["SYN-L04"]
    ballast.unlink()
    space.settle()
    space.assert_equal()
    assert space.value("hq", "SELECT count(*) FROM customers") == 41
