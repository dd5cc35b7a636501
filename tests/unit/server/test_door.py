"""Who may ask: with a token everybody who shows it; without one, only who means this machine."""

import pytest
from tests.unit.server.space import TOKEN

from syncline.config.serving import Place
from syncline.server.door import Door
from syncline.server.exchange import Request

HERE = Place("127.0.0.1", 9640)


def asks(door: Door, path: str = "/metrics", **headers: str) -> int:
    """The status of the refusal; 200 for none."""
    request = Request("GET", path, {name.lower().encode(): text.encode() for name, text in headers.items()})
    found = door.refuses(request, path)
    return 200 if found is None else found.status


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:9640", "localhost.", "127.0.0.1", "127.0.0.1:9640", "127.1.2.3:1", "[::1]", "[::1]:9640"],
)
def test_this_machines_own_names_are_let_in(host: str) -> None:
    assert asks(Door(HERE, ""), Host=host) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:9640", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "0.0.0.0",
        "[::]", "", "localhost:", "localhost:x", "a@localhost", "localhost, evil.example", "[::1", "::1", "127.0.0.1:80:80",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/metrics", "/healthz"])
def test_another_host_is_refused_so_that_no_page_in_a_browser_can_ask(host: str, path: str) -> None:
    assert asks(Door(HERE, ""), path, Host=host) == 421


def test_without_a_host_nobody_is_let_in() -> None:
    assert asks(Door(HERE, "")) == 421


def test_a_token_lets_in_and_nothing_else_does() -> None:
    door = Door(Place("0.0.0.0", 80), TOKEN)
    assert asks(door, Host="hub.example", Authorization=f"Bearer {TOKEN}") == 200
    assert asks(door, Host="hub.example", Authorization=f"bearer  {TOKEN}") == 200
    for wrong in (
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer ",
        "Bearer",
        f"Bearer {TOKEN} x",
        "é",
    ):
        assert asks(door, Host="localhost", Authorization=wrong) == 401, wrong
    assert asks(door, Host="localhost") == 401
    assert asks(door, "/v1/status", Host="localhost") == 401


def test_who_asks_for_an_open_page_is_not_known_by_it() -> None:
    door = Door(Place("0.0.0.0", 80), TOKEN)
    token = b"Bearer " + TOKEN.encode()
    assert not door.knows(Request("GET", "/healthz", {b"host": b"localhost"}))
    assert door.knows(Request("GET", "/healthz", {b"host": b"hub.example", b"authorization": token}))
    assert Door(HERE, "").knows(Request("GET", "/metrics", {b"host": b"localhost"}))
    assert not Door(HERE, "").knows(Request("GET", "/metrics", {b"host": b"evil.example"}))


def test_that_somebody_is_here_is_told_without_a_token() -> None:
    door = Door(Place("0.0.0.0", 80), TOKEN)
    assert asks(door, "/healthz", Host="hub.example") == 200
    assert asks(door, "/healthz/", Host="hub.example") == 401


def test_the_answer_says_how_to_ask_and_not_what_the_token_is() -> None:
    found = Door(HERE, TOKEN).refuses(Request("GET", "/metrics", {}), "/metrics")
    assert found is not None
    assert ("WWW-Authenticate", "Bearer") in found.headers
    assert TOKEN.encode() not in found.body
