"""Something wrote past Syncline: verify names peer, collection, key and fields, and a repair heals it through the log."""

import pytest
from tests.stories.conftest import MakeSpace
from tests.stories.drifting import unseen
from tests.stories.space import Cell, Report, Space, Statement
from tests.stories.writers import Writer, assert_counted, counting, writing

OFFICES = ("hq", "lab", "van")


def _three(make: MakeSpace, rows: int = 50) -> Space:
    space = make(OFFICES)
    many = f"WITH many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < {rows})"
    space.write("hq", f"{many} INSERT INTO customers (id, name) SELECT n, 'row ' || n FROM many")
    space.settle()
    return space


def _drift(told: Report) -> dict[tuple[Cell, ...], tuple[list[str], Report]]:
    assert all(one["state"] == "drift" and one["collection"] == "customers" for one in told["differences"])
    return {tuple(one["key"]): (one["fields"], one["peers"]) for one in told["differences"]}


def test_p17_every_kind_of_drift_is_named_and_a_repair_heals_it_through_the_log(make: MakeSpace) -> None:
    space = _three(make)
    unseen(space, "van", "UPDATE customers SET name = 'changed', notes = 'too' WHERE id = 7")
    unseen(space, "lab", "DELETE FROM customers WHERE id = 9")
    unseen(space, "hq", "INSERT INTO customers (id, name) VALUES (999, 'beyond the largest')")
    unseen(space, "hq", "INSERT INTO customers (id, name) VALUES (-5, 'before the smallest')")
    found = _drift(space.verify(code=1))
    assert set(found) == {(7,), (9,), (999,), (-5,)}
    fields, peers = found[7,]
    assert sorted(fields) == ["name", "notes"]
    assert peers["van"] == {"name": "changed", "notes": "too"}
    assert peers["hq"] == peers["lab"] == {"name": "row 7", "notes": None}
    assert found[9,][1]["lab"] is None
    assert found[999,][1] | {"hq": None} == dict.fromkeys(OFFICES)
    text = space.verb("status").data["peers"]["van"]["collections"]["customers"]
    assert text["state"] == "live"
    healed = space.verify("--repair", code=None)
    assert healed["repaired"] == 4
    space.settle()
    space.assert_equal()
    assert space.verify()["equal"]
    assert space.value("van", "SELECT name FROM customers WHERE id = 7") == "row 7"
    assert space.value("hq", "SELECT count(*) FROM customers") == 50
    kept = {tuple(one["key"]): str(one) for one in space.conflicts("--all")}
    assert "changed" in kept[7,]
    assert "beyond the largest" in kept[999,]
    assert "repair" in str(space.verb("history", "customers", "7").data)


def test_s6_one_row_of_twenty_thousand_at_a_running_hub(make: MakeSpace) -> None:
    space = _three(make, 20_000)
    space.start()
    told = space.verify()
    assert (told["equal"], told["rows"]) == (True, 20_000)
    unseen(space, "lab", "UPDATE customers SET iban = x'00' WHERE id = 13331")
    ((key, (fields, peers)),) = _drift(space.verify(code=1)).items()
    assert (key, fields, peers["hq"]) == ((13331,), ["iban"], {"iban": None})
    space.verify("--repair", code=None)
    space.wait_equal()
    assert space.verify()["equal"]
    assert space.stop() == 0


def test_p17_no_false_alarm_while_writers_go_on_and_drift_is_found_all_the_same(make: MakeSpace) -> None:
    space = _three(make, 2_000)
    space.start()
    writers = [(Writer(space, peer, counting(first), 0.01), first) for peer, first in (("hq", 10**6), ("van", 2 * 10**6))]
    with writing(*(writer for writer, _ in writers)):
        for _ in range(3):
            told = space.verify(code=None)
            assert [one for one in told["differences"] if one["state"] == "drift"] == []
        unseen(space, "lab", "UPDATE customers SET name = 'drifted' WHERE id = 1500")
        told = space.verify(code=1)
        assert [one["key"] for one in told["differences"] if one["state"] == "drift"] == [[1500]]
    space.verify("--repair", code=None)
    space.wait_equal()
    assert space.verify()["equal"]
    assert space.stop() == 0
    assert_counted(space, writers)


@pytest.mark.parametrize("running", [False, True], ids=["at_rest", "running"])
def test_p17_what_is_merely_on_its_way_is_pending_and_not_drift(make: MakeSpace, running: bool) -> None:
    space = _three(make)
    if running:
        space.start()
        space.verb("pause", "lab")
    space.write("hq", "UPDATE customers SET name = 'on its way' WHERE id = 3")
    if running:
        space.wait_value("van", "on its way", "SELECT name FROM customers WHERE id = 3")
        told = space.verify(code=1)
        assert (told["differences"], told["not_compared"]) == ([], ["lab"])
        space.verb("resume", "lab")
        space.wait_equal()
        assert space.stop() == 0
    else:
        assert [(one["key"], one["state"]) for one in space.verify(code=1)["differences"]] == [([3], "pending")]
    space.settle()


