"""A peer that only receives changes: it is to be heard from now on, or no more, it is restored, frozen, edited by its users."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
from tests.servers import mariadb, postgres
from tests.stories.mixed import Mixed
from tests.stories.receiving import KINDS, RECEIVES, ask, fed, table_of, turn

from syncline.peers.receiving import UNHEARD

ABLE: Final[dict[str, Callable[[], Any]]] = {  # servers that can be captured
    "postgresql": postgres.shared,
    "mariadb": mariadb.shared,
    "sqlite": lambda: None,
}
HURRIED: Final = (str(Path(__file__).with_name("hurried.py")), "PEER_QUIET_SECONDS=0.3", "PEER_SILENT_SECONDS=1")
NOTICED_SECONDS: Final = 0.3 + 1 + 1 + 5
PLAIN: Final = ("postgresql", "mariadb")
MANY: Final = "INSERT INTO customers (id, name) VALUES (1, 'Ada'), (2, 'Bea'), (3, 'Cid'), (4, 'Dora')"

Fed: TypeAlias = Callable[..., Mixed]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Fed]:
    """Makes a space whose `hq` has four customers for its `depot`; it takes what `fed` takes after the folder."""
    spaces: list[Mixed] = []

    def begin(kind: str, **options: Any) -> Mixed:
        spaces.append(fed(tmp_path, kind, **options))
        spaces[-1].write("hq", MANY)
        return spaces[-1]

    yield begin
    for one in spaces:
        one.close()


def names(mixed: Mixed, peer: str) -> dict[int, str | None]:
    """The customers' names at a peer."""
    return {row[0]: row[1] for row in mixed.rows(peer)}


def slots(mixed: Mixed, kind: str) -> int:
    """How much there is at the depot that captures."""
    return int(ask(mixed, KINDS[kind].captures)[0][0])


@pytest.mark.parametrize("kind", ABLE)
def test_f28_who_is_heard_from_now_on_stops_joins_again_and_what_its_users_wrote_is_merged(made: Fed, kind: str) -> None:
    mixed = made(kind, server=ABLE[kind]())
    space = mixed.space
    mixed.settle()
    assert slots(mixed, kind) == 0
    mixed.write("depot", "INSERT INTO customers (id, name) VALUES (70, 'unheard')", "DELETE FROM customers WHERE id = 3")
    mixed.write("depot", "UPDATE customers SET name = 'edited' WHERE id = 2")
    turn(mixed, "receive", "both")
    mixed.write("hq", "UPDATE customers SET name = 'newer' WHERE id = 1")
    told = space.state("depot")
    assert told.startswith("broken SYN-P06"), "known before a hub meets it"
    mixed.settle(code=3)
    assert space.state("depot") == told, "nothing became of that"
    assert UNHEARD in told
    assert "resume depot --rejoin" in told
    assert names(mixed, "depot") == {1: "Ada", 2: "edited", 4: "Dora", 70: "unheard"}, "it is left alone"
    assert slots(mixed, kind) == 0

    space.verb("resume", "depot", "--rejoin")
    mixed.settle()
    mixed.assert_equal()
    assert names(mixed, "hq") == {1: "newer", 2: "Bea", 3: "Cid", 4: "Dora", 70: "unheard"}
    kept = {tuple(one["key"]): str(one["theirs"]["row"]) for one in space.conflicts("--all")}
    assert "edited" in kept[2,], "nothing is lost"
    assert slots(mixed, kind) > 0
    mixed.write("depot", "UPDATE customers SET name = 'heard' WHERE id = 2", "DELETE FROM customers WHERE id = 4")
    mixed.settle()
    mixed.assert_equal()
    assert names(mixed, "hq") == {1: "newer", 2: "heard", 3: "Cid", 70: "unheard"}
    assert mixed.verify()["equal"] is True


