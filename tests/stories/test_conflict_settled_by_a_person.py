"""A conflict that a person settles, and how the decision reaches everyone."""

import getpass

import pytest
from tests.stories.conftest import MakeSpace
from tests.stories.space import CUSTOMERS, Report, Space

MANUAL = "{merge: {iban: manual, balance: counter}}"


def _contested(make: MakeSpace, collections: str = MANUAL) -> tuple[Space, Report]:
    """hq and van gave customer 1 two IBANs, and nobody knew."""
    space = make(("hq", "lab", "van"), collections=collections)
    space.write("hq", "INSERT INTO customers (id, name, iban) VALUES (1, 'Ada', 'old')")
    space.settle()
    space.write("hq", "UPDATE customers SET iban = 'of hq', balance = balance + 1")
    space.write("van", "UPDATE customers SET iban = 'of van', balance = balance + 2")
    space.settle()
    (found,) = space.conflicts()
    return space, found


def test_c1_an_open_conflict_is_shown_with_both_sides_and_counts_in_the_status(make: MakeSpace) -> None:
    space, found = _contested(make)
    space.assert_equal()
    assert space.value("lab", "SELECT balance FROM customers") == 3, "the other fields do not wait"
    assert (found["key"], found["field"], found["rule"], found["open"], found["base"]) == ([1], "iban", "manual", True, "old")
    sides = {found[side]["peer"]: found[side]["value"] for side in ("ours", "theirs")}
    assert sides == {"hq": "of hq", "van": "of van"}
    assert space.verb("conflicts", "show", found["id"]).data == found
    assert space.status()["peers"]["lab"]["collections"]["customers"]["conflicts_open"] == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--take", "van"), "of van"),
        (("--take", "hq"), "of hq"),
        (("--set", "iban=DE02 1203"), "DE02 1203"),
        (("--set", "iban=NULL"), None),
        (("--set", "iban='NULL'", "--set", "name=O''Hara"), "NULL"),
    ],
)
def test_c1_c21_the_decision_reaches_all_peers_and_is_in_the_history(
    make: MakeSpace, words: tuple[str, ...], expected: str | None
) -> None:
    space, found = _contested(make)
    settled = space.verb("conflicts", "resolve", found["id"], *words).data
    assert (settled["settled"], settled["key"]) == (found["id"], [1])
    space.settle()
    space.assert_equal()
    assert space.value("lab", "SELECT iban FROM customers") == expected
    assert space.conflicts() == []
    (kept,) = space.conflicts("--all")
    assert (kept["id"], kept["open"]) == (found["id"], False)
    history = space.verb("history", "customers", "1").data["history"]
    (told,) = [one for one in history if one["kind"] == "settle"]
    assert (told["offset"], told["origin"], told["settles"]) == (settled["offset"], "(a person)", [found["id"]])
    assert all(word.partition("=")[0] in told["decision"] for word in words if not word.startswith("--"))
    assert told["by"] == getpass.getuser()
    contested = next(one for one in history if one.get("conflicts"))["conflicts"][0]
    assert (contested["field"], contested["rule"]) == ("iban", "manual")
    assert [side["value"] for side in contested["loser"]] == [found["theirs"]["value"]]


def test_c21_settled_at_a_running_hub_while_writers_go_on(make: MakeSpace) -> None:
    space, found = _contested(make)
    space.start()
    space.write("lab", "UPDATE customers SET name = 'meanwhile'")
    space.verb("conflicts", "resolve", found["id"], "--take", "van")
    for peer in space.peers:
        space.wait_value(peer, "of van", "SELECT iban FROM customers WHERE name = 'meanwhile'")
    assert space.stop() == 0
    space.settle()


def test_c21_a_newer_edit_that_did_not_know_the_decision_is_a_conflict_again(make: MakeSpace) -> None:
    space, found = _contested(make)
    space.start()
    space.verb("pause", "lab")
    space.write("lab", "UPDATE customers SET iban = 'of lab'")
    space.verb("conflicts", "resolve", found["id"], "--set", "iban=decided")
    space.verb("resume", "lab")
    space.wait_equal()
    space.wait(lambda: len(space.conflicts()) == 1, "it is open again")
    (again,) = space.conflicts()
    assert {again["ours"]["value"], again["theirs"]["value"]} == {"decided", "of lab"}
    assert space.value("lab", "SELECT iban FROM customers") == "decided", "until a person says otherwise"
    space.verb("conflicts", "resolve", again["id"], "--take", "lab")
    for peer in space.peers:
        space.wait_value(peer, "of lab", "SELECT iban FROM customers")
    assert space.stop() == 0
    space.settle()


