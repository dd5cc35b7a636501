"""A peer is not there: its file was moved away, or cannot be read. The others go on, and it catches up when it returns."""

from tests.stories.conftest import MakeSpace
from tests.stories.space import Space
from tests.stories.writers import Writer, assert_counted, counting, writing

OFFICES = ("hq", "lab", "van")


def _three(make: MakeSpace, settings: str = "") -> Space:
    space = make(OFFICES, settings=settings)
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'Ada')")
    space.settle()
    return space


def test_f16_p2_absent_for_the_whole_run_the_others_go_on_and_it_catches_up_exactly(make: MakeSpace) -> None:
    space = _three(make)
    away = [(Writer(space, "van", counting(3 * 10**6)), 3 * 10**6)]
    with writing(away[0][0]):
        away[0][0].wait_for(40)  # offline work, before anybody can see it
    space.move("van", "away")
    space.start(live=("hq", "lab"))
    here = [(Writer(space, peer, counting(first), 0.005), first) for peer, first in (("hq", 10**6), ("lab", 2 * 10**6))]
    with writing(*(writer for writer, _ in here)):
        for writer, _ in here:
            writer.wait_for(60)
    space.wait_equal(peers=("hq", "lab"))
    space.wait(lambda: space.state("van").startswith("waiting SYN-P02"), "its absence is told")
    told = space.verify(code=1)
    assert told["not_compared"] == ["van"]
    assert told["differences"] == []
    space.move("away", "van")
    space.wait_equal()
    assert space.stop() == 0
    space.settle()
    assert_counted(space, here + away)


def test_f16_a_file_that_goes_while_the_hub_runs_is_noticed_and_welcomed_back(make: MakeSpace) -> None:
    space = _three(make)
    space.start()
    space.move("van", "away")
    space.wait(lambda: space.state("van").startswith("waiting SYN-P02"), "it is noticed")
    space.write("hq", "UPDATE customers SET balance = balance + 5")
    space.wait_equal(peers=("hq", "lab"))
    space.move("away", "van")
    space.wait_equal()
    space.write("van", "UPDATE customers SET balance = balance + 2")
    space.wait_equal()
    assert space.value("hq", "SELECT balance FROM customers") == 7
    assert space.stop() == 0


def test_f16_a_file_that_goes_just_before_a_delivery_is_waited_for(make: MakeSpace) -> None:
    """SQLite calls it read-only then; it is no matter of rights, and it ends by itself."""
    space = _three(make)
    with space.open("van") as connection:
        connection.execute("PRAGMA journal_mode=DELETE").fetchall()
    space.start()
    space.move("van", "away")
    space.write("hq", "UPDATE customers SET balance = balance + 5")
    space.wait_equal(peers=("hq", "lab"))
    space.wait(lambda: space.state("van").startswith("waiting SYN-P02"), "it is told")
    space.move("away", "van")
    space.wait_equal()
    assert space.stop() == 0


def test_f14_f16_a_peer_that_is_damaged_at_the_start_is_named_and_the_others_go_on(make: MakeSpace) -> None:
    space = _three(make)
    whole = space.file("van").read_bytes()
    space.file("van").write_bytes(whole[: len(whole) // 2])
    space.start(live=("hq", "lab"))
    space.wait(lambda: "SYN-P04" in space.state("van"), "it is named")
    assert space.state("van").startswith("broken SYN-P04: the database is damaged")
    space.write("lab", "UPDATE customers SET name = 'Ada L.'")
    space.wait_equal(peers=("hq", "lab"))
    space.file("van").write_bytes(whole)
    space.verb("resume", "van")
    space.wait_equal()
    assert space.stop() == 0


def test_f34_c6_stale_beyond_the_horizon_it_no_longer_holds_the_window_and_must_rejoin(make: MakeSpace) -> None:
    space = _three(make, "{stale_seconds: 2}")
    space.write("hq", "INSERT INTO customers (id, name) VALUES (2, 'Bo'), (3, 'Cy')")
    space.settle()
    space.write("van", "UPDATE customers SET notes = 'written in the field' WHERE id <> 3")
    space.move("van", "away")
    space.start(live=("hq", "lab"))
    space.write("hq", "INSERT INTO customers (id, name) VALUES (4, 'Di')", "DELETE FROM customers WHERE id IN (1, 3)")
    space.wait(lambda: space.state("van").startswith("stale"), "it is stale")
    space.wait(lambda: space.status()["window"] == 0, "the window is empty")
    space.move("away", "van")
    assert "away for too long" in space.verb("resume", "van", code=2).text, "it cannot simply go on"
    space.verb("resume", "van", "--rejoin")
    space.wait_equal()
    assert space.stop() == 0
    space.settle()
    rows = {row[0]: row[4] for row in space.rows("hq")}
    assert rows == {1: "written in the field", 2: "written in the field", 4: None}, "only what it wrote counts"
    settled = {tuple(one["key"]): (one["rule"], one["winner"]) for one in space.conflicts("--all")}
    assert settled == {(1,): ("deletes update_wins", "van"), (3,): ("deletes update_wins", "@space")}


def test_f34_s2_stale_by_the_rows_it_keeps_in_the_window(make: MakeSpace) -> None:
    space = _three(make, "{window_rows: 500}")
    space.move("van", "away")
    space.start(live=("hq", "lab"))
    for number in range(4):
        many = f"WITH many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < 300) SELECT n + {1000 * (number + 1)}"
        space.write("hq", f"INSERT INTO customers (id, name) {many}, 'many' FROM many")
    space.wait(lambda: space.state("van").startswith("stale"), "it is stale")
    space.wait_equal(peers=("hq", "lab"))
    space.move("away", "van")
    assert "away for too long" in space.verb("resume", "van", code=2).text, "it cannot simply go on"
    space.verb("resume", "van", "--rejoin")
    space.wait_equal()
    assert space.stop() == 0
