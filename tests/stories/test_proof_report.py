"""A proof report of real files: it says what was compared, says so when something drifted, and cannot be changed unnoticed."""

import json
from pathlib import Path

from tests.stories.conftest import MakeSpace
from tests.stories.space import Report, Space, Told

INVISIBLE = "drifted past every trigger"


def _write(space: Space, name: str, *words: str, code: int = 0) -> Report:
    """Write a report and its page, and check it with the key that it was told to be signed with."""
    file, html = space.folder / f"{name}.json", space.folder / f"{name}.html"
    told = space.verb("proof", "--out", str(file), "--html", str(html), *words, code=code).data
    (checked,) = _check(told["public_key"], file).data["reports"]
    assert checked["report"] == told["report"]
    assert json.loads(file.read_bytes()) == told["report"] | {"signature": json.loads(file.read_bytes())["signature"]}
    assert told["sha256"] in html.read_text(encoding="utf-8")
    assert INVISIBLE not in file.read_text(encoding="utf-8") + html.read_text(encoding="utf-8"), "no value of a row is told"
    return told


def _check(key: str, *files: Path, code: int = 0) -> Told:
    told = Space.raw("proof", "check", *map(str, files), "--public-key", key, "--json")
    assert told.code == code, told.text
    return told


def _standings(told: Report) -> dict[str, str]:
    return {peer: one["standing"] for peer, one in told["report"]["collections"]["customers"]["copies"].items()}


def _drift(space: Space) -> None:
    """Change a row so that no trigger tells."""
    with space.open("van") as connection:
        connection.execute("BEGIN IMMEDIATE")
        (end,) = connection.execute("SELECT max(seq) FROM _syncline_changelog").fetchone()
        connection.execute("UPDATE customers SET name = ? WHERE id = 7", (INVISIBLE,))
        connection.execute("DELETE FROM _syncline_changelog WHERE seq > ?", (end,))
        connection.execute("COMMIT")


def test_p17_a_report_says_equal_then_drift_then_how_it_ended(make: MakeSpace) -> None:
    space = make(("hq", "lab", "van"))
    space.write("hq", *(("INSERT INTO customers (id, name) VALUES (?, ?)", (one, f"row {one}")) for one in range(50)))
    space.settle()
    first = _write(space, "first")
    assert (first["standing"], first["key_made"]) == ("in sync", str(space.folder / "story.log.db.proof-key.pem"))
    assert _standings(first) == dict.fromkeys(space.peers, "in sync")
    part = first["report"]["collections"]["customers"]
    assert (part["full"]["result"], part["full"]["rows"], part["full"]["algorithm"]) == ("equal", 50, "chain")
    assert (part["columns"][:2], part["through"], bool(part["through_at"])) == (["id", "name"], part["full"]["start"], True)

    _drift(space)
    stale = _write(space, "stale")
    assert stale["standing"] == "in sync", "the log knows nothing of it, and the report says no more than the log"
    found = _write(space, "found", "--fresh", "--collection", "customers", code=1)
    assert (found["standing"], _standings(found)) == ("differs", dict.fromkeys(space.peers, "differs"))
    assert found["report"]["fresh"] == {"collections": ["customers"], "equal": False, "not_compared": {}, "rows": 50}
    (incident,) = found["report"]["collections"]["customers"]["incidents"]
    assert (incident["rows"], incident["closed"], incident["first"]) == (1, None, part["through"])
    later = _write(space, "later", code=1)
    assert (later["standing"], later["report"]["fresh"]) == ("differs", None)

    space.verb("repair", "--yes", code=None)
    space.settle()
    over = _write(space, "over")
    (incident,) = over["report"]["collections"]["customers"]["incidents"]
    assert (over["standing"], incident["how"]) == ("in sync", "equal again")
    assert over["report"]["collections"]["customers"]["through"] > part["through"]
    chain = [one["report"]["chain"] for one in (first, stale, found, later, over)]
    assert [one["number"] for one in chain] == [1, 2, 3, 4, 5]
    assert [one["previous"] for one in chain[1:]] == [one["sha256"] for one in (first, stale, found, later)]


