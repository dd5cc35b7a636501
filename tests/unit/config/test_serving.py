"""Where HTTP is answered and to whom: what can be said, what is refused with its line, and what is needed before others ask."""

from pathlib import Path

import pytest

from syncline.config.load import draft, load
from syncline.config.serving import Place, place_of, served
from syncline.model.errors import ConfigError, UsageError
from syncline.model.space import ServeSettings, Space

BASE = "space: crm\npeers: {hq: 'sqlite:///hq.db?create=1', van: 'sqlite:///van.db?create=1'}\ncollections: {customers: {}}\n"
TOKEN = "5f3c9a71e0d24b86"  # of sixteen letters and digits


def write(folder: Path, text: str) -> Path:
    path = folder / "crm.yaml"
    path.write_text(BASE + text + "\n", encoding="utf-8")
    return path


CASES: list[tuple[str, ServeSettings]] = [
    ("", ServeSettings()),
    ("serve:", ServeSettings()),
    ("serve: {}", ServeSettings()),
    ("serve: {listen: 127.0.0.1:9640}", ServeSettings("127.0.0.1:9640")),
    ("serve: {listen: localhost:1}", ServeSettings("localhost:1")),
    ("serve: {listen: '[::1]:0'}", ServeSettings("[::1]:0")),
    ("serve: {token: '${env:NOBODY_SET_THIS}'}", ServeSettings(token="${env:NOBODY_SET_THIS}")),
    (
        "serve:\n  listen: 0.0.0.0:9640\n  token: ${file:token}\n  certificate: /a.pem\n  key: /k.pem",
        ServeSettings("0.0.0.0:9640", "${file:token}", "/a.pem", "/k.pem"),
    ),
    (
        "serve:\n  listen: hub.example:443\n  token: ${env:T}\n  insecure: true",
        ServeSettings("hub.example:443", "${env:T}", insecure=True),
    ),
]


@pytest.mark.parametrize(("text", "said"), CASES)
def test_what_can_be_said(tmp_path: Path, text: str, said: ServeSettings) -> None:
    assert load(write(tmp_path, text)).serve == said


def test_files_are_those_beside_the_configuration(tmp_path: Path) -> None:
    serve = load(write(tmp_path, "serve: {certificate: tls/hub.pem, key: tls/hub.key}")).serve
    assert (serve.certificate, serve.key) == (f"{tmp_path}/tls/hub.pem", f"{tmp_path}/tls/hub.key")


REFUSED: list[tuple[str, str, str]] = [
    ("[a]", "SYN-C07", "serve must be a mapping"),
    ("{listen: 9640}", "SYN-C07", "listen must be text"),
    ("{listen: 'localhost'}", "SYN-C09", "no place to listen"),
    ("{listen: '127.0.0.1:65536'}", "SYN-C09", "no place to listen"),
    ("{listen: '127.0.0.1.1:80'}", "SYN-C09", "no place to listen"),
    ("{listen: '300.0.0.1:80'}", "SYN-C09", "no place to listen"),
    ("{listen: '::1:80'}", "SYN-C09", "no place to listen"),
    ("{listen: '[::1::2]:80'}", "SYN-C09", "no place to listen"),
    ("{listen: 'http://localhost:80'}", "SYN-C09", "no place to listen"),
    (f"{{token: {TOKEN}}}", "SYN-C07", "token is not a reference"),
    (f"{{token: 'x${{env:A}}{TOKEN}'}}", "SYN-C07", "token is not a reference"),
    ("{insecure: 'true'}", "SYN-C07", "insecure must be true or false"),
    ("{insecure: 1}", "SYN-C07", "insecure must be true or false"),
    ("{certificate: a.pem}", "SYN-C06", "a certificate and no key"),
    ("{key: a.pem}", "SYN-C06", "a key and no certificate"),
    ("{listen: '0.0.0.0:80'}", "SYN-C06", "needs a token"),
    ("{listen: '0.0.0.0:80', insecure: true}", "SYN-C06", "needs a token"),
    ("{listen: '[::]:80', certificate: a, key: b}", "SYN-C06", "needs a token"),
    ("{listen: '[::ffff:127.0.0.1]:80'}", "SYN-C06", "needs a token"),
    ("{listen: 'hub.example:80', token: '${env:A}'}", "SYN-C06", "needs TLS"),
    ("{lisen: 'localhost:80'}", "SYN-C05", "unknown key"),
]


