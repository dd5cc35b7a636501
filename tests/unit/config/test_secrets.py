"""X11: a secret in an address never comes out of the configuration, on no error path."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.config.load import draft
from syncline.config.secrets import redact, remember_url, scrub, show
from syncline.model.errors import ConfigError
from syncline.model.secret import HIDDEN

CANARY = "CaNaRy-93x"

BROKEN = (
    "peers: {{hq: {url}}}",
    "peers: {{hq: '{url}', hq: '{url}'}}",
    "peers: ['{url}']",
    "peers: '{url}'",
    "'{url}': 1",
    "space: '{url}'",
    "log: '{url}'",
    "space: crm\npeers: {{hq: '{url}', van: 'x{url}', car: '{url}?create=maybe'}}",
    "space: crm\npeers: {{'{url}': hq}}",
    "collections: {{'{url}': {{key: '{url}', at: {{'{url}': x}}, deletes: '{url}', authority: '{url}', '{url}': 1}}}}",
    "collections: {{c: {{merge: {{a: '{url}', b: {{'{url}': 1}}, c: {{prefer: ['{url}']}}}}}}}}",
    "collections: {{c: {{direction: {{'{url}': '{url}'}}}}}}",
    "collections: {{c: '{url}'}}",
    "settings: {{batch_rows: '{url}', '{url}': 5}}",
    'peers: {{hq: "{url}}}',
    "peers:\n\thq: {url}",
    "peers: {{hq: !{url} x, van: *{url}}}",
    "peers: {{hq: {url}: {url}}}",
    "'${{env:{url}}}': '${{file:{url}}}'\nlog: '${{env:{url}}}'\npeers: {{hq: '${{file:/{url}}}'}}",
)
URLS = (
    f"postgresql://sync:{CANARY}@hq/crm",
    f"nosuch://sync:{CANARY}@hq/crm",
    f"sqlite://sync:{CANARY}@hq/crm.db",
    f"sqlite:///hq.db?key={CANARY}",
    f"nats://h:4222?token={CANARY}",
    f"mysql://sync:a b{CANARY}@hq/crm",
    f"redis://:{CANARY}@h/0",
)


def told(path: Path, environ: dict[str, str]) -> str:
    """Everything that loading a bad file says, in every form."""
    result = draft(path, environ=environ)
    with pytest.raises(ConfigError) as caught:
        result.refuse()
    error = caught.value
    forms = [str(error), repr(error), str(error.as_json())]
    for problem in error.problems:
        forms += [str(problem), repr(problem), problem.text(), str(problem.as_json()), str(problem.args[1:])]
    return "\n".join(forms)


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("text", BROKEN)
def test_x11_no_problem_shows_a_secret(tmp_path: Path, text: str, url: str) -> None:
    path = tmp_path / "crm.yaml"
    path.write_text(text.format(url=url))
    assert CANARY not in told(path, {})


@pytest.mark.parametrize("address", ["x://u:${env:PW}@h", "sqlite:///${env:PW}", "sqlite:///x?${env:PW}=1", "${env:PW}"])
def test_x11_a_resolved_secret_is_hidden_too(tmp_path: Path, address: str) -> None:
    path = tmp_path / "crm.yaml"
    path.write_text(f"space: crm\npeers: {{hq: '{address}', van: sqlite:///van.db}}\n")
    assert CANARY not in told(path, {"PW": CANARY})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://sync:pw@hq/crm", "postgresql://***@hq/crm"),
        ("postgresql://sync@hq/crm", "postgresql://***@hq/crm"),
        ("could not reach mysql://a:b@h:3306/x?ssl=1 now", "could not reach mysql://***@h:3306/x?ssl=1 now"),
        ("amqp://u:p@ss@h", "amqp://***@h"),
        ("http://h/?a=1&api_key=K&b=2", "http://h/?a=1&api_key=***&b=2"),
        ("http://h/?password=p", "http://h/?password=***"),
        ("sqlite:////srv/a@b.db", "sqlite:////srv/a@b.db"),
        ("nothing to hide: me@example.org", "nothing to hide: me@example.org"),
    ],
)
def test_addresses_are_shown_without_their_secrets(text: str, expected: str) -> None:
    assert redact(text) == expected


def test_a_known_secret_is_hidden_wherever_it_turns_up() -> None:
    remember_url("postgresql://sync:tr%40p-door@hq/crm")
    assert scrub("login failed for tr@p-door (tr%40p-door)") == f"login failed for {HIDDEN} ({HIDDEN})"


WORDS = ("postgres", "sync", "peer", "crm", "a", "3306", "server", "Fix")


@pytest.mark.parametrize("word", WORDS)
def test_a_password_that_is_a_word_leaves_the_words_of_messages_alone(word: str) -> None:
    remember_url(f"postgresql://{word}:{word}@hq:3306/{word}")
    message = f"SYN-P02: the server of peer a (database hq:3306/{word}, crm): {word} failed. Fix: syncline check; postgres 3306"
    assert scrub(message) == message


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(
    "text",
    [
        "x://u:{}@h/db", "conninfo user=u password={} host=h", "{{'password': '{}', 'user': 'u'}}", "PGPASSWORD={}",
        "sslpassword = '{}'", '"api_key": "{}"', "u:{}@h", "ALTER ROLE u PASSWORD '{}'", "USER u IDENTIFIED BY '{}'",
    ],
)  # fmt: skip
def test_x11_a_password_that_is_a_word_is_hidden_where_secrets_stand(word: str, text: str) -> None:
    remember_url(f"postgresql://u:{word}@h/db")
    assert scrub(text.format(word)) == redact(text.format(HIDDEN))
    assert HIDDEN in scrub(text.format(word))


def test_x11_a_password_of_blanks_and_words_is_hidden_in_its_address() -> None:
    remember_url("mysql://sync:a b@hq/crm")
    assert scrub("no answer from mysql://sync:a b@hq/crm, a b") == "no answer from mysql://***@hq/crm, a b"


def test_a_secret_of_some_length_is_hidden_as_a_word_and_a_long_one_anywhere() -> None:
    remember_url("x://u:pass-1@h")
    remember_url("x://u:pass-1-word@h")
    assert scrub("pass-1, pass-12, 'pass-1' xpass-1-wordx") == "***, pass-12, '***' x***x"


def test_x11_a_secret_after_an_escaped_control_character_is_no_part_of_a_longer_word() -> None:
    remember_url("x://u:tab_9x@h")
    assert scrub(repr("line\ntab_9x, a\ttab_9x, tab_9xs")) == r"'line\n***, a\t***, tab_9xs'"


@given(
    st.text(),
    st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=4).filter(lambda word: "@" not in word),
)
def test_x11_no_password_survives_scrubbing(rest: str, password: str) -> None:
    marked = f"§{password}§"
    remember_url(f"db://user:{marked}@host/{rest}")
    assert marked not in scrub(f"{rest} {marked} db://user:{marked}@host/{rest}")


def test_long_and_strange_text_is_shown_on_one_short_line() -> None:
    shown = show("a\nb\x1b[31m" + "x" * 500)
    assert len(shown) < 120
    assert "\n" not in shown
    assert "\x1b" not in shown