def test_words_that_name_nothing_are_told_and_change_nothing(make: MakeSpace) -> None:
    space, found = _contested(make)
    before = space.rows("hq")
    for words in (
        ("1.2.3", "--take", "hq"),
        ("nonsense", "--take", "hq"),
        (found["id"], "--take", "lab"),
        (found["id"], "--take", "moon"),
        (found["id"], "--set", "colour=red"),
        (found["id"], "--set", "id=2"),
        (found["id"], "--take", "hq", "--set", "iban=x"),
        (found["id"],),
    ):
        assert space.verb("conflicts", "resolve", *words, code=2).codes == ["SYN-U01"], words
    space.verb("conflicts", "resolve", found["id"], "--take", "hq")
    space.settle()
    assert space.rows("hq") == [(*before[0][:5], "of hq")]


@pytest.mark.parametrize(
    ("deletes", "stands", "still_open"),
    [("update_wins", True, False), ("delete_wins", False, False), ("newest", True, False), ("manual", None, True)],
)
@pytest.mark.parametrize("eraser", ["hq", "van"])
def test_c4_a_delete_against_an_update_by_each_policy_and_both_ways_round(
    make: MakeSpace, deletes: str, stands: bool | None, still_open: bool, eraser: str
) -> None:
    space = make(("hq", "lab", "van"), collections=f"{{deletes: {deletes}}}")
    space.write("hq", "INSERT INTO customers (id, name, notes) VALUES (1, 'Ada', 'whole row')")
    space.settle()
    space.write(eraser, "DELETE FROM customers WHERE id = 1")
    space.tick()
    editor = "van" if eraser == "hq" else "hq"
    space.write(editor, "UPDATE customers SET name = 'Ada L.' WHERE id = 1")
    space.settle()
    space.assert_equal()
    rows = space.rows("lab")
    assert rows in ([], [(1, "Ada L.", 0, None, "whole row", None)]), "no half row"
    if stands is not None:
        assert bool(rows) is stands
    (found,) = space.conflicts("--all")
    assert (found["open"], found["rule"]) == (still_open, f"deletes {deletes}")
    assert "whole row" in str(found), "the loser is kept whole"
    if still_open:
        space.verb("conflicts", "resolve", found["id"], "--take", editor)
        space.settle()
        assert space.rows("lab") == [(1, "Ada L.", 0, None, "whole row", None)]
        space.assert_equal()


def test_c4_a_manual_delete_may_be_let_stand(make: MakeSpace) -> None:
    space = make(collections="{deletes: manual}")
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'Ada')")
    space.settle()
    space.write("hq", "DELETE FROM customers")
    space.write("van", "UPDATE customers SET name = 'Ada L.'")
    space.settle()
    (found,) = space.conflicts()
    space.verb("conflicts", "resolve", found["id"], "--take", "hq")
    space.settle()
    assert space.rows("hq") == space.rows("van") == []


def test_c1_history_tells_origin_time_rule_and_loser_of_a_row_with_several_conflicts(make: MakeSpace) -> None:
    space = make(("hq", "lab", "van"), collections="{merge: {balance: counter, name: {prefer: [lab]}, notes: newest}}")
    space.write("hq", "INSERT INTO customers (id, name, notes) VALUES (1, 'Ada', '')")
    space.settle()
    for number, peer in enumerate(space.peers, 1):
        space.tick()
        space.write(peer, f"UPDATE customers SET name = 'by {peer}', notes = 'by {peer}', balance = balance + {number}")
    space.settle()
    space.assert_equal()
    assert space.rows("hq") == [(1, "by lab", 6, None, "by van", None)]
    history = space.verb("history", "customers", "1").data["history"]
    steps = [one for one in history if one["kind"] == "change"]
    assert {one["origin"] for one in steps} == set(space.peers)
    assert all(one["time"] and one["offset"] for one in steps)
    told = {
        (one["field"], one["rule"], one["winner"], side["value"])
        for step in steps
        for one in step.get("conflicts", [])
        for side in one["loser"]
    }
    losers = {(field, rule, value) for field, rule, _, value in told}  # who won a round depends on the order of arrival
    assert {("name", "prefer", "by hq"), ("name", "prefer", "by van")} <= losers
    assert {("notes", "newest", "by hq"), ("notes", "newest", "by lab")} <= losers
    assert {winner for field, _, winner, _ in told if field == "name"} <= {"lab", "van"}
    assert not any(field == "balance" for field, *_ in told), "no increment is lost, so there is no loser"


