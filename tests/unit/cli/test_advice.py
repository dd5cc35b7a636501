"""Advice is told once for all whom it concerns; each piece by itself on demand, and always as JSON."""

import json
from pathlib import Path

import pytest
from tests.unit.cli.fake import FakeHub, config_in
from typer.testing import CliRunner

from syncline.cli import facade
from syncline.cli.main import app
from syncline.cli.naming import peer_names
from syncline.model.errors import Advice, NoKey

COLUMNS = [
    Advice("it cannot hold more than 40 characters", why="x", hint="y", line=3, collection="c", peer=peer, column=f"c{number}")
    for peer in ("hq", "van")
    for number in range(1, 9)
]
SLOW = [Advice("journal_mode is delete: x", peer=peer) for peer in ("hq", "van")]
PARENT = Advice("its parent table p is no collection", why="w", hint="h", line=3, collection="c")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeHub:
    """A fake engine that has much to advise."""
    fake = FakeHub(check=[*COLUMNS, *SLOW, PARENT])
    monkeypatch.setattr(facade, "hub_for", fake)
    config_in(tmp_path)
    monkeypatch.chdir(tmp_path)
    return fake


def check(*words: str) -> list[str]:
    """The lines of `check`."""
    result = CliRunner().invoke(app, ["check", *words])
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_the_same_advice_is_told_once_the_weightiest_first(hub: FakeHub) -> None:
    names = ", ".join(f"c.c{number}" for number in range(1, 7))
    columns = "8 columns cannot hold some of the values that other peers' can (peer {}): a row with one is parked there: "
    assert check() == [
        "SYN-C21 journal_mode is delete: x (peers hq, van)",
        "syncline.yaml:3: SYN-C21 its parent table p is no collection (collection c): w. Fix: h",
        *(f"SYN-C21 {columns.format(peer)}{names} and 2 more" for peer in ("hq", "van")),
        "19 pieces of advice; each by itself: syncline check syncline.yaml --all",
        "syncline.yaml is ready: 2 peers, 1 collection",
    ]
    plan = {"peers": {}, "advice": [one.as_json() for one in (*COLUMNS, *SLOW)]}
    hub.answers["plan"] = plan
    assert CliRunner().invoke(app, ["plan"]).stdout.count("SYN-C21") == 3


def test_all_advice_is_told_on_demand_and_as_json(hub: FakeHub) -> None:
    assert len(check("--all")) == 20
    assert check("--all")[3].endswith("characters (collection c, peer hq, column c1): x. Fix: y")
    assert len(json.loads(check("--json")[0])["advice"]) == 19
    hub.answers["check"] = [SLOW[0], COLUMNS[0]]
    assert check()[:-1] == [one.text() for one in (SLOW[0], COLUMNS[0])]


def test_a_problem_that_stands_against_the_space_is_not_grouped(hub: FakeHub) -> None:
    hub.answers["check"] = [NoKey("no key", peer="hq"), NoKey("no key", peer="van")]
    assert CliRunner().invoke(app, ["check"]).stdout.count("SYN-C13") == 2


@pytest.mark.parametrize(
    ("urls", "names"),
    [
        (["postgresql://u:p@a:1/crm", "mariadb://u@b/crm"], ["crm-a", "crm-b"]),
        (["postgresql://u@127.0.0.1:1/crm", "mariadb://u@127.0.0.1:2/crm"], ["crm-1", "crm-2"]),
        (["postgresql://u@h/crm", "mariadb://u@h/crm", "sqlite:////x/crm.db"], ["crm-postgresql", "crm-mariadb", "crm"]),
        (["mariadb://u@h/crm", "mariadb://u@h:1/crm", "mariadb://u@i/crm"], ["crm-h", "crm-h-1", "crm-i"]),
        (["sqlite:////x/van.db", "sqlite:////y/van.db", "mariadb://u:a[b@h/van?x=1"], ["van", "van-2", "van-3"]),
        (["postgresql://u:s@h/a", "mariadb://u:s@h/b%20c"], ["a", "b-c"]),
    ],
)
def test_peers_of_one_name_are_told_apart_by_their_places(urls: list[str], names: list[str]) -> None:
    assert list(peer_names(urls)) == names
    assert list(peer_names(urls).values()) == urls
