"""A peer is added, removed, stale, restored, and joins again, while programs write at all of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.stories.dying import KILLED, POINTS
from tests.stories.life import ALL, FIRST, Offices, copied
from tests.stories.writers import writing

HERE: Final = Path(__file__).parent


@pytest.fixture
def offices(tmp_path: Path, kind: str) -> Iterator[Offices]:
    """Three offices; the log keeps nothing that nobody waits for."""
    made = Offices(tmp_path, kind, "{retention_seconds: 0.001, stale_seconds: 1}", rows=1_000)
    yield made
    made.close()


@pytest.fixture
def large(tmp_path: Path, kind: str) -> Iterator[Offices]:
    """Three offices in agreement, with rows for several ranges."""
    made = Offices(tmp_path, kind, "{retention_seconds: 0.001}", rows=6_000)
    made.space.settle()
    yield made
    made.close()


@pytest.mark.parametrize("kind", ALL)
def test_f34_p7_a_peer_with_rows_of_its_own_is_added_under_load(offices: Offices) -> None:
    space, munich = offices.space, offices.address("munich")
    offices.listed(munich=None)
    space.settle()
    own = ", ".join(f"({number}, 'munich {number}')" for number in range(10_000, 10_500))
    offices.mixed.write("munich", f"INSERT INTO customers (id, name) VALUES {own}, (2, 'row 2'), (5001, 'counted in munich')")
    workers = [offices.worker("hq"), offices.worker("lab"), offices.worker("munich", 5001)]
    with writing(*workers):
        space.start(live=("hq", "lab"))
        workers[0].wait_for(20)
        assert space.stop() == 0
        offices.listed(munich=munich)
        space.start(live=offices.peers)
        for worker in workers:
            worker.wait_for(20)
    offices.agree(workers, (1, 5001))


@pytest.mark.parametrize("kind", ALL)
def test_f34_s8_a_peer_is_removed_and_added_again_under_load(offices: Offices) -> None:
    space = offices.space
    space.settle()
    workers = [offices.worker("hq"), offices.worker("lab")]
    with writing(*workers):
        space.start(live=offices.peers)
        assert offices.traces() > 0
        space.verb("teardown", "munich", "--yes")
        assert offices.traces() == 0
        left = space.status()["log"]["head"]
        space.wait(lambda: space.status()["log"]["floor"] > left, "the log is trimmed beyond where it left")
        space.verb("resume", "munich", "--rejoin")
        offices.wait_state("munich", "live")
        workers.append(offices.worker("munich"))
        workers[-1].start()
        workers[-1].wait_for(20)
    offices.agree(workers)


@pytest.mark.parametrize("kind", ALL)
def test_c6_f34_a_peer_becomes_stale_and_comes_back_while_all_go_on(offices: Offices) -> None:
    space, munich = offices.space, offices.address("munich")
    space.settle()
    workers = [offices.worker(peer) for peer in offices.peers]
    with writing(*workers):
        offices.listed(munich=offices.unreachable())
        space.start(live=("hq", "lab"))
        offices.wait_state("munich", "stale")
        offices.mixed.write("hq", "DELETE FROM customers WHERE id = 17")
        away = space.status()["log"]["head"]
        space.wait(lambda: space.status()["log"]["floor"] > away, "the log is trimmed beyond where it was")
        assert space.stop() == 0
        offices.listed(munich=munich)
        space.start(live=("hq", "lab"))
        space.verb("resume", "munich", "--rejoin")
        offices.wait_state("munich", "live")
        for worker in workers:
            worker.wait_for(20)
    offices.agree(workers)
    assert 17 not in {row[0] for row in offices.mixed.rows("munich")}


@pytest.mark.parametrize("kind", ALL)
def test_f26_f34_a_peer_is_restored_from_a_backup_while_the_others_go_on(offices: Offices) -> None:
    space = offices.space
    space.settle()
    backup = copied(offices)
    before = offices.worker("munich")
    with writing(before):
        space.start(live=offices.peers)
        before.wait_for(60)
    last = FIRST["munich"] + (before.done - 1) // 3
    sql = f"SELECT count(*) FROM customers WHERE id = {last}"
    space.wait(lambda: space.value("hq", sql) == 1, "all that munich did is elsewhere")
    space.wait(lambda: space.value("hq", "SELECT balance FROM customers WHERE id = 1") == before.done, "and counted")
    workers = [offices.worker("hq"), offices.worker("lab")]
    with writing(*workers):
        assert space.stop() == 0
        offices.move("munich", backup)
        space.start(live=("hq", "lab"))
        offices.wait_state("munich", "broken", "SYN-P06")
        workers[0].wait_for(20)
        space.verb("resume", "munich", "--rejoin")
        offices.wait_state("munich", "live")
    offices.agree([before, *workers])


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("point", POINTS["rejoin"])
def test_f4_f5_f6_f34_killed_at_every_point_of_a_rejoin_under_load(large: Offices, point: str) -> None:
    space = large.space
    workers = [large.worker(peer) for peer in large.peers]
    with writing(*workers):
        space.verb("resume", "munich", "--rejoin")
        large.mixed.write("hq", "DELETE FROM customers WHERE id BETWEEN 600 AND 640")
        large.mixed.write("lab", "UPDATE customers SET name = 'by lab' WHERE id BETWEEN 900 AND 999")
        words = (f"rejoin.{point}:{POINTS['rejoin'][point].times[-1]}", "run", str(space.config), "--json")
        process = space.spawn("dying", str(HERE / "dying.py"), *words)
        try:
            assert process.wait(60) == KILLED, f"{point} was not reached\n{space.said('dying')}"
        finally:
            process.kill()
    large.agree(workers)
    assert not {row[0] for row in large.mixed.rows("munich")} & set(range(600, 641)), "what was deleted stays so"