@pytest.mark.parametrize(("text", "code", "what"), REFUSED)
def test_what_is_refused_with_its_line(tmp_path: Path, text: str, code: str, what: str) -> None:
    (problem,) = draft(write(tmp_path, f"serve: {text}")).problems
    assert (problem.code, problem.line) == (code, 4)
    assert what in problem.what
    assert problem.hint
    assert TOKEN not in str(problem.as_json())


@pytest.mark.parametrize("text", [f"{{token: {TOKEN}, {TOKEN}: 1}}", f"{{{TOKEN}: 1, token: {TOKEN}}}"])
def test_a_token_that_stands_there_itself_is_hidden_from_then_on(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, f"serve: {text}"))
    assert len(caught.value.problems) == 2
    assert TOKEN not in "".join(problem.text() for problem in caught.value.problems)


def test_a_place_is_loopback_only_where_no_other_machine_can_come() -> None:
    assert place_of("[0:0::1]:80") == Place("::1", 80)
    near = [place for text in ("127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "LocalHost:1") if (place := place_of(text))]
    far = [place for text in ("0.0.0.0:1", "10.0.0.1:1", "[::]:1", "localhost.example:1") if (place := place_of(text))]
    assert [place.is_loopback for place in near] == [True] * 4
    assert [place.is_loopback for place in far] == [False] * 4


def space(folder: Path, **serve: str | bool) -> Space:
    return Space("crm", "", {}, {}, serve=ServeSettings(**serve), path=str(folder / "crm.yaml"))  # type: ignore[arg-type]


def test_nothing_is_served_unless_somebody_says_so_and_the_option_wins(tmp_path: Path) -> None:
    assert served(space(tmp_path), None) is None
    said = served(space(tmp_path, listen="127.0.0.1:1"), None)
    assert said == (Place("127.0.0.1", 1), "", "", "")
    said = served(space(tmp_path, listen="127.0.0.1:1"), "localhost:2")
    assert said is not None
    assert said.place == Place("localhost", 2)


def test_the_option_needs_what_the_configuration_would_need(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs a token"):
        served(space(tmp_path, listen="127.0.0.1:1"), "0.0.0.0:1")
    with pytest.raises(UsageError, match="needs TLS"):
        served(space(tmp_path, token="${env:T}"), "0.0.0.0:1", {"T": TOKEN})
    with pytest.raises(UsageError, match="no place to listen"):
        served(space(tmp_path), "9640")


def test_the_token_is_looked_up_where_it_is_kept(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    for reference in ("${env:T}", "${file:token}"):
        said = served(space(tmp_path, listen="127.0.0.1:1", token=reference), None, {"T": TOKEN})
        assert said is not None
        assert said.token == TOKEN


@pytest.mark.parametrize(
    ("token", "what"),
    [
        (TOKEN[:-1], "not usable"),
        (TOKEN + " x", "not usable"),
        (TOKEN + "é", "not usable"),
        ("x" * 1025, "not usable"),
        (None, "looked up"),
    ],
)
def test_a_token_that_could_be_guessed_or_is_not_there_is_refused(tmp_path: Path, token: str | None, what: str) -> None:
    environ = {} if token is None else {"T": token}
    with pytest.raises(UsageError, match=what) as caught:
        served(space(tmp_path, listen="127.0.0.1:1", token="${env:T}"), None, environ)
    assert token is None or token not in str(caught.value.as_json())