def test_p17_what_came_after_a_proof_is_not_claimed(make: MakeSpace) -> None:
    space = make()
    space.settle()
    before = _write(space, "before")
    assert before["standing"] == "in sync"
    space.start()
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'Ada')")
    space.wait_equal()
    after = _write(space, "after", code=1)
    reached, known = after["report"]["collections"]["customers"]["through"], after["report"]["log"]["last_change"]
    assert (after["standing"], reached < known) == ("behind", True)
    fresh = _write(space, "fresh", "--fresh")
    assert (fresh["standing"], fresh["report"]["fresh"]["equal"]) == ("in sync", True)
    assert fresh["report"]["collections"]["customers"]["through"] >= known
    assert space.stop() == 0


def test_p17_a_peer_that_is_away_keeps_its_proof_and_gets_no_newer_one(make: MakeSpace) -> None:
    space = make(("hq", "lab", "van"))
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'Ada')")
    space.settle()
    space.verb("pause", "lab")
    space.write("hq", "UPDATE customers SET name = 'Bob'")
    space.settle(code=1)
    told = _write(space, "away", "--fresh", code=1)
    assert _standings(told) == {"hq": "in sync", "van": "in sync", "lab": "not known"}
    assert told["report"]["peers"]["lab"]["stage"] == "paused"
    assert told["report"]["fresh"]["not_compared"] == {"lab": "it is paused"}
    said = _said(space, "said", "--fresh")
    assert "lab was not compared: it is paused" in said
    assert "compared for this report: 1 row of customers: not all proven equal" in said


def _said(space: Space, name: str, *words: str) -> str:
    """What `proof write` writes for people, which `proof check` repeats; on one line."""
    file = space.folder / f"{name}.json"
    told = Space.raw("proof", "write", str(space.config), "--out", str(file), *words)
    checked = Space.raw("proof", "check", str(file))
    assert (told.code, checked.code) == (1, 0)
    written, repeated = (" ".join(one.text.split()) for one in (told, checked))
    claim = written[: written.index(" written to ")]
    assert claim in repeated
    return claim


def _first_compared(told: Report) -> str:
    found: str = told["report"]["collections"]["customers"]["copies"]["van"]["compared_at"]
    return f"{found[:19].replace('T', ' ')} UTC"


def test_p17_a_peer_that_is_broken_under_a_running_hub_is_not_told_to_be_equal(make: MakeSpace) -> None:
    space = make(("hq", "lab", "van"), verifying="{every: 0.2s}")
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'Ada')")
    space.settle()
    space.start()
    space.wait_proven()
    before = _write(space, "before")
    assert before["standing"] == "in sync"
    space.write("van", "ALTER TABLE customers RENAME TO clients")
    space.wait(lambda: space.status()["peers"]["van"]["state"] == "broken", "van is broken")

    told = _write(space, "broken", code=1)
    assert (told["standing"], _standings(told)) == ("not known", {"hq": "in sync", "lab": "in sync", "van": "not known"})
    assert "Every copy" not in told["words"]
    through = before["report"]["collections"]["customers"]["copies"]["van"]["through"]
    assert told["words"].startswith(f"2 of 3 copies are proven equal through entry {through:,}; van is not: it is broken: ")
    part, when = told["report"]["collections"]["customers"], _first_compared(before)
    assert part["copies"]["van"]["words"] == f"not known since {when}; equal through {through} when last compared"
    assert (told["report"]["peers"]["van"]["now"], part["through"]) == ("broken", None)
    page = (space.folder / "broken.html").read_text(encoding="utf-8")
    assert "<dd>2 of 3</dd>" in page
    said = _said(space, "said")
    assert f"customers at van: not known since {when}; equal through {through} when last compared: it is broken: " in said
    assert f"customers at hq: in sync through {through}, the last change; compared 20" in said
    assert (
        f"customers: last full comparison {part['full']['at'][:19].replace('T', ' ')} UTC (1 row, equal) of hq, lab, van"
        in said
    )

    fresh = _write(space, "fresh", "--fresh", code=1)
    assert (fresh["standing"], _standings(fresh)["van"]) == ("not known", "not known")
    assert fresh["report"]["fresh"]["not_compared"]["van"].startswith("it is broken: ")
    assert "van was not compared: it is broken: " in _said(space, "fresh-said", "--fresh")
    assert fresh["report"]["collections"]["customers"]["copies"]["van"]["compared_at"] == part["copies"]["van"]["compared_at"]
    assert space.stop() == 0
    at_rest = _write(space, "at-rest", code=1)
    assert _standings(at_rest) == {"hq": "in sync", "lab": "in sync", "van": "not known"}