@pytest.mark.parametrize("kind", ABLE)
def test_who_is_not_heard_any_more_goes_on_and_is_captured_until_it_joins_again(made: Fed, kind: str) -> None:
    mixed = made(kind, server=ABLE[kind](), collections=RECEIVES.replace("receive", "both"))
    space = mixed.space
    mixed.settle()
    before = slots(mixed, kind)
    turn(mixed, "both", "receive")
    mixed.write("hq", "UPDATE customers SET name = 'newer' WHERE id = 1")
    mixed.settle()
    mixed.assert_equal()
    assert slots(mixed, kind) == before
    mixed.write("depot", "UPDATE customers SET name = 'edited' WHERE id = 2")
    mixed.settle(code=1)
    assert names(mixed, "hq")[2] == "Bea", "what it sends does not count any more"
    assert mixed.space.verify("--repair", code=None)["repaired"] == 1
    mixed.settle()

    space.verb("teardown", "depot", "--yes")
    assert ask(mixed, KINDS[kind].traces) == [(0,)]
    mixed.write("hq", "UPDATE customers SET name = 'newest' WHERE id = 1")
    space.verb("resume", "depot", "--rejoin")
    mixed.settle()
    mixed.assert_equal()
    assert slots(mixed, kind) == 0
    mixed.write("hq", "DELETE FROM customers WHERE id = 4")
    mixed.settle()
    mixed.assert_equal()
    assert names(mixed, "depot") == {1: "newest", 2: "Bea", 3: "Cid"}


def back_up(mixed: Mixed, kind: str) -> Callable[[], None]:
    """A copy of the depot's database as it is now; what puts it back."""
    if kind == "sqlite":
        mixed.space.copy("depot.db", "backup.db")
        return lambda: mixed.space.copy("backup.db", "depot.db")
    server, name = mixed.servers["depot"], mixed.databases["depot"]
    with server.connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE backup_of_{name} TEMPLATE {name}".encode())

    def restore() -> None:
        with server.connect("postgres") as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
            connection.execute(f"ALTER DATABASE backup_of_{name} RENAME TO {name}".encode())

    return restore


@pytest.mark.parametrize(("kind", "running"), [("postgresql", True), ("sqlite", False)])
def test_f26_f28_one_that_was_restored_is_noticed_and_joins_again(made: Fed, kind: str, running: bool) -> None:
    mixed = made(kind)
    space = mixed.space
    mixed.settle()
    restore = back_up(mixed, kind)
    mixed.write(
        "hq", "UPDATE customers SET balance = balance + 7, name = 'newer' WHERE id = 1", "DELETE FROM customers WHERE id = 2"
    )
    if running:
        mixed.start(*HURRIED)
        mixed.wait_equal()
    else:
        mixed.settle()
    restore()
    if running:
        space.wait(lambda: "SYN-P06" in space.state("depot"), "it is noticed", NOTICED_SECONDS)
    else:
        assert mixed.settle(code=3).codes == ["SYN-P06"]
    told = space.state("depot")
    assert told.startswith("broken")
    assert "its session mark is not the last one" in told
    assert "resume depot --rejoin" in told
    assert names(mixed, "depot") == {1: "Ada", 2: "Bea", 3: "Cid", 4: "Dora"}, "it is left alone"
    space.verb("resume", "depot", "--rejoin")
    if running:
        mixed.wait_equal()
        mixed.write("hq", "UPDATE customers SET balance = balance + 1 WHERE id = 1")
        mixed.wait_equal()
        assert space.stop() == 0
    mixed.settle()
    mixed.assert_equal()
    assert {row[:3] for row in mixed.rows("depot")} == {(1, "newer", 8 if running else 7), (3, "Cid", 0), (4, "Dora", 0)}
    assert mixed.verify()["equal"] is True


@pytest.mark.parametrize("kind", PLAIN)
def test_f15_f29_a_frozen_server_is_noticed_also_where_nothing_is_under_way(made: Fed, kind: str) -> None:
    """No stream of it is read, which would tell."""
    mixed = made(kind)
    mixed.start(*HURRIED)
    mixed.wait_equal()
    server = mixed.servers["depot"]
    server.freeze()
    try:
        mixed.space.wait(lambda: "SYN-P02" in mixed.space.state("depot"), "the silence is noticed", NOTICED_SECONDS)
        mixed.write("hq", "UPDATE customers SET balance = balance + 1")
    finally:
        server.thaw()
    mixed.wait_equal()
    assert mixed.space.stop() == 0
    assert mixed.verify()["equal"] is True
    assert mixed.balances("depot") == {1}


