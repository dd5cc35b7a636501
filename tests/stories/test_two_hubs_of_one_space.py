"""Two hubs of one space, with a log each: whoever was there first notices, stops, and claims nothing of what it cannot know."""

from tests.stories.conftest import MakeSpace


def test_p17_a_hub_whose_peers_another_one_took_over_claims_nothing_any_more_and_is_red(make: MakeSpace) -> None:
    space = make(("hq", "van"))
    space.write("hq", *(("INSERT INTO customers (id, name) VALUES (?, ?)", (one, f"row {one}")) for one in range(20)))
    space.settle()
    assert space.verb("status", "--check").data["red"] == []
    other = space.folder / "other.yaml"
    text = space.config.read_text(encoding="utf-8")
    assert "log:" in text
    lines = ["log: other.db" if line.startswith("log:") else line for line in text.splitlines()]
    other.write_text("\n".join(lines) + "\n", encoding="utf-8")
    ran = space.raw("run", "--until-idle", "--config", str(other), "--json")
    assert ran.code == 0, ran.text
    told = space.verb("status", "--check", code=1).data
    assert {(one["peer"], one["why"].partition(":")[0]) for one in told["red"]} == {("hq", "away"), ("van", "away")}
    assert all("SYN-P06" in one["why"] for one in told["red"])
    report = space.folder / "report.json"
    proof = space.verb("proof", "--out", str(report), code=1).data
    copies = proof["report"]["collections"]["customers"]["copies"]
    assert (proof["standing"], {one["standing"] for one in copies.values()}) == ("not known", {"not known"})
    assert space.verb("verify", code=None).data.get("equal") is not True
    assert space.verb("repair", "--yes", code=None).data.get("done") is None
    assert space.value("van", "SELECT count(*) FROM customers") == 20


def test_a_second_hub_on_the_same_log_is_refused_and_the_first_one_goes_on(make: MakeSpace) -> None:
    space = make(("hq", "van"))
    space.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'n')")
    space.start()
    second = space.raw("run", "--until-idle", "--config", str(space.config), "--json")
    assert (second.code, second.codes) == (3, ["SYN-L05"])
    space.wait(lambda: bool(space.rows("van")), "the row is there")
    space.write("van", "UPDATE customers SET name = 'still served' WHERE id = 1")
    space.wait(lambda: space.value("hq", "SELECT name FROM customers WHERE id = 1") == "still served", "delivered")
    assert space.verb("status", "--check").data["red"] == []