def test_p17_changes_that_no_hub_captured_are_not_told_to_be_equal(make: MakeSpace) -> None:
    space = make()
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'Ada')")
    space.settle()
    assert _write(space, "clean")["standing"] == "in sync"
    space.write("van", "UPDATE customers SET name = 'Bob'", "INSERT INTO customers (id, name) VALUES (2, 'Eve')")
    told = _write(space, "written", code=1)
    assert (told["standing"], _standings(told)) == ("not known", {"hq": "in sync", "van": "not known"})
    assert told["words"].endswith("van is not: it has 2 changes that no hub has captured yet.")
    space.settle()
    assert _write(space, "again")["standing"] == "in sync"


def test_p17_a_peer_whose_file_is_away_at_rest_is_not_told_to_be_equal(make: MakeSpace) -> None:
    space = make()
    space.settle()
    space.move("van", "elsewhere")
    told = _write(space, "away", code=1)
    assert _standings(told) == {"hq": "in sync", "van": "not known"}
    assert told["report"]["peers"]["van"]["stage"] == "live"
    assert told["report"]["peers"]["van"]["now"] in told["words"]


def test_p17_a_copy_that_came_back_counts_when_it_was_compared_again(make: MakeSpace) -> None:
    space = make(("hq", "lab", "van"))
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'Ada')")
    space.settle()
    space.verb("pause", "lab")
    _write(space, "paused", "--fresh", code=1)
    space.verb("resume", "lab")
    told = _write(space, "back", code=1)
    assert told["report"]["collections"]["customers"]["copies"]["lab"]["why"] == "it took no part in the last comparison"
    assert _write(space, "compared", "--fresh")["standing"] == "in sync"


def test_p17_a_report_that_was_changed_is_refused(make: MakeSpace) -> None:
    space = make()
    space.settle()
    told = _write(space, "one")
    file, other = space.folder / "one.json", space.folder / "other.json"
    data = file.read_bytes()
    for changed in (data.replace(b'"in sync"', b'"insync"', 1), data[:-1], data[: len(data) // 2], b"", data + b" "):
        other.write_bytes(changed)
        assert _check(told["public_key"], other, code=1).codes == ["SYN-V02"]
    for number in range(0, len(data), 97):
        other.write_bytes(data[:number] + bytes([data[number] ^ 1]) + data[number + 1 :])
        assert _check(told["public_key"], other, code=1).codes == ["SYN-V02"]
    key = space.folder / "mine.pem"
    key.write_bytes((space.folder / "story.log.db.proof-key.pem").read_bytes())
    key.chmod(0o600)
    (space.folder / "story.log.db.proof-key.pem").unlink()
    second = _write(space, "two")
    assert second["key_made"] is not None
    assert _check(told["public_key"], space.folder / "two.json", code=1).codes == ["SYN-V02"]
    third = _write(space, "three", "--key", str(key))
    assert (third["key_id"], third["key_made"], third["report"]["chain"]["previous"]) == (told["key_id"], None, told["sha256"])
    key.chmod(0o644)
    refused = space.verb("proof", "--out", str(space.folder / "four.json"), "--key", str(key), code=2)
    assert "not kept secret" in refused.text
    assert not (space.folder / "four.json").exists()
    assert space.verb("proof", "--out", str(file), code=2).codes == ["SYN-U01"]
    assert file.read_bytes() == data, "a report is never replaced"


def test_a_space_that_never_ran_has_nothing_to_report(make: MakeSpace) -> None:
    space = make()
    told = space.verb("proof", "--out", str(space.folder / "a.json"), "--fresh", code=2)
    assert "no log yet" in told.text
    assert sorted(one.name for one in space.folder.iterdir() if "proof" in one.name or one.suffix == ".json") == []


def test_words_that_say_nothing_are_refused(make: MakeSpace) -> None:
    space = make()
    assert space.verb("proof", code=2).codes == ["SYN-U01"]
    assert space.verb("proof", "--out", "x.json", "--collection", "customers", code=2).codes == ["SYN-U01"]
    assert Space.raw("proof", "check", "--json").code == 2
    assert Space.raw("proof", "check", str(space.folder / "absent.json"), "--json").code == 2