@pytest.mark.parametrize("kind", ["mariadb", "sqlite"])
def test_p17_what_its_users_edit_travels_nowhere_is_found_and_mended(made: Fed, kind: str) -> None:
    mixed = made(kind)
    space = mixed.space
    mixed.settle()
    mixed.write("depot", "UPDATE customers SET name = 'edited' WHERE id = 2", "DELETE FROM customers WHERE id = 3")
    mixed.write("depot", "INSERT INTO customers (id, name) VALUES (70, 'only here')")
    before = mixed.rows("hq")
    assert mixed.settle(code=1).data["verify"]["drift"] == 3
    assert mixed.rows("hq") == before
    found = {tuple(one["key"]): one for one in space.verify(code=1)["differences"]}
    assert {key: (one["state"], one["peers"]["depot"]) for key, one in found.items()} == {
        (2,): ("drift", {"name": "edited"}), (3,): ("drift", None), (70,): ("drift", found[70,]["peers"]["depot"]),
    }  # fmt: skip
    assert {incident["cause"] for incident in space.drift()} == {"uncaptured"}
    assert space.proof("depot")["standing"] == "drift"
    assert space.verify("--repair", code=None)["repaired"] == 3
    mixed.settle()
    mixed.assert_equal()
    assert mixed.rows("hq") == before, "it has no say"
    kept = {tuple(one["key"]): str(one["theirs"]["row"]) for one in space.conflicts("--all")}
    assert ("edited" in kept[2,], "only here" in kept[70,]) == (True, True)
    assert space.proof("depot")["standing"] == "in sync"


@pytest.mark.parametrize("kind", KINDS)
def test_f25_a_table_that_was_made_anew_there_is_taken_as_it_is_and_filled_again(made: Fed, kind: str) -> None:
    """Nothing was captured at the one before, so nothing is missed at this one."""
    mixed = made(kind)
    mixed.settle()
    ((_, *row),) = [row for row in mixed.rows("depot") if row[0] == 4]
    mixed.write("depot", "DROP TABLE customers", table_of(kind), "INSERT INTO customers (id, name) VALUES (1, 'Ada')")
    mixed.write("hq", "UPDATE customers SET name = 'newer' WHERE id = 1", "INSERT INTO customers (id, name) VALUES (5, 'Eve')")
    assert mixed.settle(code=1).data["verify"]["drift"] == 3
    assert names(mixed, "depot") == {1: "newer", 5: "Eve"}, "what is delivered arrives"
    assert mixed.space.verify("--repair", code=None)["repaired"] == 3
    mixed.settle()
    mixed.assert_equal()
    assert (4, *row) in mixed.rows("depot")


@pytest.mark.parametrize("kind", ["sqlite"])
def test_rows_that_it_brings_along_have_no_say_and_the_plan_says_so(made: Fed, kind: str) -> None:
    mixed = made(kind, server=ABLE[kind]())
    mixed.write("depot", "INSERT INTO customers (id, name) VALUES (2, 'Bea of the depot'), (99, 'only here')")
    planned = mixed.space.verb("plan", code=None).data
    told = planned["peers"]["depot"]
    assert (told["rows_to_fill"], told["rows_to_copy"], told["differing"], told["deletes"]) == (3, 0, 1, 1)
    assert [one["outcome"] for one in planned["conflicts"]] == ["Bea"]
    mixed.settle()
    mixed.assert_equal()
    assert names(mixed, "depot") == {1: "Ada", 2: "Bea", 3: "Cid", 4: "Dora"}
    kept = {tuple(one["key"]): str(one["theirs"]["row"]) for one in mixed.space.conflicts("--all")}
    assert "of the depot" in kept[2,]
    assert "only here" in kept[99,]
    refused = mixed.space.verb("resume", "depot", "--rejoin", "--authority", "depot", code=None)
    assert refused.code == 2
    assert "a peer that only receives cannot be the authority" in refused.text


def test_f22_where_nobody_is_heard_any_more_the_binary_log_may_be_switched_off(made: Fed) -> None:
    server = mariadb.Server()
    mixed = made("mariadb", server=server, collections=RECEIVES.replace("receive", "both"))
    mixed.settle()
    turn(mixed, "both", "receive")
    server.stop()
    server.settings = {name: value for name, value in server.settings.items() if "bin" not in name} | {"skip-log-bin": "ON"}
    server.start()
    mixed.settle(code=3)
    assert "keeps no binary log any more" in mixed.space.state("depot")
    mixed.space.verb("resume", "depot", "--rejoin")
    mixed.write("hq", "UPDATE customers SET name = 'later' WHERE id = 1")
    mixed.settle()
    mixed.assert_equal()
    mixed.space.verb("teardown", "depot", "--yes")
    server.remove()