def test_c1_what_a_rule_let_lose_is_put_back_and_the_history_says_so(make: MakeSpace) -> None:
    space = make(("hq", "lab", "van"), collections="{merge: {name: newest}}")
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'Ada')")
    space.settle()
    space.write("hq", "UPDATE customers SET name = 'of hq'")
    space.tick()
    space.write("van", "UPDATE customers SET name = 'of van'")
    space.settle()
    assert space.conflicts() == []
    (closed,) = space.conflicts("--all")
    assert (closed["open"], closed["winner"]) == (False, "van")
    space.write("lab", "UPDATE customers SET notes = 'newer'")
    settled = space.verb("conflicts", "resolve", closed["id"], "--take", "hq").data
    assert settled["reopened"]
    space.settle()
    space.assert_equal()
    assert space.rows("van") == [(1, "of hq", 0, None, "newer", None)], "only what was contested is put back"
    space.verb("conflicts", "resolve", closed["id"], "--set", "name=third")
    space.settle()
    assert space.value("van", "SELECT name FROM customers") == "third"
    history = space.verb("history", "customers", "1").data["history"]
    told = [one for one in history if one["kind"] == "settle"]
    assert [(one["reopened"], one["settles"], one["decision"]) for one in told] == [
        (True, [closed["id"]], "take hq"),
        (True, [closed["id"]], "set name = 'third'"),
    ]
    text = space.raw("history", "customers", "1", "--config", str(space.config)).text
    assert "decided anew" in " ".join(text.split())


@pytest.mark.parametrize("deletes", ["update_wins", "delete_wins"])
def test_c4_the_loser_of_a_delete_against_an_update_is_put_back(make: MakeSpace, deletes: str) -> None:
    space = make(collections=f"{{deletes: {deletes}}}")
    space.write("hq", "INSERT INTO customers (id, name, notes) VALUES (1, 'Ada', 'whole row')")
    space.settle()
    space.write("hq", "DELETE FROM customers")
    space.write("van", "UPDATE customers SET name = 'Ada L.'")
    space.settle()
    (closed,) = space.conflicts("--all")
    loser = "hq" if deletes == "update_wins" else "van"
    space.verb("conflicts", "resolve", closed["id"], "--take", loser)
    space.settle()
    space.assert_equal()
    assert space.rows("hq") == ([] if loser == "hq" else [(1, "Ada L.", 0, None, "whole row", None)])


def test_c1_null_is_refused_where_some_peer_does_not_take_it(make: MakeSpace) -> None:
    schema = {peer: CUSTOMERS.replace("iban TEXT", "iban TEXT NOT NULL") for peer in ("hq", "van")} | {"lab": CUSTOMERS}
    space = make(("hq", "lab", "van"), collections=MANUAL, schema=schema)
    space.write("hq", "INSERT INTO customers (id, iban) VALUES (1, 'old')")
    space.settle()
    space.write("hq", "UPDATE customers SET iban = 'of hq'")
    space.write("van", "UPDATE customers SET iban = 'of van'")
    space.settle()
    (found,) = space.conflicts()
    told = space.verb("conflicts", "resolve", found["id"], "--set", "iban=NULL", code=2)
    assert "NOT NULL at hq" in told.text
    assert [one["id"] for one in space.conflicts()] == [found["id"]], "it is still open"
    space.verb("conflicts", "resolve", found["id"], "--set", "iban=")
    space.settle()
    assert space.value("van", "SELECT iban FROM customers") == ""


def test_c21_a_decision_that_every_peer_refuses_is_not_called_equal(make: MakeSpace) -> None:
    """All peers are equal with each other, and none has what was decided."""
    space = make(collections=MANUAL, schema=CUSTOMERS.replace("iban TEXT", "iban TEXT CHECK (iban <> 'bad')"))
    space.write("hq", "INSERT INTO customers (id, iban) VALUES (1, 'old')")
    space.settle()
    space.write("hq", "UPDATE customers SET iban = 'of hq'")
    space.write("van", "UPDATE customers SET iban = 'of van'")
    space.settle()
    (found,) = space.conflicts()
    space.verb("conflicts", "resolve", found["id"], "--set", "iban=bad")
    for told in (space.settle(code=1).data["verify"], space.verify(code=1)):
        assert (told["equal"], told["parked"], told["drift"]) == (False, 2, 0)
        (one,) = told["differences"]
        assert (one["state"], one["fields"], one["peers"]["(log)"]) == ("parked", ["iban"], {"iban": "bad"})
        assert told["verified_through"] == {"customers": None}
    space.verb("conflicts", "resolve", found["id"], "--set", "iban=good")
    assert len(space.parked()) == 2
    for parked in space.parked():
        space.verb("parked", "retry", parked["id"])
    assert space.settle().data["verify"]["parked"] == 0
    assert [space.value(peer, "SELECT iban FROM customers") for peer in space.peers] == ["good", "good"]