def test_p17_verified_through_is_told_only_as_far_as_it_was_compared(make: MakeSpace) -> None:
    space = _three(make)

    def through() -> int:
        return int(space.status()["peers"]["van"]["collections"]["customers"]["verified_through"] or 0)

    begun = through()
    assert begun > 0
    space.start()
    unseen(space, "van", "UPDATE customers SET name = 'drifted' WHERE id = 3")
    space.write("hq", "UPDATE customers SET name = 'newer' WHERE id = 4")
    space.wait_value("van", "newer", "SELECT name FROM customers WHERE id = 4")
    space.verify(code=1)
    assert through() == begun, "nothing was proven beyond"
    space.verify("--repair", code=None)
    space.wait_equal()
    space.verify()
    assert through() > begun
    assert space.stop() == 0


def test_p17_triggers_that_were_away_for_a_while_are_noticed(make: MakeSpace) -> None:
    space = _three(make)
    texts = space.read("van", "SELECT sql FROM sqlite_schema WHERE type = 'trigger'")
    names = space.read("van", "SELECT name FROM sqlite_schema WHERE type = 'trigger'")
    space.write("van", *(f"DROP TRIGGER {name!s}" for (name,) in names))
    space.write("van", "UPDATE customers SET name = 'unseen' WHERE id = 5")
    space.write("van", *(str(text) for (text,) in texts))
    assert set(_drift(space.verify(code=1))) == {(5,)}


def test_p17_no_false_alarm_at_rest_while_a_writer_goes_on_and_drift_is_found_all_the_same(make: MakeSpace) -> None:
    """Nobody captures what is written: each suspect's history is read up to where its row was read."""
    space = _three(make, 20_000)
    several = "UPDATE customers SET notes = ? WHERE id <= 10000 AND id % 500 = ?"

    def work(number: int) -> list[Statement]:
        return [*counting(10**6)(number), (several, (f"round {number}", number % 500))]

    writer = Writer(space, "hq", work, 0.002)
    with writing(writer):
        for _ in range(3):
            writer.wait_for(5)
            begun = writer.done
            told = space.verify(code=1)
            assert (told["drift"], writer.done > begun) == (0, True)
            assert told["pending"] > 0
        unseen(space, "lab", "UPDATE customers SET name = 'drifted' WHERE id = 15001")
        told = space.verify(code=1)
        assert told["drift"] == 1
        assert [one["key"] for one in told["differences"] if one["state"] == "drift"] == [[15001]]
    assert space.settle(code=1).data["verify"]["drift"] == 1
    assert space.verify("--repair", code=1)["repaired"] == 1
    space.settle()
    space.assert_equal()


def test_p17_one_live_peer_proves_nothing(make: MakeSpace) -> None:
    space = make()
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'Ada')")
    space.settle()
    before = _through(space)
    space.verb("pause", "van")
    space.write("hq", "INSERT INTO customers (id, name) VALUES (2, 'Bob')")
    space.settle(code=1)
    assert space.value("hq", "SELECT count(*) FROM customers") == 2
    assert _through(space) == before, "nothing was compared"
    space.verb("resume", "van")
    space.settle()
    assert min(_through(space).values()) > max(before.values())


def _through(space: Space) -> dict[str, int]:
    peers = space.status()["peers"]
    return {peer: peers[peer]["collections"]["customers"]["verified_through"] for peer in space.peers}


@pytest.mark.parametrize("direction", ["send", "receive"])
def test_p17_who_only_sends_or_receives_is_judged_alike_with_and_without_a_hub(make: MakeSpace, direction: str) -> None:
    space = make(OFFICES, collections=f"{{direction: {{van: {direction}}}}}")
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'Ada')")
    space.write("van", "INSERT INTO customers (id, name) VALUES (2, 'Bob')")
    code = space.settle(code=None).code
    at_rest = space.verify(code=code)
    assert (code, at_rest["equal"]) == (0, True)
    space.write("van", "INSERT INTO customers (id, name) VALUES (3, 'van alone')")
    at_rest = space.verify(code=None)
    assert (at_rest["equal"], at_rest["drift"]) == ((True, 0) if direction == "send" else (False, 1))
    assert space.settle(code=None).data["verify"]["drift"] == at_rest["drift"]


def test_a_repair_takes_nothing_from_who_only_receives(make: MakeSpace) -> None:
    space = make(collections="{direction: {van: receive}}")
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'Ada')")
    space.settle()
    space.write("van", "UPDATE customers SET name = 'local'", "INSERT INTO customers (id, name) VALUES (2, 'local')")
    assert space.verify("--repair", code=1)["repaired"] == 2
    space.settle()
    space.assert_equal()
    assert space.rows("van") == [(1, "Ada", 0, None, None, None)]
    kept = {tuple(one["key"]): one["theirs"]["row"]["name"] for one in space.conflicts("--all")}
    assert kept == {(1,): "local", (2,): "local"}


def test_p17_at_rest_a_peer_that_left_is_not_compared(make: MakeSpace) -> None:
    space = _three(make)
    space.verb("teardown", "lab", "--yes")
    space.write("lab", "DELETE FROM customers")
    told = space.verify(code=1)
    assert (told["not_compared"], told["drift"], told["differences"]) == (["lab"], 0, [])


def test_p17_at_rest_a_copy_that_the_log_does_not_know_is_not_compared(make: MakeSpace) -> None:
    space = _three(make)
    space.copy("lab.db", "backup")
    space.write("hq", "UPDATE customers SET name = 'newer' WHERE id = 3")
    space.settle()
    space.copy("backup", "lab.db")
    told = space.verify(code=1)
    assert (told["not_compared"], told["drift"], told["differences"]) == (["lab"], 0, [])
